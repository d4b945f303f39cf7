/* SPDX-License-Identifier: MIT */
/*
 * What an architecture gives to the rest. Each function is in vmm/arch/<arch>/; nothing
 * outside of it knows which one is built.
 */
#ifndef S2VMM_ARCH_H
#define S2VMM_ARCH_H

#include "vmm/vm.h"

/* The e_machine of an ELF file for this architecture (System V ABI, gABI 4.1). */
extern const uint16_t arch_elf_machine;

/* Where RAM of this size lies: fills in up to GUEST_MEMORY_REGIONS_MAX ranges and returns
 * their number. ERROR_CONFIG_USAGE (and 0) when the size is not possible, with the limits. */
unsigned arch_ram_ranges(uint64_t memory_size, struct gpa_range *ranges,
                         struct error *error);

/* Capabilities, interrupt controller, and what must precede the first vCPU. */
bool arch_vm_init(struct vm *vm, struct error *error);

/* CPU model and registers of a fresh vCPU. */
bool arch_vcpu_init(struct vcpu *vcpu, struct error *error);

/* Only for vCPU 0: the state that the entry expects, described in firmware/<arch>/boot.c. */
bool arch_vcpu_set_entry(struct vcpu *vcpu, struct vm_entry entry, struct error *error);

/* An exit that only this architecture has (port I/O). False if it is not known. */
bool arch_vcpu_exit(struct vcpu *vcpu);

/* The bus that the serial port is on. */
struct bus *arch_serial_bus(struct vm *vm);

/* One line about where the vCPU is, for crash reports. */
void arch_vcpu_describe(const struct vcpu *vcpu, char *text, size_t size);

#endif

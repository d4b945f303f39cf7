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

/* Completes "no /dev/kvm: ...", for a person who has no usable KVM. */
extern const char *const arch_kvm_advice;

/* Completes "the host page behind a memslot cannot be faulted in ...": what is known to make
 * KVM_RUN fail with EFAULT. */
extern const char *const arch_fault_causes;

/* What to ask of KVM_CREATE_VM: *type is its argument, *address_bits the width of the guest
 * physical addresses that the VM has then. ERROR_HOST_KVM. */
bool arch_vm_type(const struct kvm *kvm, unsigned long *type, unsigned *address_bits,
                  struct error *error);

/* Where RAM of this size lies: fills in up to GUEST_MEMORY_REGIONS_MAX ranges and returns
 * their number. ERROR_CONFIG_USAGE (and 0) when the size is not possible, with the limits. */
unsigned arch_ram_ranges(uint64_t memory_size, struct gpa_range *ranges,
                         struct error *error);

/* Capabilities, interrupt controller, and what must precede the first vCPU. */
bool arch_vm_init(struct vm *vm, struct error *error);

/* Frees what arch_vm_init() made; also after it failed, or was not called. */
void arch_vm_finish(struct vm *vm);

/* x86: has KVM honour the guest's PAT from now on. ERROR_CONFIG_HOST where it cannot. */
bool arch_vm_honour_guest_pat(struct vm *vm, struct error *error);

/* x86: whether the guest's MTRRs are WB over the range; true elsewhere. Any thread. */
bool arch_vm_guest_mtrr_is_wb(const struct vm *vm, struct gpa_range range);

/* After the last vCPU: what an interrupt controller can only be told then. */
bool arch_vm_ready(struct vm *vm, struct error *error);

/* CPU model and registers of a fresh vCPU. */
bool arch_vcpu_init(struct vcpu *vcpu, struct error *error);

/* Only for vCPU 0: the state that the entry expects, described in firmware/<arch>/boot.c. */
bool arch_vcpu_set_entry(struct vcpu *vcpu, struct vm_entry entry, struct error *error);

/* An exit that only this architecture has (port I/O, PSCI). False if it is not known. */
bool arch_vcpu_exit(struct vcpu *vcpu);

/* Only x86: KVM_RUN has ended with KVM_INTERNAL_ERROR_DELIVERY_EV, and no event is being
 * delivered: see vmm/arch/x86/registers.c. */
bool arch_vcpu_delivers_nothing(const struct vcpu *vcpu);

/* An errno of KVM_RUN that means something special here. False if it does not. */
bool arch_vcpu_run_failed(struct vcpu *vcpu, int number);

/* Only arm64: the affinity fields of vCPU `index`'s MPIDR_EL1, by which PSCI and the device
 * tree name it. */
uint64_t arch_vcpu_mpidr(unsigned index);

/* The bus that the serial port is on. */
struct bus *arch_serial_bus(struct vm *vm);

/* One line about where the vCPU is, for crash reports. */
void arch_vcpu_describe(const struct vcpu *vcpu, char *text, size_t size);

#endif

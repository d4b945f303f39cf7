/* SPDX-License-Identifier: MIT */
/* The state of the interrupt controller, for vmm/arch/arm64/state.c. */
#ifndef S2VMM_ARCH_ARM64_GIC_STATE_H
#define S2VMM_ARCH_ARM64_GIC_STATE_H

#include "vmm/state.h"
#include "vmm/vm.h"

/* Also writes what LPIs are pending, and the tables of the ITS, into guest RAM, where the guest has
 * given the GIC room for them. ERROR_HOST_KVM. */
bool gic_save(const struct vm *vm, struct state_writer *writer, struct error *error);

/* After the vCPUs, before the first of them runs. ERROR_CONFIG_FILE, ERROR_HOST_KVM. */
bool gic_load(const struct vm *vm, struct state_reader *reader, struct error *error);

#endif

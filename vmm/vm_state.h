/* SPDX-License-Identifier: MIT */
/*
 * The state of a VM, saved, and loaded into a new VM over the same RAM, in the same kernel but
 * perhaps in another process. What is in it, and what is not: docs/live-update.md.
 *
 *   old VM   vCPUs stopped (vcpu.h: their last exits are finished) --> vm_state_save()
 *   new VM   vm_init() with the same configuration, the same RAM under it --> vm_state_load()
 *            --> devices --> vCPUs run
 *
 * Saving changes nothing that the old VM would notice: it can go on when nobody takes over.
 * Devices have to be quiet at both ends: what interrupts between saving and loading has to be
 * raised again, as an eventfd that is kept does by itself.
 */
#ifndef S2VMM_VM_STATE_H
#define S2VMM_VM_STATE_H

#include "vmm/irq_routes.h"
#include "vmm/state.h"
#include "vmm/vm.h"

/* Appends the VM's sections. ERROR_HOST_KVM; ERROR_HOST_MEMORY comes with state_complete(). */
bool vm_state_save(const struct vm *vm, struct state_writer *writer, struct error *error);

/* Into a VM whose vCPUs have never run. ERROR_CONFIG_FILE or ERROR_HOST_KVM: the VM is then good
 * for vm_finish() only. */
bool vm_state_load(struct vm *vm, struct state_reader *reader, struct error *error);

/* Where message-signalled interrupts go. Loading: after irq_routes_add() for as many GSIs as were
 * saved, in the same order. ERROR_CONFIG_FILE, ERROR_HOST_KVM. */
void irq_routes_save(struct irq_routes *routes, struct state_writer *writer);
bool irq_routes_load(struct irq_routes *routes, struct state_reader *reader,
                     struct error *error);

/* --- vmm/arch/<arch>/ --- */

bool arch_vcpu_save(const struct vcpu *vcpu, struct state_writer *writer,
                    struct error *error);
bool arch_vcpu_load(struct vcpu *vcpu, struct state_reader *reader, struct error *error);

/* What all vCPUs share: saved and loaded after them. */
bool arch_vm_save(const struct vm *vm, struct state_writer *writer, struct error *error);
bool arch_vm_load(struct vm *vm, struct state_reader *reader, struct error *error);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * A vCPU's thread: KVM_RUN in a loop, and what to do at each exit.
 *
 *      start               KVM_RUN <------------------+
 *        +--> stopping? --no--> | exit                |
 *                 ^ yes         +-- MMIO, port I/O ---+--> the bus, then again
 *                 |             +-- EINTR, EAGAIN ----+
 *                 |             +-- crash, host error: vm_end_with(), then stop
 *        finish a half-done exit, leave
 *
 * Stopping has no race: whoever stops sets vm->stopping, then the vCPU's immediate_exit,
 * then sends the kick signal. A vCPU that has not looked at `stopping` yet sees it; one
 * that is on its way into KVM_RUN is turned back by immediate_exit; one inside of the
 * guest is thrown out by the signal, which KVM also looks for with interrupts off right
 * before each entry (Documentation/virt/kvm/api.rst, struct kvm_run, immediate_exit). So
 * a single kick is enough, even for a guest that spins.
 */
#ifndef S2VMM_VCPU_H
#define S2VMM_VCPU_H

#include "vmm/vm.h"

/* Starts the thread. ERROR_HOST_SYSTEM. */
bool vcpu_start(struct vcpu *vcpu, struct error *error);

/* Ends the VM: "vCPU 0: <what>; <registers>". On the vCPU's own thread. */
void vcpu_end(struct vcpu *vcpu, enum vm_end how, enum error_code code,
              const char *format, ...) __attribute__((format(printf, 4, 5)));

/* With vm->stopping set: makes the thread leave KVM_RUN, and waits for its end. Nothing
 * if it does not run. */
void vcpu_kick(struct vcpu *vcpu);
void vcpu_join(struct vcpu *vcpu);

#endif

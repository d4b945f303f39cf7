/* SPDX-License-Identifier: MIT */
/*
 * What devices ask of KVM for events, in both directions: interrupts to the guest, and
 * notifications from it. Behind function pointers, so that tests run without /dev/kvm.
 */
#ifndef S2VMM_KVM_EVENTS_H
#define S2VMM_KVM_EVENTS_H

#include <linux/kvm.h>

#include "vmm/error.h"
#include "vmm/types.h"

struct vm;

struct kvm_events {
    void *context; /* handed to the functions */

    /* The whole table of routes, from GSIs to pins and messages (KVM_SET_GSI_ROUTING). */
    bool (*set_routing)(void *context, const struct kvm_irq_routing *table,
                        struct error *error);
    /* From now on, each write to the eventfd is an edge of the GSI (KVM_IRQFD). */
    bool (*attach)(void *context, uint32_t gsi, int event_fd, struct error *error);
    /* The opposite; what was written before has arrived (KVM_IRQFD_FLAG_DEASSIGN). */
    bool (*detach)(void *context, uint32_t gsi, int event_fd, struct error *error);
    /* The level of an interrupt pin (KVM_IRQ_LINE); irq as in vmm/layout.h. */
    bool (*set_line)(void *context, uint32_t irq, bool level, struct error *error);
    /* Guest writes of `size` bytes to the address go to the eventfd, or (on: false) no more
     * (KVM_IOEVENTFD). */
    bool (*set_doorbell)(void *context, uint64_t address, uint32_t size, int event_fd,
                         bool on, struct error *error);
};

/* Those of a real VM, which has to outlive it. Errors of the functions: ERROR_HOST_KVM. */
struct kvm_events kvm_events_of(struct vm *vm);

#endif

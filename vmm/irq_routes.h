/* SPDX-License-Identifier: MIT */
/*
 * Message-signalled interrupts of devices: GSIs, and what KVM sends for each.
 *
 *   device -> eventfd -> irqfd -> GSI -> route -> message (address, data) -> vCPU
 *
 * A GSI is KVM's number for an interrupt. The first ones are pins: of the PICs and the I/O
 * APIC on x86, SPIs on arm64. KVM knows only one table of all routes, so the pins have to
 * be in it again whenever a message changes (Documentation/virt/kvm/api.rst,
 * KVM_SET_GSI_ROUTING). To set it waits for the vCPUs; it is done only when a message differs.
 */
#ifndef S2VMM_IRQ_ROUTES_H
#define S2VMM_IRQ_ROUTES_H

#include <pthread.h>

#include "vmm/kvm_events.h"

/* GSIs that carry messages, for all devices together. */
#define IRQ_ROUTES_MAX 128

struct irq_message {
    uint64_t address;
    uint32_t data;
    uint32_t device; /* who sends it: the PCI requester ID. For the ITS; nothing on x86 */
};

struct irq_routes {
    const struct kvm_events *events;
    pthread_mutex_t lock; /* what follows */
    unsigned count;
    int event_fds[IRQ_ROUTES_MAX]; /* the devices'; -1: not through us */
    bool routed[IRQ_ROUTES_MAX];
    struct irq_message messages[IRQ_ROUTES_MAX];
    struct kvm_irq_routing *table; /* room for all */
};

/* After vm_init(), before devices that use it; `events` is kept. ERROR_HOST_MEMORY. */
bool irq_routes_init(struct irq_routes *routes, const struct kvm_events *events,
                     struct error *error);

/* A zeroed object is fine. */
void irq_routes_finish(struct irq_routes *routes);

/* A new GSI for this eventfd; it goes nowhere yet. -1: its irqfd is the caller's matter.
 * ERROR_HOST_KVM, ERROR_CONFIG_USAGE when all are in use. */
bool irq_routes_add(struct irq_routes *routes, int event_fd, uint32_t *gsi,
                    struct error *error);

/* What the GSI sends from now on. Any thread. ERROR_HOST_KVM: KVM does not take the message. */
bool irq_routes_set(struct irq_routes *routes, uint32_t gsi, struct irq_message message,
                    struct error *error);

/* For a live update: takes all eventfds from KVM, which has then passed on what was written to
 * them before; what is written from now on stays in them. ERROR_HOST_KVM: as if it had not been
 * called. */
bool irq_routes_pause(struct irq_routes *routes, struct error *error);
/* Gives them back; KVM raises those that were written, and may leave the count in them until the
 * next write (virt/kvm/eventfd.c, kvm_irqfd_assign: read). ERROR_HOST_KVM: some devices have no
 * interrupts. */
bool irq_routes_resume(struct irq_routes *routes, struct error *error);

/* --- vmm/arch/<arch>/irq_pins.c --- */

/* How many GSIs are pins: the first GSI of messages. */
unsigned arch_irq_pin_count(void);
#define ARCH_IRQ_PIN_ROUTES_MAX 128
/* The routes of the pins, as KVM has them by itself; returns their number. */
unsigned arch_irq_pin_routes(struct kvm_irq_routing_entry *entries);
/* Completes the entry of a message. */
void arch_irq_message_route(struct kvm_irq_routing_entry *entry, uint32_t device);
/* The number of a pin in KVM_IRQ_LINE. */
uint32_t arch_irq_line(uint32_t irq);

#endif

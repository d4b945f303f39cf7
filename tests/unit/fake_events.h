/* SPDX-License-Identifier: MIT */
/* KVM's side of interrupts and notifications, for tests: what it was told, and no more. */
#ifndef S2VMM_TESTS_UNIT_FAKE_EVENTS_H
#define S2VMM_TESTS_UNIT_FAKE_EVENTS_H

#include "vmm/irq_routes.h"

#define FAKE_DOORBELLS_MAX 16
#define FAKE_MESSAGES_MAX  32

struct fake_events {
    struct kvm_events events;
    bool fail; /* every function from now on */

    unsigned routings;      /* how often the table was set */
    unsigned pin_routes;    /* of the last table */
    unsigned message_count; /* of the last table, and the messages */
    struct kvm_irq_routing_entry messages[FAKE_MESSAGES_MAX];

    unsigned attached;
    unsigned line_changes;
    uint32_t line;
    bool level;

    unsigned doorbell_count;
    struct {
        uint64_t address;
        uint32_t size;
        int fd;
    } doorbells[FAKE_DOORBELLS_MAX];
};

void fake_events_init(struct fake_events *fake);

/* The route of a GSI; NULL: it has none. */
const struct kvm_irq_routing_entry *fake_events_route(const struct fake_events *fake,
                                                      uint32_t gsi);
/* The eventfd of a doorbell; -1: there is none at the address. */
int fake_events_doorbell(const struct fake_events *fake, uint64_t address);

#endif

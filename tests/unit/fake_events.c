/* SPDX-License-Identifier: MIT */
#include "tests/unit/fake_events.h"

#include <string.h>

static bool outcome(const struct fake_events *fake, struct error *error)
{
    return !fake->fail || error_set(error, ERROR_HOST_KVM, "the fake fails");
}

static bool set_routing(void *context, const struct kvm_irq_routing *table,
                        struct error *error)
{
    struct fake_events *fake = context;
    if (!outcome(fake, error))
        return false;
    fake->routings++;
    fake->pin_routes = 0;
    fake->message_count = 0;
    for (uint32_t i = 0; i < table->nr; i++) {
        if (table->entries[i].type == KVM_IRQ_ROUTING_IRQCHIP)
            fake->pin_routes++;
        else if (fake->message_count < FAKE_MESSAGES_MAX)
            fake->messages[fake->message_count++] = table->entries[i];
    }
    return true;
}

static bool attach(void *context, uint32_t gsi, int event_fd, struct error *error)
{
    struct fake_events *fake = context;
    (void)gsi;
    (void)event_fd;
    fake->attached++;
    return outcome(fake, error);
}

static bool detach(void *context, uint32_t gsi, int event_fd, struct error *error)
{
    struct fake_events *fake = context;
    (void)gsi;
    (void)event_fd;
    if (!outcome(fake, error))
        return false;
    BUG_ON(fake->attached == 0);
    fake->attached--;
    return true;
}

static bool set_line(void *context, uint32_t irq, bool level, struct error *error)
{
    struct fake_events *fake = context;
    if (!outcome(fake, error))
        return false;
    fake->line_changes++;
    fake->line = irq;
    fake->level = level;
    return true;
}

/* As KVM does: one at an address at most, and none is removed that is not there. */
static bool set_doorbell(void *context, uint64_t address, uint32_t size, int event_fd,
                         bool on, struct error *error)
{
    struct fake_events *fake = context;
    unsigned i = 0;
    while (i < fake->doorbell_count && fake->doorbells[i].address != address)
        i++;
    bool is_there = i < fake->doorbell_count;
    if (!outcome(fake, error))
        return false;
    BUG_ON(on == is_there || fake->doorbell_count == FAKE_DOORBELLS_MAX);
    if (on) {
        fake->doorbells[i].address = address;
        fake->doorbells[i].size = size;
        fake->doorbells[i].fd = event_fd;
        fake->doorbell_count++;
        return true;
    }
    BUG_ON(fake->doorbells[i].fd != event_fd || fake->doorbells[i].size != size);
    fake->doorbells[i] = fake->doorbells[--fake->doorbell_count];
    return true;
}

void fake_events_init(struct fake_events *fake)
{
    memset(fake, 0, sizeof *fake);
    fake->events = (struct kvm_events){
        .context = fake,
        .set_routing = set_routing,
        .attach = attach,
        .detach = detach,
        .set_line = set_line,
        .set_doorbell = set_doorbell,
    };
}

const struct kvm_irq_routing_entry *fake_events_route(const struct fake_events *fake,
                                                      uint32_t gsi)
{
    for (unsigned i = 0; i < fake->message_count; i++)
        if (fake->messages[i].gsi == gsi)
            return &fake->messages[i];
    return NULL;
}

int fake_events_doorbell(const struct fake_events *fake, uint64_t address)
{
    for (unsigned i = 0; i < fake->doorbell_count; i++)
        if (fake->doorbells[i].address == address)
            return fake->doorbells[i].fd;
    return -1;
}

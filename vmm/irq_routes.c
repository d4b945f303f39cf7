/* SPDX-License-Identifier: MIT */
#include "vmm/irq_routes.h"

#include <stdlib.h>

bool irq_routes_init(struct irq_routes *routes, const struct kvm_events *events,
                     struct error *error)
{
    *routes = (struct irq_routes){.events = events};
    routes->table =
        calloc(1, sizeof *routes->table + (ARCH_IRQ_PIN_ROUTES_MAX + IRQ_ROUTES_MAX) *
                                              sizeof routes->table->entries[0]);
    if (routes->table == NULL)
        return error_set(error, ERROR_HOST_MEMORY, "no memory for interrupt routes");
    pthread_mutex_init(&routes->lock, NULL);
    return true;
}

void irq_routes_finish(struct irq_routes *routes)
{
    if (routes->table == NULL)
        return;
    pthread_mutex_destroy(&routes->lock);
    free(routes->table);
    *routes = (struct irq_routes){0};
}

/* An eventfd to KVM, or away from it. */
static bool attach(const struct irq_routes *routes, unsigned index, int event_fd, bool on,
                   struct error *error)
{
    const struct kvm_events *events = routes->events;
    return event_fd < 0 ||
           (on ? events->attach : events->detach)(
               events->context, arch_irq_pin_count() + index, event_fd, error);
}

bool irq_routes_add(struct irq_routes *routes, int event_fd, uint32_t *gsi,
                    struct error *error)
{
    pthread_mutex_lock(&routes->lock);
    bool ok = routes->count < IRQ_ROUTES_MAX;
    if (!ok)
        error_set(error, ERROR_CONFIG_USAGE,
                  "all %d message-signalled interrupts are in use: use fewer devices",
                  IRQ_ROUTES_MAX);
    else
        ok = attach(routes, routes->count, event_fd, true, error);
    if (ok) {
        *gsi = arch_irq_pin_count() + routes->count;
        routes->event_fds[routes->count++] = event_fd;
    }
    pthread_mutex_unlock(&routes->lock);
    return ok;
}

static bool tell_kvm(struct irq_routes *routes, struct error *error)
{
    struct kvm_irq_routing *table = routes->table;
    table->nr = arch_irq_pin_routes(table->entries);
    for (unsigned i = 0; i < routes->count; i++) {
        const struct irq_message *message = &routes->messages[i];
        if (!routes->routed[i])
            continue;
        struct kvm_irq_routing_entry *entry = &table->entries[table->nr++];
        *entry = (struct kvm_irq_routing_entry){
            .gsi = arch_irq_pin_count() + i,
            .type = KVM_IRQ_ROUTING_MSI,
            .u.msi = {.address_lo = (uint32_t)message->address,
                      .address_hi = (uint32_t)(message->address >> 32),
                      .data = message->data},
        };
        arch_irq_message_route(entry, message->device);
    }
    return routes->events->set_routing(routes->events->context, table, error);
}

static bool is_same(const struct irq_message *a, const struct irq_message *b)
{
    return a->address == b->address && a->data == b->data && a->device == b->device;
}

bool irq_routes_set(struct irq_routes *routes, uint32_t gsi, struct irq_message message,
                    struct error *error)
{
    unsigned index = gsi - arch_irq_pin_count();
    BUG_ON(gsi < arch_irq_pin_count() || index >= routes->count);
    bool ok = true;

    pthread_mutex_lock(&routes->lock);
    if (!routes->routed[index] || !is_same(&routes->messages[index], &message)) {
        const struct irq_message before = routes->messages[index];
        const bool was_routed = routes->routed[index];
        routes->messages[index] = message;
        routes->routed[index] = true;
        ok = tell_kvm(routes, error);
        if (!ok) { /* KVM still has the table from before */
            routes->messages[index] = before;
            routes->routed[index] = was_routed;
        }
    }
    pthread_mutex_unlock(&routes->lock);
    return ok;
}

/* --- live update --- */

static bool connect_all(struct irq_routes *routes, unsigned count, struct error *error)
{
    unsigned connected = 0;
    while (connected < count &&
           attach(routes, connected, routes->event_fds[connected], true, error))
        connected++;
    return connected == count;
}

bool irq_routes_pause(struct irq_routes *routes, struct error *error)
{
    struct error ignored; /* the first one counts */
    unsigned taken = 0;
    pthread_mutex_lock(&routes->lock);
    while (taken < routes->count &&
           attach(routes, taken, routes->event_fds[taken], false, error))
        taken++;
    bool ok = taken == routes->count;
    if (!ok)
        (void)connect_all(routes, taken, &ignored);
    pthread_mutex_unlock(&routes->lock);
    return ok;
}

bool irq_routes_resume(struct irq_routes *routes, struct error *error)
{
    pthread_mutex_lock(&routes->lock);
    bool ok = connect_all(routes, routes->count, error);
    pthread_mutex_unlock(&routes->lock);
    return ok;
}

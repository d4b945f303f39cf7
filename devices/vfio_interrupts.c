/* SPDX-License-Identifier: MIT */
#include "devices/vfio_interrupts.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static bool make_event(const struct vfio_device *device, int *fd, struct error *error)
{
    *fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return *fd >= 0 ||
           error_set(error, ERROR_HOST_SYSTEM, "%s: eventfd: %s; see ulimit -n",
                     device->address, strerror(errno));
}

static bool connect_vector(struct vfio_interrupts *interrupts, struct vfio_vector *vector,
                           bool on, struct error *error)
{
    const struct vfio_irqfds *irqfds = interrupts->irqfds;
    if (vector->connected == on)
        return true;
    if (!irqfds->connect(irqfds->context, vector->gsi, vector->event_fd, -1, on, error))
        return false;
    vector->connected = on;
    return true;
}

/* --- life --- */

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Routes come with an irqfd, which a masked vector has not. */
static bool add_vectors(struct vfio_interrupts *interrupts, unsigned count,
                        struct error *error)
{
    while (interrupts->vector_count < count) {
        struct vfio_vector *vector = &interrupts->vectors[interrupts->vector_count];
        if (!make_event(interrupts->device, &vector->event_fd, error))
            return false;
        interrupts->vector_count++;
        if (!irq_routes_add(interrupts->routes, vector->event_fd, &vector->gsi, error))
            return error_wrap(error, "%s", interrupts->device->address);
        vector->connected = true;
        if (!connect_vector(interrupts, vector, false, error))
            return false;
    }
    return true;
}

bool vfio_interrupts_init(struct vfio_interrupts *interrupts,
                          const struct vfio_device *device,
                          const struct vfio_interrupts_config *config,
                          struct error *error)
{
    *interrupts = (struct vfio_interrupts){
        .device = device,
        .irqfds = config->irqfds,
        .routes = config->routes,
        .trace = config->trace,
        .requester = config->requester,
        .pin_fd = -1,
        .unmask_fd = -1,
    };
    if (vfio_device_irq_count(device, VFIO_PCI_INTX_IRQ_INDEX) > 0)
        interrupts->pin = config->pin;
    if (config->routes != NULL) {
        interrupts->msi_count = least(
            vfio_device_irq_count(device, VFIO_PCI_MSI_IRQ_INDEX), VFIO_VECTORS_MAX);
        interrupts->msix_count = least(
            vfio_device_irq_count(device, VFIO_PCI_MSIX_IRQ_INDEX), VFIO_VECTORS_MAX);
    }
    unsigned count = interrupts->msi_count > interrupts->msix_count
                         ? interrupts->msi_count
                         : interrupts->msix_count;
    if (make_event(device, &interrupts->pin_fd, error) &&
        make_event(device, &interrupts->unmask_fd, error) &&
        add_vectors(interrupts, count, error))
        return true;
    vfio_interrupts_finish(interrupts);
    return false;
}

void vfio_interrupts_finish(struct vfio_interrupts *interrupts)
{
    if (interrupts->device == NULL)
        return;
    vfio_interrupts_apply(interrupts, VFIO_NO_INTERRUPT, 0, NULL);
    for (unsigned i = 0; i < interrupts->vector_count; i++)
        close(interrupts->vectors[i].event_fd);
    if (interrupts->pin_fd >= 0)
        close(interrupts->pin_fd);
    if (interrupts->unmask_fd >= 0)
        close(interrupts->unmask_fd);
    *interrupts = (struct vfio_interrupts){0};
}

/* --- switching --- */

static void warn(struct vfio_interrupts *interrupts, const struct error *error)
{
    if (!interrupts->warned)
        trace_warning(interrupts->trace, "vfio", "%s: its interrupts do not come: %s",
                      interrupts->device->address, error->text);
    interrupts->warned = true;
}

static unsigned index_of(enum vfio_interrupt_kind kind)
{
    switch (kind) {
    case VFIO_MSI:
        return VFIO_PCI_MSI_IRQ_INDEX;
    case VFIO_MSIX:
        return VFIO_PCI_MSIX_IRQ_INDEX;
    case VFIO_NO_INTERRUPT:
    case VFIO_PIN:
        break;
    }
    return VFIO_PCI_INTX_IRQ_INDEX;
}

static void drain(int fd)
{
    eventfd_t value;
    (void)eventfd_read(fd, &value);
}

static void switch_off(struct vfio_interrupts *interrupts)
{
    const struct vfio_irqfds *irqfds = interrupts->irqfds;
    struct error error;
    if (interrupts->kind == VFIO_NO_INTERRUPT)
        return;
    bool good = vfio_device_set_irqs(interrupts->device, index_of(interrupts->kind), 0,
                                     NULL, &error);
    if (interrupts->kind == VFIO_PIN) /* KVM lowers the pin with the last such irqfd */
        good &= irqfds->connect(irqfds->context, interrupts->pin, interrupts->pin_fd,
                                interrupts->unmask_fd, false, &error);
    for (unsigned i = 0; i < interrupts->active; i++) {
        good &= connect_vector(interrupts, &interrupts->vectors[i], false, &error);
        drain(interrupts->vectors[i].event_fd);
    }
    drain(interrupts->pin_fd);
    if (!good)
        warn(interrupts, &error);
    interrupts->kind = VFIO_NO_INTERRUPT;
    interrupts->active = 0;
}

static bool switch_on(struct vfio_interrupts *interrupts, enum vfio_interrupt_kind kind,
                      unsigned count, struct error *error)
{
    const struct vfio_irqfds *irqfds = interrupts->irqfds;
    const struct vfio_device *device = interrupts->device;
    int fds[VFIO_VECTORS_MAX];
    interrupts->kind = kind;
    interrupts->active = 0;
    if (kind == VFIO_PIN)
        return irqfds->connect(irqfds->context, interrupts->pin, interrupts->pin_fd,
                               interrupts->unmask_fd, true, error) &&
               vfio_device_set_irqs(device, VFIO_PCI_INTX_IRQ_INDEX, 1,
                                    &interrupts->pin_fd, error) &&
               vfio_device_set_unmask(device, interrupts->unmask_fd, error);
    for (unsigned i = 0; i < count; i++)
        fds[i] = interrupts->vectors[i].event_fd;
    interrupts->active = count;
    return vfio_device_set_irqs(device, index_of(kind), count, fds, error);
}

static bool apply_message(struct vfio_interrupts *interrupts, struct vfio_vector *vector,
                          const struct vfio_message *message, struct error *error)
{
    const struct irq_message routed = {
        .address = message->address,
        .data = message->data,
        .device = interrupts->requester,
    };
    return (message->masked ||
            irq_routes_set(interrupts->routes, vector->gsi, routed, error)) &&
           connect_vector(interrupts, vector, !message->masked, error);
}

/* Whether the device, and this machine, have so many of the kind. */
static bool is_possible(const struct vfio_interrupts *interrupts,
                        enum vfio_interrupt_kind kind, unsigned count)
{
    switch (kind) {
    case VFIO_NO_INTERRUPT:
        break;
    case VFIO_PIN:
        return interrupts->pin != 0;
    case VFIO_MSI:
        return count > 0 && count <= interrupts->msi_count;
    case VFIO_MSIX:
        return count > 0 && count <= interrupts->msix_count;
    }
    return false;
}

void vfio_interrupts_apply(struct vfio_interrupts *interrupts,
                           enum vfio_interrupt_kind kind, unsigned count,
                           const struct vfio_message *messages)
{
    struct error error;
    bool is_message = kind == VFIO_MSI || kind == VFIO_MSIX;
    bool changes =
        kind != interrupts->kind || (is_message && count != interrupts->active);
    if (changes)
        switch_off(interrupts);
    if (!is_possible(interrupts, kind, count))
        return;
    /* Routes first: nothing comes before its message is known. */
    for (unsigned i = 0; is_message && i < count; i++)
        if (!apply_message(interrupts, &interrupts->vectors[i], &messages[i], &error))
            warn(interrupts, &error);
    if (changes && !switch_on(interrupts, kind, count, &error)) {
        warn(interrupts, &error);
        switch_off(interrupts);
    }
}

uint32_t vfio_interrupts_pending(const struct vfio_interrupts *interrupts)
{
    uint32_t bits = 0;
    for (unsigned i = 0; i < interrupts->active; i++) {
        const struct vfio_vector *vector = &interrupts->vectors[i];
        struct pollfd poll_fd = {.fd = vector->event_fd, .events = POLLIN};
        if (!vector->connected && poll(&poll_fd, 1, 0) == 1)
            bits |= 1u << i;
    }
    return bits;
}

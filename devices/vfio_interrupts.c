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
    if (!irqfds->connect(irqfds->context, vector->gsi, vector->event_fd,
                         vector->unmask_fd, on, error))
        return false;
    vector->connected = on;
    return true;
}

/* Tries all of them. */
static bool disconnect(struct vfio_interrupts *interrupts, struct error *error)
{
    bool good = connect_vector(interrupts, &interrupts->pin, false, error);
    for (unsigned i = 0; i < interrupts->vector_count; i++)
        good &= connect_vector(interrupts, &interrupts->vectors[i], false, error);
    return good;
}

/* --- life --- */

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static int take(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}

/* The eventfds are those of another program, or none yet. */
static void set_fds(struct vfio_interrupts *interrupts, struct vfio_interrupts_kept *kept)
{
    interrupts->pin.event_fd = kept != NULL ? take(&kept->pin_fd) : -1;
    interrupts->pin.unmask_fd = kept != NULL ? take(&kept->unmask_fd) : -1;
    for (unsigned i = 0; i < VFIO_VECTORS_MAX; i++)
        interrupts->vectors[i] = (struct vfio_vector){
            .event_fd =
                kept != NULL && i < kept->vector_count ? take(&kept->event_fds[i]) : -1,
            .unmask_fd = -1,
        };
}

static bool make_events(struct vfio_interrupts *interrupts, struct error *error)
{
    const struct vfio_device *device = interrupts->device;
    struct vfio_vector *pin = &interrupts->pin;
    bool good = make_event(device, &pin->event_fd, error) &&
                make_event(device, &pin->unmask_fd, error);
    for (unsigned i = 0; good && i < interrupts->vector_count; i++)
        good = make_event(device, &interrupts->vectors[i].event_fd, error);
    return good;
}

/* The irqfd comes with the first message that is not masked. */
static bool add_routes(struct vfio_interrupts *interrupts, struct error *error)
{
    for (unsigned i = 0; i < interrupts->vector_count; i++)
        if (!irq_routes_add(interrupts->routes, -1, &interrupts->vectors[i].gsi, error))
            return error_wrap(error, "%s", interrupts->device->address);
    return true;
}

/* Whether the device, and this machine, have so many of the kind. */
static bool is_possible(const struct vfio_interrupts *interrupts,
                        enum vfio_interrupt_kind kind, unsigned count)
{
    switch (kind) {
    case VFIO_NO_INTERRUPT:
        break;
    case VFIO_PIN:
        return interrupts->pin.gsi != 0;
    case VFIO_MSI:
        return count > 0 && count <= interrupts->msi_count;
    case VFIO_MSIX:
        return count > 0 && count <= interrupts->msix_count;
    }
    return false;
}

/* What another program has left is what it is said to be, as far as can be seen. */
static bool take_over(struct vfio_interrupts *interrupts,
                      const struct vfio_interrupts_kept *kept, struct error *error)
{
    bool is_off = kept->kind == VFIO_NO_INTERRUPT && kept->active == 0;
    bool good = kept->vector_count == interrupts->vector_count &&
                interrupts->pin.event_fd >= 0 && interrupts->pin.unmask_fd >= 0 &&
                (is_off || is_possible(interrupts, kept->kind, kept->active)) &&
                (kept->kind != VFIO_PIN || kept->active == 0);
    for (unsigned i = 0; i < interrupts->vector_count; i++)
        good = good && interrupts->vectors[i].event_fd >= 0;
    interrupts->kind = kept->kind;
    interrupts->active = kept->active;
    return good || error_set(error, ERROR_CONFIG_FILE,
                             "%s: the state's interrupts, kind %u, %u of %u on, are not "
                             "this device's, which has %u and %s",
                             interrupts->device->address, kept->kind, kept->active,
                             kept->vector_count, interrupts->vector_count,
                             interrupts->pin.gsi ? "a pin" : "no pin");
}

bool vfio_interrupts_init(struct vfio_interrupts *interrupts,
                          const struct vfio_device *device,
                          const struct vfio_interrupts_config *config,
                          struct error *error)
{
    struct vfio_interrupts_kept *kept = config->kept;
    *interrupts = (struct vfio_interrupts){
        .device = device,
        .irqfds = config->irqfds,
        .routes = config->routes,
        .trace = config->trace,
        .requester = config->requester,
    };
    if (vfio_device_irq_count(device, VFIO_PCI_INTX_IRQ_INDEX) > 0)
        interrupts->pin.gsi = config->pin;
    if (config->routes != NULL) {
        interrupts->msi_count = least(
            vfio_device_irq_count(device, VFIO_PCI_MSI_IRQ_INDEX), VFIO_VECTORS_MAX);
        interrupts->msix_count = least(
            vfio_device_irq_count(device, VFIO_PCI_MSIX_IRQ_INDEX), VFIO_VECTORS_MAX);
    }
    interrupts->vector_count = interrupts->msi_count > interrupts->msix_count
                                   ? interrupts->msi_count
                                   : interrupts->msix_count;
    set_fds(interrupts, kept);
    if ((kept != NULL ? take_over(interrupts, kept, error)
                      : make_events(interrupts, error)) &&
        add_routes(interrupts, error))
        return true;
    vfio_interrupts_finish(interrupts);
    return false;
}

static void close_vector(struct vfio_vector *vector)
{
    if (vector->event_fd >= 0)
        close(vector->event_fd);
    if (vector->unmask_fd >= 0)
        close(vector->unmask_fd);
}

void vfio_interrupts_finish(struct vfio_interrupts *interrupts)
{
    struct error error;
    if (interrupts->device == NULL)
        return;
    (void)vfio_interrupts_pause(interrupts, &error); /* the VM's end takes them, too */
    for (unsigned i = 0; i < VFIO_VECTORS_MAX; i++)
        close_vector(&interrupts->vectors[i]);
    close_vector(&interrupts->pin);
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
    struct error error;
    if (interrupts->kind == VFIO_NO_INTERRUPT)
        return;
    bool good = vfio_device_set_irqs(interrupts->device, index_of(interrupts->kind), 0,
                                     NULL, &error);
    good &= disconnect(interrupts, &error); /* KVM lowers the pin with its last irqfd */
    for (unsigned i = 0; i < interrupts->active; i++)
        drain(interrupts->vectors[i].event_fd);
    drain(interrupts->pin.event_fd);
    if (!good)
        warn(interrupts, &error);
    interrupts->kind = VFIO_NO_INTERRUPT;
    interrupts->active = 0;
}

static bool switch_on(struct vfio_interrupts *interrupts, enum vfio_interrupt_kind kind,
                      unsigned count, struct error *error)
{
    const struct vfio_device *device = interrupts->device;
    int fds[VFIO_VECTORS_MAX];
    interrupts->kind = kind;
    interrupts->active = 0;
    if (kind == VFIO_PIN)
        return connect_vector(interrupts, &interrupts->pin, true, error) &&
               vfio_device_set_irqs(device, VFIO_PCI_INTX_IRQ_INDEX, 1,
                                    &interrupts->pin.event_fd, error) &&
               vfio_device_set_unmask(device, interrupts->pin.unmask_fd, error);
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

/* --- for another program --- */

bool vfio_interrupts_pause(struct vfio_interrupts *interrupts, struct error *error)
{
    interrupts->lent = true;
    return disconnect(interrupts, error);
}

static void raise(int fd)
{
    (void)eventfd_write(fd, 1); /* full: it is raised */
}

/* KVM lowers the pin with its irqfd, and VFIO has masked it if it was up: what is still up comes
 * again when VFIO looks, as after the guest's end of interrupt (drivers/vfio/pci/vfio_pci_intrs.c,
 * vfio_pci_intx_unmask_handler()). A message that the other program's KVM took is in no
 * eventfd any more. */
bool vfio_interrupts_resume(struct vfio_interrupts *interrupts,
                            const struct vfio_message *messages, struct error *error)
{
    for (unsigned i = 0; i < interrupts->active; i++) {
        struct vfio_vector *vector = &interrupts->vectors[i];
        if (!apply_message(interrupts, vector, &messages[i], error))
            return false;
        if (interrupts->lent && !messages[i].masked)
            raise(vector->event_fd);
    }
    if (interrupts->kind == VFIO_PIN) {
        if (!connect_vector(interrupts, &interrupts->pin, true, error))
            return false;
        raise(interrupts->pin.unmask_fd);
    }
    interrupts->lent = false;
    return true;
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

/* SPDX-License-Identifier: MIT */
/*
 * The interrupts of a VFIO device on their way to the guest, without a thread of ours:
 *
 *   message  device -> VFIO -> eventfd --irqfd--> GSI -> route -> vCPU
 *   pin      device -> VFIO -> eventfd --irqfd, level--> pin of all slots
 *                        ^                                 |  end of interrupt
 *                        +---- unmask <-- eventfd <--------+  (KVM_IRQFD_FLAG_RESAMPLE)
 *
 * A masked vector has no irqfd: its interrupts gather in the eventfd, which makes its pending
 * bit, and KVM sends one when the irqfd is there again (virt/kvm/eventfd.c, kvm_irqfd_assign():
 * it looks whether something waits). VFIO has one kind of interrupt switched on at a time.
 */
#ifndef S2VMM_VFIO_INTERRUPTS_H
#define S2VMM_VFIO_INTERRUPTS_H

#include "devices/vfio_device.h"
#include "vmm/irq_routes.h"
#include "vmm/trace.h"

/* Of one device; the same in MSI and in MSI-X. */
#define VFIO_VECTORS_MAX 16u

/* From now on (`on`) each write to the eventfd, and one that waits in it, is an edge of the GSI; with
 * an unmask_fd, other than -1, it is its level, until the guest's end of interrupt writes to that one.
 * Off: what has come is in the interrupt controller, what comes waits. ERROR_HOST_KVM. */
struct vfio_irqfds {
    void *context;
    bool (*connect)(void *context, uint32_t gsi, int event_fd, int unmask_fd, bool on,
                    struct error *error);
};

enum vfio_interrupt_kind {
    VFIO_NO_INTERRUPT,
    VFIO_PIN,
    VFIO_MSI,
    VFIO_MSIX,
};

struct vfio_message {
    uint64_t address;
    uint32_t data;
    bool masked;
};

struct vfio_vector {
    int event_fd;
    int unmask_fd; /* of the pin; -1: it is a message's */
    uint32_t gsi;
    bool connected; /* it has an irqfd */
};

struct vfio_interrupts {
    const struct vfio_device *device; /* NULL: there are none */
    const struct vfio_irqfds *irqfds;
    struct irq_routes *routes;
    struct trace *trace;
    uint32_t requester; /* who sends the messages, for the ITS */

    struct vfio_vector pin; /* GSI 0: none */
    unsigned msi_count;     /* messages that it can have; 0: none */
    unsigned msix_count;
    unsigned vector_count; /* the larger one */
    struct vfio_vector vectors[VFIO_VECTORS_MAX];

    enum vfio_interrupt_kind kind; /* what is on */
    unsigned active;               /* messages that are */
    bool lent;                     /* paused: another program may have had the irqfds */
    bool warned;
};

/* What another program leaves: its eventfds, which VFIO writes to, and what is on. */
struct vfio_interrupts_kept {
    int pin_fd;
    int unmask_fd;
    unsigned vector_count;
    int event_fds[VFIO_VECTORS_MAX];
    enum vfio_interrupt_kind kind;
    unsigned active;
};

struct vfio_interrupts_config {
    const struct vfio_irqfds *irqfds; /* kept, as the rest is */
    struct irq_routes *routes;        /* NULL: the pin only */
    struct trace *trace;
    uint32_t requester;
    uint32_t pin; /* 0: none */
    struct vfio_interrupts_kept
        *kept; /* NULL: nothing is on. Its descriptors that are taken
                                          over become -1. It has to be resumed */
};

/* Finds out what the device has. ERROR_HOST_SYSTEM; ERROR_CONFIG_USAGE: too many devices;
 * ERROR_CONFIG_FILE: what is kept is not this device's; finish is not needed after an error. */
bool vfio_interrupts_init(struct vfio_interrupts *interrupts,
                          const struct vfio_device *device,
                          const struct vfio_interrupts_config *config,
                          struct error *error);
/* Takes the irqfds away. What VFIO writes to is left to the end of the device's last descriptor, here
 * or in another program. A zeroed object is fine. */
void vfio_interrupts_finish(struct vfio_interrupts *interrupts);

/* Switches to this kind, with `count` messages, and to these messages and masks; does nothing that
 * is done already. What fails becomes a warning: the guest has no interrupts then. */
void vfio_interrupts_apply(struct vfio_interrupts *interrupts,
                           enum vfio_interrupt_kind kind, unsigned count,
                           const struct vfio_message *messages);

/* All irqfds off: what comes from now on waits in the eventfds. ERROR_HOST_KVM; resume is needed
 * after an error, too. */
bool vfio_interrupts_pause(struct vfio_interrupts *interrupts, struct error *error);

/* All on again, in this program or after another one, with as many messages as are active. Nothing is
 * lost; if another program may have had the irqfds, and so an interrupt, each comes once more.
 * ERROR_HOST_KVM. */
bool vfio_interrupts_resume(struct vfio_interrupts *interrupts,
                            const struct vfio_message *messages, struct error *error);

/* A bit for each masked vector whose interrupt waits. */
uint32_t vfio_interrupts_pending(const struct vfio_interrupts *interrupts);

#endif

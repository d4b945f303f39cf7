/* SPDX-License-Identifier: MIT */
/*
 * MSI-X of one PCI function (PCI Express Base Specification 6.0, 6.1.4 and 7.7.2): a table of
 * messages and an array of pending bits in a BAR, an eventfd and a GSI for each vector.
 *
 *                        not enabled: dropped
 *   pci_msix_raise() --> masked (vector or function): pending bit --> sent when unmasked
 *                        else: eventfd, and KVM sends the message
 *
 * Has its own lock, which is held for a moment only, and never while it is asked for another
 * lock than that of irq_routes: devices call pci_msix_raise() with locks of their own held.
 */
#ifndef S2VMM_PCI_MSIX_H
#define S2VMM_PCI_MSIX_H

#include <linux/pci_regs.h>
#include <pthread.h>

#include "vmm/irq_routes.h"
#include "vmm/trace.h"

#define PCI_MSIX_VECTORS_MAX 16
#define PCI_MSIX_PBA_SIZE    8u /* bytes: one bit for each vector */

struct pci_msix_vector {
    uint32_t
        entry[4]; /* address, upper address, data, control: as the guest wrote them */
    bool pending;
    int event_fd;
    uint32_t gsi;
};

struct pci_msix {
    struct irq_routes *routes; /* NULL: the function has no MSI-X */
    struct trace *trace;
    const char *name; /* of the function, for messages */
    uint32_t device;  /* the requester ID */
    unsigned count;   /* vectors */

    pthread_mutex_t lock; /* what follows */
    bool enabled;
    bool masked; /* the whole function */
    bool warned; /* KVM refused a message */
    struct pci_msix_vector vectors[PCI_MSIX_VECTORS_MAX];
};

/* `count` vectors, all masked. ERROR_HOST_SYSTEM, ERROR_HOST_KVM, ERROR_CONFIG_USAGE. */
bool pci_msix_init(struct pci_msix *msix, struct irq_routes *routes, const char *name,
                   uint32_t device, unsigned count, struct trace *trace,
                   struct error *error);
/* A zeroed object is fine. */
void pci_msix_finish(struct pci_msix *msix);

/* All vectors masked, nothing pending, disabled. */
void pci_msix_reset(struct pci_msix *msix);

/* The guest wrote the two bits of the Message Control register. */
void pci_msix_control(struct pci_msix *msix, bool enabled, bool masked);
bool pci_msix_is_enabled(struct pci_msix *msix);

/* Accesses to the table, at any offset, with 1, 2, 4 or 8 bytes; what is behind the last
 * entry reads 0 and ignores writes. */
uint64_t pci_msix_read_table(struct pci_msix *msix, uint64_t offset, unsigned size);
void pci_msix_write_table(struct pci_msix *msix, uint64_t offset, unsigned size,
                          uint64_t value);
uint64_t pci_msix_read_pending(struct pci_msix *msix, uint64_t offset, unsigned size);

/* The device's interrupt `vector`; one that does not exist is ignored. Any thread. */
void pci_msix_raise(struct pci_msix *msix, unsigned vector);

#endif

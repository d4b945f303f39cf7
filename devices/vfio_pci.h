/* SPDX-License-Identifier: MIT */
/*
 * A device of the host, passed through by VFIO, as a function on the guest's PCI bus.
 *
 *   configuration space  ours: identity and BARs' kinds are read once; capabilities: PCI Express of
 *                        the bridge, MSI, MSI-X, power management. Only Bus Master is passed on
 *   BARs                 what VFIO can map is a memslot; the rest, and the pages of the
 *                        MSI-X table, are exits
 *   interrupts           devices/vfio_interrupts.h
 *   DMA                  devices/vfio_container.h: RAM, and nothing else
 *
 * The device's own Memory Space bit stays set: vfio-pci takes the mappings away without it, and a
 * vCPU would end with EFAULT. The guest's bit decides in the bridge (vmm/pci.h).
 *
 * devices/vfio_pci.c is the function and its BARs, devices/vfio_config.c its configuration space and
 * its MSI-X table, devices/vfio_pci_state.c what another program needs to go on with it. Sources: PCI Express Base Specification 6.0, 7.5.1, 7.5.2 (power management), 7.7.1
 * (MSI), 7.7.2 (MSI-X); drivers/vfio/pci/vfio_pci_core.c, vfio_pci_config.c of Linux 6.12.
 */
#ifndef S2VMM_VFIO_PCI_H
#define S2VMM_VFIO_PCI_H

#include <pthread.h>

#include "devices/vfio_container.h"
#include "devices/vfio_interrupts.h"
#include "vmm/memslot.h"
#include "vmm/pci.h"

#define VFIO_PARTS_MAX 8u

/* A part of a BAR that is a memslot while the BAR is decoded. */
struct vfio_part {
    struct vfio_area area;
    void *host;
    bool has_slot;
    uint32_t slot;
};

struct vfio_bar {
    unsigned part_count;
    struct vfio_part parts[VFIO_PARTS_MAX];
};

/* Where a device has its MSI-X table and pending bits. */
struct vfio_msix_place {
    unsigned bar;
    struct vfio_area area; /* size 0: there is none */
};

struct vfio_pci {
    char address[16];
    struct vfio_device device;
    struct vfio_interrupts interrupts;
    struct pci_function function;
    struct memslot_table *memslots;
    struct trace *trace;
    bool traps_all; /* no memslots */

    /* Constant after the start. */
    struct vfio_msix_place table;
    struct vfio_msix_place pending;
    unsigned msi; /* offsets of capabilities; 0: there is none */
    unsigned msix;
    uint16_t command; /* of the device: what stays as it is */

    /* Under the host's config lock. */
    uint16_t written_command; /* what the device has */
    struct vfio_bar bars[PCI_BARS];

    pthread_mutex_t lock;          /* what follows, and the interrupts */
    enum vfio_interrupt_kind kind; /* that configuration space asks for */
    bool function_masked;          /* MSI-X, all of it */
    unsigned count;                /* messages of MSI */
    struct vfio_message messages[VFIO_VECTORS_MAX];
    uint32_t entries[VFIO_VECTORS_MAX]
                    [4]; /* of the MSI-X table, as the guest wrote them */
};

/* What another program leaves of a device, which goes on meanwhile. */
struct vfio_pci_kept {
    int device_fd;
    uint32_t entries[VFIO_VECTORS_MAX][4];
    struct vfio_interrupts_kept interrupts;
};

struct vfio_pci_config {
    struct vfio_container *container;
    const char *address; /* "0000:00:05.0" */
    bool traps_all;      /* every access to a BAR is an exit, for comparisons */
    struct pci_host *host;
    unsigned slot;             /* on the guest's bus, 1 to 31 */
    struct irq_routes *routes; /* NULL: nobody takes messages */
    const struct vfio_irqfds *irqfds;
    struct memslot_table *memslots;
    struct trace *trace;
    struct vfio_pci_kept *kept; /* vfio_pci_load()'s; else NULL */
};

/* Opens the device, resets it, and puts it on the bus. All of the config is kept but for the address.
 * ERROR_CONFIG_HOST, ERROR_CONFIG_USAGE, ERROR_HOST_SYSTEM, ERROR_HOST_KVM; finish is not needed
 * after an error. */
bool vfio_pci_init(struct vfio_pci *pci, const struct vfio_pci_config *config,
                   struct error *error);
/* After the vCPUs have ended, and before the memslots; a zeroed object is fine. The end of the last
 * descriptor, here or in another program, switches interrupts and Bus Master off
 * (drivers/vfio/pci/vfio_pci_core.c, vfio_pci_core_disable()). */
void vfio_pci_finish(struct vfio_pci *pci);

/* --- vfio_pci_state.c: for another program, while the device goes on --- */

/* Old program, with its vCPUs stopped: the device's interrupts wait in eventfds from now on, before
 * the interrupt controller is saved. ERROR_HOST_KVM; resume is needed after an error, too. */
bool vfio_pci_pause(struct vfio_pci *pci, struct error *error);

/* The section VFIO; after pause. */
void vfio_pci_save(const struct vfio_pci *pci, struct state_writer *writer,
                   uint32_t instance);

/* New program, in the place of vfio_pci_init(), before irq_routes_load() and pci_host_load(): the device
 * is neither reset nor told anything. Errors as there, and ERROR_CONFIG_FILE. */
bool vfio_pci_load(struct vfio_pci *pci, const struct vfio_pci_config *config,
                   struct state_reader *reader, uint32_t instance, struct error *error);

/* New program, when all else has been loaded; old program, when nobody took over and the other one is
 * dead: interrupts go to the guest again, also those that came meanwhile. ERROR_HOST_KVM;
 * ERROR_CONFIG_FILE: what is on is not what configuration space says. */
bool vfio_pci_resume(struct vfio_pci *pci, struct error *error);

/* For vfio_pci_init(): the MSI-X table. */
void vfio_pci_restore(struct vfio_pci *pci, const struct vfio_pci_kept *kept);

/* --- vfio_config.c --- */

/* Before pci_host_add(): the identity, where the MSI-X table is. */
void vfio_config_identify(struct vfio_pci *pci);
/* After it: capabilities, the BARs' kinds. */
void vfio_config_start(struct vfio_pci *pci);
/* Configuration space was written, or reset: its interrupts and Bus Master become the device's. */
void vfio_config_changed(struct vfio_pci *pci);
/* What the guest asks for. Under the lock: the kind of interrupts; its messages, up to
 * VFIO_VECTORS_MAX, and their number. The device's command register. */
void vfio_config_read_kind(struct vfio_pci *pci);
unsigned vfio_config_messages(const struct vfio_pci *pci, struct vfio_message *messages);
uint16_t vfio_config_command(const struct vfio_pci *pci);
/* The guest is about to read it. */
void vfio_config_refresh(struct vfio_pci *pci);
/* The function is reset: interrupts off, the MSI-X table masked. */
void vfio_config_reset(struct vfio_pci *pci);

/* An access that touches the MSI-X table or the pending bits; false: it does not. */
bool vfio_config_read_msix(struct vfio_pci *pci, unsigned bar, uint64_t offset,
                           unsigned size, uint64_t *value);
bool vfio_config_write_msix(struct vfio_pci *pci, unsigned bar, uint64_t offset,
                            unsigned size, uint64_t value);

#endif

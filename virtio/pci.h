/* SPDX-License-Identifier: MIT */
/*
 * The virtio-pci transport, modern devices only (virtio 1.2, 4.1).
 *
 *   BAR 0    0x0000  common configuration                     memory, 32 bits
 *            0x1000  ISR status
 *            0x2000  device configuration
 *            0x3000  notification: 4 bytes for each queue, an ioeventfd in KVM
 *            0x4000  MSI-X table, 0x4800 pending bits
 *   BAR 2/3  the shared-memory region, if the device has one  memory, 64 bits, prefetchable
 *
 * Interrupts are MSI-X messages through irqfds (vmm/pci_msix.h), or one level-triggered pin
 * for all functions. The pin is set by KVM_IRQ_LINE and not by an irqfd with resampling: its
 * level is what the ISR registers say at every moment, which is all that the specification
 * asks for; an irqfd would have to be raised again after each end of interrupt.
 *
 * This file's init is what a machine calls; pci.c has the capabilities and the BARs,
 * pci_common.c the registers of the common configuration.
 */
#ifndef S2VMM_VIRTIO_PCI_H
#define S2VMM_VIRTIO_PCI_H

#include "virtio/virtio_device.h"
#include "vmm/pci.h"

#define VIRTIO_PCI_BAR     0u
#define VIRTIO_PCI_SHM_BAR 2u

/* Bytes of the BAR that holds a shared-memory region of `size` bytes: a power of two. The
 * memory64 window of the bridge has to hold it, aligned to its size. */
uint64_t virtio_pci_shm_bar_size(uint64_t size);

struct virtio_pci {
    struct virtio_device *device;
    struct pci_function function;
    struct pci_msix msix;
    const struct kvm_events *events;
    unsigned access_capability; /* VIRTIO_PCI_CAP_PCI_CFG: its offset */

    /* Under the device's lock. */
    uint32_t device_features_select;
    uint32_t driver_features_select;
    uint16_t queue_select;

    /* VIRTIO_MSI_NO_VECTOR, or a vector; read by the device's thread. */
    atomic_uint config_vector;
    atomic_uint queue_vectors[VIRTIO_QUEUES_MAX];

    bool has_doorbells; /* under the host's config lock */
    uint64_t doorbells; /* where they are */
};

/* Puts the device, after its own init and before its thread runs, on the bus in this slot
 * (1 to 31). routes: for MSI-X, or NULL: the pin only. When the device has a shared-memory
 * region, its shm_moved() is called with the place that the BAR has got. ERROR_CONFIG_USAGE,
 * ERROR_HOST_KVM, ERROR_HOST_SYSTEM; finish is not needed after an error. */
bool virtio_pci_init(struct virtio_pci *pci, struct pci_host *host, unsigned slot,
                     struct virtio_device *device, struct irq_routes *routes,
                     struct error *error);
/* After the device's thread has ended, before virtio_device_finish(); a zeroed object is
 * fine. */
void virtio_pci_finish(struct virtio_pci *pci);

/* Section VPCI: the selectors, and the vectors of interrupts, while the device is paused. Loading:
 * after virtio_device_load(), the interrupt controllers, and pci_host_load(), which has the rest:
 * configuration space, BARs, MSI-X. It asserts the pin if there is a cause. ERROR_CONFIG_FILE. */
void virtio_pci_save(const struct virtio_pci *pci, struct state_writer *writer,
                     uint32_t instance);
bool virtio_pci_load(struct virtio_pci *pci, struct state_reader *reader,
                     uint32_t instance, struct error *error);

/* --- pci_common.c --- */

/* The common configuration, offset in it. */
uint64_t virtio_pci_read_common(struct virtio_pci *pci, uint64_t offset, unsigned size);
void virtio_pci_write_common(struct virtio_pci *pci, uint64_t offset, unsigned size,
                             uint64_t value);
/* The vectors and selectors of a device that was reset. */
void virtio_pci_reset_common(struct virtio_pci *pci);

#endif

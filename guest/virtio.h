/* SPDX-License-Identifier: MIT */
/*
 * The driver's side of a virtio device (virtio 1.2, 3.1), over virtio-mmio (4.2) or virtio-pci
 * (4.1), whichever the machine has.
 */
#ifndef S2VMM_GUEST_VIRTIO_H
#define S2VMM_GUEST_VIRTIO_H

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>

#include "guest/pci.h"
#include "vmm/types.h"

#define VIRTIO_QUEUES 4u /* that a driver may notify */

struct guest;
struct virtio;
struct virtqueue;

/* What a transport does. */
struct virtio_ops {
    uint32_t (*status)(const struct virtio *virtio);
    void (*set_status)(const struct virtio *virtio, uint32_t status);
    uint64_t (*features)(const struct virtio *virtio);
    void (*set_features)(const struct virtio *virtio, uint64_t features);
    bool (*start_queue)(const struct virtio *virtio, uint32_t index,
                        const struct virtqueue *queue);
    void (*notify)(const struct virtio *virtio, uint32_t queue);
    uint32_t (*interrupt_status)(const struct virtio *virtio);
    void (*acknowledge)(const struct virtio *virtio, uint32_t causes);
    uint32_t (*config)(const struct virtio *virtio, uint32_t offset);
    bool (*shm)(const struct virtio *virtio, uint32_t id, struct gpa_range *range);
};

struct virtio {
    const struct virtio_ops *ops;
    uint64_t base; /* virtio-mmio: its registers; virtio-pci: the common configuration */
    uint32_t irq;  /* the pin of an interrupt controller */

    /* virtio-pci: where the structures are. */
    struct pci_function pci;
    uint64_t isr;
    uint64_t device;
    uint64_t doorbells[VIRTIO_QUEUES]; /* of each queue */

    uint64_t offered;    /* features of the device, after virtio_negotiate() */
    uint64_t negotiated; /* those that both sides have */
};

#define VIRTIO_FEATURE(bit) ((uint64_t)1 << (bit))

/* Finds the device with this VIRTIO_ID_* among those of struct boot_info. */
bool virtio_find(const struct guest *guest, uint32_t device_id, struct virtio *virtio);

/* Writes 0 to the status and waits until it reads 0; false if it never does. */
bool virtio_reset(const struct virtio *virtio);

/* The steps 2 to 6 of virtio 1.2, 3.1.1, for those of `wanted` that are offered. False
 * when the device does not offer VERSION_1 or takes FEATURES_OK back. */
bool virtio_negotiate(struct virtio *virtio, uint64_t wanted);

/* Step 7 for one queue; false when it is in use or too small for `queue`. */
bool virtio_start_queue(const struct virtio *virtio, uint32_t index,
                        const struct virtqueue *queue);

/* Step 8. */
void virtio_driver_ok(const struct virtio *virtio);

uint32_t virtio_status(const struct virtio *virtio);
void virtio_notify(const struct virtio *virtio, uint32_t queue);
/* Interrupt causes, VIRTIO_MMIO_INT_*, which are the same in both transports; and their
 * acknowledgement, which over PCI is the reading itself. */
uint32_t virtio_interrupt_status(const struct virtio *virtio);
void virtio_interrupt_acknowledge(const struct virtio *virtio, uint32_t causes);

/* 32 bits of the device configuration at this byte offset. */
uint32_t virtio_config(const struct virtio *virtio, uint32_t offset);

/* The shared-memory region with this id; false if there is none. */
bool virtio_shm(const struct virtio *virtio, uint32_t id, struct gpa_range *range);

/* The transports. */
bool virtio_mmio_find(const struct guest *guest, uint32_t device_id,
                      struct virtio *virtio);
bool virtio_pci_find(const struct guest *guest, uint32_t device_id,
                     struct virtio *virtio);

#endif

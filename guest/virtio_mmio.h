/* SPDX-License-Identifier: MIT */
/* The driver's side of virtio-mmio version 2 (virtio 1.2, 4.2). */
#ifndef S2VMM_GUEST_VIRTIO_MMIO_H
#define S2VMM_GUEST_VIRTIO_MMIO_H

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>

#include "vmm/types.h"

struct guest;
struct virtqueue;

struct virtio_mmio {
    uint64_t base;
    uint32_t irq;
    uint64_t offered;    /* features of the device, after virtio_negotiate() */
    uint64_t negotiated; /* those that both sides have */
};

#define VIRTIO_FEATURE(bit) ((uint64_t)1 << (bit))

/* Finds the device with this VIRTIO_ID_* among those of struct boot_info. */
bool virtio_find(const struct guest *guest, uint32_t device_id,
                 struct virtio_mmio *virtio);

/* Writes 0 to the status and waits until it reads 0; false if it never does. */
bool virtio_reset(const struct virtio_mmio *virtio);

/* The steps 2 to 6 of virtio 1.2, 3.1.1, for those of `wanted` that are offered. False
 * when the device does not offer VERSION_1 or takes FEATURES_OK back. */
bool virtio_negotiate(struct virtio_mmio *virtio, uint64_t wanted);

/* Step 7 for one queue; false when it is in use or too small for `queue`. */
bool virtio_start_queue(const struct virtio_mmio *virtio, uint32_t index,
                        const struct virtqueue *queue);

/* Step 8. */
void virtio_driver_ok(const struct virtio_mmio *virtio);

uint32_t virtio_status(const struct virtio_mmio *virtio);
void virtio_notify(const struct virtio_mmio *virtio, uint32_t queue);
/* Interrupt causes, VIRTIO_MMIO_INT_*; and their acknowledgement. */
uint32_t virtio_interrupt_status(const struct virtio_mmio *virtio);
void virtio_interrupt_acknowledge(const struct virtio_mmio *virtio, uint32_t causes);

/* 32 bits of the device configuration at this byte offset. */
uint32_t virtio_config(const struct virtio_mmio *virtio, uint32_t offset);

/* The shared-memory region with this id; false if there is none. */
bool virtio_shm(const struct virtio_mmio *virtio, uint32_t id, struct gpa_range *range);

#endif

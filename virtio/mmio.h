/* SPDX-License-Identifier: MIT */
/*
 * The virtio-mmio transport, version 2 (virtio 1.2, 4.2), with the shared-memory
 * registers. Translates register accesses of vCPUs into changes of a struct
 * virtio_device; holds only the selectors, under the device's lock. Unknown registers
 * read 0 and ignore writes, with a trace line.
 */
#ifndef S2VMM_VIRTIO_MMIO_H
#define S2VMM_VIRTIO_MMIO_H

#include "virtio/virtio_device.h"
#include "vmm/bus.h"

#define VIRTIO_MMIO_SIZE 0x1000u /* bytes of address space */

struct virtio_mmio {
    struct virtio_device *device;
    uint32_t device_features_select;
    uint32_t driver_features_select;
    uint32_t queue_select;
    uint32_t shm_select;
};

void virtio_mmio_init(struct virtio_mmio *mmio, struct virtio_device *device);

/* For bus_add(); the bus entry's device is the struct virtio_mmio. */
extern const struct bus_ops virtio_mmio_bus_ops;

/* Section VMIO: the selectors, and an interrupt that KVM has not taken: while the device is
 * paused, and its irqfd is away. Loading: after the interrupt controllers; its irqfd may be there.
 * ERROR_CONFIG_FILE. */
void virtio_mmio_save(const struct virtio_mmio *mmio, struct state_writer *writer,
                      uint32_t instance);
bool virtio_mmio_load(struct virtio_mmio *mmio, struct state_reader *reader,
                      uint32_t instance, struct error *error);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * A driver for any virtio device that runs on its own thread: status, features, queues, chains.
 *
 *   virtio_driver_init() -> make the device with driver.memory and driver.trace, start it
 *   -> virtio_driver_start() -> virtio_driver_send() -> virtio_driver_wait() ... -> finish the
 *   device -> virtio_driver_finish()
 */
#ifndef S2VMM_TESTS_UNIT_VIRTIO_DRIVER_H
#define S2VMM_TESTS_UNIT_VIRTIO_DRIVER_H

#include "tests/unit/virtqueue_mock.h"
#include "virtio/virtio_device.h"

#define VIRTIO_DRIVER_RAM_SIZE   (8 * MIB)
#define VIRTIO_DRIVER_DATA       0x100000u /* guest memory from here on is the test's */
#define VIRTIO_DRIVER_QUEUE_SIZE 64

struct virtio_driver {
    struct guest_memory memory;
    struct trace trace;
    struct virtio_device *device;
    struct virtqueue_mock mocks[VIRTIO_QUEUES_MAX];
};

void virtio_driver_init(struct virtio_driver *driver);
void virtio_driver_finish(struct virtio_driver *driver);

/* Resets the device, accepts these of its features and the core's, makes all queues ready. */
void virtio_driver_start(struct virtio_driver *driver, struct virtio_device *device,
                         uint64_t features);
void virtio_driver_reset(struct virtio_driver *driver);

/* Adds a chain, publishes it and notifies. Returns its head. */
uint16_t virtio_driver_send(struct virtio_driver *driver, unsigned queue,
                            const struct virtqueue_mock_segment *segments,
                            unsigned count);

/* Waits for the next used element. Returns its head. */
uint16_t virtio_driver_wait(struct virtio_driver *driver, unsigned queue,
                            uint32_t *length);

void virtio_driver_write(struct virtio_driver *driver, uint64_t address,
                         const void *bytes, uint64_t size);
void virtio_driver_read(struct virtio_driver *driver, uint64_t address, void *bytes,
                        uint64_t size);

/* How often the device complained. */
unsigned virtio_driver_warnings(struct virtio_driver *driver);

#endif

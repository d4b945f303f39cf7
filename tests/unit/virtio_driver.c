/* SPDX-License-Identifier: MIT */
#include "tests/unit/virtio_driver.h"

#include <stdio.h>
#include <sys/eventfd.h>

#include "tests/unit/toy_device.h"

void virtio_driver_init(struct virtio_driver *driver)
{
    static const struct gpa_range ram = {{0}, VIRTIO_DRIVER_RAM_SIZE};
    struct error error;
    *driver = (struct virtio_driver){0};
    trace_init(&driver->trace, fopen("/dev/null", "w"), false);
    ck_assert(guest_memory_init(&driver->memory, &ram, 1, &error));
}

void virtio_driver_finish(struct virtio_driver *driver)
{
    guest_memory_finish(&driver->memory);
    fclose(driver->trace.out);
}

void virtio_driver_reset(struct virtio_driver *driver)
{
    virtio_device_write_status(driver->device, 0);
    eventually(virtio_device_read_status(driver->device) == 0);
}

void virtio_driver_start(struct virtio_driver *driver, struct virtio_device *device,
                         uint64_t features)
{
    driver->device = device;
    virtio_driver_reset(driver);
    virtio_device_write_status(device, ACKNOWLEDGE);
    virtio_device_write_status(device, ACKNOWLEDGE | DRIVER);
    pthread_mutex_lock(&device->lock);
    device->driver_features = features | VERSION_1 | EVENT_IDX | INDIRECT;
    pthread_mutex_unlock(&device->lock);
    virtio_device_write_status(device, READY);
    ck_assert_uint_eq(virtio_device_read_status(device), READY);
    for (unsigned i = 0; i < device->queue_count; i++) {
        struct virtqueue_mock *mock = &driver->mocks[i];
        struct virtio_queue_registers *queue = &device->queue_registers[i];
        virtqueue_mock_init(mock, &driver->memory, gpa(0x10000 + i * 0x10000u),
                            VIRTIO_DRIVER_QUEUE_SIZE, true);
        pthread_mutex_lock(&device->lock);
        queue->size = mock->size;
        queue->descriptors = mock->descriptors.value;
        queue->driver = mock->driver.value;
        queue->device = mock->device.value;
        pthread_mutex_unlock(&device->lock);
        virtio_device_write_queue_ready(device, i, true);
    }
    virtio_device_write_status(device, RUNNING);
    ck_assert_uint_eq(virtio_device_read_status(device), RUNNING);
}

uint16_t virtio_driver_send(struct virtio_driver *driver, unsigned queue,
                            const struct virtqueue_mock_segment *segments, unsigned count)
{
    uint16_t head = virtqueue_mock_add(&driver->mocks[queue], segments, count);
    if (virtqueue_mock_publish(&driver->mocks[queue]))
        ck_assert_int_eq(eventfd_write(driver->device->kick_fds[queue], 1), 0);
    return head;
}

uint16_t virtio_driver_wait(struct virtio_driver *driver, unsigned queue,
                            uint32_t *length)
{
    uint16_t head = 0;
    eventually(virtqueue_mock_take_used(&driver->mocks[queue], &head, length));
    return head;
}

void virtio_driver_write(struct virtio_driver *driver, uint64_t address,
                         const void *bytes, uint64_t size)
{
    struct error error;
    ck_assert(guest_memory_write(&driver->memory, gpa(address), bytes, size, &error));
}

void virtio_driver_read(struct virtio_driver *driver, uint64_t address, void *bytes,
                        uint64_t size)
{
    struct error error;
    ck_assert(guest_memory_read(&driver->memory, gpa(address), bytes, size, &error));
}

unsigned virtio_driver_warnings(struct virtio_driver *driver)
{
    return atomic_load(&driver->trace.warnings);
}

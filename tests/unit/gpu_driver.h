/* SPDX-License-Identifier: MIT */
/*
 * A driver for the GPU device in unit tests: its rings in guest memory, and the fake GPU
 * behind them. Nothing runs by itself: kick() and serve_fences() do what the device's
 * thread would do.
 */
#ifndef S2VMM_TESTS_UNIT_GPU_DRIVER_H
#define S2VMM_TESTS_UNIT_GPU_DRIVER_H

#include "tests/unit/fake_gpu.h"
#include "tests/unit/virtqueue_mock.h"

#define RING_SIZE 64
#define RINGS     0x10000u /* addresses in guest memory */
#define REQUESTS  0x40000u
#define RESPONSES 0x80000u
#define LARGE     0x200000u /* 2 MiB of zeroes */
#define ROOM      64u       /* for a response */
#define HEADER    (uint32_t)sizeof(struct virtio_gpu_ctrl_hdr)
#define FENCE     VIRTIO_GPU_FLAG_FENCE

struct gpu_driver {
    struct fake_gpu fake;
    struct virtqueue_mock mocks[GPU_QUEUE_COUNT];
    struct virtio_device *device;
    const struct virtio_device_ops *ops;
};
extern struct gpu_driver driver;

/* Check's fixture: both queues run, the thread does not. */
void gpu_driver_set_up(void);
void gpu_driver_set_up_strategy(enum hostmem_strategy strategy);
void gpu_driver_tear_down(void);

/* Empties a ring and starts its queue. */
void start_queue(unsigned index);

/* Publishes a command of `size` bytes whose answer has `room`; its number finds its
 * memory. Returns the chain. */
uint16_t add_bytes(unsigned number, const void *request, uint32_t size, uint32_t room);
/* CTX_ATTACH_RESOURCE of resource 2, which needs little and changes nothing here. */
uint16_t add_attach(unsigned number, uint32_t flags, uint32_t context, uint8_t ring);
uint16_t add_display_info(unsigned number);

struct virtio_gpu_ctrl_hdr response(unsigned number);

/* True if there is more to do. */
bool kick(void);
void serve_fences(void);

void expect_used(uint16_t want, uint32_t want_length);
void expect_nothing_used(void);

#endif

/* SPDX-License-Identifier: MIT */
#include "tests/unit/gpu_driver.h"

#include <check.h>
#include <string.h>

struct gpu_driver driver;

void start_queue(unsigned index)
{
    struct error error;
    virtqueue_mock_init(&driver.mocks[index], &driver.fake.memory,
                        gpa(RINGS + index * 0x8000u), RING_SIZE, true);
    driver.device->queues[index] = virtqueue_mock_queue(&driver.mocks[index]);
    ck_assert(virtqueue_start(&driver.device->queues[index], &error));
    driver.device->queue_running[index] = true;
}

void gpu_driver_set_up(void)
{
    gpu_driver_set_up_strategy(HOSTMEM_SLOT);
}

void gpu_driver_set_up_strategy(enum hostmem_strategy strategy)
{
    fake_gpu_init_strategy(&driver.fake, strategy);
    driver.device = &driver.fake.gpu.virtio;
    driver.ops = driver.device->ops;
    driver.device->started = true;
    start_queue(GPU_QUEUE_CONTROL);
    start_queue(GPU_QUEUE_CURSOR);
}

void gpu_driver_tear_down(void)
{
    fake_gpu_finish(&driver.fake);
}

uint16_t add_bytes(unsigned number, const void *request, uint32_t size, uint32_t room)
{
    struct error error;
    gpa_t from = gpa(REQUESTS + number * 0x100u);
    gpa_t to = gpa(RESPONSES + number * 0x100u);
    const struct virtqueue_mock_segment segments[] = {
        {from, size, false},
        {to, room, true},
    };
    uint8_t blank[0x100];
    memset(blank, 0xdd, sizeof blank);
    ck_assert(guest_memory_write(&driver.fake.memory, from, request, size, &error));
    ck_assert(guest_memory_write(&driver.fake.memory, to, blank, sizeof blank, &error));
    uint16_t head =
        virtqueue_mock_add(&driver.mocks[GPU_QUEUE_CONTROL], segments, room > 0 ? 2 : 1);
    virtqueue_mock_publish(&driver.mocks[GPU_QUEUE_CONTROL]);
    return head;
}

uint16_t add_attach(unsigned number, uint32_t flags, uint32_t context, uint8_t ring)
{
    const struct virtio_gpu_ctx_resource request = {
        .hdr = {.type = VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE,
                .flags = flags,
                .fence_id = 1000 + number,
                .ctx_id = context,
                .ring_idx = ring},
        .resource_id = 2,
    };
    return add_bytes(number, &request, sizeof request, ROOM);
}

uint16_t add_display_info(unsigned number)
{
    const struct virtio_gpu_ctrl_hdr request = {.type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO};
    return add_bytes(number, &request, sizeof request, 0);
}

struct virtio_gpu_ctrl_hdr response(unsigned number)
{
    struct error error;
    struct virtio_gpu_ctrl_hdr header;
    ck_assert(guest_memory_read(&driver.fake.memory, gpa(RESPONSES + number * 0x100u),
                                &header, sizeof header, &error));
    return header;
}

bool kick(void)
{
    return driver.ops->queue_kicked(&driver.fake.gpu, GPU_QUEUE_CONTROL);
}

void serve_fences(void)
{
    ck_assert_int_eq(driver.device->watches[0].fd, driver.fake.gpu.fences.event_fd);
    driver.device->watches[0].readable(&driver.fake.gpu);
}

void expect_used(uint16_t want, uint32_t want_length)
{
    uint16_t head;
    uint32_t length;
    ck_assert(virtqueue_mock_take_used(&driver.mocks[GPU_QUEUE_CONTROL], &head, &length));
    ck_assert_uint_eq(head, want);
    ck_assert_uint_eq(length, want_length);
}

void expect_nothing_used(void)
{
    uint16_t head;
    uint32_t length;
    ck_assert(
        !virtqueue_mock_take_used(&driver.mocks[GPU_QUEUE_CONTROL], &head, &length));
}

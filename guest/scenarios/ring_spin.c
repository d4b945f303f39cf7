/* SPDX-License-Identifier: MIT */
/*
 * One vCPU keeps the device as busy as it can: it fills the ring and kicks, without a
 * pause. Another vCPU only counts, and must go on meanwhile. Needs cpus=2 (see smp.c).
 */
#include "guest/arch.h"
#include "guest/check.h"
#include "guest/scenarios.h"

#define KICKS 2000u

struct counter {
    volatile bool stop;
    volatile uint64_t value;
};

static void count(void *argument, uint32_t index)
{
    struct counter *counter = argument;
    while (index == 1 && !counter->stop) {
        counter->value++;
        arch_pause();
    }
}

/* Fills every free chain with the same request, and takes back what is done. */
static void feed(struct gpu *gpu, const struct virtqueue_part *parts, unsigned part_count)
{
    uint32_t written;
    while (virtqueue_add(&gpu->control, parts, part_count) >= 0)
        ;
    virtio_notify(&gpu->virtio, GPU_CONTROL_QUEUE);
    while (virtqueue_take_used(&gpu->control, &written) >= 0)
        ;
}

bool scenario_ring_spin(struct guest *guest)
{
    struct gpu *gpu = &guest->gpu;
    struct counter counter = {.value = 0};
    struct virtio_gpu_ctrl_hdr request = {.type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO};
    struct virtio_gpu_resp_display_info info;
    const struct virtqueue_part parts[] = {
        {.data = &request, .length = sizeof request},
        {.data = &info, .length = sizeof info, .device_writes = true},
    };
    uint64_t kicks;
    REQUIRE(check_option(guest, "kicks", KICKS, &kicks));
    CHECK(guest->boot.cpu_count >= 2);
    REQUIRE(gpu_start(guest, 0));
    CHECK(arch_start_cpus(guest, count, &counter));

    uint64_t before = counter.value;
    for (uint64_t kick = 0; kick < kicks; kick++)
        feed(gpu, parts, ARRAY_SIZE(parts));
    uint64_t meanwhile = counter.value - before;
    console_printf(&guest->console, "%lu kicks, and the other vCPU counted to %lu\n",
                   kicks, meanwhile);
    CHECK(meanwhile >= kicks);

    counter.stop = true;
    REQUIRE(gpu_start(guest, 0));
    CHECK_RESPONSE(gpu_get_display_info(gpu, &info), VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
    return true;
}

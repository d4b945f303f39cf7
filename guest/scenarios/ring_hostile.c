/* SPDX-License-Identifier: MIT */
/* Rings that break the rules of virtio 1.2, 2.7: the device stops serving them, says so
 * by NEEDS_RESET, and works again after a reset. */
#include "guest/arch.h"
#include "guest/check.h"
#include "guest/scenarios.h"

#define TIMEOUT 5u          /* seconds */
#define NOT_RAM 0xd0000000u /* where the devices are */

/* Each gets a queue with one chain that is ready to be published, a good GET_DISPLAY_INFO
 * in descriptors 0 and 1, and spoils it. */

static void loop(struct virtqueue *queue)
{
    queue->descriptors[1].flags |= VRING_DESC_F_NEXT;
    queue->descriptors[1].next = 1;
}

static void long_loop(struct virtqueue *queue)
{
    for (uint16_t i = 1; i < VIRTQUEUE_SIZE; i++) {
        queue->descriptors[i] = queue->descriptors[1];
        queue->descriptors[i].flags |= VRING_DESC_F_NEXT;
        queue->descriptors[i].next = (uint16_t)((i + 1) % VIRTQUEUE_SIZE);
    }
}

static void next_outside(struct virtqueue *queue)
{
    queue->descriptors[0].next = VIRTQUEUE_SIZE;
}

static void head_outside(struct virtqueue *queue)
{
    queue->available->ring[0] = VIRTQUEUE_SIZE;
}

static void not_ram(struct virtqueue *queue)
{
    queue->descriptors[1].addr = NOT_RAM;
}

static void address_wraps(struct virtqueue *queue)
{
    queue->descriptors[0].addr = UINT64_MAX - 8;
}

static void length_wraps(struct virtqueue *queue)
{
    queue->descriptors[1].len = UINT32_MAX;
}

static void read_behind_write(struct virtqueue *queue)
{
    queue->descriptors[0].flags |= VRING_DESC_F_WRITE;
    queue->descriptors[1].flags &= (uint16_t)~VRING_DESC_F_WRITE;
}

static void index_jumps(struct virtqueue *queue)
{
    queue->next_available = VIRTQUEUE_SIZE;
}

static void index_goes_back(struct virtqueue *queue)
{
    queue->next_available = UINT16_MAX - 1;
}

static void indirect_not_negotiated(struct virtqueue *queue)
{
    queue->descriptors[0].flags = VRING_DESC_F_INDIRECT;
}

static const struct {
    const char *name;
    void (*spoil)(struct virtqueue *queue);
} cases[] = {
    {"loop", loop},
    {"loop through the whole table", long_loop},
    {"next outside of the table", next_outside},
    {"head outside of the table", head_outside},
    {"buffer outside of RAM", not_ram},
    {"address wraps around", address_wraps},
    {"length beyond RAM", length_wraps},
    {"readable behind writable", read_behind_write},
    {"available index jumps ahead", index_jumps},
    {"available index goes back", index_goes_back},
    {"indirect table not negotiated", indirect_not_negotiated},
};

static bool check_needs_reset(struct guest *guest)
{
    const struct virtio *virtio = &guest->gpu.virtio;
    uint64_t start = arch_ticks();
    /* The driver is told by a configuration interrupt (virtio 1.2, 2.1.2). */
    while ((virtio_status(virtio) & VIRTIO_CONFIG_S_NEEDS_RESET) == 0 ||
           (virtio_interrupt_status(virtio) & VIRTIO_MMIO_INT_CONFIG) == 0) {
        CHECK(arch_ticks() - start < TIMEOUT * arch_ticks_per_second());
        arch_pause();
    }
    return true;
}

static bool check_works(struct guest *guest)
{
    struct virtio_gpu_resp_display_info info;
    REQUIRE(gpu_start(guest, 0));
    CHECK_RESPONSE(gpu_get_display_info(&guest->gpu, &info),
                   VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
    return true;
}

/* The ring itself is where no RAM is. */
static bool check_ring_outside(struct guest *guest)
{
    struct virtio *virtio = &guest->gpu.virtio;
    struct virtqueue queue = guest->gpu.control;
    queue.descriptors = (struct vring_desc *)(uintptr_t)NOT_RAM;
    console_printf(&guest->console, "ring-hostile: descriptor table outside of RAM\n");
    CHECK(virtio_reset(virtio));
    CHECK(virtio_negotiate(virtio, GPU_FEATURES));
    CHECK(virtio_start_queue(virtio, GPU_CONTROL_QUEUE, &queue));
    virtio_driver_ok(virtio);
    REQUIRE(check_needs_reset(guest));
    return check_works(guest);
}

bool scenario_ring_hostile(struct guest *guest)
{
    struct virtqueue *queue = &guest->gpu.control;
    struct virtio_gpu_ctrl_hdr request = {.type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO};
    struct virtio_gpu_resp_display_info info;
    const struct virtqueue_part parts[] = {
        {.data = &request, .length = sizeof request},
        {.data = &info, .length = sizeof info, .device_writes = true},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        console_printf(&guest->console, "ring-hostile: %s\n", cases[i].name);
        REQUIRE(gpu_start(guest, 0));
        CHECK_EQUAL(virtqueue_prepare(queue, parts, ARRAY_SIZE(parts)), 0);
        cases[i].spoil(queue);
        virtqueue_publish(queue);
        virtio_notify(&guest->gpu.virtio, GPU_CONTROL_QUEUE);
        REQUIRE(check_needs_reset(guest));
        REQUIRE(check_works(guest));
    }
    return check_ring_outside(guest);
}

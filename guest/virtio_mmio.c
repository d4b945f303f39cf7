/* SPDX-License-Identifier: MIT */
/* The driver's side of virtio-mmio version 2 (virtio 1.2, 4.2). */
#include "guest/guest.h"
#include "guest/mmio.h"
#include "guest/virtio.h"
#include "guest/virtqueue.h"

#define MAGIC   0x74726976u /* "virt" */
#define VERSION 2u

static uint32_t get(const struct virtio *virtio, uint32_t reg)
{
    return mmio_read32(virtio->base + reg);
}

static void set(const struct virtio *virtio, uint32_t reg, uint32_t value)
{
    mmio_write32(virtio->base + reg, value);
}

/* A pair of registers, the low half first. */
static void set_address(const struct virtio *virtio, uint32_t low, const void *address)
{
    uint64_t value = (uintptr_t)address;
    set(virtio, low, (uint32_t)value);
    set(virtio, low + 4, (uint32_t)(value >> 32));
}

static uint64_t get_pair(const struct virtio *virtio, uint32_t low)
{
    uint64_t value = get(virtio, low);
    return value | (uint64_t)get(virtio, low + 4) << 32;
}

static uint32_t status(const struct virtio *virtio)
{
    return get(virtio, VIRTIO_MMIO_STATUS);
}

static void set_status(const struct virtio *virtio, uint32_t value)
{
    set(virtio, VIRTIO_MMIO_STATUS, value);
}

static uint64_t features(const struct virtio *virtio)
{
    uint64_t offered = 0;
    for (uint32_t half = 0; half < 2; half++) {
        set(virtio, VIRTIO_MMIO_DEVICE_FEATURES_SEL, half);
        offered |= (uint64_t)get(virtio, VIRTIO_MMIO_DEVICE_FEATURES) << 32 * half;
    }
    return offered;
}

static void set_features(const struct virtio *virtio, uint64_t accepted)
{
    for (uint32_t half = 0; half < 2; half++) {
        set(virtio, VIRTIO_MMIO_DRIVER_FEATURES_SEL, half);
        set(virtio, VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)(accepted >> 32 * half));
    }
}

static bool start_queue(const struct virtio *virtio, uint32_t index,
                        const struct virtqueue *queue)
{
    set(virtio, VIRTIO_MMIO_QUEUE_SEL, index);
    if (get(virtio, VIRTIO_MMIO_QUEUE_READY) != 0 ||
        get(virtio, VIRTIO_MMIO_QUEUE_NUM_MAX) < VIRTQUEUE_SIZE)
        return false;
    set(virtio, VIRTIO_MMIO_QUEUE_NUM, VIRTQUEUE_SIZE);
    set_address(virtio, VIRTIO_MMIO_QUEUE_DESC_LOW, queue->descriptors);
    set_address(virtio, VIRTIO_MMIO_QUEUE_AVAIL_LOW, queue->available);
    set_address(virtio, VIRTIO_MMIO_QUEUE_USED_LOW, queue->used);
    set(virtio, VIRTIO_MMIO_QUEUE_READY, 1);
    return get(virtio, VIRTIO_MMIO_QUEUE_READY) == 1;
}

static void notify(const struct virtio *virtio, uint32_t queue)
{
    set(virtio, VIRTIO_MMIO_QUEUE_NOTIFY, queue);
}

static uint32_t interrupt_status(const struct virtio *virtio)
{
    return get(virtio, VIRTIO_MMIO_INTERRUPT_STATUS);
}

static void acknowledge(const struct virtio *virtio, uint32_t causes)
{
    set(virtio, VIRTIO_MMIO_INTERRUPT_ACK, causes);
}

static uint32_t config(const struct virtio *virtio, uint32_t offset)
{
    return get(virtio, VIRTIO_MMIO_CONFIG + offset);
}

static bool shm(const struct virtio *virtio, uint32_t id, struct gpa_range *range)
{
    set(virtio, VIRTIO_MMIO_SHM_SEL, id);
    range->size = get_pair(virtio, VIRTIO_MMIO_SHM_LEN_LOW);
    range->start = gpa(get_pair(virtio, VIRTIO_MMIO_SHM_BASE_LOW));
    /* A region that does not exist has the length -1 (virtio 1.2, 4.2.2.1). */
    return range->size != UINT64_MAX && gpa_range_is_valid(*range);
}

static const struct virtio_ops mmio_ops = {
    .status = status,
    .set_status = set_status,
    .features = features,
    .set_features = set_features,
    .start_queue = start_queue,
    .notify = notify,
    .interrupt_status = interrupt_status,
    .acknowledge = acknowledge,
    .config = config,
    .shm = shm,
};

bool virtio_mmio_find(const struct guest *guest, uint32_t device_id,
                      struct virtio *virtio)
{
    for (unsigned i = 0; i < guest->boot.device_count && i < BOOT_DEVICES_MAX; i++) {
        const struct boot_device *device = &guest->boot.devices[i];
        if (device->kind != BOOT_DEVICE_VIRTIO_MMIO)
            continue;
        *virtio =
            (struct virtio){.ops = &mmio_ops, .base = device->base, .irq = device->irq};
        if (get(virtio, VIRTIO_MMIO_MAGIC_VALUE) == MAGIC &&
            get(virtio, VIRTIO_MMIO_VERSION) == VERSION &&
            get(virtio, VIRTIO_MMIO_DEVICE_ID) == device_id)
            return true;
    }
    return false;
}

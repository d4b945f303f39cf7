/* SPDX-License-Identifier: MIT */
#include "guest/virtio_mmio.h"

#include "guest/arch.h"
#include "guest/guest.h"
#include "guest/mmio.h"
#include "guest/virtqueue.h"

#define MAGIC         0x74726976u /* "virt" */
#define VERSION       2u
#define RESET_TIMEOUT 10u /* seconds */

static uint32_t get(const struct virtio_mmio *virtio, uint32_t reg)
{
    return mmio_read32(virtio->base + reg);
}

static void set(const struct virtio_mmio *virtio, uint32_t reg, uint32_t value)
{
    mmio_write32(virtio->base + reg, value);
}

/* A pair of registers, the low half first. */
static void set_address(const struct virtio_mmio *virtio, uint32_t low,
                        const void *address)
{
    uint64_t value = (uintptr_t)address;
    set(virtio, low, (uint32_t)value);
    set(virtio, low + 4, (uint32_t)(value >> 32));
}

static uint64_t get_pair(const struct virtio_mmio *virtio, uint32_t low)
{
    uint64_t value = get(virtio, low);
    return value | (uint64_t)get(virtio, low + 4) << 32;
}

bool virtio_find(const struct guest *guest, uint32_t device_id,
                 struct virtio_mmio *virtio)
{
    for (unsigned i = 0; i < guest->boot.device_count && i < BOOT_DEVICES_MAX; i++) {
        const struct boot_device *device = &guest->boot.devices[i];
        if (device->kind != BOOT_DEVICE_VIRTIO_MMIO)
            continue;
        *virtio = (struct virtio_mmio){.base = device->base, .irq = device->irq};
        if (get(virtio, VIRTIO_MMIO_MAGIC_VALUE) == MAGIC &&
            get(virtio, VIRTIO_MMIO_VERSION) == VERSION &&
            get(virtio, VIRTIO_MMIO_DEVICE_ID) == device_id)
            return true;
    }
    return false;
}

bool virtio_reset(const struct virtio_mmio *virtio)
{
    uint64_t start = arch_ticks();
    set(virtio, VIRTIO_MMIO_STATUS, 0);
    while (get(virtio, VIRTIO_MMIO_STATUS) != 0) {
        if (arch_ticks() - start > RESET_TIMEOUT * arch_ticks_per_second())
            return false;
        arch_pause();
    }
    return true;
}

bool virtio_negotiate(struct virtio_mmio *virtio, uint64_t wanted)
{
    uint32_t status = VIRTIO_CONFIG_S_ACKNOWLEDGE;
    set(virtio, VIRTIO_MMIO_STATUS, status);
    status |= VIRTIO_CONFIG_S_DRIVER;
    set(virtio, VIRTIO_MMIO_STATUS, status);

    virtio->offered = 0;
    for (uint32_t half = 0; half < 2; half++) {
        set(virtio, VIRTIO_MMIO_DEVICE_FEATURES_SEL, half);
        virtio->offered |= (uint64_t)get(virtio, VIRTIO_MMIO_DEVICE_FEATURES)
                           << 32 * half;
    }
    virtio->negotiated = virtio->offered & (wanted | VIRTIO_FEATURE(VIRTIO_F_VERSION_1));
    for (uint32_t half = 0; half < 2; half++) {
        set(virtio, VIRTIO_MMIO_DRIVER_FEATURES_SEL, half);
        set(virtio, VIRTIO_MMIO_DRIVER_FEATURES,
            (uint32_t)(virtio->negotiated >> 32 * half));
    }

    status |= VIRTIO_CONFIG_S_FEATURES_OK;
    set(virtio, VIRTIO_MMIO_STATUS, status);
    return (virtio->negotiated & VIRTIO_FEATURE(VIRTIO_F_VERSION_1)) != 0 &&
           get(virtio, VIRTIO_MMIO_STATUS) == status;
}

bool virtio_start_queue(const struct virtio_mmio *virtio, uint32_t index,
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

void virtio_driver_ok(const struct virtio_mmio *virtio)
{
    set(virtio, VIRTIO_MMIO_STATUS, virtio_status(virtio) | VIRTIO_CONFIG_S_DRIVER_OK);
}

uint32_t virtio_status(const struct virtio_mmio *virtio)
{
    return get(virtio, VIRTIO_MMIO_STATUS);
}

void virtio_notify(const struct virtio_mmio *virtio, uint32_t queue)
{
    set(virtio, VIRTIO_MMIO_QUEUE_NOTIFY, queue);
}

uint32_t virtio_interrupt_status(const struct virtio_mmio *virtio)
{
    return get(virtio, VIRTIO_MMIO_INTERRUPT_STATUS);
}

void virtio_interrupt_acknowledge(const struct virtio_mmio *virtio, uint32_t causes)
{
    set(virtio, VIRTIO_MMIO_INTERRUPT_ACK, causes);
}

uint32_t virtio_config(const struct virtio_mmio *virtio, uint32_t offset)
{
    return get(virtio, VIRTIO_MMIO_CONFIG + offset);
}

bool virtio_shm(const struct virtio_mmio *virtio, uint32_t id, struct gpa_range *range)
{
    set(virtio, VIRTIO_MMIO_SHM_SEL, id);
    range->size = get_pair(virtio, VIRTIO_MMIO_SHM_LEN_LOW);
    range->start = gpa(get_pair(virtio, VIRTIO_MMIO_SHM_BASE_LOW));
    /* A region that does not exist has the length -1 (virtio 1.2, 4.2.2.1). */
    return range->size != UINT64_MAX && gpa_range_is_valid(*range);
}

/* SPDX-License-Identifier: MIT */
#include "guest/virtio.h"

#include "guest/arch.h"
#include "guest/guest.h"

#define RESET_TIMEOUT 10u /* seconds */

bool virtio_find(const struct guest *guest, uint32_t device_id, struct virtio *virtio)
{
    return virtio_mmio_find(guest, device_id, virtio) ||
           virtio_pci_find(guest, device_id, virtio);
}

bool virtio_reset(const struct virtio *virtio)
{
    uint64_t start = arch_ticks();
    virtio->ops->set_status(virtio, 0);
    while (virtio_status(virtio) != 0) {
        if (arch_ticks() - start > RESET_TIMEOUT * arch_ticks_per_second())
            return false;
        arch_pause();
    }
    return true;
}

bool virtio_negotiate(struct virtio *virtio, uint64_t wanted)
{
    uint32_t status = VIRTIO_CONFIG_S_ACKNOWLEDGE;
    virtio->ops->set_status(virtio, status);
    status |= VIRTIO_CONFIG_S_DRIVER;
    virtio->ops->set_status(virtio, status);

    virtio->offered = virtio->ops->features(virtio);
    virtio->negotiated = virtio->offered & (wanted | VIRTIO_FEATURE(VIRTIO_F_VERSION_1));
    virtio->ops->set_features(virtio, virtio->negotiated);

    status |= VIRTIO_CONFIG_S_FEATURES_OK;
    virtio->ops->set_status(virtio, status);
    return (virtio->negotiated & VIRTIO_FEATURE(VIRTIO_F_VERSION_1)) != 0 &&
           virtio_status(virtio) == status;
}

bool virtio_start_queue(const struct virtio *virtio, uint32_t index,
                        const struct virtqueue *queue)
{
    return virtio->ops->start_queue(virtio, index, queue);
}

void virtio_driver_ok(const struct virtio *virtio)
{
    virtio->ops->set_status(virtio, virtio_status(virtio) | VIRTIO_CONFIG_S_DRIVER_OK);
}

uint32_t virtio_status(const struct virtio *virtio)
{
    return virtio->ops->status(virtio);
}

void virtio_notify(const struct virtio *virtio, uint32_t queue)
{
    virtio->ops->notify(virtio, queue);
}

uint32_t virtio_interrupt_status(const struct virtio *virtio)
{
    return virtio->ops->interrupt_status(virtio);
}

void virtio_interrupt_acknowledge(const struct virtio *virtio, uint32_t causes)
{
    virtio->ops->acknowledge(virtio, causes);
}

uint32_t virtio_config(const struct virtio *virtio, uint32_t offset)
{
    return virtio->ops->config(virtio, offset);
}

bool virtio_shm(const struct virtio *virtio, uint32_t id, struct gpa_range *range)
{
    return virtio->ops->shm(virtio, id, range);
}

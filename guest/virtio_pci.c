/* SPDX-License-Identifier: MIT */
/* The driver's side of virtio-pci (virtio 1.2, 4.1). */
#include <linux/virtio_pci.h>

#include "guest/guest.h"
#include "guest/mmio.h"
#include "guest/virtio.h"
#include "guest/virtqueue.h"

#define VENDOR       0x1af4u /* 4.1.2 */
#define FIRST_DEVICE 0x1040u

static uint32_t status(const struct virtio *virtio)
{
    return mmio_read8(virtio->base + VIRTIO_PCI_COMMON_STATUS);
}

static void set_status(const struct virtio *virtio, uint32_t value)
{
    mmio_write8(virtio->base + VIRTIO_PCI_COMMON_STATUS, (uint8_t)value);
}

static uint64_t features(const struct virtio *virtio)
{
    uint64_t offered = 0;
    for (uint32_t half = 0; half < 2; half++) {
        mmio_write32(virtio->base + VIRTIO_PCI_COMMON_DFSELECT, half);
        offered |= (uint64_t)mmio_read32(virtio->base + VIRTIO_PCI_COMMON_DF)
                   << 32 * half;
    }
    return offered;
}

static void set_features(const struct virtio *virtio, uint64_t accepted)
{
    for (uint32_t half = 0; half < 2; half++) {
        mmio_write32(virtio->base + VIRTIO_PCI_COMMON_GFSELECT, half);
        mmio_write32(virtio->base + VIRTIO_PCI_COMMON_GF,
                     (uint32_t)(accepted >> 32 * half));
    }
}

/* A 64-bit register as two of 32 bits. */
static void set_address(const struct virtio *virtio, uint32_t low, const void *address)
{
    uint64_t value = (uintptr_t)address;
    mmio_write32(virtio->base + low, (uint32_t)value);
    mmio_write32(virtio->base + low + 4, (uint32_t)(value >> 32));
}

/* A queue has the vector of its own number. */
static bool start_queue(const struct virtio *virtio, uint32_t index,
                        const struct virtqueue *queue)
{
    uint64_t common = virtio->base;
    mmio_write16(common + VIRTIO_PCI_COMMON_Q_SELECT, (uint16_t)index);
    if (mmio_read16(common + VIRTIO_PCI_COMMON_Q_ENABLE) != 0 ||
        mmio_read16(common + VIRTIO_PCI_COMMON_Q_SIZE) < VIRTQUEUE_SIZE)
        return false;
    mmio_write16(common + VIRTIO_PCI_COMMON_Q_SIZE, VIRTQUEUE_SIZE);
    if (pci_has_msix(virtio->pci)) {
        mmio_write16(common + VIRTIO_PCI_COMMON_Q_MSIX, (uint16_t)index);
        if (mmio_read16(common + VIRTIO_PCI_COMMON_Q_MSIX) != index)
            return false;
    }
    set_address(virtio, VIRTIO_PCI_COMMON_Q_DESCLO, queue->descriptors);
    set_address(virtio, VIRTIO_PCI_COMMON_Q_AVAILLO, queue->available);
    set_address(virtio, VIRTIO_PCI_COMMON_Q_USEDLO, queue->used);
    mmio_write16(common + VIRTIO_PCI_COMMON_Q_ENABLE, 1);
    return mmio_read16(common + VIRTIO_PCI_COMMON_Q_ENABLE) == 1;
}

static void notify(const struct virtio *virtio, uint32_t queue)
{
    mmio_write16(virtio->doorbells[queue % VIRTIO_QUEUES], (uint16_t)queue);
}

static uint32_t interrupt_status(const struct virtio *virtio)
{
    return mmio_read8(virtio->isr);
}

static void acknowledge(const struct virtio *virtio, uint32_t causes)
{
    (void)virtio;
    (void)causes;
}

static uint32_t config(const struct virtio *virtio, uint32_t offset)
{
    return mmio_read32(virtio->device + offset);
}

/* The virtio capability of this type behind `after`; 0: there is none. */
static uint32_t find_capability(struct pci_function pci, uint8_t type, uint32_t after)
{
    do
        after = pci_capability(pci, PCI_CAP_ID_VNDR, after);
    while (after != 0 && pci_read8(pci, after + VIRTIO_PCI_CAP_CFG_TYPE) != type);
    return after;
}

/* The address of what a capability describes. */
static uint64_t place_of(struct pci_function pci, uint32_t capability)
{
    return pci_bar(pci, pci_read8(pci, capability + VIRTIO_PCI_CAP_BAR)) +
           pci_read32(pci, capability + VIRTIO_PCI_CAP_OFFSET);
}

static bool shm(const struct virtio *virtio, uint32_t id, struct gpa_range *range)
{
    const uint32_t id_offset = offsetof(struct virtio_pci_cap, id);
    uint32_t capability = 0;
    do
        capability =
            find_capability(virtio->pci, VIRTIO_PCI_CAP_SHARED_MEMORY_CFG, capability);
    while (capability != 0 && pci_read8(virtio->pci, capability + id_offset) != id);
    if (capability == 0)
        return false;
    uint64_t offset = (uint64_t)pci_read32(virtio->pci, capability + 16) << 32;
    uint64_t length = (uint64_t)pci_read32(virtio->pci, capability + 20) << 32;
    range->start = gpa(place_of(virtio->pci, capability) + offset);
    range->size = length | pci_read32(virtio->pci, capability + VIRTIO_PCI_CAP_LENGTH);
    return gpa_range_is_valid(*range);
}

static const struct virtio_ops pci_ops = {
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

static bool find_structures(struct virtio *virtio)
{
    struct pci_function pci = virtio->pci;
    uint32_t common = find_capability(pci, VIRTIO_PCI_CAP_COMMON_CFG, 0);
    uint32_t isr = find_capability(pci, VIRTIO_PCI_CAP_ISR_CFG, 0);
    uint32_t device = find_capability(pci, VIRTIO_PCI_CAP_DEVICE_CFG, 0);
    uint32_t doorbells = find_capability(pci, VIRTIO_PCI_CAP_NOTIFY_CFG, 0);
    if (common == 0 || isr == 0 || doorbells == 0)
        return false;
    virtio->base = place_of(pci, common);
    virtio->isr = place_of(pci, isr);
    virtio->device = device ? place_of(pci, device) : 0;
    uint32_t multiplier = pci_read32(pci, doorbells + VIRTIO_PCI_NOTIFY_CAP_MULT);
    for (uint32_t queue = 0; queue < VIRTIO_QUEUES; queue++) {
        mmio_write16(virtio->base + VIRTIO_PCI_COMMON_Q_SELECT, (uint16_t)queue);
        virtio->doorbells[queue] =
            place_of(pci, doorbells) +
            (uint64_t)mmio_read16(virtio->base + VIRTIO_PCI_COMMON_Q_NOFF) * multiplier;
    }
    return true;
}

bool virtio_pci_find(const struct guest *guest, uint32_t device_id, struct virtio *virtio)
{
    for (uint32_t slot = 0; slot < PCI_SLOTS; slot++) {
        struct pci_function function;
        if (!pci_function_at(guest, slot, &function) ||
            pci_read16(function, PCI_VENDOR_ID) != VENDOR ||
            pci_read16(function, PCI_DEVICE_ID) != FIRST_DEVICE + device_id)
            continue;
        *virtio = (struct virtio){.ops = &pci_ops, .pci = function, .irq = function.irq};
        return find_structures(virtio);
    }
    return false;
}

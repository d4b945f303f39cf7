/* SPDX-License-Identifier: MIT */
/*
 * The registers of the common configuration (virtio 1.2, 4.1.4.3). Each is accessed with its
 * own width, a 64-bit address also as two halves; what a driver must not do is ignored, and
 * said in a trace line.
 */
#include <inttypes.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>

#include "virtio/pci.h"

static void complain(const struct virtio_pci *pci, const char *access, uint64_t offset,
                     const char *why)
{
    trace_warning(pci->device->trace, "virtio",
                  "%s: %s common configuration 0x%02" PRIx64
                  ": ignored: %s (virtio 1.2, 4.1.4.3)",
                  pci->device->name, access, offset, why);
}

static void set_low(uint64_t *value, uint32_t half)
{
    *value = (*value & ~(uint64_t)UINT32_MAX) | half;
}

static void set_high(uint64_t *value, uint32_t half)
{
    *value = (*value & UINT32_MAX) | (uint64_t)half << 32;
}

static uint32_t half_of(uint64_t value, uint32_t select)
{
    return select < 2 ? (uint32_t)(value >> 32 * select) : 0;
}

/* Bytes of the register that begins here; 0: none does. */
static unsigned width_of(uint64_t offset)
{
    switch (offset) {
    case VIRTIO_PCI_COMMON_STATUS:
    case VIRTIO_PCI_COMMON_CFGGENERATION:
        return 1;
    case VIRTIO_PCI_COMMON_MSIX:
    case VIRTIO_PCI_COMMON_NUMQ:
    case VIRTIO_PCI_COMMON_Q_SELECT:
    case VIRTIO_PCI_COMMON_Q_SIZE:
    case VIRTIO_PCI_COMMON_Q_MSIX:
    case VIRTIO_PCI_COMMON_Q_ENABLE:
    case VIRTIO_PCI_COMMON_Q_NOFF:
        return 2;
    case VIRTIO_PCI_COMMON_DFSELECT:
    case VIRTIO_PCI_COMMON_DF:
    case VIRTIO_PCI_COMMON_GFSELECT:
    case VIRTIO_PCI_COMMON_GF:
    case VIRTIO_PCI_COMMON_Q_DESCLO:
    case VIRTIO_PCI_COMMON_Q_DESCHI:
    case VIRTIO_PCI_COMMON_Q_AVAILLO:
    case VIRTIO_PCI_COMMON_Q_AVAILHI:
    case VIRTIO_PCI_COMMON_Q_USEDLO:
    case VIRTIO_PCI_COMMON_Q_USEDHI:
        return 4;
    default:
        return 0;
    }
}

static bool is_address(uint64_t offset)
{
    return offset == VIRTIO_PCI_COMMON_Q_DESCLO ||
           offset == VIRTIO_PCI_COMMON_Q_AVAILLO || offset == VIRTIO_PCI_COMMON_Q_USEDLO;
}

/* NULL when queue_select names a queue that this device does not have. */
static struct virtio_queue_registers *selected_queue(const struct virtio_pci *pci)
{
    return pci->queue_select < pci->device->queue_count
               ? &pci->device->queue_registers[pci->queue_select]
               : NULL;
}

/* The size that we offer, until the driver writes another one. */
static uint16_t size_of(const struct virtio_queue_registers *queue)
{
    return queue->size != 0 ? queue->size : VIRTQUEUE_SIZE_MAX;
}

void virtio_pci_reset_common(struct virtio_pci *pci)
{
    pci->device_features_select = 0;
    pci->driver_features_select = 0;
    pci->queue_select = 0;
    atomic_store(&pci->config_vector, VIRTIO_MSI_NO_VECTOR);
    for (unsigned i = 0; i < VIRTIO_QUEUES_MAX; i++)
        atomic_store(&pci->queue_vectors[i], VIRTIO_MSI_NO_VECTOR);
}

/* --- reads --- */

static uint32_t read_queue(const struct virtio_pci *pci, uint64_t offset)
{
    const struct virtio_queue_registers *queue = selected_queue(pci);
    if (queue == NULL) /* its size, 0, says that it does not exist */
        return offset == VIRTIO_PCI_COMMON_Q_MSIX ? VIRTIO_MSI_NO_VECTOR : 0;
    switch (offset) {
    case VIRTIO_PCI_COMMON_Q_SIZE:
        return size_of(queue);
    case VIRTIO_PCI_COMMON_Q_MSIX:
        return atomic_load(&pci->queue_vectors[pci->queue_select]);
    case VIRTIO_PCI_COMMON_Q_ENABLE:
        return queue->ready;
    case VIRTIO_PCI_COMMON_Q_NOFF:
        return pci->queue_select;
    case VIRTIO_PCI_COMMON_Q_DESCLO:
        return half_of(queue->descriptors, 0);
    case VIRTIO_PCI_COMMON_Q_DESCHI:
        return half_of(queue->descriptors, 1);
    case VIRTIO_PCI_COMMON_Q_AVAILLO:
        return half_of(queue->driver, 0);
    case VIRTIO_PCI_COMMON_Q_AVAILHI:
        return half_of(queue->driver, 1);
    case VIRTIO_PCI_COMMON_Q_USEDLO:
        return half_of(queue->device, 0);
    case VIRTIO_PCI_COMMON_Q_USEDHI:
        return half_of(queue->device, 1);
    default:
        BUG_ON(true);
    }
}

static uint32_t read_register(const struct virtio_pci *pci, uint64_t offset)
{
    const struct virtio_device *device = pci->device;
    switch (offset) {
    case VIRTIO_PCI_COMMON_DFSELECT:
        return pci->device_features_select;
    case VIRTIO_PCI_COMMON_DF:
        return half_of(device->features, pci->device_features_select);
    case VIRTIO_PCI_COMMON_GFSELECT:
        return pci->driver_features_select;
    case VIRTIO_PCI_COMMON_GF:
        return half_of(device->driver_features, pci->driver_features_select);
    case VIRTIO_PCI_COMMON_MSIX:
        return atomic_load(&pci->config_vector);
    case VIRTIO_PCI_COMMON_NUMQ:
        return device->queue_count;
    case VIRTIO_PCI_COMMON_STATUS:
        return device->status & 0xff;
    case VIRTIO_PCI_COMMON_CFGGENERATION:
        return device->config_generation & 0xff;
    case VIRTIO_PCI_COMMON_Q_SELECT:
        return pci->queue_select;
    default:
        return read_queue(pci, offset);
    }
}

uint64_t virtio_pci_read_common(struct virtio_pci *pci, uint64_t offset, unsigned size)
{
    if (size == 8 && is_address(offset))
        return virtio_pci_read_common(pci, offset, 4) |
               virtio_pci_read_common(pci, offset + 4, 4) << 32;
    if (size != width_of(offset)) {
        complain(pci, "read of", offset, "no register of this width is there");
        return 0;
    }
    pthread_mutex_lock(&pci->device->lock);
    uint32_t value = read_register(pci, offset);
    pthread_mutex_unlock(&pci->device->lock);
    return value;
}

/* --- writes --- */

static void write_driver_features(struct virtio_pci *pci, uint32_t value)
{
    struct virtio_device *device = pci->device;
    if ((device->status & VIRTIO_CONFIG_S_FEATURES_OK) != 0)
        complain(pci, "write to", VIRTIO_PCI_COMMON_GF,
                 "the features are settled since FEATURES_OK");
    else if (pci->driver_features_select == 0)
        set_low(&device->driver_features, value);
    else if (pci->driver_features_select == 1)
        set_high(&device->driver_features, value);
    else if (value != 0)
        complain(pci, "write to", VIRTIO_PCI_COMMON_GF, "there are no features above 63");
}

/* A vector that does not exist reads back as NO_VECTOR, and so tells the driver (4.1.5.1.2). */
static void write_vector(const struct virtio_pci *pci, atomic_uint *vector,
                         uint32_t value)
{
    atomic_store(vector, value < pci->msix.count ? value : VIRTIO_MSI_NO_VECTOR);
}

static void write_queue(struct virtio_pci *pci, uint64_t offset, uint32_t value)
{
    struct virtio_queue_registers *queue = selected_queue(pci);
    if (queue == NULL) {
        complain(pci, "write to", offset, "queue_select names no queue of this device");
        return;
    }
    if (offset == VIRTIO_PCI_COMMON_Q_MSIX) {
        write_vector(pci, &pci->queue_vectors[pci->queue_select], value);
        return;
    }
    if (queue->ready) {
        complain(pci, "write to", offset, "the queue is enabled");
        return;
    }
    switch (offset) {
    case VIRTIO_PCI_COMMON_Q_SIZE:
        if (value <= VIRTQUEUE_SIZE_MAX) /* virtqueue_start() says what else is wrong */
            queue->size = (uint16_t)value;
        else
            complain(pci, "write to", offset, "larger than the size that was offered");
        break;
    case VIRTIO_PCI_COMMON_Q_DESCLO:
        set_low(&queue->descriptors, value);
        break;
    case VIRTIO_PCI_COMMON_Q_DESCHI:
        set_high(&queue->descriptors, value);
        break;
    case VIRTIO_PCI_COMMON_Q_AVAILLO:
        set_low(&queue->driver, value);
        break;
    case VIRTIO_PCI_COMMON_Q_AVAILHI:
        set_high(&queue->driver, value);
        break;
    case VIRTIO_PCI_COMMON_Q_USEDLO:
        set_low(&queue->device, value);
        break;
    case VIRTIO_PCI_COMMON_Q_USEDHI:
        set_high(&queue->device, value);
        break;
    default:
        complain(pci, "write to", offset, "read-only");
    }
}

static void write_register(struct virtio_pci *pci, uint64_t offset, uint32_t value)
{
    switch (offset) {
    case VIRTIO_PCI_COMMON_DFSELECT:
        pci->device_features_select = value;
        break;
    case VIRTIO_PCI_COMMON_GFSELECT:
        pci->driver_features_select = value;
        break;
    case VIRTIO_PCI_COMMON_GF:
        write_driver_features(pci, value);
        break;
    case VIRTIO_PCI_COMMON_MSIX:
        write_vector(pci, &pci->config_vector, value);
        break;
    case VIRTIO_PCI_COMMON_Q_SELECT:
        pci->queue_select = (uint16_t)value;
        break;
    case VIRTIO_PCI_COMMON_DF:
    case VIRTIO_PCI_COMMON_NUMQ:
    case VIRTIO_PCI_COMMON_CFGGENERATION:
        complain(pci, "write to", offset, "read-only");
        break;
    default:
        write_queue(pci, offset, value);
    }
}

/* Involves the device's thread: not under the lock. */
static void write_queue_enable(struct virtio_pci *pci, uint64_t value)
{
    struct virtio_device *device = pci->device;
    pthread_mutex_lock(&device->lock);
    uint32_t index = pci->queue_select;
    struct virtio_queue_registers *queue = selected_queue(pci);
    if (queue != NULL && !queue->ready && value == 1)
        queue->size = size_of(queue);
    pthread_mutex_unlock(&device->lock);

    if (queue == NULL)
        complain(pci, "write to", VIRTIO_PCI_COMMON_Q_ENABLE,
                 "queue_select names no queue of this device");
    else if (value != 1) /* 4.1.4.3.2 */
        complain(pci, "write to", VIRTIO_PCI_COMMON_Q_ENABLE,
                 "a queue can be enabled, and not be disabled");
    else
        virtio_device_write_queue_ready(device, index, true);
}

void virtio_pci_write_common(struct virtio_pci *pci, uint64_t offset, unsigned size,
                             uint64_t value)
{
    if (size == 8 && is_address(offset)) {
        virtio_pci_write_common(pci, offset, 4, (uint32_t)value);
        virtio_pci_write_common(pci, offset + 4, 4, value >> 32);
    } else if (size != width_of(offset)) {
        complain(pci, "write to", offset, "no register of this width is there");
    } else if (offset == VIRTIO_PCI_COMMON_STATUS) {
        virtio_device_write_status(pci->device, (uint8_t)value);
    } else if (offset == VIRTIO_PCI_COMMON_Q_ENABLE) {
        write_queue_enable(pci, (uint16_t)value);
    } else {
        pthread_mutex_lock(&pci->device->lock);
        write_register(pci, offset, (uint32_t)value);
        pthread_mutex_unlock(&pci->device->lock);
    }
}

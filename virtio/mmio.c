/* SPDX-License-Identifier: MIT */
/*
 * Register accesses of vCPUs. The rules of the registers are in virtio 1.2, 4.2.2:
 * control registers are accessed with 32 bits, aligned; the configuration space behind
 * them with any size. What a driver must not do is ignored, and said in a trace line.
 *
 *   0x000 .. 0x0ff  control registers
 *   0x100 .. 0xfff  device configuration
 */
#include "virtio/mmio.h"

#include <inttypes.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <string.h>
#include <sys/eventfd.h>

#define MAGIC   0x74726976u /* "virt" */
#define VERSION 2u
#define VENDOR  0x4d563253u /* "S2VM"; the specification leaves the value to us */

void virtio_mmio_init(struct virtio_mmio *mmio, struct virtio_device *device)
{
    *mmio = (struct virtio_mmio){.device = device};
}

static void complain(const struct virtio_mmio *mmio, const char *access, uint64_t offset,
                     const char *why)
{
    trace_warning(mmio->device->trace, "virtio",
                  "%s: %s register 0x%03" PRIx64 ": ignored: %s (virtio 1.2, 4.2.2)",
                  mmio->device->name, access, offset, why);
}

static bool is_register_access(uint64_t offset, unsigned size)
{
    return size == sizeof(uint32_t) && is_aligned(offset, sizeof(uint32_t));
}

static uint32_t low(uint64_t value)
{
    return (uint32_t)value;
}

static uint32_t high(uint64_t value)
{
    return (uint32_t)(value >> 32);
}

static void set_low(uint64_t *value, uint32_t half)
{
    *value = (*value & ~(uint64_t)UINT32_MAX) | half;
}

static void set_high(uint64_t *value, uint32_t half)
{
    *value = (*value & UINT32_MAX) | (uint64_t)half << 32;
}

/* --- device configuration --- */

static bool is_in_config(const struct virtio_device *device, uint64_t offset,
                         unsigned size)
{
    return offset <= device->config_size && size <= device->config_size - offset;
}

static uint64_t read_config(struct virtio_mmio *mmio, uint64_t offset, unsigned size)
{
    struct virtio_device *device = mmio->device;
    uint64_t value = 0;

    if (!is_in_config(device, offset, size)) {
        complain(mmio, "read of", VIRTIO_MMIO_CONFIG + offset,
                 "behind the configuration");
        return 0;
    }
    pthread_mutex_lock(&device->lock);
    memcpy(&value, device->config + offset, size);
    pthread_mutex_unlock(&device->lock);
    return value;
}

static void write_config(struct virtio_mmio *mmio, uint64_t offset, unsigned size,
                         uint64_t value)
{
    struct virtio_device *device = mmio->device;

    if (!is_in_config(device, offset, size)) {
        complain(mmio, "write to", VIRTIO_MMIO_CONFIG + offset,
                 "behind the configuration");
    } else if (device->config_written == NULL) {
        complain(mmio, "write to", VIRTIO_MMIO_CONFIG + offset, "read-only");
    } else {
        pthread_mutex_lock(&device->lock);
        memcpy(device->config + offset, &value, size);
        device->config_written(device->context, (uint32_t)offset, size);
        pthread_mutex_unlock(&device->lock);
    }
}

/* --- control registers --- */

/* The selected shared-memory region. One that does not exist has a length and a base of
 * all ones (4.2.2). */
static struct gpa_range selected_shm(const struct virtio_mmio *mmio)
{
    const struct virtio_device *device = mmio->device;
    for (unsigned i = 0; i < device->shm_count; i++)
        if (device->shm[i].id == mmio->shm_select)
            return device->shm[i].range;
    return (struct gpa_range){gpa(UINT64_MAX), UINT64_MAX};
}

/* NULL when QueueSel names a queue that this device does not have. */
static struct virtio_queue_registers *selected_queue(const struct virtio_mmio *mmio)
{
    return mmio->queue_select < mmio->device->queue_count
               ? &mmio->device->queue_registers[mmio->queue_select]
               : NULL;
}

static uint32_t read_register(struct virtio_mmio *mmio, uint64_t offset)
{
    struct virtio_device *device = mmio->device;
    const struct virtio_queue_registers *queue = selected_queue(mmio);

    switch (offset) {
    case VIRTIO_MMIO_MAGIC_VALUE:
        return MAGIC;
    case VIRTIO_MMIO_VERSION:
        return VERSION;
    case VIRTIO_MMIO_DEVICE_ID:
        return device->device_id;
    case VIRTIO_MMIO_VENDOR_ID:
        return VENDOR;
    case VIRTIO_MMIO_DEVICE_FEATURES:
        return mmio->device_features_select == 0   ? low(device->features)
               : mmio->device_features_select == 1 ? high(device->features)
                                                   : 0;
    case VIRTIO_MMIO_QUEUE_NUM_MAX:
        return queue != NULL ? VIRTQUEUE_SIZE_MAX : 0;
    case VIRTIO_MMIO_QUEUE_READY:
        return queue != NULL && queue->ready;
    case VIRTIO_MMIO_INTERRUPT_STATUS:
        return atomic_load(&device->interrupt_status);
    case VIRTIO_MMIO_STATUS:
        return device->status;
    case VIRTIO_MMIO_SHM_LEN_LOW:
        return low(selected_shm(mmio).size);
    case VIRTIO_MMIO_SHM_LEN_HIGH:
        return high(selected_shm(mmio).size);
    case VIRTIO_MMIO_SHM_BASE_LOW:
        return low(selected_shm(mmio).start.value);
    case VIRTIO_MMIO_SHM_BASE_HIGH:
        return high(selected_shm(mmio).start.value);
    case VIRTIO_MMIO_CONFIG_GENERATION:
        return device->config_generation;
    default:
        complain(mmio, "read of", offset, "unknown or write-only");
        return 0;
    }
}

static void write_driver_features(struct virtio_mmio *mmio, uint32_t value)
{
    struct virtio_device *device = mmio->device;
    if ((device->status & VIRTIO_CONFIG_S_FEATURES_OK) != 0)
        complain(mmio, "write to", VIRTIO_MMIO_DRIVER_FEATURES,
                 "the features are settled since FEATURES_OK");
    else if (mmio->driver_features_select == 0)
        set_low(&device->driver_features, value);
    else if (mmio->driver_features_select == 1)
        set_high(&device->driver_features, value);
    else if (value != 0)
        complain(mmio, "write to", VIRTIO_MMIO_DRIVER_FEATURES,
                 "there are no features above 63");
}

/* Size and addresses of the selected queue. */
static void write_queue_register(struct virtio_mmio *mmio, uint64_t offset,
                                 uint32_t value)
{
    struct virtio_queue_registers *queue = selected_queue(mmio);
    if (queue == NULL) {
        complain(mmio, "write to", offset, "QueueSel names no queue of this device");
        return;
    }
    if (queue->ready) {
        complain(mmio, "write to", offset, "the queue is ready");
        return;
    }
    switch (offset) {
    case VIRTIO_MMIO_QUEUE_NUM:
        /* virtqueue_start() says what else is wrong with it. */
        if (value <= VIRTQUEUE_SIZE_MAX)
            queue->size = (uint16_t)value;
        else
            complain(mmio, "write to", offset, "larger than QueueNumMax");
        break;
    case VIRTIO_MMIO_QUEUE_DESC_LOW:
        set_low(&queue->descriptors, value);
        break;
    case VIRTIO_MMIO_QUEUE_DESC_HIGH:
        set_high(&queue->descriptors, value);
        break;
    case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
        set_low(&queue->driver, value);
        break;
    case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
        set_high(&queue->driver, value);
        break;
    case VIRTIO_MMIO_QUEUE_USED_LOW:
        set_low(&queue->device, value);
        break;
    case VIRTIO_MMIO_QUEUE_USED_HIGH:
        set_high(&queue->device, value);
        break;
    default:
        BUG_ON(true);
    }
}

static void write_register(struct virtio_mmio *mmio, uint64_t offset, uint32_t value)
{
    struct virtio_device *device = mmio->device;

    switch (offset) {
    case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
        mmio->device_features_select = value;
        break;
    case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
        mmio->driver_features_select = value;
        break;
    case VIRTIO_MMIO_DRIVER_FEATURES:
        write_driver_features(mmio, value);
        break;
    case VIRTIO_MMIO_QUEUE_SEL:
        mmio->queue_select = value;
        break;
    case VIRTIO_MMIO_QUEUE_NUM:
    case VIRTIO_MMIO_QUEUE_DESC_LOW:
    case VIRTIO_MMIO_QUEUE_DESC_HIGH:
    case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
    case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
    case VIRTIO_MMIO_QUEUE_USED_LOW:
    case VIRTIO_MMIO_QUEUE_USED_HIGH:
        write_queue_register(mmio, offset, value);
        break;
    case VIRTIO_MMIO_QUEUE_NOTIFY:
        /* KVM's ioeventfd takes a valid index before it gets here, where one is
         * installed. */
        if (value < device->queue_count)
            eventfd_write(device->kick_fds[value], 1);
        else
            complain(mmio, "write to", offset, "no such queue");
        break;
    case VIRTIO_MMIO_INTERRUPT_ACK:
        atomic_fetch_and(&device->interrupt_status, ~value);
        break;
    case VIRTIO_MMIO_SHM_SEL:
        mmio->shm_select = value;
        break;
    default:
        complain(mmio, "write to", offset, "unknown or read-only");
    }
}

/* Stopping a queue and a reset involve the device's thread: not under the lock. */
static void write_queue_ready(struct virtio_mmio *mmio, uint32_t value)
{
    struct virtio_device *device = mmio->device;
    pthread_mutex_lock(&device->lock);
    uint32_t index = mmio->queue_select;
    pthread_mutex_unlock(&device->lock);

    if (index >= device->queue_count)
        complain(mmio, "write to", VIRTIO_MMIO_QUEUE_READY,
                 "QueueSel names no queue of this device");
    else if (value > 1)
        complain(mmio, "write to", VIRTIO_MMIO_QUEUE_READY, "neither 0 nor 1");
    else
        virtio_device_write_queue_ready(device, index, value == 1);
}

static uint64_t mmio_read(void *context, uint64_t offset, unsigned size)
{
    struct virtio_mmio *mmio = context;
    if (offset >= VIRTIO_MMIO_CONFIG)
        return read_config(mmio, offset - VIRTIO_MMIO_CONFIG, size);
    if (!is_register_access(offset, size)) {
        complain(mmio, "read of", offset, "not 32 bits, aligned");
        return 0;
    }
    pthread_mutex_lock(&mmio->device->lock);
    uint32_t value = read_register(mmio, offset);
    pthread_mutex_unlock(&mmio->device->lock);
    return value;
}

static void mmio_write(void *context, uint64_t offset, unsigned size, uint64_t value)
{
    struct virtio_mmio *mmio = context;
    if (offset >= VIRTIO_MMIO_CONFIG) {
        write_config(mmio, offset - VIRTIO_MMIO_CONFIG, size, value);
    } else if (!is_register_access(offset, size)) {
        complain(mmio, "write to", offset, "not 32 bits, aligned");
    } else if (offset == VIRTIO_MMIO_STATUS) {
        virtio_device_write_status(mmio->device, (uint32_t)value);
    } else if (offset == VIRTIO_MMIO_QUEUE_READY) {
        write_queue_ready(mmio, (uint32_t)value);
    } else {
        pthread_mutex_lock(&mmio->device->lock);
        write_register(mmio, offset, (uint32_t)value);
        pthread_mutex_unlock(&mmio->device->lock);
    }
}

const struct bus_ops virtio_mmio_bus_ops = {
    .read = mmio_read,
    .write = mmio_write,
};

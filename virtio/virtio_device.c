/* SPDX-License-Identifier: MIT */
/*
 * The registers of a virtio device, and the rules for changing them. Everything here is
 * short and runs under the lock; what takes time is left to virtio_device_thread.c by a
 * flag and the control eventfd. Section numbers are those of virtio 1.2.
 */
#include "virtio/virtio_device.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define FEATURE(bit) (UINT64_C(1) << (bit))
#define CORE_FEATURES                                                                    \
    (FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_RING_F_INDIRECT_DESC) |                \
     FEATURE(VIRTIO_RING_F_EVENT_IDX))

static bool open_eventfd(int *fd, struct error *error)
{
    *fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return *fd >= 0 || error_set(error, ERROR_HOST_SYSTEM, "eventfd: %s; see ulimit -n",
                                 strerror(errno));
}

static void close_eventfd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

bool virtio_device_init(struct virtio_device *device, struct error *error)
{
    BUG_ON(device->queue_count > VIRTIO_QUEUES_MAX);
    device->features |= CORE_FEATURES;
    device->interrupt_fd = -1;
    device->control_fd = -1;
    for (unsigned i = 0; i < VIRTIO_QUEUES_MAX; i++) {
        device->kick_fds[i] = -1;
        device->queues[i] = (struct virtqueue){.broken = true};
    }

    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&device->settled, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&device->lock, NULL);
    device->initialised = true;

    bool ok = open_eventfd(&device->interrupt_fd, error) &&
              open_eventfd(&device->control_fd, error);
    for (unsigned i = 0; ok && i < device->queue_count; i++)
        ok = open_eventfd(&device->kick_fds[i], error);
    if (!ok) {
        virtio_device_finish(device);
        return error_wrap(error, "%s", device->name);
    }
    return true;
}

void virtio_device_finish(struct virtio_device *device)
{
    if (!device->initialised)
        return;
    virtio_device_stop(device);
    close_eventfd(&device->interrupt_fd);
    close_eventfd(&device->control_fd);
    for (unsigned i = 0; i < VIRTIO_QUEUES_MAX; i++)
        close_eventfd(&device->kick_fds[i]);
    pthread_cond_destroy(&device->settled);
    pthread_mutex_destroy(&device->lock);
    device->initialised = false;
}

void virtio_device_add_shm(struct virtio_device *device, uint8_t id,
                           struct gpa_range range)
{
    BUG_ON(device->shm_count == VIRTIO_SHM_MAX);
    device->shm[device->shm_count++] = (struct virtio_shm){id, range};
}

/* --- interrupts --- */

static void interrupt(struct virtio_device *device, unsigned reason, unsigned source)
{
    atomic_fetch_or(&device->interrupt_status, reason);
    if (device->interrupt_ops != NULL)
        device->interrupt_ops->raise(device->interrupt_context, source);
    else
        eventfd_write(device->interrupt_fd, 1);
}

void virtio_device_signal_queue(struct virtio_device *device, unsigned index)
{
    if (virtqueue_needs_interrupt(&device->queues[index]))
        interrupt(device, VIRTIO_MMIO_INT_VRING, index);
}

void virtio_device_needs_reset(struct virtio_device *device, const struct error *cause)
{
    trace_warning(device->trace, "virtio", "%s needs a reset: %s", device->name,
                  cause->text);
    pthread_mutex_lock(&device->lock);
    if (device->started) {
        device->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
        interrupt(device, VIRTIO_MMIO_INT_CONFIG, VIRTIO_INTERRUPT_CONFIG);
    }
    pthread_mutex_unlock(&device->lock);
}

void virtio_device_change_config(struct virtio_device *device, uint32_t offset,
                                 const void *bytes, uint32_t size)
{
    BUG_ON(offset > device->config_size || size > device->config_size - offset);
    pthread_mutex_lock(&device->lock);
    memcpy(device->config + offset, bytes, size);
    device->config_generation++;
    if ((device->status & VIRTIO_CONFIG_S_DRIVER_OK) != 0) /* 2.1.2: not before */
        interrupt(device, VIRTIO_MMIO_INT_CONFIG, VIRTIO_INTERRUPT_CONFIG);
    pthread_mutex_unlock(&device->lock);
}

/* --- what vCPUs ask the device's thread for --- */

void virtio_device_clear_registers(struct virtio_device *device)
{
    device->status = 0;
    device->driver_features = 0;
    memset(device->queue_registers, 0, sizeof device->queue_registers);
    device->start_asked = false;
    device->reset_asked = false;
    device->started = false;
    atomic_store(&device->interrupt_status, 0); /* 4.2.2.1 */
    if (device->interrupt_ops != NULL)
        device->interrupt_ops->reset(device->interrupt_context);
}

static void wake_thread(struct virtio_device *device)
{
    eventfd_write(device->control_fd, 1);
}

/* Wakes the thread, and gives it a moment to clear the flag: see virtio_device.h. */
static void wait_for_thread(struct virtio_device *device, const bool *asked)
{
    struct timespec deadline;
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_nsec += VIRTIO_SETTLE_MILLISECONDS * 1000000L;
    deadline.tv_sec += deadline.tv_nsec / 1000000000L;
    deadline.tv_nsec %= 1000000000L;

    wake_thread(device);
    while (*asked && device->thread_runs)
        if (pthread_cond_timedwait(&device->settled, &device->lock, &deadline) != 0)
            return;
}

static void reset(struct virtio_device *device)
{
    if (device->started) {
        device->reset_asked = true;
        wait_for_thread(device, &device->reset_asked);
    } else {
        /* The thread knows nothing of this driver yet. */
        virtio_device_clear_registers(device);
    }
}

void virtio_device_write_queue_ready(struct virtio_device *device, unsigned index,
                                     bool ready)
{
    BUG_ON(index >= device->queue_count);
    struct virtio_queue_registers *queue = &device->queue_registers[index];

    pthread_mutex_lock(&device->lock);
    if (ready && queue->stop_asked) {
        trace_warning(
            device->trace, "virtio",
            "%s: queue %u made ready before it has stopped: ignored; wait until "
            "its ready register reads 0 (virtio 1.2, 4.2.2.2)",
            device->name, index);
    } else if (ready) {
        queue->ready = true;
        if (device->started)
            wake_thread(device);
    } else if (queue->ready && device->started) {
        queue->stop_asked = true;
        wait_for_thread(device, &queue->stop_asked);
    } else {
        queue->ready = false;
    }
    pthread_mutex_unlock(&device->lock);
}

/* --- status --- */

/* 2.2.2: which features we can work with. */
static bool accept_features(struct virtio_device *device)
{
    uint64_t unknown = device->driver_features & ~device->features;
    if (unknown != 0) {
        trace_warning(device->trace, "virtio",
                      "%s: FEATURES_OK refused: the driver accepted features 0x%" PRIx64
                      ", which were not offered",
                      device->name, unknown);
        return false;
    }
    if ((device->driver_features & FEATURE(VIRTIO_F_VERSION_1)) == 0) {
        trace_warning(device->trace, "virtio",
                      "%s: FEATURES_OK refused: the driver did not accept VERSION_1, and "
                      "there is no legacy interface",
                      device->name);
        return false;
    }
    return true;
}

/* The bits that a driver can set, in the order in which it has to (3.1.1). Several in one
 * write are taken one after the other. */
static const struct {
    uint32_t bit;
    uint32_t needs;
    const char *name;
} status_steps[] = {
    // clang-format off
    {VIRTIO_CONFIG_S_ACKNOWLEDGE, 0,                           "ACKNOWLEDGE"},
    {VIRTIO_CONFIG_S_DRIVER,      VIRTIO_CONFIG_S_ACKNOWLEDGE, "DRIVER"},
    {VIRTIO_CONFIG_S_FEATURES_OK, VIRTIO_CONFIG_S_DRIVER,      "FEATURES_OK"},
    {VIRTIO_CONFIG_S_DRIVER_OK,   VIRTIO_CONFIG_S_FEATURES_OK, "DRIVER_OK"},
    {VIRTIO_CONFIG_S_FAILED,      0,                           "FAILED"},
    // clang-format on
};
#define DRIVER_STATUS                                                                    \
    (VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |                              \
     VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_FAILED)

static void advance_status(struct virtio_device *device, uint32_t status)
{
    uint32_t before = device->status;
    if ((before & ~status & DRIVER_STATUS) != 0) {
        trace_warning(
            device->trace, "virtio",
            "%s: status 0x%x written after 0x%x: ignored; only a reset clears bits "
            "(virtio 1.2, 2.1.1)",
            device->name, status, before);
        return;
    }
    /* NEEDS_RESET is ours. The driver writes back what it read, which may be older. */
    uint32_t unknown = status & ~(uint32_t)(DRIVER_STATUS | VIRTIO_CONFIG_S_NEEDS_RESET);
    if (unknown != 0)
        trace_warning(device->trace, "virtio", "%s: unknown status bits 0x%x ignored",
                      device->name, unknown);

    for (size_t i = 0; i < ARRAY_SIZE(status_steps); i++) {
        uint32_t bit = status_steps[i].bit;
        if ((status & ~before & bit) == 0)
            continue;
        if ((device->status & status_steps[i].needs) != status_steps[i].needs)
            trace_warning(device->trace, "virtio",
                          "%s: status 0x%x written after 0x%x: %s refused, it comes too "
                          "early (virtio 1.2, 3.1.1)",
                          device->name, status, before, status_steps[i].name);
        else if (bit != VIRTIO_CONFIG_S_FEATURES_OK || accept_features(device))
            device->status |= bit;
    }
    if ((device->status & ~before & VIRTIO_CONFIG_S_DRIVER_OK) != 0) {
        device->start_asked = true;
        wake_thread(device);
    }
}

void virtio_device_write_status(struct virtio_device *device, uint32_t status)
{
    pthread_mutex_lock(&device->lock);
    if (status == 0)
        reset(device);
    else if (device->reset_asked)
        trace_warning(
            device->trace, "virtio",
            "%s: status 0x%x written during a reset: ignored; wait until it reads "
            "0 (virtio 1.2, 2.4.2)",
            device->name, status);
    else
        advance_status(device, status);
    pthread_mutex_unlock(&device->lock);
}

uint32_t virtio_device_read_status(struct virtio_device *device)
{
    pthread_mutex_lock(&device->lock);
    uint32_t status = device->status;
    pthread_mutex_unlock(&device->lock);
    return status;
}

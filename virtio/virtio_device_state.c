/* SPDX-License-Identifier: MIT */
/*
 * The state of a virtio device that is paused: between two chains a queue is its registers and
 * three indices. Where the driver is, is in guest memory. What vCPUs have asked for and the thread
 * has not done yet is no state: there is nothing of it during a pause.
 */
#include "virtio/virtio_device.h"

#include <inttypes.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <sys/eventfd.h>

#define VERSION 1u

#define FEATURE(bit) (UINT64_C(1) << (bit))
#define STATUS_BITS                                                                      \
    (VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |                              \
     VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_FAILED |  \
     VIRTIO_CONFIG_S_NEEDS_RESET)
#define INTERRUPT_BITS (VIRTIO_MMIO_INT_VRING | VIRTIO_MMIO_INT_CONFIG)

#define QUEUE_READY   1u
#define QUEUE_RUNNING 2u
#define QUEUE_BROKEN  4u
#define QUEUE_FLAGS   (QUEUE_READY | QUEUE_RUNNING | QUEUE_BROKEN)

/* --- saving --- */

static void save_queue(const struct virtio_device *device, unsigned index,
                       struct state_writer *writer)
{
    const struct virtio_queue_registers *registers = &device->queue_registers[index];
    const struct virtqueue *queue = &device->queues[index];
    bool running = device->queue_running[index];
    state_put32(writer, registers->size);
    state_put64(writer, registers->descriptors);
    state_put64(writer, registers->driver);
    state_put64(writer, registers->device);
    state_put32(writer, (registers->ready ? QUEUE_READY : 0) |
                            (running ? QUEUE_RUNNING : 0) |
                            (running && queue->broken ? QUEUE_BROKEN : 0));
    state_put32(writer, running ? queue->next_available : 0);
    state_put32(writer, running ? queue->next_used : 0);
    state_put32(writer, running ? queue->signalled_used : 0);
}

void virtio_device_save(const struct virtio_device *device, struct state_writer *writer,
                        uint32_t instance)
{
    BUG_ON(device->thread_runs && !device->paused);
    state_begin(writer, "VIRT", instance, VERSION);
    state_put32(writer, device->device_id);
    state_put32(writer, device->status);
    state_put64(writer, device->driver_features);
    state_put32(writer, device->config_generation);
    state_put32(writer, atomic_load(&device->interrupt_status));
    state_put32(writer, device->queue_count);
    for (unsigned i = 0; i < device->queue_count; i++)
        save_queue(device, i, writer);
    state_end(writer);
}

/* --- loading --- */

struct queue_state {
    uint32_t size;
    uint64_t descriptors;
    uint64_t driver;
    uint64_t device;
    uint32_t flags;
    uint32_t next_available;
    uint32_t next_used;
    uint32_t signalled_used;
};

struct device_state {
    uint32_t device_id;
    uint32_t status;
    uint64_t driver_features;
    uint32_t config_generation;
    uint32_t interrupt_status;
    uint32_t queue_count;
    struct queue_state queues[VIRTIO_QUEUES_MAX];
};

static void read_queue(struct state_section *section, struct queue_state *queue)
{
    queue->size = state_get32(section);
    queue->descriptors = state_get64(section);
    queue->driver = state_get64(section);
    queue->device = state_get64(section);
    queue->flags = state_get32(section);
    queue->next_available = state_get32(section);
    queue->next_used = state_get32(section);
    queue->signalled_used = state_get32(section);
}

static bool read_state(struct state_section *section, struct device_state *state,
                       struct error *error)
{
    state->device_id = state_get32(section);
    state->status = state_get32(section);
    state->driver_features = state_get64(section);
    state->config_generation = state_get32(section);
    state->interrupt_status = state_get32(section);
    state->queue_count = state_get32(section);
    for (unsigned i = 0; i < state->queue_count && i < VIRTIO_QUEUES_MAX; i++)
        read_queue(section, &state->queues[i]);
    return state_close(section, error);
}

static bool is_started(const struct device_state *state)
{
    return (state->status & VIRTIO_CONFIG_S_DRIVER_OK) != 0;
}

/* What the registers can be, whatever a driver does: virtio_device.c. */
static bool check_registers(const struct virtio_device *device,
                            const struct state_section *section,
                            const struct device_state *state, struct error *error)
{
    uint64_t missing = state->driver_features & ~device->features;
    bool settled = (state->status & VIRTIO_CONFIG_S_FEATURES_OK) != 0;
    if (state->device_id != device->device_id ||
        state->queue_count != device->queue_count)
        return state_refuse(
            section, error,
            "a device of type %u with %u queues; the new VM has %s there, "
            "type %u with %u: give it the same devices",
            state->device_id, state->queue_count, device->name, device->device_id,
            device->queue_count);
    if ((state->status & ~(uint32_t)STATUS_BITS) != 0 || (is_started(state) && !settled))
        return state_refuse(section, error, "%s has status 0x%x, which cannot be",
                            device->name, state->status);
    if (settled && missing != 0)
        return state_refuse(
            section, error,
            "the driver of %s uses features 0x%" PRIx64
            ", which this s2vmm does not offer: leave the old one running",
            device->name, missing);
    if (settled && (state->driver_features & FEATURE(VIRTIO_F_VERSION_1)) == 0)
        return state_refuse(section, error, "%s without VERSION_1, which cannot be",
                            device->name);
    if ((state->interrupt_status & ~(uint32_t)INTERRUPT_BITS) != 0)
        return state_refuse(section, error, "%s has interrupt status 0x%x", device->name,
                            state->interrupt_status);
    return true;
}

/* What they have in common, as start_queue() makes it. */
static struct virtqueue make_queue(const struct virtio_device *device,
                                   const struct device_state *state, unsigned index)
{
    const struct queue_state *saved = &state->queues[index];
    uint64_t features = state->driver_features;
    return (struct virtqueue){
        .memory = device->memory,
        .descriptors = gpa(saved->descriptors),
        .driver = gpa(saved->driver),
        .device = gpa(saved->device),
        .size = (uint16_t)saved->size,
        .event_index = (features & FEATURE(VIRTIO_RING_F_EVENT_IDX)) != 0,
        .indirect = (features & FEATURE(VIRTIO_RING_F_INDIRECT_DESC)) != 0,
    };
}

/* A queue that does not run is broken, as virtio_device_init() leaves it. */
static bool check_queue(const struct virtio_device *device,
                        const struct state_section *section,
                        const struct device_state *state, unsigned index,
                        struct virtqueue *queue, struct error *error)
{
    const struct queue_state *saved = &state->queues[index];
    bool ready = (saved->flags & QUEUE_READY) != 0;
    bool running = (saved->flags & QUEUE_RUNNING) != 0;
    bool broken = (saved->flags & QUEUE_BROKEN) != 0;
    struct error cause;
    *queue = (struct virtqueue){.broken = true};
    if ((saved->flags & ~QUEUE_FLAGS) != 0 || (broken && !running) ||
        (running && !(ready && is_started(state))))
        return state_refuse(section, error, "queue %u has flags 0x%x with status 0x%x",
                            index, saved->flags, state->status);
    if (saved->size > VIRTQUEUE_SIZE_MAX || saved->next_available > UINT16_MAX ||
        saved->next_used > UINT16_MAX || saved->signalled_used > UINT16_MAX)
        return state_refuse(section, error, "queue %u: size %u, indices %u, %u, %u",
                            index, saved->size, saved->next_available, saved->next_used,
                            saved->signalled_used);
    if (!running)
        return true;
    *queue = make_queue(device, state, index);
    if (!virtqueue_start(queue, &cause))
        return state_refuse(section, error, "queue %u: %s", index, cause.text);
    if (!broken && saved->next_available != saved->next_used)
        return state_refuse(section, error,
                            "queue %u has %u chains in flight, which nobody would return",
                            index, (uint16_t)(saved->next_available - saved->next_used));
    queue->broken = broken;
    queue->next_available = (uint16_t)saved->next_available;
    queue->next_used = (uint16_t)saved->next_used;
    queue->signalled_used = (uint16_t)saved->signalled_used;
    return true;
}

static void apply(struct virtio_device *device, const struct device_state *state)
{
    pthread_mutex_lock(&device->lock);
    device->status = state->status;
    device->driver_features = state->driver_features;
    device->config_generation = state->config_generation;
    device->started = is_started(state);
    device->resume_asked = device->started;
    atomic_store(&device->interrupt_status, state->interrupt_status);
    for (unsigned i = 0; i < device->queue_count; i++) {
        const struct queue_state *saved = &state->queues[i];
        device->queue_registers[i] = (struct virtio_queue_registers){
            .size = (uint16_t)saved->size,
            .descriptors = saved->descriptors,
            .driver = saved->driver,
            .device = saved->device,
            .ready = (saved->flags & QUEUE_READY) != 0,
        };
    }
    pthread_mutex_unlock(&device->lock);
}

bool virtio_device_load(struct virtio_device *device, struct state_reader *reader,
                        uint32_t instance, struct error *error)
{
    BUG_ON(device->thread_runs);
    struct state_section *section;
    struct device_state state = {0};
    if (!state_open(reader, "VIRT", instance, VERSION, &section, error) ||
        !read_state(section, &state, error) ||
        !check_registers(device, section, &state, error))
        return false;
    for (unsigned i = 0; i < device->queue_count; i++)
        if (!check_queue(device, section, &state, i, &device->queues[i], error))
            return false;
    apply(device, &state);

    /* The driver's notifications are in the eventfds of the old one: look into each ring. */
    for (unsigned i = 0; i < device->queue_count; i++) {
        device->queue_running[i] = (state.queues[i].flags & QUEUE_RUNNING) != 0;
        if (device->queue_running[i])
            eventfd_write(device->kick_fds[i], 1);
    }
    eventfd_write(device->control_fd, 1);
    return true;
}

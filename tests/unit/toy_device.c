/* SPDX-License-Identifier: MIT */
#include "tests/unit/toy_device.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#define DATA 0x100000u

/* --- the device --- */

static void start(void *context, uint64_t features)
{
    struct toy *toy = context;
    atomic_store(&toy->features, features);
    atomic_fetch_add(&toy->starts, 1);
}

static void echo(struct virtqueue *queue, const struct virtqueue_chain *chain)
{
    uint8_t bytes[64];
    struct error error;
    uint32_t size = (uint32_t)chain->readable_size;
    BUG_ON(!virtqueue_chain_read(queue, chain, 0, bytes, size, &error));
    BUG_ON(!virtqueue_chain_write(queue, chain, 0, bytes, size, &error));
    BUG_ON(!virtqueue_push(queue, chain->head, size, &error));
}

static bool queue_kicked(void *context, unsigned index)
{
    struct toy *toy = context;
    struct virtqueue *queue = &toy->device.queues[index];
    struct virtqueue_chain chain;
    struct error error;
    BUG_ON(!pthread_equal(pthread_self(), toy->thread));
    atomic_fetch_add(&toy->kicks[index], 1);

    for (unsigned i = 0; i < TOY_TURN; i++) {
        enum virtqueue_result result = virtqueue_pop(queue, &chain, &error);
        if (result == VIRTQUEUE_BROKEN)
            virtio_device_needs_reset(&toy->device, &error);
        if (result != VIRTQUEUE_CHAIN)
            return atomic_load(&toy->endless) || virtqueue_enable_notification(queue);
        if (atomic_load(&toy->slow)) {
            sem_post(&toy->in_command);
            sem_wait(&toy->gate);
        }
        if (index == 1) {
            toy->kept = chain.head;
            atomic_store(&toy->keeps, true);
        } else {
            echo(queue, &chain);
            virtio_device_signal_queue(&toy->device, index);
        }
    }
    return true;
}

static void return_kept(void *context)
{
    struct toy *toy = context;
    eventfd_t count;
    struct error error;
    BUG_ON(eventfd_read(toy->return_fd, &count) != 0);
    if (atomic_load(&toy->keeps))
        BUG_ON(!virtqueue_push(&toy->device.queues[1], toy->kept, 0, &error));
    virtio_device_signal_queue(&toy->device, 1);
    atomic_fetch_add(&toy->returns, 1);
}

static void queue_stopped(void *context, unsigned index)
{
    struct toy *toy = context;
    BUG_ON(index >= toy->device.queue_count);
    atomic_fetch_add(&toy->stops, 1);
}

static void reset(void *context)
{
    struct toy *toy = context;
    atomic_fetch_add(&toy->resets, 1);
}

bool toy_thread_started(void *context, struct error *error)
{
    struct toy *toy = context;
    toy->thread = pthread_self();
    return !toy->start_fails || error_set(error, ERROR_HOST_RENDERER, "no renderer");
}

void toy_thread_ends(void *context)
{
    struct toy *toy = context;
    BUG_ON(!pthread_equal(pthread_self(), toy->thread));
    atomic_fetch_add(&toy->ends, 1);
}

static const struct virtio_device_ops ops = {
    .start = start,
    .queue_kicked = queue_kicked,
    .queue_stopped = queue_stopped,
    .reset = reset,
};

void toy_init(struct toy *toy)
{
    static const struct gpa_range ram = {{0}, TOY_RAM_SIZE};
    struct error error;
    memset(toy, 0, sizeof *toy);
    trace_init(&toy->trace, fopen("/dev/null", "w"), false);
    ck_assert(guest_memory_init(&toy->memory, &ram, 1, &error));
    toy->device = (struct virtio_device){
        .name = "toy",
        .features = FEATURE(0) | FEATURE(3),
        .queue_count = 2,
        .ops = &ops,
        .context = toy,
        .config = toy->config,
        .config_size = sizeof toy->config,
        .memory = &toy->memory,
        .trace = &toy->trace,
    };
    sem_init(&toy->in_command, 0, 0);
    sem_init(&toy->gate, 0, 0);
    toy->return_fd = eventfd(0, EFD_NONBLOCK);
    ck_assert(virtio_device_init(&toy->device, &error));
    virtio_device_watch(&toy->device, toy->return_fd, return_kept);
}

void toy_finish(struct toy *toy)
{
    virtio_device_finish(&toy->device);
    close(toy->return_fd);
    guest_memory_finish(&toy->memory);
    fclose(toy->trace.out);
}

void toy_run(struct toy *toy)
{
    struct error error;
    ck_assert_msg(
        virtio_device_run(&toy->device, toy_thread_started, toy_thread_ends, &error),
        "%s", error.text);
}

/* --- the driver --- */

void toy_make_queue_ready(struct toy *toy, unsigned index)
{
    struct virtqueue_mock *mock = &toy->mocks[index];
    struct virtio_queue_registers *queue = &toy->device.queue_registers[index];
    virtqueue_mock_init(mock, &toy->memory, gpa(0x10000 + index * 0x10000u),
                        TOY_QUEUE_SIZE, true);
    pthread_mutex_lock(&toy->device.lock);
    queue->size = mock->size;
    queue->descriptors = mock->descriptors.value;
    queue->driver = mock->driver.value;
    queue->device = mock->device.value;
    pthread_mutex_unlock(&toy->device.lock);
    virtio_device_write_queue_ready(&toy->device, index, true);
}

bool toy_queue_is_ready(struct toy *toy, unsigned index)
{
    pthread_mutex_lock(&toy->device.lock);
    bool ready = toy->device.queue_registers[index].ready;
    pthread_mutex_unlock(&toy->device.lock);
    return ready;
}

void toy_initialise(struct toy *toy)
{
    struct virtio_device *device = &toy->device;
    virtio_device_write_status(device, 0);
    eventually(virtio_device_read_status(device) == 0);
    virtio_device_write_status(device, ACKNOWLEDGE);
    virtio_device_write_status(device, ACKNOWLEDGE | DRIVER);
    pthread_mutex_lock(&device->lock);
    device->driver_features = VERSION_1 | EVENT_IDX | INDIRECT;
    pthread_mutex_unlock(&device->lock);
    virtio_device_write_status(device, READY);
    ck_assert_uint_eq(virtio_device_read_status(device), READY);
    toy_make_queue_ready(toy, 0);
    toy_make_queue_ready(toy, 1);
}

void toy_drive(struct toy *toy)
{
    toy_initialise(toy);
    virtio_device_write_status(&toy->device, RUNNING);
    ck_assert_uint_eq(virtio_device_read_status(&toy->device), RUNNING);
}

gpa_t toy_add(struct toy *toy, unsigned index, const char *text)
{
    struct virtqueue_mock *mock = &toy->mocks[index];
    struct error error;
    uint32_t size = (uint32_t)strlen(text);
    /* Chains in flight do not share their buffers. */
    uint64_t data = DATA + index * 0x10000u + mock->next_descriptor * 0x100u;
    const struct virtqueue_mock_segment segments[] = {
        {gpa(data), size, false},
        {gpa(data + 0x80), size, true},
    };
    ck_assert(guest_memory_write(&toy->memory, segments[0].address, text, size, &error));
    virtqueue_mock_add(mock, segments, 2);
    return segments[1].address;
}

void toy_kick(struct toy *toy, unsigned index)
{
    ck_assert_int_eq(eventfd_write(toy->device.kick_fds[index], 1), 0);
}

void toy_publish(struct toy *toy, unsigned index)
{
    if (virtqueue_mock_publish(&toy->mocks[index]))
        toy_kick(toy, index);
}

void toy_wait_for_interrupt(struct toy *toy, uint32_t status)
{
    struct pollfd fd = {toy->device.interrupt_fd, POLLIN, 0};
    eventfd_t count;
    ck_assert_int_eq(poll(&fd, 1, TOY_PATIENCE), 1);
    ck_assert_int_eq(eventfd_read(toy->device.interrupt_fd, &count), 0);
    ck_assert_uint_eq(atomic_exchange(&toy->device.interrupt_status, 0), status);
}

void toy_check_echo(struct toy *toy, const char *text)
{
    struct virtqueue_mock *mock = &toy->mocks[0];
    char answer[64] = "";
    struct error error;
    uint16_t head;
    uint32_t length;
    gpa_t room = toy_add(toy, 0, text);
    virtqueue_mock_set_used_event(mock, mock->next_used);
    toy_publish(toy, 0);
    toy_wait_for_interrupt(toy, VIRTIO_MMIO_INT_VRING);
    ck_assert(virtqueue_mock_take_used(mock, &head, &length));
    ck_assert_uint_eq(length, strlen(text));
    ck_assert(guest_memory_read(&toy->memory, room, answer, length, &error));
    ck_assert_str_eq(answer, text);
}

unsigned toy_warnings(struct toy *toy)
{
    return atomic_load(&toy->trace.warnings);
}

/* SPDX-License-Identifier: MIT */
#include "tests/unit/server_device.h"

#include <poll.h>
#include <sys/eventfd.h>

#include "tests/unit/toy_device.h"

#define ROOM 16u /* bytes of guest memory for a request */

/* --- the device --- */

static void start(void *context, uint64_t features)
{
    struct server *server = context;
    (void)features;
    atomic_fetch_add(&server->starts, 1);
}

static void resumed(void *context, uint64_t features)
{
    struct server *server = context;
    BUG_ON((features & EVENT_IDX) == 0);
    atomic_fetch_add(&server->resumes, 1);
}

static void reset(void *context)
{
    struct server *server = context;
    atomic_fetch_add(&server->resets, 1);
}

static bool quiet(void *context)
{
    struct server *server = context;
    return !atomic_load(&server->is_busy);
}

static bool queue_kicked(void *context, unsigned index)
{
    struct server *server = context;
    struct virtqueue *queue = &server->device.queues[index];
    struct virtqueue_chain chain;
    struct error error;
    BUG_ON(atomic_load(&server->starts) + atomic_load(&server->resumes) != 1);
    for (unsigned i = 0; i < SERVER_TURN; i++) {
        uint32_t number;
        enum virtqueue_result result = virtqueue_pop(queue, &chain, &error);
        if (result == VIRTQUEUE_BROKEN)
            virtio_device_needs_reset(&server->device, &error);
        if (result != VIRTQUEUE_CHAIN)
            return virtqueue_enable_notification(queue);
        BUG_ON(!virtqueue_chain_read(queue, &chain, 0, &number, sizeof number, &error) ||
               number >= SERVER_REQUESTS);
        atomic_fetch_add(&server->driver->served[number], 1);
        number = ~number;
        BUG_ON(!virtqueue_chain_write(queue, &chain, 0, &number, sizeof number, &error) ||
               !virtqueue_push(queue, chain.head, sizeof number, &error));
        virtio_device_signal_queue(&server->device, index);
    }
    return true;
}

static void woken(void *context)
{
    struct server *server = context;
    eventfd_t count;
    eventfd_read(server->wake_fd, &count);
}

static const struct virtio_device_ops ops = {
    .start = start,
    .queue_kicked = queue_kicked,
    .reset = reset,
    .resumed = resumed,
    .quiet = quiet,
};

void server_init(struct server *server, struct server_driver *driver)
{
    struct error error;
    *server = (struct server){
        .device =
            {
                .name = "server",
                .device_id = 42,
                .queue_count = 2,
                .ops = &ops,
                .context = server,
                .config = server->config,
                .config_size = sizeof server->config,
                .memory = &driver->virtio.memory,
                .trace = &driver->virtio.trace,
            },
        .driver = driver,
        .wake_fd = eventfd(0, EFD_NONBLOCK),
    };
    ck_assert(virtio_device_init(&server->device, &error));
    virtio_device_watch(&server->device, server->wake_fd, woken);
}

void server_run(struct server *server)
{
    struct error error;
    ck_assert_msg(virtio_device_run(&server->device, NULL, NULL, &error), "%s",
                  error.text);
}

void server_finish(struct server *server)
{
    virtio_device_finish(&server->device);
    close(server->wake_fd);
}

/* --- the driver --- */

void server_driver_init(struct server_driver *driver)
{
    driver->sent = 0;
    driver->returned = 0;
    for (unsigned i = 0; i < SERVER_REQUESTS; i++) {
        atomic_store(&driver->served[i], 0);
        driver->came_back[i] = false;
    }
    virtio_driver_init(&driver->virtio);
}

void server_driver_finish(struct server_driver *driver)
{
    for (unsigned i = 0; i < driver->sent; i++)
        ck_assert_msg(driver->came_back[i], "request %u was lost", i);
    virtio_driver_finish(&driver->virtio);
}

static uint64_t room_of(unsigned number)
{
    return VIRTIO_DRIVER_DATA + number % SERVER_REQUESTS * ROOM;
}

void server_send(struct server_driver *driver, unsigned count)
{
    struct virtqueue_mock *mock = &driver->virtio.mocks[0];
    for (unsigned i = 0; i < count; i++) {
        uint32_t number = driver->sent++;
        uint64_t room = room_of(number);
        const struct virtqueue_mock_segment segments[] = {
            {gpa(room), sizeof number, false},
            {gpa(room + sizeof number), sizeof number, true},
        };
        ck_assert_uint_lt(number, SERVER_REQUESTS);
        virtio_driver_write(&driver->virtio, room, &number, sizeof number);
        virtqueue_mock_add(mock, segments, 2);
    }
    if (virtqueue_mock_publish(mock))
        ck_assert_int_eq(eventfd_write(driver->virtio.device->kick_fds[0], 1), 0);
}

void server_take(struct server_driver *driver)
{
    uint16_t head;
    uint32_t length;
    while (virtqueue_mock_take_used(&driver->virtio.mocks[0], &head, &length)) {
        uint32_t answer;
        unsigned number = driver->returned++; /* the device keeps the order */
        ck_assert_uint_lt(number, driver->sent);
        ck_assert_uint_eq(length, sizeof answer);
        ck_assert_uint_eq(head, number * 2 % VIRTIO_DRIVER_QUEUE_SIZE);
        virtio_driver_read(&driver->virtio, room_of(number) + sizeof answer, &answer,
                           sizeof answer);
        ck_assert_uint_eq(answer, ~number);
        ck_assert_uint_eq(atomic_load(&driver->served[number]), 1);
        ck_assert(!driver->came_back[number]);
        driver->came_back[number] = true;
    }
}

void server_wait(struct server_driver *driver, int interrupt_fd)
{
    struct virtqueue_mock *mock = &driver->virtio.mocks[0];
    while (driver->returned < driver->sent) {
        virtqueue_mock_set_used_event(mock, mock->next_used);
        if (virtqueue_mock_used_index(mock) == mock->next_used) {
            struct pollfd fd = {interrupt_fd, POLLIN, 0};
            ck_assert_msg(poll(&fd, 1, TOY_PATIENCE) == 1,
                          "%u of %u requests came back, then no interrupt",
                          driver->returned, driver->sent);
        }
        eventfd_t count;
        eventfd_read(interrupt_fd, &count);
        server_take(driver);
    }
}

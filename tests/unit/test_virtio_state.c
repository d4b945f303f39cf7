/* SPDX-License-Identifier: MIT */
/* A virtio device is paused while its driver is at work, and goes on, or another one does. */
#include <check.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "tests/unit/server_device.h"
#include "tests/unit/state_damage.h"
#include "tests/unit/suites.h"
#include "tests/unit/toy_device.h"
#include "virtio/mmio.h"

#define SOON   20u    /* milliseconds */
#define LONG   10000u /* milliseconds */
#define NUMBER 5u     /* of the device in its machine */

/* --- pause --- */

static struct toy toy;
static struct error error;

static void set_up_toy(void)
{
    toy_init(&toy);
}

static void tear_down_toy(void)
{
    toy_finish(&toy);
}

static void pause_toy(void)
{
    ck_assert_msg(virtio_device_pause(&toy.device, LONG, &error), "%s", error.text);
}

/* While the test waits for a pause. */
static pthread_t helper;

static void *write_soon(void *fd)
{
    usleep(SOON * 1000);
    eventfd_write(*(const int *)fd, 1);
    return NULL;
}

static void *open_gate_soon(void *context)
{
    (void)context;
    usleep(SOON * 1000);
    sem_post(&toy.gate);
    return NULL;
}

START_TEST(a_device_whose_thread_does_not_run_is_paused)
{
    pause_toy();
    virtio_device_resume(&toy.device);
    toy_run(&toy);
    toy_drive(&toy);
    toy_check_echo(&toy, "as if nothing had been");
}
END_TEST

START_TEST(what_comes_in_a_pause_is_served_after_it)
{
    toy_run(&toy);
    toy_drive(&toy);
    toy_check_echo(&toy, "before");
    for (unsigned i = 0; i < 20; i++) {
        pause_toy();
        unsigned kicks = atomic_load(&toy.kicks[0]);
        toy_add(&toy, 0, "meanwhile");
        virtqueue_mock_set_used_event(&toy.mocks[0], toy.mocks[0].next_used);
        toy_publish(&toy, 0);
        ck_assert_int_eq(eventfd_write(toy.return_fd, 1), 0);
        usleep(500);
        ck_assert_uint_eq(atomic_load(&toy.kicks[0]), kicks);
        ck_assert_uint_eq(atomic_load(&toy.returns), i);
        ck_assert_uint_eq(virtqueue_mock_used_index(&toy.mocks[0]),
                          toy.mocks[0].next_used);
        pause_toy(); /* twice is once */
        virtio_device_resume(&toy.device);
        toy_wait_for_interrupt(&toy, VIRTIO_MMIO_INT_VRING);
        uint16_t head;
        uint32_t length;
        ck_assert(virtqueue_mock_take_used(&toy.mocks[0], &head, &length));
        eventually(atomic_load(&toy.returns) == i + 1);
    }
    ck_assert_uint_eq(atomic_load(&toy.starts), 1);
}
END_TEST

START_TEST(a_chain_in_flight_holds_the_pause)
{
    toy_run(&toy);
    toy_drive(&toy);
    toy_add(&toy, 1, "kept");
    toy_publish(&toy, 1);
    eventually(atomic_load(&toy.keeps));
    ck_assert(!virtio_device_pause(&toy.device, SOON, &error));
    ck_assert_int_eq(error.code, ERROR_HOST_SYSTEM);
    ck_assert_ptr_nonnull(strstr(error.text, "still in flight after 20 ms"));
    toy_check_echo(&toy, "it has gone on by itself");
    /* What ends the chain is served while the pause is waited for. */
    ck_assert_int_eq(pthread_create(&helper, NULL, write_soon, &toy.return_fd), 0);
    pause_toy();
    pthread_join(helper, NULL);
    ck_assert_uint_eq(virtqueue_mock_used_index(&toy.mocks[1]), 1);
    toy_wait_for_interrupt(&toy, VIRTIO_MMIO_INT_VRING);
    virtio_device_resume(&toy.device);
    toy_check_echo(&toy, "and again");
}
END_TEST

/* The command has not begun to be served when the pause is asked for, or is under way: never both
 * taken and paused. */
START_TEST(a_command_that_takes_long_is_waited_for)
{
    toy_run(&toy);
    toy_drive(&toy);
    atomic_store(&toy.slow, true);
    toy_add(&toy, 0, "slow");
    toy_publish(&toy, 0);
    sem_wait(&toy.in_command);
    ck_assert(!virtio_device_pause(&toy.device, SOON, &error));
    atomic_store(&toy.slow, false);
    sem_post(&toy.gate);
    pause_toy();
    ck_assert_uint_eq(virtqueue_mock_used_index(&toy.mocks[0]), 1);
}
END_TEST

START_TEST(a_broken_queue_does_not_hold_the_pause)
{
    toy_run(&toy);
    toy_drive(&toy);
    toy_add(&toy, 1, "kept");
    toy_publish(&toy, 1);
    eventually(atomic_load(&toy.keeps));
    virtqueue_mock_set_available_index(&toy.mocks[1], 1000);
    toy_kick(&toy, 1);
    toy_wait_for_interrupt(&toy, VIRTIO_MMIO_INT_CONFIG);
    pause_toy();
}
END_TEST

START_TEST(a_reset_that_was_asked_for_is_done_before_the_pause)
{
    toy_run(&toy);
    toy_drive(&toy);
    atomic_store(&toy.slow, true);
    toy_add(&toy, 0, "slow");
    toy_publish(&toy, 0);
    sem_wait(&toy.in_command);
    virtio_device_write_status(&toy.device, 0); /* does not wait so long */
    ck_assert_uint_eq(virtio_device_read_status(&toy.device), RUNNING);
    atomic_store(&toy.slow, false);
    ck_assert_int_eq(pthread_create(&helper, NULL, open_gate_soon, NULL), 0);
    pause_toy();
    pthread_join(helper, NULL);
    ck_assert_uint_eq(virtio_device_read_status(&toy.device), 0);
    ck_assert_uint_eq(atomic_load(&toy.resets), 1);
}
END_TEST

/* --- another device takes over --- */

static struct server_driver driver;
static struct server servers[2];
static struct virtio_mmio transports[2];
static unsigned now; /* which of the two it is */

static void set_up_server(void)
{
    server_driver_init(&driver);
    now = 0;
    server_init(&servers[now], &driver);
    virtio_mmio_init(&transports[now], &servers[now].device);
}

static void tear_down_server(void)
{
    server_finish(&servers[now]);
    server_driver_finish(&driver);
}

static void start_server(void)
{
    server_run(&servers[now]);
    virtio_driver_start(&driver.virtio, &servers[now].device, 0);
}

static void pause_server(void)
{
    ck_assert_msg(virtio_device_pause(&servers[now].device, LONG, &error), "%s",
                  error.text);
}

static void save_server(struct state_writer *writer)
{
    state_writer_init(writer);
    virtio_device_save(&servers[now].device, writer, NUMBER);
    virtio_mmio_save(&transports[now], writer, NUMBER);
}

static bool load_server(unsigned number, struct state_reader *reader, struct error *cause)
{
    virtio_mmio_init(&transports[number], &servers[number].device);
    return virtio_device_load(&servers[number].device, reader, NUMBER, cause) &&
           virtio_mmio_load(&transports[number], reader, NUMBER, cause) &&
           state_reader_check(reader, cause);
}

/* The old one is ended when the new one is there: its count of what it was told is lost with it. */
static void replace_server(void)
{
    struct state_writer writer;
    struct state_writer again;
    struct state_reader reader;
    struct error failed;
    pause_server();
    save_server(&writer);
    state_damage_read(&writer, &reader);
    unsigned next = !now;
    server_init(&servers[next], &driver);
    ck_assert_msg(load_server(next, &reader, &failed), "%s", failed.text);
    server_finish(&servers[now]);
    now = next;
    save_server(&again);
    ck_assert(state_complete(&again, &failed));
    ck_assert_uint_eq(writer.size, again.size);
    ck_assert_int_eq(memcmp(writer.bytes, again.bytes, writer.size), 0);
    state_writer_finish(&again);
    state_writer_finish(&writer);
    state_reader_finish(&reader);
    driver.virtio.device = &servers[now].device;
    server_run(&servers[now]);
}

/* At any moment, also in the middle of a batch; the indices wrap. */
START_TEST(no_request_is_lost_and_none_is_served_twice)
{
    struct virtqueue_mock *mock = &driver.virtio.mocks[0];
    unsigned left = 0; /* requests that a replacement met unserved */
    srand(7);
    start_server();
    pause_server();
    virtqueue_mock_seek(mock, &servers[now].device.queues[0], UINT16_MAX - 600);
    virtqueue_mock_set_available_event(mock, UINT16_MAX - 600);
    virtio_device_resume(&servers[now].device);
    while (driver.sent < 2000) {
        unsigned room = SERVER_INFLIGHT - (driver.sent - driver.returned);
        server_send(&driver, (unsigned)rand() % (room + 1));
        if (rand() % 2 == 0)
            usleep((useconds_t)rand() % 60);
        pause_server();
        left += (uint16_t)(mock->next_available - virtqueue_mock_used_index(mock)) != 0;
        if (rand() % 4 == 0)
            virtio_device_resume(&servers[now].device); /* nobody took over */
        else
            replace_server();
        if (rand() % 2 == 0)
            server_take(&driver);
        else
            server_wait(&driver, servers[now].device.interrupt_fd);
    }
    server_wait(&driver, servers[now].device.interrupt_fd);
    ck_assert_uint_gt(left, 0);
    ck_assert_uint_eq(virtio_driver_warnings(&driver.virtio), 0);
}
END_TEST

/* KVM has not taken it, and its irqfd is away. */
START_TEST(an_interrupt_that_nobody_took_arrives)
{
    start_server();
    virtqueue_mock_set_used_event(&driver.virtio.mocks[0], 0);
    server_send(&driver, 1);
    eventually(atomic_load(&driver.served[0]) == 1);
    for (unsigned i = 0; i < 3; i++)
        replace_server();
    ck_assert_uint_eq(atomic_load(&servers[now].device.interrupt_status),
                      VIRTIO_MMIO_INT_VRING);
    struct pollfd fd = {servers[now].device.interrupt_fd, POLLIN, 0};
    ck_assert_int_eq(poll(&fd, 1, 0), 1);
    server_wait(&driver, fd.fd);
    replace_server();
    fd.fd = servers[now].device.interrupt_fd;
    ck_assert_int_eq(poll(&fd, 1, 0), 0);
}
END_TEST

START_TEST(a_device_is_started_only_once)
{
    start_server();
    server_send(&driver, 1);
    server_wait(&driver, servers[now].device.interrupt_fd);
    replace_server();
    server_send(&driver, 1);
    server_wait(&driver, servers[now].device.interrupt_fd);
    ck_assert_uint_eq(atomic_load(&servers[now].resumes), 1);
    ck_assert_uint_eq(atomic_load(&servers[now].starts), 0);
    virtio_driver_reset(&driver.virtio);
    ck_assert_uint_eq(atomic_load(&servers[now].resets), 1);
}
END_TEST

/* Before DRIVER_OK, what the driver has set up is there, and start() is still to come. */
START_TEST(a_driver_in_the_middle_of_its_start_goes_on)
{
    struct virtio_device *device = &servers[now].device;
    server_run(&servers[now]);
    virtio_device_write_status(device, ACKNOWLEDGE);
    virtio_device_write_status(device, ACKNOWLEDGE | DRIVER);
    device->driver_features = VERSION_1 | EVENT_IDX;
    virtio_device_write_status(device, READY);
    device->queue_registers[1].size = 16;
    device->queue_registers[1].driver = UINT64_C(0x123456789abc);
    transports[now].queue_select = 77;
    virtio_device_change_config(device, 0, "x", 1);
    replace_server();
    device = &servers[now].device;
    ck_assert_uint_eq(virtio_device_read_status(device), READY);
    ck_assert_uint_eq(device->driver_features, VERSION_1 | EVENT_IDX);
    ck_assert_uint_eq(device->queue_registers[1].driver, UINT64_C(0x123456789abc));
    ck_assert_uint_eq(device->config_generation, 1);
    ck_assert_uint_eq(transports[now].queue_select, 77);
    struct virtqueue_mock *mock = &driver.virtio.mocks[0];
    virtqueue_mock_init(mock, &driver.virtio.memory, gpa(0x10000),
                        VIRTIO_DRIVER_QUEUE_SIZE, true);
    device->queue_registers[0] = (struct virtio_queue_registers){
        .size = mock->size,
        .descriptors = mock->descriptors.value,
        .driver = mock->driver.value,
        .device = mock->device.value,
    };
    virtio_device_write_queue_ready(device, 0, true);
    server_send(&driver, 3);
    virtio_device_write_status(device, RUNNING);
    eventually(virtqueue_mock_used_index(mock) == 3);
    server_take(&driver);
    ck_assert_uint_eq(atomic_load(&servers[now].starts), 1);
    ck_assert_uint_eq(atomic_load(&servers[now].resumes), 0);
}
END_TEST

START_TEST(a_broken_queue_stays_broken)
{
    start_server();
    virtqueue_mock_set_available_index(&driver.virtio.mocks[1], 1000);
    ck_assert_int_eq(eventfd_write(servers[now].device.kick_fds[1], 1), 0);
    eventually((virtio_device_read_status(&servers[now].device) & NEEDS_RESET) != 0);
    unsigned warnings = virtio_driver_warnings(&driver.virtio);
    replace_server();
    server_send(&driver, 1);
    server_wait(&driver, servers[now].device.interrupt_fd);
    ck_assert_uint_eq(virtio_device_read_status(&servers[now].device),
                      RUNNING | NEEDS_RESET);
    ck_assert_uint_eq(virtio_driver_warnings(&driver.virtio), warnings);
}
END_TEST

static void *become_quiet_soon(void *context)
{
    struct server *server = context;
    usleep(SOON * 1000);
    atomic_store(&server->is_busy, false);
    eventfd_write(server->wake_fd, 1);
    return NULL;
}

START_TEST(the_device_says_when_it_is_quiet)
{
    struct server *server = &servers[now];
    start_server();
    atomic_store(&server->is_busy, true);
    ck_assert(!virtio_device_pause(&server->device, SOON, &error));
    ck_assert_int_eq(pthread_create(&helper, NULL, become_quiet_soon, server), 0);
    pause_server();
    pthread_join(helper, NULL);
    virtio_device_resume(&server->device);
}
END_TEST

/* --- damage --- */

static bool load_alone(struct state_reader *reader, struct error *cause)
{
    static struct server other;
    struct virtio_mmio transport;
    server_init(&other, &driver);
    virtio_mmio_init(&transport, &other.device);
    bool ok = virtio_device_load(&other.device, reader, NUMBER, cause) &&
              virtio_mmio_load(&transport, reader, NUMBER, cause) &&
              state_reader_check(reader, cause);
    struct virtqueue_chain chain;
    struct error ignored;
    for (unsigned i = 0; ok && i < other.device.queue_count; i++)
        while (virtqueue_pop(&other.device.queues[i], &chain, &ignored) ==
               VIRTQUEUE_CHAIN)
            virtqueue_push(&other.device.queues[i], chain.head, 0, &ignored);
    server_finish(&other);
    return ok;
}

START_TEST(a_damaged_state_is_refused)
{
    struct state_writer writer;
    start_server();
    server_send(&driver, 5);
    server_wait(&driver, servers[now].device.interrupt_fd);
    pause_server();
    save_server(&writer);
    state_damage_everything(&writer, load_alone);
    state_writer_finish(&writer);
}
END_TEST

START_TEST(what_cannot_be_is_refused)
{
    static const struct {
        const char *section;
        size_t offset;
        uint64_t value;
        size_t size;
        const char *text;
    } cases[] = {
        // clang-format off
        {"VIRT", 0, 41, 4, "type 41"},
        {"VIRT", 4, 0x1f, 4, "status 0x1f"},
        {"VIRT", 4, 0x07, 4, "status 0x7"},
        {"VIRT", 4, READY, 4, "flags 0x3 with status 0xb"},
        {"VIRT", 8, UINT64_C(1) << 40 | VERSION_1, 8, "features 0x10000000000, which this s2vmm does not offer"},
        {"VIRT", 8, EVENT_IDX, 8, "without VERSION_1"},
        {"VIRT", 20, 4, 4, "interrupt status 0x4"},
        {"VIRT", 24, 3, 4, "too few"},
        {"VIRT", 24, 1, 4, "too many"},
        {"VIRT", 24, UINT32_MAX, 4, "too few"},
        {"VIRT", 28, 3, 4, "not a power of two"},
        {"VIRT", 28, 512, 4, "size 512"},
        {"VIRT", 32, 0x10008, 8, "not aligned"},
        {"VIRT", 32, VIRTIO_DRIVER_RAM_SIZE, 8, "descriptor table"},
        {"VIRT", 40, UINT64_MAX - 1, 8, "available ring"},
        {"VIRT", 48, VIRTIO_DRIVER_RAM_SIZE - 4, 8, "used ring"},
        {"VIRT", 56, 8, 4, "flags 0x8"},
        {"VIRT", 56, 2, 4, "flags 0x2"},
        {"VIRT", 56, 5, 4, "flags 0x5"},
        {"VIRT", 60, 6, 4, "1 chains in flight"},
        {"VIRT", 64, 0x10005, 4, "indices 5, 65541"},
        {"VIRT", 68, 0x10000, 4, "indices 5, 5, 65536"},
        {"VMIO", 16, 2, 4, "2 for whether"},
        // clang-format on
    };
    struct state_writer writer;
    start_server();
    server_send(&driver, 5);
    server_wait(&driver, servers[now].device.interrupt_fd);
    pause_server();
    save_server(&writer);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        state_damage_refused(&writer, load_alone, cases[i].section, cases[i].offset,
                             cases[i].value, cases[i].size, cases[i].text);
    state_writer_finish(&writer);
}
END_TEST

Suite *virtio_state_suite(void)
{
    Suite *suite = suite_create("virtio_state");
    TCase *pause = tcase_create("pause");
    tcase_add_checked_fixture(pause, set_up_toy, tear_down_toy);
    tcase_set_timeout(pause, 30);
    tcase_add_test(pause, a_device_whose_thread_does_not_run_is_paused);
    tcase_add_test(pause, what_comes_in_a_pause_is_served_after_it);
    tcase_add_test(pause, a_chain_in_flight_holds_the_pause);
    tcase_add_test(pause, a_command_that_takes_long_is_waited_for);
    tcase_add_test(pause, a_broken_queue_does_not_hold_the_pause);
    tcase_add_test(pause, a_reset_that_was_asked_for_is_done_before_the_pause);
    suite_add_tcase(suite, pause);
    TCase *update = tcase_create("update");
    tcase_add_checked_fixture(update, set_up_server, tear_down_server);
    tcase_set_timeout(update, 120);
    tcase_add_test(update, no_request_is_lost_and_none_is_served_twice);
    tcase_add_test(update, an_interrupt_that_nobody_took_arrives);
    tcase_add_test(update, a_device_is_started_only_once);
    tcase_add_test(update, a_driver_in_the_middle_of_its_start_goes_on);
    tcase_add_test(update, a_broken_queue_stays_broken);
    tcase_add_test(update, the_device_says_when_it_is_quiet);
    tcase_add_test(update, a_damaged_state_is_refused);
    tcase_add_test(update, what_cannot_be_is_refused);
    suite_add_tcase(suite, update);
    return suite;
}

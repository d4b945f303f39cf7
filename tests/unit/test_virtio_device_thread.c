/* SPDX-License-Identifier: MIT */
/* The device's thread: nothing is lost, nobody starves, and nothing outlives a reset. */
#include <check.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include "tests/unit/suites.h"
#include "tests/unit/toy_device.h"

static struct toy toy;

static void setup(void)
{
    toy_init(&toy);
}

static void teardown(void)
{
    toy_finish(&toy);
}

static uint32_t status(void)
{
    return virtio_device_read_status(&toy.device);
}

static void write_status(uint32_t value)
{
    virtio_device_write_status(&toy.device, value);
}

START_TEST(a_zeroed_device_can_be_finished)
{
    static struct virtio_device nothing;
    virtio_device_stop(&nothing);
    virtio_device_finish(&nothing);
}
END_TEST

START_TEST(stop_works_at_any_time)
{
    virtio_device_stop(&toy.device);
    for (unsigned i = 1; i <= 3; i++) {
        toy_run(&toy);
        virtio_device_stop(&toy.device);
        ck_assert_uint_eq(atomic_load(&toy.ends), i);
        virtio_device_stop(&toy.device);
    }
    ck_assert_uint_eq(atomic_load(&toy.ends), 3);
    /* Nobody is there to do it: the vCPU is not kept waiting. */
    toy_drive(&toy);
    toy.device.started = true;
    write_status(0);
    ck_assert_uint_eq(status(), RUNNING);
}
END_TEST

START_TEST(a_thread_that_cannot_start_is_reported)
{
    struct error error;
    toy.start_fails = true;
    ck_assert(
        !virtio_device_run(&toy.device, toy_thread_started, toy_thread_ends, &error));
    ck_assert_int_eq(error.code, ERROR_HOST_RENDERER);
    ck_assert_str_eq(error.text, "no renderer");
    virtio_device_stop(&toy.device);
    ck_assert_uint_eq(atomic_load(&toy.ends), 0);
    ck_assert(virtio_device_run(&toy.device, NULL, NULL, &error));
}
END_TEST

START_TEST(chains_are_echoed)
{
    toy_run(&toy);
    toy_drive(&toy);
    for (unsigned i = 0; i < 1000; i++) {
        char text[32];
        snprintf(text, sizeof text, "number %u", i);
        toy_check_echo(&toy, text);
    }
    ck_assert_uint_eq(atomic_load(&toy.features), VERSION_1 | EVENT_IDX | INDIRECT);
    ck_assert_uint_eq(atomic_load(&toy.starts), 1);
    ck_assert_uint_eq(toy_warnings(&toy), 0);
}
END_TEST

/* More chains than one turn serves, for one notification and one interrupt. */
START_TEST(a_batch_is_served_in_turns)
{
    toy_run(&toy);
    toy_drive(&toy);
    virtqueue_mock_set_used_event(&toy.mocks[0], TOY_QUEUE_SIZE / 2 - 1);
    for (unsigned i = 0; i < TOY_QUEUE_SIZE / 2; i++)
        toy_add(&toy, 0, "batch");
    toy_publish(&toy, 0);
    toy_wait_for_interrupt(&toy, VIRTIO_MMIO_INT_VRING);
    ck_assert_uint_eq(virtqueue_mock_used_index(&toy.mocks[0]), TOY_QUEUE_SIZE / 2);
}
END_TEST

/* Both sides sleep as soon as they can, and are woken only when the event index says so.
 * A wish that is off by one, and both sleep for ever. */
START_TEST(no_notification_is_lost)
{
    enum { CHAINS = 20000 };
    unsigned added = 0, used = 0, kicks = 0;
    uint16_t head;
    uint32_t length;
    toy_run(&toy);
    toy_drive(&toy);
    while (used < CHAINS) {
        for (; added < CHAINS && added < used + TOY_QUEUE_SIZE / 2; added++) {
            toy_add(&toy, 0, "x");
            if (virtqueue_mock_publish(&toy.mocks[0])) {
                toy_kick(&toy, 0);
                kicks++;
            }
        }
        virtqueue_mock_set_used_event(&toy.mocks[0], toy.mocks[0].next_used);
        if (virtqueue_mock_used_index(&toy.mocks[0]) == toy.mocks[0].next_used) {
            struct pollfd fd = {toy.device.interrupt_fd, POLLIN, 0};
            ck_assert_int_eq(poll(&fd, 1, TOY_PATIENCE), 1);
        }
        eventfd_t count;
        eventfd_read(toy.device.interrupt_fd, &count);
        for (; virtqueue_mock_take_used(&toy.mocks[0], &head, &length); used++)
            ck_assert_uint_eq(length, 1);
    }
    ck_assert_uint_eq(used, CHAINS);
    ck_assert_uint_le(kicks, CHAINS);
}
END_TEST

/* A driver may fill its rings before DRIVER_OK, and a notification that comes too early
 * is not an excuse to touch them (virtio 1.2, 2.1.2). */
START_TEST(chains_of_an_early_driver_wait_for_driver_ok)
{
    toy_run(&toy);
    toy_initialise(&toy);
    toy_add(&toy, 0, "early");
    toy_publish(&toy, 0);
    toy_kick(&toy, 0);
    eventually(poll(&(struct pollfd){toy.device.kick_fds[0], POLLIN, 0}, 1, 0) == 0);
    ck_assert_uint_eq(atomic_load(&toy.kicks[0]), 0);
    ck_assert_uint_eq(virtqueue_mock_used_index(&toy.mocks[0]), 0);
    write_status(RUNNING);
    toy_wait_for_interrupt(&toy, VIRTIO_MMIO_INT_VRING);
    ck_assert_uint_eq(virtqueue_mock_used_index(&toy.mocks[0]), 1);
}
END_TEST

static long milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

START_TEST(a_reset_waits_for_the_command_in_progress)
{
    toy_run(&toy);
    toy_drive(&toy);
    atomic_store(&toy.slow, true);
    toy_add(&toy, 0, "slow");
    toy_publish(&toy, 0);
    sem_wait(&toy.in_command);

    long begin = milliseconds();
    write_status(0);
    /* The vCPU was let go, and the driver sees that it is not over. */
    ck_assert_int_lt(milliseconds() - begin, TOY_PATIENCE);
    ck_assert_uint_eq(status(), RUNNING);
    ck_assert(toy_queue_is_ready(&toy, 0));
    write_status(RUNNING | FAILED);
    ck_assert_uint_eq(status(), RUNNING);
    ck_assert_uint_eq(toy_warnings(&toy), 1);
    ck_assert_uint_eq(atomic_load(&toy.resets), 0);

    atomic_store(&toy.slow, false);
    sem_post(&toy.gate);
    eventually(status() == 0);
    ck_assert_uint_eq(atomic_load(&toy.resets), 1);
    ck_assert(!toy_queue_is_ready(&toy, 0));
    ck_assert_uint_eq(atomic_load(&toy.device.interrupt_status), 0);

    toy_drive(&toy);
    eventfd_t count;
    eventfd_read(toy.device.interrupt_fd, &count); /* of the slow command */
    toy_check_echo(&toy, "after the reset");
    ck_assert_uint_eq(atomic_load(&toy.starts), 2);
}
END_TEST

/* The write returned too early, unless it waited as long as it may: on a busy machine the device's
 * thread does not run in that time. */
static void expect_settled(bool settled, long begin)
{
    ck_assert(settled || milliseconds() - begin >= VIRTIO_SETTLE_MILLISECONDS);
}

/* Linux does not wait on virtio-mmio (see virtio_device.h). */
START_TEST(a_reset_of_an_idle_device_is_over_when_the_write_returns)
{
    toy_run(&toy);
    for (unsigned i = 1; i <= 20; i++) {
        toy_drive(&toy);
        toy_check_echo(&toy, "again");
        long begin = milliseconds();
        virtio_device_write_queue_ready(&toy.device, 0, false);
        expect_settled(!toy_queue_is_ready(&toy, 0), begin);
        eventually(!toy_queue_is_ready(&toy, 0));
        begin = milliseconds();
        write_status(0);
        expect_settled(status() == 0, begin);
        eventually(status() == 0);
        ck_assert_uint_eq(atomic_load(&toy.resets), i);
    }
}
END_TEST

static void *kick_for_ever(void *stop)
{
    while (!atomic_load((atomic_bool *)stop))
        eventfd_write(toy.device.kick_fds[0], 1);
    return NULL;
}

START_TEST(endless_work_does_not_starve_the_others)
{
    atomic_bool stop = false;
    pthread_t kicker;
    toy_run(&toy);
    toy_drive(&toy);
    atomic_store(&toy.endless, true);
    ck_assert_int_eq(pthread_create(&kicker, NULL, kick_for_ever, &stop), 0);
    eventually(atomic_load(&toy.kicks[0]) > 100);

    eventfd_write(toy.return_fd, 1);
    eventually(atomic_load(&toy.returns) == 1);
    virtio_device_write_queue_ready(&toy.device, 1, false);
    eventually(!toy_queue_is_ready(&toy, 1));
    virtio_device_write_queue_ready(&toy.device, 0, false);
    eventually(!toy_queue_is_ready(&toy, 0));
    toy_make_queue_ready(&toy, 0);
    unsigned kicks = atomic_load(&toy.kicks[0]);
    eventually(atomic_load(&toy.kicks[0]) > kicks + 100);
    write_status(0);
    eventually(status() == 0);
    kicks = atomic_load(&toy.kicks[0]);
    toy_drive(&toy);
    eventually(atomic_load(&toy.kicks[0]) > kicks + 100);
    virtio_device_stop(&toy.device);

    atomic_store(&stop, true);
    pthread_join(kicker, NULL);
}
END_TEST

START_TEST(a_queue_is_stopped_and_started_again)
{
    toy_run(&toy);
    toy_drive(&toy);
    toy_check_echo(&toy, "before");
    virtio_device_write_queue_ready(&toy.device, 0, false);
    eventually(!toy_queue_is_ready(&toy, 0));
    ck_assert_uint_eq(atomic_load(&toy.stops), 1);

    unsigned kicks = atomic_load(&toy.kicks[0]);
    toy_add(&toy, 0, "nobody listens");
    virtqueue_mock_publish(&toy.mocks[0]);
    toy_kick(&toy, 0);
    eventually(poll(&(struct pollfd){toy.device.kick_fds[0], POLLIN, 0}, 1, 0) == 0);
    eventfd_write(toy.return_fd, 1); /* one more round of the thread */
    eventually(atomic_load(&toy.returns) == 1);
    ck_assert_uint_eq(atomic_load(&toy.kicks[0]), kicks);
    ck_assert_uint_eq(virtqueue_mock_used_index(&toy.mocks[0]), 1);

    toy_make_queue_ready(&toy, 0);
    toy_check_echo(&toy, "after");
    ck_assert_uint_eq(status(), RUNNING);
    ck_assert_uint_eq(atomic_load(&toy.resets), 0);
}
END_TEST

START_TEST(a_queue_cannot_be_made_ready_while_it_stops)
{
    toy_run(&toy);
    toy_drive(&toy);
    atomic_store(&toy.slow, true);
    toy_add(&toy, 0, "slow");
    toy_publish(&toy, 0);
    sem_wait(&toy.in_command);
    virtio_device_write_queue_ready(&toy.device, 0, false);
    ck_assert(toy_queue_is_ready(&toy, 0));
    virtio_device_write_queue_ready(&toy.device, 0, true);
    ck_assert_uint_eq(toy_warnings(&toy), 1);
    atomic_store(&toy.slow, false);
    sem_post(&toy.gate);
    eventually(!toy_queue_is_ready(&toy, 0));
}
END_TEST

/* _i: the queue is stopped, or the device is reset, before the chain is returned. */
START_TEST(a_chain_returned_late_goes_nowhere)
{
    toy_run(&toy);
    toy_drive(&toy);
    toy_add(&toy, 1, "keep");
    toy_publish(&toy, 1);
    eventually(atomic_load(&toy.keeps));
    if (_i == 0) {
        virtio_device_write_queue_ready(&toy.device, 1, false);
        eventually(!toy_queue_is_ready(&toy, 1));
    } else {
        write_status(0);
        eventually(status() == 0);
    }
    eventfd_write(toy.return_fd, 1);
    eventually(atomic_load(&toy.returns) == 1);
    ck_assert_uint_eq(virtqueue_mock_used_index(&toy.mocks[1]), 0);

    if (_i == 0)
        toy_make_queue_ready(&toy, 1);
    else
        toy_drive(&toy);
    eventfd_write(toy.return_fd, 1);
    eventually(atomic_load(&toy.returns) == 2);
    ck_assert_uint_eq(virtqueue_mock_used_index(&toy.mocks[1]), 0);
    ck_assert_uint_eq(atomic_load(&toy.device.interrupt_status), 0);
}
END_TEST

START_TEST(a_broken_ring_needs_a_reset)
{
    toy_run(&toy);
    toy_drive(&toy);
    virtqueue_mock_add_head(&toy.mocks[1], TOY_QUEUE_SIZE);
    toy_publish(&toy, 1);
    toy_wait_for_interrupt(&toy, VIRTIO_MMIO_INT_CONFIG);
    ck_assert_uint_eq(status(), RUNNING | NEEDS_RESET);
    ck_assert_uint_eq(toy_warnings(&toy), 1);
    /* The driver writes back an older copy; the bit stays. */
    write_status(RUNNING | FAILED);
    ck_assert_uint_eq(status(), RUNNING | FAILED | NEEDS_RESET);
    toy_check_echo(&toy, "the other queue lives");

    for (unsigned i = 0; i < 10; i++)
        toy_kick(&toy, 1);
    toy_check_echo(&toy, "and nothing more is said");
    ck_assert_uint_eq(toy_warnings(&toy), 1);
    toy_drive(&toy);
    toy_check_echo(&toy, "cured");
    ck_assert_uint_eq(status(), RUNNING);
}
END_TEST

START_TEST(a_ring_at_a_bad_address_needs_a_reset)
{
    toy_run(&toy);
    toy_initialise(&toy);
    toy.device.queue_registers[1].driver = TOY_RAM_SIZE;
    write_status(RUNNING);
    toy_wait_for_interrupt(&toy, VIRTIO_MMIO_INT_CONFIG);
    eventually(!toy_queue_is_ready(&toy, 1));
    ck_assert_uint_eq(status(), RUNNING | NEEDS_RESET);
    eventually(atomic_load(&toy.starts) == 1);
    toy_check_echo(&toy, "the other queue lives");
    ck_assert_uint_eq(toy_warnings(&toy), 1);
    toy_drive(&toy);
    ck_assert_uint_eq(status(), RUNNING);
}
END_TEST

static void never_readable(void *context)
{
    (void)context;
    BUG_ON(true);
}

START_TEST(a_watched_fd_that_hangs_up_is_dropped)
{
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    virtio_device_watch(&toy.device, ends[0], never_readable);
    close(ends[1]);
    toy_run(&toy);
    eventually(toy_warnings(&toy) == 1);
    toy_drive(&toy);
    toy_check_echo(&toy, "the queues live");
    ck_assert_uint_eq(toy_warnings(&toy), 1);
    virtio_device_stop(&toy.device);
    close(ends[0]);
}
END_TEST

/* Everything at once; run it under a thread sanitizer. */
START_TEST(resets_and_notifications_race)
{
    atomic_bool stop = false;
    pthread_t kicker;
    toy_run(&toy);
    toy_drive(&toy);
    ck_assert_int_eq(pthread_create(&kicker, NULL, kick_for_ever, &stop), 0);
    for (unsigned i = 0; i < 200; i++) {
        toy_add(&toy, 0, "race");
        virtqueue_mock_publish(&toy.mocks[0]);
        if (i % 3 == 0)
            virtio_device_write_queue_ready(&toy.device, 0, false);
        if (i % 5 == 0)
            virtio_device_change_config(&toy.device, 0, "abc", 3);
        toy_drive(&toy);
    }
    atomic_store(&stop, true);
    pthread_join(kicker, NULL);
    eventfd_t count;
    virtio_device_stop(&toy.device);
    eventfd_read(toy.device.interrupt_fd, &count);
    atomic_store(&toy.device.interrupt_status, 0);
    toy_run(&toy);
    toy_check_echo(&toy, "still alive");
    ck_assert_uint_eq(toy_warnings(&toy), 0);
}
END_TEST

Suite *virtio_device_thread_suite(void)
{
    Suite *suite = suite_create("virtio_device_thread");
    TCase *test_case = tcase_create("thread");
    tcase_add_checked_fixture(test_case, setup, teardown);
    tcase_set_timeout(test_case, 60);
    tcase_add_test(test_case, a_zeroed_device_can_be_finished);
    tcase_add_test(test_case, stop_works_at_any_time);
    tcase_add_test(test_case, a_thread_that_cannot_start_is_reported);
    tcase_add_test(test_case, chains_are_echoed);
    tcase_add_test(test_case, a_batch_is_served_in_turns);
    tcase_add_test(test_case, no_notification_is_lost);
    tcase_add_test(test_case, chains_of_an_early_driver_wait_for_driver_ok);
    tcase_add_test(test_case, a_reset_waits_for_the_command_in_progress);
    tcase_add_test(test_case, a_reset_of_an_idle_device_is_over_when_the_write_returns);
    tcase_add_test(test_case, endless_work_does_not_starve_the_others);
    tcase_add_test(test_case, a_queue_is_stopped_and_started_again);
    tcase_add_test(test_case, a_queue_cannot_be_made_ready_while_it_stops);
    tcase_add_loop_test(test_case, a_chain_returned_late_goes_nowhere, 0, 2);
    tcase_add_test(test_case, a_broken_ring_needs_a_reset);
    tcase_add_test(test_case, a_ring_at_a_bad_address_needs_a_reset);
    tcase_add_test(test_case, a_watched_fd_that_hangs_up_is_dropped);
    tcase_add_test(test_case, resets_and_notifications_race);
    suite_add_tcase(suite, test_case);
    return suite;
}

/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/suites.h"
#include "vmm/output.h"

#define LINE_SIZE 1000

static struct output output;
static atomic_bool stop;
static int ends[2]; /* read, write */
static char line[LINE_SIZE + 1];

static void set_up(void)
{
    atomic_store(&stop, false);
    memset(line, 'x', LINE_SIZE - 1);
    line[LINE_SIZE - 1] = '\n';
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
}

static void tear_down(void)
{
    output_close(&output, "test");
    close(ends[0]);
    close(ends[1]);
}

static void open_output(int fd, int patience)
{
    struct error error;
    ck_assert(output_open(&output, fd, patience, &stop, &error));
}

static void put_line(void)
{
    ck_assert_int_ge(fputs(line, output.stream), 0);
    ck_assert_int_eq(fflush(output.stream), 0);
}

static long milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* All that is there; whole lines only. */
static size_t read_lines(int fd)
{
    char bytes[65536];
    size_t total = 0;
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    while (poll(&poll_fd, 1, 0) > 0 && (poll_fd.revents & POLLIN)) {
        ssize_t count = read(fd, bytes, sizeof bytes);
        ck_assert_int_gt(count, 0);
        total += (size_t)count;
    }
    ck_assert_uint_eq(total % LINE_SIZE, 0);
    return total / LINE_SIZE;
}

START_TEST(written_and_the_flags_stay)
{
    open_output(ends[1], OUTPUT_PATIENCE);
    put_line();
    ck_assert_uint_eq(read_lines(ends[0]), 1);
    ck_assert_int_eq(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0);
    ck_assert_uint_eq(output.lost, 0);
}
END_TEST

/* A pipe has 64 KiB (pipe(7)): 200 lines do not fit. One wait, then none; but on a busy machine any
 * of 130 lines may take longer than it waits. */
START_TEST(stalled_reader)
{
    unsigned slow = 0;
    open_output(ends[1], OUTPUT_PATIENCE);
    long start = milliseconds();
    for (unsigned i = 0; i < 200; i++) {
        long before = milliseconds();
        put_line();
        slow += milliseconds() - before >= OUTPUT_PATIENCE / 100;
    }
    ck_assert_int_ge(milliseconds() - start, OUTPUT_PATIENCE / 2);
    ck_assert_uint_ge(slow, 1);
    ck_assert_uint_lt(slow, 20);
    ck_assert(output.stalled);
    ck_assert_int_eq(output.cause, EAGAIN);
    size_t lines = read_lines(ends[0]);
    ck_assert_uint_eq(output.lost, (200 - lines) * LINE_SIZE);
    put_line();
    ck_assert(!output.stalled || read_lines(ends[0]) == 1);
}
END_TEST

static void *read_late(void *context)
{
    size_t *lines = context;
    usleep(300000);
    for (; *lines < 200; usleep(1000))
        *lines += read_lines(ends[0]);
    return NULL;
}

START_TEST(slow_reader_gets_everything)
{
    pthread_t thread;
    size_t lines = 0;
    open_output(ends[1], OUTPUT_FOREVER);
    ck_assert_int_eq(pthread_create(&thread, NULL, read_late, &lines), 0);
    for (unsigned i = 0; i < 200; i++)
        put_line();
    pthread_join(thread, NULL);
    ck_assert_uint_eq(lines, 200);
    ck_assert_uint_eq(output.lost, 0);
}
END_TEST

static void *stop_late(void *context)
{
    (void)context;
    usleep(300000);
    atomic_store(&stop, true);
    return NULL;
}

START_TEST(the_end_of_the_run_is_the_end_of_patience)
{
    pthread_t thread;
    open_output(ends[1], OUTPUT_FOREVER);
    ck_assert_int_eq(pthread_create(&thread, NULL, stop_late, NULL), 0);
    for (unsigned i = 0; i < 200; i++)
        put_line();
    pthread_join(thread, NULL);
    ck_assert_uint_gt(output.lost, 0);
}
END_TEST

START_TEST(unix_socket)
{
    int sockets[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
    open_output(sockets[1], OUTPUT_PATIENCE);
    put_line();
    ck_assert_uint_eq(read_lines(sockets[0]), 1);
    output_close(&output, "test");
    close(sockets[0]);
    close(sockets[1]);
}
END_TEST

START_TEST(full_disk)
{
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    open_output(fd, OUTPUT_FOREVER);
    put_line();
    put_line();
    ck_assert_int_eq(output.cause, ENOSPC);
    ck_assert_uint_eq(output.lost, (uint64_t)2 * LINE_SIZE);
    close(fd);
}
END_TEST

Suite *output_suite(void)
{
    Suite *suite = suite_create("output");
    TCase *tcase = tcase_create("output");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, written_and_the_flags_stay);
    tcase_add_test(tcase, stalled_reader);
    tcase_add_test(tcase, slow_reader_gets_everything);
    tcase_add_test(tcase, the_end_of_the_run_is_the_end_of_patience);
    tcase_add_test(tcase, unix_socket);
    tcase_add_test(tcase, full_disk);
    suite_add_tcase(suite, tcase);
    return suite;
}

/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <string.h>
#include <sys/eventfd.h>

#include "devices/virtio_console.h"
#include "tests/unit/suites.h"
#include "tests/unit/toy_device.h"
#include "tests/unit/virtio_driver.h"

#define ROOM 0x1000u /* between two buffers */

static struct virtio_driver driver;
static struct virtio_console console;
static char output[4096];
static atomic_size_t output_length;

static void collect(void *context, const uint8_t *bytes, size_t count)
{
    size_t at = atomic_load(&output_length);
    BUG_ON(context != output || at + count > sizeof output);
    memcpy(output + at, bytes, count);
    atomic_store(&output_length, at + count);
}

static void set_up(void)
{
    struct error error;
    virtio_driver_init(&driver);
    atomic_store(&output_length, 0);
    ck_assert(virtio_console_init(&console, collect, output, &driver.memory,
                                  &driver.trace, &error));
    ck_assert(virtio_console_start(&console, &error));
}

static void tear_down(void)
{
    virtio_console_finish(&console);
    virtio_driver_finish(&driver);
}

static void start(void)
{
    virtio_driver_start(&driver, &console.virtio, UINT64_C(1) << VIRTIO_CONSOLE_F_SIZE);
}

/* Gives the device an empty buffer. */
static void give_buffer(unsigned number, uint32_t size)
{
    const struct virtqueue_mock_segment segment = {
        gpa(VIRTIO_DRIVER_DATA + number * ROOM), size, true};
    virtio_driver_send(&driver, VIRTIO_CONSOLE_RECEIVE, &segment, 1);
}

static void expect_input(unsigned number, const char *text)
{
    char bytes[64] = "";
    uint32_t length;
    virtio_driver_wait(&driver, VIRTIO_CONSOLE_RECEIVE, &length);
    ck_assert_uint_eq(length, strlen(text));
    virtio_driver_read(&driver, VIRTIO_DRIVER_DATA + number * ROOM, bytes, length);
    ck_assert_str_eq(bytes, text);
}

static size_t receive(const char *text)
{
    return virtio_console_receive(&console, (const uint8_t *)text, strlen(text));
}

START_TEST(what_the_guest_sends_comes_out)
{
    static const char text[] = "hello, world\r\n";
    const struct virtqueue_mock_segment segments[] = {
        {gpa(VIRTIO_DRIVER_DATA), 5, false},
        {gpa(VIRTIO_DRIVER_DATA + 5), sizeof text - 1 - 5, false}};
    uint32_t length;
    start();
    virtio_driver_write(&driver, VIRTIO_DRIVER_DATA, text, sizeof text);
    virtio_driver_send(&driver, VIRTIO_CONSOLE_TRANSMIT, segments, 2);
    virtio_driver_wait(&driver, VIRTIO_CONSOLE_TRANSMIT, &length);
    ck_assert_uint_eq(length, 0);
    ck_assert_uint_eq(atomic_load(&output_length), sizeof text - 1);
    ck_assert_str_eq(output, text);
}
END_TEST

START_TEST(input_fills_waiting_buffers)
{
    start();
    give_buffer(0, 64);
    give_buffer(1, 64);
    ck_assert_uint_eq(receive("first"), 5);
    expect_input(0, "first");
    ck_assert_uint_eq(receive("second"), 6);
    expect_input(1, "second");
}
END_TEST

START_TEST(input_waits_for_buffers)
{
    ck_assert_uint_eq(receive("before "), 7);
    start();
    ck_assert_uint_eq(receive("the driver"), 10);
    give_buffer(0, 10);
    expect_input(0, "before the");
    give_buffer(1, 64);
    expect_input(1, " driver");
}
END_TEST

START_TEST(input_survives_a_reset)
{
    start();
    receive("kept");
    virtio_driver_reset(&driver);
    start();
    give_buffer(0, 64);
    expect_input(0, "kept");
}
END_TEST

/* A guest that reads slowly: the sender is told once, when all is gone, and nothing is lost. */
START_TEST(a_full_buffer_takes_no_more)
{
    static const uint8_t bytes[VIRTIO_CONSOLE_BUFFER_SIZE + 1];
    eventfd_t count;
    uint32_t length;
    start();
    ck_assert_uint_eq(virtio_console_receive(&console, bytes, sizeof bytes),
                      VIRTIO_CONSOLE_BUFFER_SIZE);
    ck_assert_uint_eq(receive("x"), 0);
    give_buffer(0, VIRTIO_CONSOLE_BUFFER_SIZE - 1);
    virtio_driver_wait(&driver, VIRTIO_CONSOLE_RECEIVE, &length);
    ck_assert_uint_eq(length, VIRTIO_CONSOLE_BUFFER_SIZE - 1);
    ck_assert_int_ne(eventfd_read(console.room_fd, &count), 0);
    give_buffer(1, 64);
    virtio_driver_wait(&driver, VIRTIO_CONSOLE_RECEIVE, &length);
    ck_assert_uint_eq(length, 1);
    eventually(eventfd_read(console.room_fd, &count) == 0);
    ck_assert_uint_eq(count, 1);
    ck_assert_uint_eq(receive("x"), 1);
}
END_TEST

/* A writable buffer to send, a readable one to receive: returned, nothing else happens. */
START_TEST(buffers_of_the_wrong_direction)
{
    const struct virtqueue_mock_segment writable = {gpa(VIRTIO_DRIVER_DATA), 8, true};
    const struct virtqueue_mock_segment readable = {gpa(VIRTIO_DRIVER_DATA), 8, false};
    uint32_t length;
    start();
    virtio_driver_send(&driver, VIRTIO_CONSOLE_TRANSMIT, &writable, 1);
    virtio_driver_wait(&driver, VIRTIO_CONSOLE_TRANSMIT, &length);
    ck_assert_uint_eq(length, 0);
    ck_assert_uint_eq(atomic_load(&output_length), 0);
    receive("kept");
    virtio_driver_send(&driver, VIRTIO_CONSOLE_RECEIVE, &readable, 1);
    virtio_driver_wait(&driver, VIRTIO_CONSOLE_RECEIVE, &length);
    ck_assert_uint_eq(length, 0);
    give_buffer(1, 64);
    expect_input(1, "kept");
}
END_TEST

START_TEST(a_new_size_is_announced)
{
    start();
    uint32_t generation = console.virtio.config_generation;
    virtio_console_resize(&console, 132, 43);
    ck_assert_uint_eq(console.registers.cols, 132);
    ck_assert_uint_eq(console.registers.rows, 43);
    ck_assert_uint_ne(console.virtio.config_generation, generation);
    eventually((atomic_load(&console.virtio.interrupt_status) & VIRTIO_MMIO_INT_CONFIG) !=
               0);
}
END_TEST

START_TEST(a_broken_ring_needs_a_reset)
{
    const struct virtqueue_mock_segment segment = {gpa(VIRTIO_DRIVER_RAM_SIZE), 8, false};
    start();
    virtio_driver_send(&driver, VIRTIO_CONSOLE_TRANSMIT, &segment, 1);
    eventually((virtio_device_read_status(&console.virtio) & NEEDS_RESET) != 0);
    start();
    give_buffer(0, 64);
    receive("again");
    expect_input(0, "again");
}
END_TEST

START_TEST(finish_takes_a_zeroed_object)
{
    static struct virtio_console zeroed;
    virtio_console_finish(&zeroed);
}
END_TEST

Suite *virtio_console_suite(void)
{
    Suite *suite = suite_create("virtio console");
    TCase *test_case = tcase_create("virtio console");
    tcase_add_checked_fixture(test_case, set_up, tear_down);
    tcase_add_test(test_case, what_the_guest_sends_comes_out);
    tcase_add_test(test_case, input_fills_waiting_buffers);
    tcase_add_test(test_case, input_waits_for_buffers);
    tcase_add_test(test_case, input_survives_a_reset);
    tcase_add_test(test_case, a_full_buffer_takes_no_more);
    tcase_add_test(test_case, buffers_of_the_wrong_direction);
    tcase_add_test(test_case, a_new_size_is_announced);
    tcase_add_test(test_case, a_broken_ring_needs_a_reset);
    tcase_add_test(test_case, finish_takes_a_zeroed_object);
    suite_add_tcase(suite, test_case);
    return suite;
}

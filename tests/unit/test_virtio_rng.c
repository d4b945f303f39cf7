/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <string.h>

#include "devices/virtio_rng.h"
#include "tests/unit/suites.h"
#include "tests/unit/toy_device.h"
#include "tests/unit/virtio_driver.h"

static struct virtio_driver driver;
static struct virtio_rng rng;

static void set_up(void)
{
    struct error error;
    virtio_driver_init(&driver);
    ck_assert(virtio_rng_init(&rng, &driver.memory, &driver.trace, &error));
    ck_assert(virtio_rng_start(&rng, &error));
    virtio_driver_start(&driver, &rng.virtio, 0);
}

static void tear_down(void)
{
    virtio_rng_finish(&rng);
    virtio_driver_finish(&driver);
}

/* Two requests of 300 bytes, in two segments each: filled to the end, and not the same. */
START_TEST(buffers_are_filled)
{
    static const uint8_t zeroes[300];
    uint8_t bytes[2][300];
    for (unsigned i = 0; i < 2; i++) {
        uint64_t at = VIRTIO_DRIVER_DATA + i * 0x1000u;
        const struct virtqueue_mock_segment segments[] = {{gpa(at), 100, true},
                                                          {gpa(at + 100), 200, true}};
        uint32_t length;
        virtio_driver_send(&driver, 0, segments, 2);
        virtio_driver_wait(&driver, 0, &length);
        ck_assert_uint_eq(length, 300);
        virtio_driver_read(&driver, at, bytes[i], 300);
        ck_assert_mem_ne(bytes[i] + 292, zeroes, 8);
    }
    ck_assert_mem_ne(bytes[0], bytes[1], 300);
    ck_assert_uint_eq(virtio_driver_warnings(&driver), 0);
}
END_TEST

START_TEST(a_large_buffer_gets_the_limit)
{
    const struct virtqueue_mock_segment segment = {gpa(VIRTIO_DRIVER_DATA), 1 * MIB,
                                                   true};
    uint8_t behind[16];
    static const uint8_t zeroes[16];
    uint32_t length;
    virtio_driver_send(&driver, 0, &segment, 1);
    virtio_driver_wait(&driver, 0, &length);
    ck_assert_uint_eq(length, VIRTIO_RNG_REQUEST_MAX);
    virtio_driver_read(&driver, VIRTIO_DRIVER_DATA + VIRTIO_RNG_REQUEST_MAX, behind,
                       sizeof behind);
    ck_assert_mem_eq(behind, zeroes, sizeof behind);
}
END_TEST

START_TEST(a_buffer_to_read_is_returned)
{
    const struct virtqueue_mock_segment segment = {gpa(VIRTIO_DRIVER_DATA), 16, false};
    uint32_t length;
    virtio_driver_send(&driver, 0, &segment, 1);
    virtio_driver_wait(&driver, 0, &length);
    ck_assert_uint_eq(length, 0);
}
END_TEST

START_TEST(a_broken_ring_needs_a_reset)
{
    const struct virtqueue_mock_segment segment = {gpa(VIRTIO_DRIVER_RAM_SIZE), 16, true};
    virtio_driver_send(&driver, 0, &segment, 1);
    eventually((virtio_device_read_status(&rng.virtio) & NEEDS_RESET) != 0);
    virtio_driver_start(&driver, &rng.virtio, 0);
}
END_TEST

START_TEST(finish_takes_a_zeroed_object)
{
    struct virtio_rng zeroed = {0};
    virtio_rng_finish(&zeroed);
}
END_TEST

Suite *virtio_rng_suite(void)
{
    Suite *suite = suite_create("virtio rng");
    TCase *test_case = tcase_create("virtio rng");
    tcase_add_checked_fixture(test_case, set_up, tear_down);
    tcase_add_test(test_case, buffers_are_filled);
    tcase_add_test(test_case, a_large_buffer_gets_the_limit);
    tcase_add_test(test_case, a_buffer_to_read_is_returned);
    tcase_add_test(test_case, a_broken_ring_needs_a_reset);
    tcase_add_test(test_case, finish_takes_a_zeroed_object);
    suite_add_tcase(suite, test_case);
    return suite;
}

/* SPDX-License-Identifier: MIT */
/* The disk: what a driver must not get, and what the host does not do. */
#include "tests/unit/suites.h"
#include "tests/unit/toy_device.h"
#include "tests/unit/virtio_blk_fixture.h"

static const struct {
    const char *what;
    uint32_t type;
    uint64_t sector;
    uint32_t size;
    bool writable;
    uint8_t status;
} bad_requests[] = {
    {"read at the end", VIRTIO_BLK_T_IN, SECTORS, SECTOR, true, VIRTIO_BLK_S_IOERR},
    {"read over the end", VIRTIO_BLK_T_IN, SECTORS - 1, 1024, true, VIRTIO_BLK_S_IOERR},
    {"read far behind", VIRTIO_BLK_T_IN, UINT64_MAX, SECTOR, true, VIRTIO_BLK_S_IOERR},
    {"read, sum overflows", VIRTIO_BLK_T_IN, UINT64_MAX / 512, SECTOR, true,
     VIRTIO_BLK_S_IOERR},
    {"read of half a sector", VIRTIO_BLK_T_IN, 0, 256, true, VIRTIO_BLK_S_IOERR},
    {"write at the end", VIRTIO_BLK_T_OUT, SECTORS, SECTOR, false, VIRTIO_BLK_S_IOERR},
    {"write, product overflows", VIRTIO_BLK_T_OUT, UINT64_C(1) << 55, SECTOR, false,
     VIRTIO_BLK_S_IOERR},
    {"write of 513", VIRTIO_BLK_T_OUT, 0, 513, false, VIRTIO_BLK_S_IOERR},
    {"GET_ID with little room", VIRTIO_BLK_T_GET_ID, 0, 19, true, VIRTIO_BLK_S_IOERR},
    {"discard without a range", VIRTIO_BLK_T_DISCARD, 0, 0, false, VIRTIO_BLK_S_IOERR},
    {"discard of two ranges", VIRTIO_BLK_T_DISCARD, 0, 32, false, VIRTIO_BLK_S_IOERR},
    {"SCSI", 2, 0, SECTOR, true, VIRTIO_BLK_S_UNSUPP},
    {"lifetime", 10, 0, 16, true, VIRTIO_BLK_S_UNSUPP},
    {"secure erase", 14, 0, 16, false, VIRTIO_BLK_S_UNSUPP},
    {"nonsense", UINT32_MAX, 0, SECTOR, true, VIRTIO_BLK_S_UNSUPP},
};

START_TEST(a_bad_request_is_refused)
{
    uint32_t length;
    uint8_t first;
    start(false, FLUSHES);
    virtio_driver_write(&driver, data(0), &(uint8_t){UNSET}, 1);
    ck_assert_msg(request(bad_requests[_i].type, bad_requests[_i].sector,
                          bad_requests[_i].size, bad_requests[_i].writable,
                          &length) == bad_requests[_i].status,
                  "%s", bad_requests[_i].what);
    ck_assert_uint_le(length, 1); /* no promise about data */
    virtio_driver_read(&driver, data(0), &first, 1);
    ck_assert_uint_eq(first, UNSET);
    expect_image(0, 0);
    expect_image(SECTORS - 1, SECTORS - 1);
    ck_assert_uint_eq(virtio_driver_warnings(&driver), 1);
    /* And life goes on. */
    ck_assert_uint_eq(request(VIRTIO_BLK_T_IN, 1, SECTOR, true, &length),
                      VIRTIO_BLK_S_OK);
}
END_TEST

START_TEST(chains_without_header_or_status)
{
    const struct virtqueue_mock_segment status_only = {gpa(status_byte(0)), 1, true};
    const struct virtqueue_mock_segment header_only = {gpa(slot(0)), 16, false};
    const struct virtqueue_mock_segment short_header[] = {{gpa(slot(0)), 15, false},
                                                          {gpa(status_byte(0)), 1, true}};
    uint32_t length;
    start(false, FLUSHES);
    virtio_driver_send(&driver, 0, &status_only, 1);
    virtio_driver_wait(&driver, 0, &length);
    ck_assert_uint_eq(status_of(0), VIRTIO_BLK_S_IOERR);
    virtio_driver_send(&driver, 0, short_header, 2);
    virtio_driver_wait(&driver, 0, &length);
    ck_assert_uint_eq(status_of(0), VIRTIO_BLK_S_IOERR);
    virtio_driver_send(&driver, 0, &header_only, 1);
    virtio_driver_wait(&driver, 0, &length);
    ck_assert_uint_eq(length, 0);
    ck_assert_uint_eq(virtio_driver_warnings(&driver), 3);
}
END_TEST

/* A part of the request is where no RAM is, such as in the GPU's window: this request fails, and
 * the disk works on. Only where the status cannot be written, nothing can be said. */
static const struct {
    const char *what;
    uint32_t type;
    uint64_t header, data; /* addresses; 0: a good one */
} foreign[] = {
    {"reads to it", VIRTIO_BLK_T_IN, 0, 4 * GIB},
    {"writes from it", VIRTIO_BLK_T_OUT, 0, 4 * GIB},
    {"reads over the end of RAM", VIRTIO_BLK_T_IN, 0, VIRTIO_DRIVER_RAM_SIZE - 256},
    {"its header is there", VIRTIO_BLK_T_IN, 4 * GIB, 0},
    {"a range to erase", VIRTIO_BLK_T_DISCARD, 0, 4 * GIB},
    {"the disk's name", VIRTIO_BLK_T_GET_ID, 0, 4 * GIB},
};

START_TEST(a_buffer_outside_of_ram_is_an_io_error)
{
    uint32_t length;
    uint32_t type = foreign[_i].type;
    uint32_t size = type == VIRTIO_BLK_T_DISCARD  ? 16
                    : type == VIRTIO_BLK_T_GET_ID ? 20
                                                  : SECTOR;
    bool writable = type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID;
    const struct virtio_blk_outhdr header = {.type = type, .sector = 5};
    const uint8_t unset = UNSET;
    const struct virtqueue_mock_segment segments[] = {
        {gpa(foreign[_i].header ? foreign[_i].header : slot(0)), sizeof header, false},
        {gpa(foreign[_i].data ? foreign[_i].data : data(0)), size, writable},
        {gpa(status_byte(0)), 1, true},
    };
    start(false, FLUSHES);
    virtio_driver_write(&driver, slot(0), &header, sizeof header);
    virtio_driver_write(&driver, status_byte(0), &unset, 1);
    uint16_t head = virtio_driver_send(&driver, 0, segments, 3);
    ck_assert_uint_eq(virtio_driver_wait(&driver, 0, &length), head);
    ck_assert_msg(status_of(0) == VIRTIO_BLK_S_IOERR, "%s", foreign[_i].what);
    ck_assert_uint_eq(length, writable ? 0 : 1); /* the status byte */
    expect_image(5, 5);
    ck_assert_uint_eq(virtio_driver_warnings(&driver), 1);
    ck_assert_uint_eq(request(VIRTIO_BLK_T_IN, 9, SECTOR, true, &length),
                      VIRTIO_BLK_S_OK);
}
END_TEST

START_TEST(a_status_outside_of_ram_needs_a_reset)
{
    const struct virtio_blk_outhdr header = {.type = VIRTIO_BLK_T_FLUSH};
    const struct virtqueue_mock_segment segments[] = {
        {gpa(slot(0)), sizeof header, false}, {gpa(4 * GIB), 1, true}};
    start(false, FLUSHES);
    virtio_driver_write(&driver, slot(0), &header, sizeof header);
    virtio_driver_send(&driver, 0, segments, 2);
    eventually((virtio_device_read_status(&blk.virtio) & VIRTIO_CONFIG_S_NEEDS_RESET) !=
               0);
    ck_assert_uint_eq(virtio_driver_warnings(&driver), 1);
}
END_TEST

/* Somebody cut the file off: an error for the guest, one line for the user. */
START_TEST(a_failure_of_the_host_is_an_io_error)
{
    uint32_t length;
    start(false, FLUSHES);
    ck_assert_int_eq(ftruncate(image, (off_t)10 * SECTOR), 0);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_uint_eq(request(VIRTIO_BLK_T_IN, 9, 2 * SECTOR, true, &length),
                          VIRTIO_BLK_S_IOERR);
        ck_assert_uint_eq(length, 0);
    }
    ck_assert_uint_eq(virtio_driver_warnings(&driver), 1);
    ck_assert_uint_eq(request(VIRTIO_BLK_T_IN, 9, SECTOR, true, &length),
                      VIRTIO_BLK_S_OK);
}
END_TEST

Suite *virtio_blk_refusals_suite(void)
{
    Suite *suite = suite_create("virtio blk refusals");
    TCase *test_case = tcase_create("virtio blk refusals");
    tcase_add_checked_fixture(test_case, set_up, tear_down);
    tcase_add_loop_test(test_case, a_bad_request_is_refused, 0,
                        (int)ARRAY_SIZE(bad_requests));
    tcase_add_test(test_case, chains_without_header_or_status);
    tcase_add_test(test_case, a_failure_of_the_host_is_an_io_error);
    tcase_add_loop_test(test_case, a_buffer_outside_of_ram_is_an_io_error, 0,
                        (int)ARRAY_SIZE(foreign));
    tcase_add_test(test_case, a_status_outside_of_ram_needs_a_reset);
    suite_add_tcase(suite, test_case);
    return suite;
}

/* SPDX-License-Identifier: MIT */
/* The disk: what a driver asks for, and a disk that is slow. */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>

#include "tests/unit/suites.h"
#include "tests/unit/toy_device.h"
#include "tests/unit/virtio_blk_fixture.h"

START_TEST(sectors_are_read)
{
    uint32_t length;
    uint8_t bytes[2 * SECTOR];
    start(false, FLUSHES);
    ck_assert_uint_eq(request(VIRTIO_BLK_T_IN, 7, sizeof bytes, true, &length),
                      VIRTIO_BLK_S_OK);
    ck_assert_uint_eq(length, sizeof bytes + 1);
    virtio_driver_read(&driver, data(0), bytes, sizeof bytes);
    ck_assert_uint_eq(bytes[0], 7);
    ck_assert_uint_eq(bytes[SECTOR - 1], 7);
    ck_assert_uint_eq(bytes[SECTOR], 8);
    ck_assert_uint_eq(bytes[2 * SECTOR - 1], 8);
}
END_TEST

START_TEST(sectors_are_written)
{
    uint32_t length;
    uint8_t bytes[2 * SECTOR];
    memset(bytes, 0xaa, sizeof bytes);
    start(false, _i ? FLUSHES : 0);
    virtio_driver_write(&driver, data(0), bytes, sizeof bytes);
    ck_assert_uint_eq(
        request(VIRTIO_BLK_T_OUT, SECTORS - 2, sizeof bytes, false, &length),
        VIRTIO_BLK_S_OK);
    ck_assert_uint_eq(length, 1);
    expect_image(SECTORS - 3, SECTORS - 3);
    expect_image(SECTORS - 2, 0xaa);
    expect_image(SECTORS - 1, 0xaa);
    ck_assert_uint_eq(request(VIRTIO_BLK_T_FLUSH, 0, 0, false, &length), VIRTIO_BLK_S_OK);
    ck_assert_uint_eq(virtio_driver_warnings(&driver), 0);
}
END_TEST

/* The parts need not lie in descriptors of their own (2.7.4.1): header and data in one, the
 * status behind the data in another. */
START_TEST(the_framing_is_free)
{
    const struct virtio_blk_outhdr read = {.type = VIRTIO_BLK_T_IN, .sector = 3};
    const struct virtio_blk_outhdr write = {.type = VIRTIO_BLK_T_OUT, .sector = 9};
    uint8_t bytes[SECTOR + 1];
    uint32_t length;
    start(false, FLUSHES);
    virtio_driver_write(&driver, slot(0), &read, sizeof read);
    const struct virtqueue_mock_segment in[] = {{gpa(slot(0)), 5, false},
                                                {gpa(slot(0) + 5), 11, false},
                                                {gpa(data(0)), 100, true},
                                                {gpa(data(0) + 100), 413, true}};
    virtio_driver_send(&driver, 0, in, 4);
    virtio_driver_wait(&driver, 0, &length);
    ck_assert_uint_eq(length, SECTOR + 1);
    virtio_driver_read(&driver, data(0), bytes, sizeof bytes);
    ck_assert_uint_eq(bytes[0], 3);
    ck_assert_uint_eq(bytes[SECTOR - 1], 3);
    ck_assert_uint_eq(bytes[SECTOR], VIRTIO_BLK_S_OK);

    memset(bytes, 0xbb, sizeof bytes);
    virtio_driver_write(&driver, slot(0), &write, sizeof write);
    virtio_driver_write(&driver, slot(0) + sizeof write, bytes, SECTOR);
    const struct virtqueue_mock_segment out[] = {
        {gpa(slot(0)), sizeof write + SECTOR, false}, {gpa(status_byte(0)), 1, true}};
    virtio_driver_send(&driver, 0, out, 2);
    virtio_driver_wait(&driver, 0, &length);
    ck_assert_uint_eq(status_of(0), VIRTIO_BLK_S_OK);
    expect_image(9, 0xbb);
    expect_image(10, 10);
}
END_TEST

START_TEST(a_read_only_disk_is_not_written)
{
    uint32_t length;
    start(true, FLUSHES);
    ck_assert_uint_ne(blk.virtio.features & UINT64_C(1) << VIRTIO_BLK_F_RO, 0);
    ck_assert_uint_eq(blk.virtio.features & UINT64_C(1) << VIRTIO_BLK_F_DISCARD, 0);
    ck_assert_uint_eq(request(VIRTIO_BLK_T_OUT, 5, SECTOR, false, &length),
                      VIRTIO_BLK_S_IOERR);
    ck_assert_uint_eq(request(VIRTIO_BLK_T_WRITE_ZEROES, 0, 16, false, &length),
                      VIRTIO_BLK_S_IOERR);
    expect_image(5, 5);
    ck_assert_uint_eq(request(VIRTIO_BLK_T_IN, 5, SECTOR, true, &length),
                      VIRTIO_BLK_S_OK);
    ck_assert_uint_eq(request(VIRTIO_BLK_T_FLUSH, 0, 0, false, &length), VIRTIO_BLK_S_OK);
}
END_TEST

START_TEST(the_id_is_the_file_s_name)
{
    char id[VIRTIO_BLK_ID_BYTES + 1] = "";
    char name[16];
    uint32_t length;
    start(false, FLUSHES);
    ck_assert_uint_eq(request(VIRTIO_BLK_T_GET_ID, 0, VIRTIO_BLK_ID_BYTES, true, &length),
                      VIRTIO_BLK_S_OK);
    ck_assert_uint_eq(length, VIRTIO_BLK_ID_BYTES + 1);
    virtio_driver_read(&driver, data(0), id, VIRTIO_BLK_ID_BYTES);
    snprintf(name, sizeof name, "%d", image);
    ck_assert_str_eq(id, name);
}
END_TEST

static uint8_t erase(uint32_t type, uint64_t sector, uint32_t count, uint32_t flags)
{
    const struct virtio_blk_discard_write_zeroes range = {
        .sector = sector, .num_sectors = count, .flags = flags};
    uint32_t length;
    virtio_driver_write(&driver, data(0), &range, sizeof range);
    return request(type, 0, sizeof range, false, &length);
}

START_TEST(ranges_are_erased)
{
    start(false, FLUSHES);
    ck_assert_uint_eq(erase(VIRTIO_BLK_T_DISCARD, 8, 2, 0), VIRTIO_BLK_S_OK);
    ck_assert_uint_eq(erase(VIRTIO_BLK_T_WRITE_ZEROES, 16, 2, 1), VIRTIO_BLK_S_OK);
    for (unsigned i = 0; i < 2; i++) {
        expect_image(8 + i, 0);
        expect_image(16 + i, 0);
    }
    expect_image(7, 7);
    expect_image(10, 10);
    expect_image(18, 18);
    /* A memfd cannot zero a range and keep its pages (shmem_fallocate() of Linux). */
    ck_assert_uint_eq(erase(VIRTIO_BLK_T_WRITE_ZEROES, 20, 1, 0), VIRTIO_BLK_S_UNSUPP);
    expect_image(20, 20);
    ck_assert_uint_eq(erase(VIRTIO_BLK_T_DISCARD, 20, 0, 0), VIRTIO_BLK_S_OK);
    ck_assert_uint_eq(virtio_driver_warnings(&driver), 0);
    ck_assert_uint_eq(erase(VIRTIO_BLK_T_DISCARD, 20, 1, 1), VIRTIO_BLK_S_UNSUPP);
    ck_assert_uint_eq(erase(VIRTIO_BLK_T_WRITE_ZEROES, 20, 1, 2), VIRTIO_BLK_S_UNSUPP);
    ck_assert_uint_eq(erase(VIRTIO_BLK_T_DISCARD, SECTORS - 1, 2, 0), VIRTIO_BLK_S_IOERR);
    ck_assert_uint_eq(erase(VIRTIO_BLK_T_DISCARD, 0, UINT32_MAX, 0), VIRTIO_BLK_S_IOERR);
    expect_image(20, 20);
    expect_image(SECTORS - 1, SECTORS - 1);
}
END_TEST

/* A full ring again and again; every answer carries the data that was asked for. */
START_TEST(many_requests_are_in_flight)
{
    enum { REQUESTS = VIRTIO_DRIVER_QUEUE_SIZE / 3 };
    uint16_t heads[REQUESTS];
    start(false, FLUSHES);
    for (unsigned round = 0; round < 50; round++) {
        for (unsigned i = 0; i < REQUESTS; i++)
            heads[i] = send(i, VIRTIO_BLK_T_IN, (i + round) % SECTORS, SECTOR, true);
        for (unsigned i = 0; i < REQUESTS; i++) {
            uint32_t length;
            uint16_t head = virtio_driver_wait(&driver, 0, &length);
            unsigned number = 0;
            while (number < REQUESTS && heads[number] != head)
                number++;
            ck_assert_uint_lt(number, REQUESTS);
            heads[number] = UINT16_MAX; /* once */
            ck_assert_uint_eq(status_of(number), VIRTIO_BLK_S_OK);
            uint8_t byte;
            virtio_driver_read(&driver, data(number) + SECTOR - 1, &byte, 1);
            ck_assert_uint_eq(byte, (number + round) % SECTORS);
        }
    }
}
END_TEST

/* --- a slow disk --- */

static struct {
    atomic_bool is_slow;
    atomic_uint begun;
    atomic_bool go_on;
} disk;

/* In the place of the C library's. */
ssize_t preadv(int fd, const struct iovec *vectors, int count, off_t offset)
{
    atomic_fetch_add(&disk.begun, 1);
    while (atomic_load(&disk.is_slow) && !atomic_load(&disk.go_on))
        usleep(1000);
    return syscall(SYS_preadv, fd, vectors, count, offset, 0);
}

static bool read_flag(const bool *flag)
{
    pthread_mutex_lock(&blk.virtio.lock);
    bool value = *flag;
    pthread_mutex_unlock(&blk.virtio.lock);
    return value;
}

/* A moment after the driver has asked; before that, the requests would be answered. */
static void *let_the_disk_go_on(void *asked)
{
    while (!read_flag(asked))
        usleep(1000);
    usleep(100000);
    atomic_store(&disk.go_on, true);
    return NULL;
}

/* Stops the queue (1.2, 2.6.1), or resets the device, while the workers are in the disk's hands. */
static void stop_or_reset(bool resets)
{
    pthread_t thread;
    struct virtio_queue_registers *queue = &blk.virtio.queue_registers[0];
    bool *asked = resets ? &blk.virtio.reset_asked : &queue->stop_asked;
    ck_assert_int_eq(pthread_create(&thread, NULL, let_the_disk_go_on, asked), 0);
    if (resets) {
        virtio_driver_reset(&driver);
    } else {
        virtio_device_write_queue_ready(&blk.virtio, 0, false);
        eventually(!read_flag(&queue->ready));
    }
    ck_assert(atomic_load(&disk.go_on)); /* it took as long as the disk */
    pthread_join(thread, NULL);
}

/* The driver's memory may be anything as soon as the status reads 0: nothing is returned, or
 * written, and what no worker had begun is never done. */
START_TEST(a_reset_waits_for_what_has_begun)
{
    enum { REQUESTS = 20 };
    uint8_t before[SECTOR];
    uint8_t after[SECTOR];
    memset(before, 0xcc, sizeof before);
    start(false, FLUSHES);
    atomic_store(&disk.is_slow, true);
    for (unsigned i = 0; i < REQUESTS; i++)
        send(i, VIRTIO_BLK_T_IN, i, 0x3000, true);
    eventually(atomic_load(&disk.begun) == VIRTIO_BLK_THREADS);
    stop_or_reset(_i);
    uint16_t used = virtqueue_mock_used_index(&driver.mocks[0]);
    ck_assert_uint_eq(used, 0);
    for (unsigned i = 0; i < REQUESTS; i++)
        virtio_driver_write(&driver, data(i), before, sizeof before);
    usleep(50000);
    for (unsigned i = 0; i < REQUESTS; i++) {
        virtio_driver_read(&driver, data(i), after, sizeof after);
        ck_assert_mem_eq(before, after, sizeof before);
    }
    ck_assert_uint_eq(virtqueue_mock_used_index(&driver.mocks[0]), used);
    ck_assert_uint_eq(atomic_load(&disk.begun), VIRTIO_BLK_THREADS);

    uint32_t length;
    virtio_driver_start(&driver, &blk.virtio, FLUSHES);
    ck_assert_uint_eq(request(VIRTIO_BLK_T_IN, 1, SECTOR, true, &length),
                      VIRTIO_BLK_S_OK);
}
END_TEST

/* A request that came later is answered earlier. */
START_TEST(a_slow_request_holds_no_other)
{
    uint32_t length;
    start(false, FLUSHES);
    atomic_store(&disk.is_slow, true);
    uint16_t slow = send(0, VIRTIO_BLK_T_IN, 1, SECTOR, true);
    eventually(atomic_load(&disk.begun) == 1);
    uint16_t fast = send(1, VIRTIO_BLK_T_OUT, 2, SECTOR, false);
    ck_assert_uint_eq(virtio_driver_wait(&driver, 0, &length), fast);
    atomic_store(&disk.go_on, true);
    ck_assert_uint_eq(virtio_driver_wait(&driver, 0, &length), slow);
    ck_assert_uint_eq(status_of(0), VIRTIO_BLK_S_OK);
}
END_TEST

START_TEST(finish_takes_a_zeroed_object)
{
    static struct virtio_blk zeroed;
    virtio_blk_finish(&zeroed);
}
END_TEST

Suite *virtio_blk_suite(void)
{
    Suite *suite = suite_create("virtio blk");
    TCase *test_case = tcase_create("virtio blk");
    tcase_add_checked_fixture(test_case, set_up, tear_down);
    tcase_add_test(test_case, sectors_are_read);
    tcase_add_loop_test(test_case, sectors_are_written, 0, 2);
    tcase_add_test(test_case, the_framing_is_free);
    tcase_add_test(test_case, a_read_only_disk_is_not_written);
    tcase_add_test(test_case, the_id_is_the_file_s_name);
    tcase_add_test(test_case, ranges_are_erased);
    tcase_add_test(test_case, many_requests_are_in_flight);
    tcase_add_loop_test(test_case, a_reset_waits_for_what_has_begun, 0, 2);
    tcase_add_test(test_case, a_slow_request_holds_no_other);
    tcase_add_test(test_case, finish_takes_a_zeroed_object);
    suite_add_tcase(suite, test_case);
    return suite;
}

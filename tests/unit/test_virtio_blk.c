/* SPDX-License-Identifier: MIT */
/* The disk: what a driver asks for, and what it must not get. Images are memfds. */
#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "devices/virtio_blk.h"
#include "tests/unit/suites.h"
#include "tests/unit/toy_device.h"
#include "tests/unit/virtio_driver.h"

#define SECTORS 64u
#define SECTOR  512u
#define SLOT    0x4000u /* guest memory of one request */
#define FLUSHES (UINT64_C(1) << VIRTIO_BLK_F_FLUSH)
#define UNSET   0xeeu

static struct virtio_driver driver;
static struct virtio_blk blk;
static int image; /* the test's own way to the bytes */
static char path[64];

static void set_up_image(void)
{
    uint8_t sector[SECTOR];
    image = memfd_create("image", 0);
    for (unsigned i = 0; i < SECTORS; i++) {
        memset(sector, (int)i, sizeof sector);
        ck_assert_int_eq(pwrite(image, sector, SECTOR, (off_t)i * SECTOR), SECTOR);
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d", image);
}

static void start(bool readonly, uint64_t features)
{
    struct error error;
    ck_assert_msg(
        virtio_blk_init(&blk, path, readonly, &driver.memory, &driver.trace, &error),
        "%s", error.text);
    ck_assert(virtio_blk_start(&blk, &error));
    virtio_driver_start(&driver, &blk.virtio, features);
}

static void set_up(void)
{
    virtio_driver_init(&driver);
    set_up_image();
}

static void tear_down(void)
{
    virtio_blk_finish(&blk);
    virtio_driver_finish(&driver);
    close(image);
}

static uint64_t slot(unsigned number)
{
    return VIRTIO_DRIVER_DATA + number * SLOT;
}

static uint64_t data(unsigned number)
{
    return slot(number) + 0x100;
}

static uint64_t status_byte(unsigned number)
{
    return slot(number) + SLOT - 1;
}

/* A request of the usual three parts; data_size 0: two. Returns its head. */
static uint16_t send(unsigned number, uint32_t type, uint64_t sector, uint32_t data_size,
                     bool writable)
{
    const struct virtio_blk_outhdr header = {.type = type, .sector = sector};
    const uint8_t unset = UNSET;
    const struct virtqueue_mock_segment segments[] = {
        {gpa(slot(number)), sizeof header, false},
        {gpa(data(number)), data_size, writable},
        {gpa(status_byte(number)), 1, true},
    };
    virtio_driver_write(&driver, slot(number), &header, sizeof header);
    virtio_driver_write(&driver, status_byte(number), &unset, 1);
    return virtio_driver_send(&driver, 0, segments, 3);
}

static uint8_t status_of(unsigned number)
{
    uint8_t status;
    virtio_driver_read(&driver, status_byte(number), &status, 1);
    return status;
}

static uint8_t request(uint32_t type, uint64_t sector, uint32_t data_size, bool writable,
                       uint32_t *length)
{
    uint16_t head = send(0, type, sector, data_size, writable);
    ck_assert_uint_eq(virtio_driver_wait(&driver, 0, length), head);
    return status_of(0);
}

static void expect_image(unsigned sector, uint8_t value)
{
    uint8_t bytes[SECTOR];
    ck_assert_int_eq(pread(image, bytes, SECTOR, (off_t)sector * SECTOR), SECTOR);
    for (unsigned i = 0; i < SECTOR; i++)
        ck_assert_uint_eq(bytes[i], value);
}

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
    tcase_add_loop_test(test_case, a_bad_request_is_refused, 0,
                        (int)ARRAY_SIZE(bad_requests));
    tcase_add_test(test_case, chains_without_header_or_status);
    tcase_add_test(test_case, a_read_only_disk_is_not_written);
    tcase_add_test(test_case, the_id_is_the_file_s_name);
    tcase_add_test(test_case, ranges_are_erased);
    tcase_add_test(test_case, many_requests_are_in_flight);
    tcase_add_loop_test(test_case, a_reset_waits_for_what_has_begun, 0, 2);
    tcase_add_test(test_case, a_slow_request_holds_no_other);
    tcase_add_test(test_case, a_failure_of_the_host_is_an_io_error);
    tcase_add_loop_test(test_case, a_buffer_outside_of_ram_is_an_io_error, 0,
                        (int)ARRAY_SIZE(foreign));
    tcase_add_test(test_case, a_status_outside_of_ram_needs_a_reset);
    tcase_add_test(test_case, finish_takes_a_zeroed_object);
    suite_add_tcase(suite, test_case);
    return suite;
}

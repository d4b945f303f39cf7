/* SPDX-License-Identifier: MIT */
/* What the tests of the disk start from: a driver, and an image that is a memfd. Each file that
 * includes this has its own. */
#ifndef S2VMM_TESTS_UNIT_VIRTIO_BLK_FIXTURE_H
#define S2VMM_TESTS_UNIT_VIRTIO_BLK_FIXTURE_H

#include <check.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "devices/virtio_blk.h"
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

static inline void set_up_image(void)
{
    uint8_t sector[SECTOR];
    image = memfd_create("image", 0);
    for (unsigned i = 0; i < SECTORS; i++) {
        memset(sector, (int)i, sizeof sector);
        ck_assert_int_eq(pwrite(image, sector, SECTOR, (off_t)i * SECTOR), SECTOR);
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d", image);
}

static inline void start(bool readonly, uint64_t features)
{
    struct error error;
    ck_assert_msg(
        virtio_blk_init(&blk, path, readonly, &driver.memory, &driver.trace, &error),
        "%s", error.text);
    ck_assert(virtio_blk_start(&blk, &error));
    virtio_driver_start(&driver, &blk.virtio, features);
}

static inline void set_up(void)
{
    virtio_driver_init(&driver);
    set_up_image();
}

static inline void tear_down(void)
{
    virtio_blk_finish(&blk);
    virtio_driver_finish(&driver);
    close(image);
}

static inline uint64_t slot(unsigned number)
{
    return VIRTIO_DRIVER_DATA + number * SLOT;
}

static inline uint64_t data(unsigned number)
{
    return slot(number) + 0x100;
}

static inline uint64_t status_byte(unsigned number)
{
    return slot(number) + SLOT - 1;
}

/* A request of the usual three parts; data_size 0: two. Returns its head. */
static inline uint16_t send(unsigned number, uint32_t type, uint64_t sector,
                            uint32_t data_size, bool writable)
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

static inline uint8_t status_of(unsigned number)
{
    uint8_t status;
    virtio_driver_read(&driver, status_byte(number), &status, 1);
    return status;
}

static inline uint8_t request(uint32_t type, uint64_t sector, uint32_t data_size,
                              bool writable, uint32_t *length)
{
    uint16_t head = send(0, type, sector, data_size, writable);
    ck_assert_uint_eq(virtio_driver_wait(&driver, 0, length), head);
    return status_of(0);
}

static inline void expect_image(unsigned sector, uint8_t value)
{
    uint8_t bytes[SECTOR];
    ck_assert_int_eq(pread(image, bytes, SECTOR, (off_t)sector * SECTOR), SECTOR);
    for (unsigned i = 0; i < SECTOR; i++)
        ck_assert_uint_eq(bytes[i], value);
}

#endif

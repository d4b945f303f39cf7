/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest/linux/load.h"
#include "vmm/types.h"

#define RAM_SIZE  (4 * MIB)
#define DISK_SIZE (256 * KIB)
#define DISK_STEP (64 * KIB)

static bool take_pages(struct load *load, uint64_t size)
{
    struct test *test = load->test;
    load->pages = mmap(NULL, size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    CHECK(load->pages != MAP_FAILED);
    return true;
}

/* --- ram --- */

static bool start_ram(struct load *load)
{
    REQUIRE(take_pages(load, RAM_SIZE));
    load_fill(load, load->pages, RAM_SIZE, 0);
    return true;
}

static bool end_ram(struct load *load, uint64_t last)
{
    return load_check(load, "RAM", load->pages, RAM_SIZE, last);
}

static bool round_of_ram(struct load *load, uint64_t round)
{
    REQUIRE(end_ram(load, round - 1));
    load_fill(load, load->pages, RAM_SIZE, round);
    return true;
}

const struct load_kind load_ram = {"ram", start_ram, round_of_ram, end_ram};

/* --- disk --- */

/* In steps, so that there are several requests in a round. */
static bool write_disk(struct load *load, uint64_t round)
{
    struct test *test = load->test;
    load_fill(load, load->pages, DISK_SIZE, round);
    for (uint64_t at = 0; at < DISK_SIZE; at += DISK_STEP)
        CHECK_EQUAL(pwrite(load->fd, (uint8_t *)load->pages + at, DISK_STEP, (off_t)at),
                    DISK_STEP);
    return true;
}

static bool start_disk(struct load *load)
{
    struct test *test = load->test;
    load->fd = open("/dev/vda", O_RDWR | O_DIRECT | O_CLOEXEC);
    CHECK(load->fd >= 0);
    return take_pages(load, 2 * DISK_SIZE) && write_disk(load, 0);
}

static bool end_disk(struct load *load, uint64_t last)
{
    struct test *test = load->test;
    uint8_t *copy = (uint8_t *)load->pages + DISK_SIZE;
    load_fill(load, copy, DISK_SIZE, last + 1); /* nothing of it may stay */
    for (uint64_t at = 0; at < DISK_SIZE; at += DISK_STEP)
        CHECK_EQUAL(pread(load->fd, copy + at, DISK_STEP, (off_t)at), DISK_STEP);
    return load_check(load, "the disk", copy, DISK_SIZE, last);
}

static bool round_of_disk(struct load *load, uint64_t round)
{
    return end_disk(load, round - 1) && write_disk(load, round);
}

const struct load_kind load_disk = {"disk", start_disk, round_of_disk, end_disk};

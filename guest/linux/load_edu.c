/* SPDX-License-Identifier: MIT */
/*
 * edu without a driver in the kernel: its BAR by sysfs, its end of DMA by its register; addresses on
 * the bus are the guest's, as it has no IOMMU.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "guest/edu_registers.h"
#include "guest/linux/load.h"
#include "guest/linux/pagemap.h"

#define DEVICES     "/sys/bus/pci/devices"
#define COMMAND     4u /* of configuration space */
#define MEMORY      0x0002u
#define MASTER      0x0004u
#define NO_PIN      0x0400u
#define BAR_SIZE    0x100000u
#define PAGE        4096u
#define COUNT       ((uint64_t)EDU_BUFFER_SIZE / 8 * 8) /* bytes, of whole words */
#define LIMIT       60u                                 /* seconds */
#define SLEEP_NANOS 1000000

static int open_file(const char *device, const char *file, int flags)
{
    char path[300];
    (void)snprintf(path, sizeof path, DEVICES "/%s/%s", device, file);
    return open(path, flags | O_CLOEXEC);
}

static bool is_edu(const char *device)
{
    uint32_t id = 0;
    int fd = open_file(device, "config", O_RDONLY);
    bool found = fd >= 0 && pread(fd, &id, sizeof id, 0) == (ssize_t)sizeof id &&
                 id == EDU_VENDOR_DEVICE;
    if (fd >= 0)
        close(fd);
    return found;
}

static bool find(char *name, size_t size)
{
    DIR *folder = opendir(DEVICES);
    const struct dirent *entry;
    bool found = false;
    while (folder && !found && (entry = readdir(folder)) != NULL) {
        found = is_edu(entry->d_name);
        (void)snprintf(name, size, "%s", entry->d_name);
    }
    if (folder)
        closedir(folder);
    return found;
}

static bool open_device(struct load *load, const char *name)
{
    struct test *test = load->test;
    const uint16_t command = MEMORY | MASTER | NO_PIN;
    int enable = open_file(name, "enable", O_WRONLY);
    CHECK(enable >= 0 && write(enable, "1", 1) == 1);
    close(enable);
    int config = open_file(name, "config", O_RDWR);
    CHECK(config >= 0);
    CHECK_EQUAL(pwrite(config, &command, sizeof command, COMMAND), sizeof command);
    close(config);
    int bar = open_file(name, "resource0", O_RDWR);
    CHECK(bar >= 0);
    void *registers = mmap(NULL, BAR_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, bar, 0);
    CHECK(registers != MAP_FAILED);
    close(bar);
    load->registers = registers;
    return true;
}

static uint32_t read32(const struct load *load, uint32_t reg)
{
    return *(volatile uint32_t *)(load->registers + reg);
}

static void write64(const struct load *load, uint32_t reg, uint64_t value)
{
    *(volatile uint64_t *)(load->registers + reg) = value;
}

static bool copy(struct load *load, const void *page, bool to_ram)
{
    struct test *test = load->test;
    uint64_t ram = pagemap_physical(load->fd, page);
    time_t start = time(NULL);
    CHECK(ram != 0);
    write64(load, EDU_DMA_SOURCE, to_ram ? EDU_BUFFER : ram);
    write64(load, EDU_DMA_TARGET, to_ram ? ram : EDU_BUFFER);
    write64(load, EDU_DMA_COUNT, COUNT);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    write64(load, EDU_DMA_START, EDU_DMA_RUN | (to_ram ? EDU_DMA_TO_RAM : 0));
    while (read32(load, EDU_DMA_START) & EDU_DMA_RUN) {
        CHECK(time(NULL) - start < LIMIT);
        nanosleep(&(struct timespec){.tv_nsec = SLEEP_NANOS}, NULL);
    }
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    CHECK_EQUAL(pagemap_physical(load->fd, page), ram);
    return true;
}

static bool end(struct load *load, uint64_t last)
{
    uint8_t *target = (uint8_t *)load->pages + PAGE;
    load_fill(load, target, COUNT, last + 1); /* nothing of it may stay */
    return copy(load, target, true) &&
           load_check(load, "what DMA brought", target, COUNT, last);
}

static bool fill_device(struct load *load, uint64_t round)
{
    load_fill(load, load->pages, COUNT, round);
    return copy(load, load->pages, false);
}

static bool run_round(struct load *load, uint64_t round)
{
    struct test *test = load->test;
    CHECK_EQUAL(read32(load, EDU_ID), EDU_IDENTIFICATION);
    return end(load, round - 1) && fill_device(load, round);
}

static bool start(struct load *load)
{
    struct test *test = load->test;
    char name[NAME_MAX + 1];
    CHECK(find(name, sizeof name));
    REQUIRE(open_device(load, name));
    load->pages = mmap(NULL, (size_t)2 * PAGE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED | MAP_POPULATE, -1, 0);
    CHECK(load->pages != MAP_FAILED);
    load->fd = pagemap_open();
    CHECK(load->fd >= 0);
    return fill_device(load, 0);
}

const struct load_kind load_edu = {"edu", start, run_round, end};

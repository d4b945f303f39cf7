/* SPDX-License-Identifier: MIT */
/* See lab_cases.h: a device that keeps a buffer. What it is told and what it sees then is the
 * experiment "held-by-a-device"; here is what is refused, and moves while it reads. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/modules/buffers.h"
#include "tests/modules/lab_cases.h"
#include "tests/modules/lab_memory.h"

enum { MOVES = 200, LAST_PAGE = LAB_SIZE - LAB_PAGE };

#define SEED 77u

static int look(int holder, uint64_t offset, struct dmabuf_lab_access *access)
{
    *access = (struct dmabuf_lab_access){.offset = offset};
    return ioctl(holder, DMABUF_LAB_IOCTL_ACCESS, access) == 0 ? access->error : errno;
}

static void refuse(struct checks *checks, const struct lab *lab, int fd)
{
    struct dmabuf_lab_access access;
    struct dmabuf_lab_hold hold;
    int error = lab_hold(lab, fd, DMABUF_LAB_HOLDING_COUNT, &hold);
    check(checks, error == EINVAL, "HOLD in an unknown way: error %d", error);
    error = lab_hold(lab, -1, DMABUF_LAB_STATIC, &hold);
    check(checks, error == EBADF, "HOLD of fd -1: error %d", error);
    error = lab_hold(lab, lab->device, DMABUF_LAB_STATIC, &hold);
    check(checks, error == EINVAL, "HOLD of no dma-buf: error %d", error);
    error = lab_hold(lab, fd, DMABUF_LAB_DYNAMIC, &hold);
    if (!check(checks, error == 0, "HOLD: error %d", error))
        return;
    error = look(hold.holder, 4, &access);
    check(checks, error == EINVAL, "ACCESS of half a word: error %d", error);
    error = look(hold.holder, LAB_SIZE, &access);
    check(checks, error == EINVAL, "ACCESS behind the end: error %d", error);
    error = look(hold.holder, LAB_SIZE - 8, &access);
    check(checks, error == 0 && access.word == 0, "ACCESS of the last word: error %d",
          error);
    check(checks, ioctl(hold.holder, DMABUF_LAB_IOCTL_MOVE, &fd) != 0 && errno == ENOTTY,
          "MOVE of a holder: no ENOTTY");
    close(hold.holder);
}

struct device {
    int holder;
    atomic_bool is_over;
    uint64_t looks;
    uint64_t wrong;
    int error;
};

static void *read_by_device(void *argument)
{
    struct device *device = argument;
    struct dmabuf_lab_access access;
    struct dmabuf_lab_access first;
    look(device->holder, LAST_PAGE, &first);
    while (!atomic_load(&device->is_over) && !device->error) {
        device->error = look(device->holder, LAST_PAGE, &access);
        device->wrong += access.word != first.word;
        device->looks++;
    }
    return NULL;
}

/* A page that the buffer has left is poisoned: the device must never read one. */
static void move_under_device(struct checks *checks, const struct lab *lab, int fd)
{
    struct dmabuf_lab_hold hold;
    struct device device = {0};
    pthread_t thread;
    volatile uint64_t *memory = memory_map(fd);
    int error = lab_hold(lab, fd, DMABUF_LAB_DYNAMIC, &hold);
    if (!check(checks, memory != MAP_FAILED && error == 0, "HOLD: error %d", error))
        return;
    memory_fill(memory, SEED);
    device.holder = hold.holder;
    if (check(checks, pthread_create(&thread, NULL, read_by_device, &device) == 0,
              "no thread")) {
        for (unsigned i = 0; i < MOVES; i++) {
            error = lab_move(lab, fd);
            check(checks, error == 0 || (error == EBUSY && hold.pins_everybody),
                  "MOVE under a device: error %d", error);
        }
        atomic_store(&device.is_over, true);
        pthread_join(thread, NULL);
    }
    check(checks, device.error == 0 && device.wrong == 0 && device.looks > 0,
          "the device: error %d, %llu of %llu words are wrong", device.error,
          (unsigned long long)device.wrong, (unsigned long long)device.looks);
    check(checks, memory_has(memory, SEED), "MOVE under a device lost the content");
    memory_unmap(memory);
    close(hold.holder);
}

/* Of another exporter, whose memory does not move. */
static void hold_foreign(struct checks *checks, const struct lab *lab)
{
    int foreign = buffer_udmabuf(LAB_SIZE);
    struct dmabuf_lab_access access;
    struct dmabuf_lab_hold hold;
    for (uint32_t i = 0; i < DMABUF_LAB_HOLDING_COUNT; i++) {
        int error = lab_hold(lab, foreign, i, &hold);
        if (!check(checks, error == 0, "HOLD of udmabuf: error %d", error))
            continue;
        error = look(hold.holder, LAST_PAGE, &access);
        check(checks, error == 0 && access.told == 0, "ACCESS of udmabuf: error %d",
              error);
        close(hold.holder);
    }
    close(foreign);
}

void cases_holders(struct checks *checks, const struct lab *lab)
{
    int fd = lab_create(
        lab, lab_request(lab, DMABUF_LAB_PAGES, DMABUF_LAB_FAULT, DMABUF_LAB_WB, 0));
    if (!check(checks, fd >= 0, "CREATE: %s", strerror(errno)))
        return;
    refuse(checks, lab, fd);
    move_under_device(checks, lab, fd);
    close(fd);
    hold_foreign(checks, lab);
}

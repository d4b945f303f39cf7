/* SPDX-License-Identifier: MIT */
#include "devices/gpu/shadow.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/dma-buf.h>

#define PIECE_SIZE (64 * KIB)

static bool open_memfd(uint64_t size, int *fd, uint8_t **host, struct error *error)
{
    *fd = memfd_create("s2vmm-copy", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    void *mapping = MAP_FAILED;
    if (*fd >= 0 && ftruncate(*fd, (off_t)size) == 0 &&
        fcntl(*fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0)
        mapping = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
    if (mapping != MAP_FAILED) {
        *host = mapping;
        return true;
    }
    error_set(error, ERROR_HOST_MEMORY, "memory for a copy of %llu bytes: %s",
              (unsigned long long)size, strerror(errno));
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    return false;
}

static bool open_last(struct shadow *shadow, uint64_t size, struct error *error)
{
    void *last =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (last == MAP_FAILED)
        return error_set(error, ERROR_HOST_MEMORY, "memory for a copy of %llu bytes: %s",
                         (unsigned long long)size, strerror(errno));
    shadow->last = last;
    return true;
}

bool shadow_open(struct shadow *shadow, const struct backing *buffer, struct error *error)
{
    *shadow = (struct shadow){.copy = {.kind = BACKING_SHM, .fd = -1}, .piece_fd = -1};
    shadow->copy.size = buffer->size;
    /* All three begin as zeros, so the first synchronisation fills them. */
    if (open_memfd(buffer->size, &shadow->copy.fd, &shadow->copy.host, error) &&
        open_memfd(PIECE_SIZE, &shadow->piece_fd, &shadow->piece, error) &&
        open_last(shadow, buffer->size, error) && shadow_sync(shadow, buffer, error))
        return true;
    shadow_close(shadow);
    return false;
}

void shadow_close(struct shadow *shadow)
{
    if (shadow->last)
        munmap(shadow->last, shadow->copy.size);
    if (shadow->piece) {
        munmap(shadow->piece, PIECE_SIZE);
        close(shadow->piece_fd);
    }
    if (shadow->copy.host) {
        munmap(shadow->copy.host, shadow->copy.size);
        close(shadow->copy.fd);
    }
    *shadow = (struct shadow){0};
}

/* --- synchronisation --- */

static bool bracket(const struct backing *buffer, uint64_t edge, struct error *error)
{
    const struct dma_buf_sync sync = {.flags = edge | DMA_BUF_SYNC_RW};
    if (buffer->kind != BACKING_DMABUF)
        return true;
    int result;
    do
        result = ioctl(buffer->fd, DMA_BUF_IOCTL_SYNC, &sync);
    while (result != 0 && (errno == EINTR || errno == EAGAIN)); /* linux/dma-buf.h */
    return result == 0 || error_set(error, ERROR_HOST_BUFFER,
                                    "DMA_BUF_IOCTL_SYNC, %s of an access (%s): %s",
                                    edge == DMA_BUF_SYNC_START ? "START" : "END",
                                    buffer->exporter, strerror(errno));
}

/* The buffer is never accessed by a load or store of ours: its pages can be revoked at any
 * time, which would be a SIGBUS. write() and read() make the kernel access it, and that is
 * an EFAULT at worst. */
static bool moved(int64_t done, uint64_t length, const struct backing *buffer,
                  uint64_t offset, struct error *error)
{
    return done == (int64_t)length ||
           error_set(error, ERROR_HOST_BUFFER,
                     "the pages of the buffer (%s) at offset 0x%llx are gone: %s",
                     buffer->exporter, (unsigned long long)offset,
                     done < 0 ? strerror(errno) : "a part could not be accessed");
}

static bool fetch(const struct shadow *shadow, const struct backing *buffer,
                  uint64_t offset, uint64_t length, struct error *error)
{
    return moved(pwrite(shadow->piece_fd, buffer->host + offset, length, 0), length,
                 buffer, offset, error);
}

static bool store(const struct shadow *shadow, const struct backing *buffer,
                  uint64_t offset, uint64_t start, uint64_t length, struct error *error)
{
    return moved(
        pread(shadow->piece_fd, buffer->host + offset + start, length, (off_t)start),
        length, buffer, offset + start, error);
}

/* `now`: the buffer's byte, and what it is to become. True if it changes. */
static bool merge_byte(struct shadow *shadow, uint64_t position, uint8_t *now)
{
    uint8_t *guest = shadow->copy.host + position;
    uint8_t *last = shadow->last + position;
    uint8_t of_guest = __atomic_load_n(guest, __ATOMIC_RELAXED);
    if (of_guest != *last) {
        bool differs = of_guest != *now;
        shadow->conflicts += differs && *now != *last;
        *now = *last = of_guest;
        return differs;
    }
    /* A vCPU that writes at this moment keeps what it wrote, and wins the next time. */
    if (*now != *last && __atomic_compare_exchange_n(guest, &of_guest, *now, false,
                                                     __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        *last = *now;
    return false;
}

static bool merge_piece(struct shadow *shadow, const struct backing *buffer,
                        uint64_t offset, uint64_t length, struct error *error)
{
    uint8_t *piece = shadow->piece;
    if (!fetch(shadow, buffer, offset, length, error))
        return false;
    if (memcmp(piece, shadow->last + offset, length) == 0 &&
        memcmp(shadow->copy.host + offset, shadow->last + offset, length) == 0)
        return true;
    /* Only bytes that the guest changed are written: others may be somebody else's, now. */
    for (uint64_t i = 0; i < length; i++) {
        uint64_t start = i;
        while (i < length && merge_byte(shadow, offset + i, &piece[i]))
            i++;
        if (i > start && !store(shadow, buffer, offset, start, i - start, error))
            return false;
    }
    return true;
}

bool shadow_sync(struct shadow *shadow, const struct backing *buffer, struct error *error)
{
    struct error ignored;
    bool good = bracket(buffer, DMA_BUF_SYNC_START, error);
    if (!good)
        return false;
    for (uint64_t offset = 0; good && offset < buffer->size; offset += PIECE_SIZE) {
        uint64_t rest = buffer->size - offset;
        good = merge_piece(shadow, buffer, offset, rest < PIECE_SIZE ? rest : PIECE_SIZE,
                           error);
    }
    return bracket(buffer, DMA_BUF_SYNC_END, good ? error : &ignored) && good;
}

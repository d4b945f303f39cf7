/* SPDX-License-Identifier: MIT */
/*
 * Strategy "window": one memslot, and mmap() of the buffers in the address space behind it.
 *
 *   reserve --> memslot --> mmap(MAP_FIXED) a buffer --> ... --> mmap(MAP_FIXED) the hole again
 *
 * KVM finds the host's page behind a guest page when the guest accesses it, and forgets it when
 * the mapping changes (mmu_notifier; virt/kvm/kvm_main.c): no memslot changes, which is what
 * costs time. All that KVM checks of a mapping when a memslot is made (vmm/placement.h: late
 * mapping) it does not check here.
 *
 * What the guest can reach is what lies in the reservation. mmap(MAP_FIXED) unmaps what was
 * there before it asks the file's driver, so that one which says no leaves a gap (measured with
 * udmabuf, Linux 6.12 and 7.2), and the next mmap() of any thread could get it. So the file is
 * tried elsewhere first (backing_get_fd()), a gap is closed at once, and the reservation lies so
 * low that the kernel, which looks for room from above, has the rest of the address space first.
 */
#include <errno.h>
#include <inttypes.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "devices/gpu/hostmem.h"
#include "vmm/placement.h"

/* 16 TiB: above a program that is not position-independent, below all else of Linux' layouts
 * for 47 and 48 bits. Where it is no address, or taken, the kernel chooses. */
#define RESERVE_AT ((uintptr_t)1 << 44)

/* The holes are laid out with at most so many pieces, each of them one mapping: a process has
 * 65530 (vm.max_map_count). */
#define SINK_PIECES   4096u
#define SINK_SIZE_MIN (2 * MIB)

/* What is mapped, as offsets into the window. */
struct blob_range {
    uint64_t start;
    uint64_t end;
    uint32_t resource_id;
};

/* Ranges that overlap are equal: so a tree of ranges that do not overlap finds any that does. */
static int compare(const void *one, const void *other)
{
    const struct blob_range *a = one;
    const struct blob_range *b = other;
    return a->end <= b->start ? -1 : a->start >= b->end;
}

static struct blob_range *find_range(const struct hostmem_area *area, uint64_t start,
                                     uint64_t end)
{
    const struct blob_range key = {.start = start, .end = end};
    struct blob_range *const *found = tfind(&key, &area->blobs, compare);
    return found ? *found : NULL;
}

static bool overlap(const struct hostmem *hostmem, const struct blob_range *range,
                    const struct blob_range *other, struct error *error)
{
    const uint64_t base = hostmem->window.start.value;
    return error_set(error, ERROR_GUEST_PARAMETER,
                     "\"blob %u\" [0x%" PRIx64 ", 0x%" PRIx64
                     ") overlaps \"blob %u\" [0x%" PRIx64 ", 0x%" PRIx64 ")",
                     range->resource_id, base + range->start, base + range->end,
                     other->resource_id, base + other->start, base + other->end);
}

static bool add_range(struct hostmem *hostmem, const struct hostmem_mapping *mapping,
                      uint32_t resource_id, struct error *error)
{
    const uint64_t start = mapping->offset;
    const uint64_t end = start + mapping->backing->size;
    struct blob_range *range = malloc(sizeof *range);
    struct blob_range *const *found = NULL;
    if (range) {
        *range = (struct blob_range){start, end, resource_id};
        found = tsearch(range, &hostmem->area.blobs, compare);
    }
    if (found && *found == range)
        return true;
    if (!found)
        error_set(error, ERROR_HOST_MEMORY, "no memory for one more mapping");
    else
        overlap(hostmem, range, *found, error);
    free(range);
    return false;
}

static void remove_range(struct hostmem_area *area, const struct hostmem_mapping *mapping)
{
    struct blob_range *range =
        find_range(area, mapping->offset, mapping->offset + mapping->backing->size);
    tdelete(range, &area->blobs, compare);
    free(range);
}

/* --- holes --- */

static bool lay(void *place, uint64_t size, int protection, int flags, int fd,
                uint64_t offset, struct error *error)
{
    return mmap(place, size, protection, flags | MAP_FIXED, fd, (off_t)offset) !=
               MAP_FAILED ||
           error_set(error, ERROR_HOST_MEMORY, "mmap of a hole of %llu bytes: %s",
                     (unsigned long long)size, strerror(errno));
}

static bool lay_nothing(const struct hostmem_area *area, uint64_t start, uint64_t end,
                        struct error *error)
{
    return lay(area->base + start, end - start, PROT_NONE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0, error);
}

/* The scratch memory, again and again. */
static bool lay_sink(const struct hostmem_area *area, uint64_t start, uint64_t end,
                     struct error *error)
{
    while (start < end) {
        uint64_t offset = start % area->sink_size;
        uint64_t size = area->sink_size - offset;
        if (size > end - start)
            size = end - start;
        if (!lay(area->base + start, size, PROT_READ | PROT_WRITE, MAP_SHARED,
                 area->sink_fd, offset, error))
            return false;
        start += size;
    }
    return true;
}

static bool lay_hole(const struct hostmem_area *area, uint64_t start, uint64_t end,
                     struct error *error)
{
    return area->sink_size == 0 ? lay_nothing(area, start, end, error)
                                : lay_sink(area, start, end, error);
}

/* The sink, wherever no blob is. */
static bool lay_between(const struct hostmem_area *area, uint64_t start, uint64_t end,
                        struct error *error)
{
    if (start >= end)
        return true;
    const struct blob_range *blob = find_range(area, start, end);
    if (!blob)
        return lay_sink(area, start, end, error);
    return lay_between(area, start, blob->start, error) &&
           lay_between(area, blob->end, end, error);
}

static bool open_sink(struct hostmem *hostmem, struct error *error)
{
    struct hostmem_area *area = &hostmem->area;
    uint8_t ones[4096];
    uint64_t size = SINK_SIZE_MIN;
    memset(ones, UINT8_MAX, sizeof ones);
    while (size < hostmem->window.size / SINK_PIECES)
        size *= 2;
    int fd = memfd_create("s2vmm-holes", MFD_CLOEXEC);
    bool good = fd >= 0;
    for (uint64_t offset = 0; good && offset < size; offset += sizeof ones)
        good = pwrite(fd, ones, sizeof ones, (off_t)offset) == (ssize_t)sizeof ones;
    if (good) {
        area->sink_fd = fd;
        area->sink_size = size;
        return true;
    }
    error_set(error, ERROR_HOST_MEMORY, "%llu bytes of scratch memory: %s",
              (unsigned long long)size, strerror(errno));
    if (fd >= 0)
        close(fd);
    return false;
}

bool hostmem_holes_are_bare(const struct hostmem *hostmem)
{
    return hostmem->area.has_slot && hostmem->area.sink_size == 0;
}

bool hostmem_fill_holes(struct hostmem *hostmem, struct error *error)
{
    BUG_ON(!hostmem_holes_are_bare(hostmem));
    return open_sink(hostmem, error) &&
           lay_between(&hostmem->area, 0, hostmem->window.size, error);
}

/* --- the area --- */

/* The host's address and the guest's agree modulo the block size, so that a block can be mapped
 * as one; or they are one page apart, where that is not wanted. */
static bool reserve(struct hostmem *hostmem, struct error *error)
{
    struct hostmem_area *area = &hostmem->area;
    const uint64_t block = placement_block_size();
    uint64_t wanted = hostmem->window.start.value;
    if (hostmem->avoid_blocks)
        wanted += (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t size = hostmem->window.size + block;
    void *start = mmap((void *)RESERVE_AT, size, PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED)
        return error_set(
            error, ERROR_HOST_MEMORY,
            "address space for a window of %llu bytes: %s; --window makes it "
            "smaller",
            (unsigned long long)hostmem->window.size, strerror(errno));
    area->reserved = start;
    area->reserved_size = size;
    area->base = area->reserved + (wanted - (uintptr_t)start) % block;
    return true;
}

/* The memslot is made over holes only: what KVM would say about a buffer does not matter. */
static bool add_slot(struct hostmem *hostmem, struct error *error)
{
    struct hostmem_area *area = &hostmem->area;
    const uint64_t size = hostmem->window.size;
    if (area->has_slot)
        return true;
    if ((!area->reserved && !reserve(hostmem, error)) ||
        !lay_nothing(area, 0, size, error) ||
        !memslot_add(hostmem->memslots, "window", hostmem->window.start, size, area->base,
                     &area->slot, error))
        return false;
    area->has_slot = true;
    return area->sink_size == 0 || lay_sink(area, 0, size, error);
}

static bool remove_slot(struct hostmem *hostmem, struct error *error)
{
    struct hostmem_area *area = &hostmem->area;
    if (area->has_slot && !memslot_remove(hostmem->memslots, area->slot, error))
        return false;
    area->has_slot = false;
    return true;
}

/* --- a blob --- */

/* A mapping that the backing has already stays, beside the one in the window. */
static bool put(struct backing *backing, uint8_t *place, struct error *error)
{
    struct backing here = *backing;
    if (backing->kind == BACKING_POINTER)
        return error_set(error, ERROR_REFUSED,
                         "the renderer owns the mapping of the buffer, and it cannot be "
                         "put into the window: use --map-strategy=slot");
    if (!backing_map(&here, place, error))
        return false;
    if (!backing->host)
        backing->host = place;
    return true;
}

/* Its place is the window's again, and not the backing's to unmap. */
static void leave(const struct hostmem_area *area, const struct hostmem_mapping *mapping)
{
    if (area->base && mapping->backing->host == area->base + mapping->offset)
        mapping->backing->host = NULL;
}

/* The guest must not reach what others may map there. */
static void close_gap(struct hostmem *hostmem, const struct hostmem_mapping *mapping)
{
    struct error ignored;
    if (!lay_hole(&hostmem->area, mapping->offset,
                  mapping->offset + mapping->backing->size, &ignored))
        remove_slot(hostmem, &ignored);
}

static bool window_map(struct hostmem *hostmem, struct hostmem_mapping *mapping,
                       uint32_t resource_id, struct error *error)
{
    struct hostmem_area *area = &hostmem->area;
    bool has_place =
        add_slot(hostmem, error) && add_range(hostmem, mapping, resource_id, error);
    if (has_place && put(mapping->backing, area->base + mapping->offset, error))
        return true;
    if (has_place) {
        close_gap(hostmem, mapping);
        remove_range(area, mapping);
    }
    leave(area, mapping); /* where it was before the window moved */
    return false;
}

static bool window_unmap(struct hostmem *hostmem, const struct hostmem_mapping *mapping,
                         struct error *error)
{
    struct hostmem_area *area = &hostmem->area;
    if (!lay_hole(area, mapping->offset, mapping->offset + mapping->backing->size, error))
        return false;
    leave(area, mapping);
    if (!mapping->hidden)
        remove_range(area, mapping);
    return true;
}

/* The mapping stays, until it is put to the same place again: the VMM has the use of it. */
static bool window_hide(struct hostmem *hostmem, const struct hostmem_mapping *mapping,
                        struct error *error)
{
    (void)error;
    remove_range(&hostmem->area, mapping);
    return true;
}

static bool window_move(struct hostmem *hostmem, struct error *error)
{
    return remove_slot(hostmem, error);
}

void hostmem_finish(struct hostmem *hostmem)
{
    struct hostmem_area *area = &hostmem->area;
    struct error ignored;
    remove_slot(hostmem, &ignored);
    tdestroy(area->blobs, free);
    if (area->reserved)
        munmap(area->reserved, area->reserved_size);
    if (area->sink_size > 0)
        close(area->sink_fd);
    *area = (struct hostmem_area){0};
}

const struct hostmem_ops hostmem_window_ops = {
    .map = window_map,
    .unmap = window_unmap,
    .hide = window_hide,
    .move = window_move,
};

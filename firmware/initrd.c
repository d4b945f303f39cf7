/* SPDX-License-Identifier: MIT */
#include "firmware/initrd.h"

#include <inttypes.h>
#include <unistd.h>

#include "firmware/file.h"

/* [*start, *end) of the region that the kernel and its limit leave free; false if none. */
static bool free_part(const struct guest_region *region, gpa_t lowest, uint64_t limit,
                      uint64_t *start, uint64_t *end)
{
    uint64_t from = region->range.start.value;
    if (from < lowest.value)
        from = lowest.value;
    if (!u64_add(from, INITRD_ALIGNMENT - 1, start))
        return false;
    *start &= ~(INITRD_ALIGNMENT - 1);
    *end = region->range.start.value + region->range.size;
    if (*end > limit)
        *end = limit;
    return *start < *end;
}

static bool find_place(const struct guest_memory *memory, gpa_t lowest, uint64_t limit,
                       struct gpa_range *initrd, struct error *error)
{
    uint64_t largest = 0;
    uint64_t all = 0;
    for (unsigned i = 0; i < memory->region_count; i++) {
        uint64_t start;
        uint64_t end;
        all += memory->regions[i].range.size;
        if (!free_part(&memory->regions[i], lowest, limit, &start, &end))
            continue;
        if (end - start >= initrd->size) {
            initrd->start = gpa(start);
            return true;
        }
        if (end - start > largest)
            largest = end - start;
    }
    uint64_t needed = all - largest + align_up(initrd->size, INITRD_ALIGNMENT);
    return error_set(error, ERROR_CONFIG_FILE,
                     "has %" PRIu64
                     " MiB, and behind the kernel there is room for %" PRIu64
                     " MiB in one piece: give the guest --memory %" PRIu64
                     "M or more (it has %" PRIu64 "M)",
                     (initrd->size + MIB - 1) / MIB, largest / MIB,
                     (needed + MIB - 1) / MIB, all / MIB);
}

static bool load(int fd, const struct guest_memory *memory, gpa_t lowest, uint64_t limit,
                 struct gpa_range *initrd, struct error *error)
{
    struct gpa_range range;
    void *host;
    if (!file_size(fd, &range.size, error))
        return false;
    if (range.size == 0)
        return error_set(error, ERROR_CONFIG_FILE, "is empty");
    if (range.size > UINT64_MAX / 4)
        return error_set(error, ERROR_CONFIG_FILE, "has 0x%" PRIx64 " bytes", range.size);
    if (!find_place(memory, lowest, limit, &range, error) ||
        !guest_memory_view(memory, range.start, range.size, &host, error) ||
        !file_read(fd, 0, host, range.size, error))
        return false;
    *initrd = range;
    return true;
}

bool initrd_load_fd(int fd, const char *name, const struct guest_memory *memory,
                    gpa_t lowest, uint64_t limit, struct gpa_range *initrd,
                    struct error *error)
{
    return load(fd, memory, lowest, limit, initrd, error) ||
           error_wrap(error, "%s", name);
}

bool initrd_load(const char *path, const struct guest_memory *memory, gpa_t lowest,
                 uint64_t limit, struct gpa_range *initrd, struct error *error)
{
    int fd = file_open(path, error);
    if (fd < 0)
        return false;
    bool loaded = initrd_load_fd(fd, path, memory, lowest, limit, initrd, error);
    close(fd);
    return loaded;
}

/* SPDX-License-Identifier: MIT */
#include "devices/gpu/guest_pages.h"

#include <stdlib.h>
#include <string.h>

static bool check_entries(uint32_t count, uint64_t available, struct error *error)
{
    if (count == 0)
        return error_set(error, ERROR_GUEST_PARAMETER,
                         "no entries: at least one page of guest memory is needed");
    if (count > GUEST_PAGES_ENTRIES_MAX)
        return error_set(error, ERROR_GUEST_PARAMETER,
                         "%u entries of guest memory: %u are the limit", count,
                         GUEST_PAGES_ENTRIES_MAX);
    if (available / sizeof(struct virtio_gpu_mem_entry) < count)
        return error_set(
            error, ERROR_GUEST_PARAMETER,
            "%u entries of guest memory, of which %llu came with the command", count,
            (unsigned long long)(available / sizeof(struct virtio_gpu_mem_entry)));
    return true;
}

/* The sizes cannot overflow: 2^17 entries of less than 2^32 bytes. */
static bool add_entry(struct guest_pages *pages, const struct guest_memory *memory,
                      const struct virtio_gpu_mem_entry *entry, struct error *error)
{
    void *host;
    if (entry->length == 0)
        return error_set(error, ERROR_GUEST_PARAMETER,
                         "entry %u of guest memory, at %#llx, is empty", pages->count,
                         (unsigned long long)entry->addr);
    if (!guest_memory_view(memory, gpa(entry->addr), entry->length, &host, error))
        return error_wrap(error, "entry %u of guest memory", pages->count);
    pages->ranges[pages->count] = (struct gpa_range){gpa(entry->addr), entry->length};
    pages->vectors[pages->count] = (struct iovec){host, entry->length};
    pages->starts[pages->count] = pages->size;
    pages->size += entry->length;
    pages->count++;
    return true;
}

bool guest_pages_init(struct guest_pages *pages, const struct guest_memory *memory,
                      const struct virtio_gpu_mem_entry *entries, uint32_t count,
                      uint64_t available, struct error *error)
{
    *pages = (struct guest_pages){0};
    if (!check_entries(count, available, error))
        return false;
    pages->ranges = calloc(count, sizeof *pages->ranges);
    pages->vectors = calloc(count, sizeof *pages->vectors);
    pages->starts = calloc(count, sizeof *pages->starts);
    bool good = pages->ranges && pages->vectors && pages->starts;
    if (!good)
        error_set(error, ERROR_HOST_MEMORY, "no memory for %u entries of guest memory",
                  count);
    for (uint32_t i = 0; good && i < count; i++)
        good = add_entry(pages, memory, &entries[i], error);
    if (!good)
        guest_pages_finish(pages);
    return good;
}

void guest_pages_finish(struct guest_pages *pages)
{
    free(pages->ranges);
    free(pages->vectors);
    free(pages->starts);
    *pages = (struct guest_pages){0};
}

/* The entry that holds byte `offset` of the run, which is not behind its end. */
static unsigned entry_of(const struct guest_pages *pages, uint64_t offset)
{
    unsigned low = 0;
    unsigned high = pages->count;
    while (high - low > 1) {
        unsigned middle = low + (high - low) / 2;
        if (pages->starts[middle] <= offset)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* One of `out` and `in` is NULL. */
static bool copy(const struct guest_pages *pages, uint64_t offset, uint8_t *out,
                 const uint8_t *in, uint64_t length, struct error *error)
{
    uint64_t end;
    if (!u64_add(offset, length, &end) || end > pages->size)
        return error_set(error, ERROR_GUEST_PARAMETER,
                         "%llu bytes at byte %#llx of its guest memory, which has %llu",
                         (unsigned long long)length, (unsigned long long)offset,
                         (unsigned long long)pages->size);
    unsigned entry = length > 0 ? entry_of(pages, offset) : 0;
    for (uint64_t done = 0; done < length; entry++) {
        uint64_t skip = offset + done - pages->starts[entry];
        uint64_t part = pages->vectors[entry].iov_len - skip;
        if (part > length - done)
            part = length - done;
        uint8_t *host = (uint8_t *)pages->vectors[entry].iov_base + skip;
        if (out)
            memcpy(out + done, host, part);
        else
            memcpy(host, in + done, part);
        done += part;
    }
    return true;
}

bool guest_pages_read(const struct guest_pages *pages, uint64_t offset, void *buffer,
                      uint64_t length, struct error *error)
{
    return copy(pages, offset, buffer, NULL, length, error);
}

bool guest_pages_write(const struct guest_pages *pages, uint64_t offset,
                       const void *buffer, uint64_t length, struct error *error)
{
    return copy(pages, offset, NULL, buffer, length, error);
}

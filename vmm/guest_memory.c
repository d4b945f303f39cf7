/* SPDX-License-Identifier: MIT */
#include "vmm/guest_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static uint64_t page_size(void)
{
    return (uint64_t)sysconf(_SC_PAGESIZE);
}

/* The caller's side of the contract; only our own code can break it. */
static void check_ranges(const struct gpa_range *ranges, unsigned count)
{
    BUG_ON(count == 0 || count > GUEST_MEMORY_REGIONS_MAX);
    for (unsigned i = 0; i < count; i++) {
        BUG_ON(!gpa_range_is_valid(ranges[i]));
        BUG_ON(!is_aligned(ranges[i].start.value | ranges[i].size, page_size()));
        for (unsigned j = 0; j < i; j++)
            BUG_ON(gpa_range_overlaps(ranges[i], ranges[j]));
    }
}

/* The seals: nobody, we included, can cut the file off under a mapping (SIGBUS for us, a
 * failed fault for KVM). F_SEAL_SHRINK without F_SEAL_WRITE is also what udmabuf asks for
 * (drivers/dma-buf/udmabuf.c, check_memfd_seals). */
static bool make_file(uint64_t size, int *fd, struct error *error)
{
    *fd = memfd_create("s2vmm-ram", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (*fd < 0)
        return error_set(error, ERROR_HOST_SYSTEM, "memfd_create for guest RAM: %s",
                         strerror(errno));
    if (ftruncate(*fd, (off_t)size) != 0) {
        error_set(error, ERROR_HOST_MEMORY, "guest RAM of %" PRIu64 " MiB: ftruncate: %s",
                  size / MIB, strerror(errno));
    } else if (fcntl(*fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
        error_set(error, ERROR_HOST_SYSTEM, "guest RAM: F_ADD_SEALS: %s",
                  strerror(errno));
    } else {
        return true;
    }
    close(*fd);
    return false;
}

bool guest_memory_init(struct guest_memory *memory, const struct gpa_range *ranges,
                       unsigned range_count, struct error *error)
{
    check_ranges(ranges, range_count);

    uint64_t total = 0;
    for (unsigned i = 0; i < range_count; i++)
        BUG_ON(!u64_add(total, ranges[i].size, &total));
    if (total > INT64_MAX)
        return error_set(error, ERROR_HOST_MEMORY,
                         "guest RAM of %" PRIu64 " MiB: too large", total / MIB);

    *memory = (struct guest_memory){0};
    int fd;
    if (!make_file(total, &fd, error))
        return false;

    uint64_t file_offset = 0;
    for (unsigned i = 0; i < range_count; i++) {
        void *host = mmap(NULL, ranges[i].size, PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_NORESERVE, fd, (off_t)file_offset);
        if (host == MAP_FAILED) {
            error_set(error, ERROR_HOST_MEMORY, "guest RAM of %" PRIu64 " MiB: mmap: %s",
                      ranges[i].size / MIB, strerror(errno));
            for (unsigned j = 0; j < i; j++)
                munmap(memory->regions[j].host, memory->regions[j].range.size);
            close(fd);
            *memory = (struct guest_memory){0};
            return false;
        }
        memory->regions[i] = (struct guest_region){
            .range = ranges[i],
            .host = host,
            .file_offset = file_offset,
        };
        file_offset += ranges[i].size;
    }
    memory->fd = fd;
    memory->region_count = range_count;
    return true;
}

void guest_memory_finish(struct guest_memory *memory)
{
    if (memory->region_count == 0)
        return;
    for (unsigned i = 0; i < memory->region_count; i++)
        munmap(memory->regions[i].host, memory->regions[i].range.size);
    close(memory->fd);
    *memory = (struct guest_memory){0};
}

bool guest_memory_view(const struct guest_memory *memory, gpa_t address, uint64_t length,
                       void **host, struct error *error)
{
    for (unsigned i = 0; i < memory->region_count; i++) {
        const struct guest_region *region = &memory->regions[i];
        if (gpa_range_contains(region->range, address, length)) {
            *host = region->host + (address.value - region->range.start.value);
            return true;
        }
    }
    return error_set(error, ERROR_GUEST_ADDRESS,
                     "%" PRIu64 " bytes at GPA 0x%" PRIx64 " are not in guest RAM",
                     length, address.value);
}

/* The copies below are calls into another object file for every caller, so that no
 * compiler can drop a copy and read guest bytes a second time after they were checked. */
bool guest_memory_read(const struct guest_memory *memory, gpa_t address, void *buffer,
                       uint64_t length, struct error *error)
{
    void *host;
    if (!guest_memory_view(memory, address, length, &host, error))
        return false;
    memcpy(buffer, host, length);
    return true;
}

bool guest_memory_write(const struct guest_memory *memory, gpa_t address,
                        const void *buffer, uint64_t length, struct error *error)
{
    void *host;
    if (!guest_memory_view(memory, address, length, &host, error))
        return false;
    memcpy(host, buffer, length);
    return true;
}

/* An access that straddles two words is not atomic. */
static bool view_index(const struct guest_memory *memory, gpa_t address, void **host,
                       struct error *error)
{
    if (!is_aligned(address.value, sizeof(uint16_t)))
        return error_set(error, ERROR_GUEST_ADDRESS,
                         "16-bit access at GPA 0x%" PRIx64 ": the address is odd",
                         address.value);
    return guest_memory_view(memory, address, sizeof(uint16_t), host, error);
}

bool guest_memory_load16_acquire(const struct guest_memory *memory, gpa_t address,
                                 uint16_t *value, struct error *error)
{
    void *host;
    if (!view_index(memory, address, &host, error))
        return false;
    *value = __atomic_load_n((const uint16_t *)host, __ATOMIC_ACQUIRE);
    return true;
}

bool guest_memory_store16_release(const struct guest_memory *memory, gpa_t address,
                                  uint16_t value, struct error *error)
{
    void *host;
    if (!view_index(memory, address, &host, error))
        return false;
    __atomic_store_n((uint16_t *)host, value, __ATOMIC_RELEASE);
    return true;
}

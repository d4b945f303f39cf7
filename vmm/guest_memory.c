/* SPDX-License-Identifier: MIT */
#include "vmm/guest_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define HUGE_PAGE_SIZE (2 * MIB) /* of x86, and of arm64 with pages of 4 KiB */

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

/* The region's host addresses are its GPAs modulo 2 MiB: without that KVM makes no large leaf for a
 * huge page of the host (arch/x86/kvm/x86.c, kvm_alloc_memslot_metadata; arch/arm64/kvm/mmu.c,
 * fault_supports_stage2_huge_mapping). fd -1: anonymous memory. NULL: errno says why. */
static void *map_region(struct gpa_range range, int fd, uint64_t file_offset)
{
    const uint64_t room = range.size + 2 * HUGE_PAGE_SIZE;
    uint8_t *reserved =
        mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (reserved == MAP_FAILED)
        return NULL;
    uint64_t lead = (range.start.value - (uintptr_t)reserved) & (HUGE_PAGE_SIZE - 1);
    uint8_t *wanted = reserved + lead;
    uint8_t *end = wanted + range.size;
    int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
    void *host = mmap(wanted, range.size, PROT_READ | PROT_WRITE,
                      flags | MAP_FIXED | MAP_NORESERVE, fd, (off_t)file_offset);
    if (host == MAP_FAILED) {
        int number = errno;
        munmap(reserved, room);
        errno = number;
        return NULL;
    }
    if (lead > 0)
        munmap(reserved, lead);
    munmap(end, (size_t)(reserved + room - end));
    /* Wishes: a kernel without huge pages refuses the first (EINVAL), and nothing is lost. The
     * second: a child process would make every page a copy on write. */
    (void)madvise(host, range.size, MADV_HUGEPAGE);
    if (fd < 0)
        (void)madvise(host, range.size, MADV_DONTFORK);
    return host;
}

static bool map_regions(struct guest_memory *memory, const struct gpa_range *ranges,
                        unsigned count, struct error *error)
{
    uint64_t file_offset = 0;
    for (unsigned i = 0; i < count; i++) {
        void *host = map_region(ranges[i], memory->fd, file_offset);
        if (host == NULL)
            return error_set(error, ERROR_HOST_MEMORY,
                             "guest RAM of %" PRIu64 " MiB: mmap: %s",
                             ranges[i].size / MIB, strerror(errno));
        memory->regions[memory->region_count++] = (struct guest_region){
            .range = ranges[i],
            .host = host,
            .file_offset = file_offset,
        };
        file_offset += ranges[i].size;
    }
    return true;
}

static void free_all(struct guest_memory *memory)
{
    for (unsigned i = 0; i < memory->region_count; i++)
        munmap(memory->regions[i].host, memory->regions[i].range.size);
    if (memory->fd >= 0)
        close(memory->fd);
    *memory = (struct guest_memory){0};
}

static bool total_size(const struct gpa_range *ranges, unsigned count, uint64_t *total,
                       struct error *error)
{
    check_ranges(ranges, count);
    *total = 0;
    for (unsigned i = 0; i < count; i++)
        BUG_ON(!u64_add(*total, ranges[i].size, total));
    return *total <= INT64_MAX ||
           error_set(error, ERROR_HOST_MEMORY, "guest RAM of %" PRIu64 " MiB: too large",
                     *total / MIB);
}

static bool map_all(struct guest_memory *memory, const struct gpa_range *ranges,
                    unsigned count, int fd, struct error *error)
{
    *memory = (struct guest_memory){.fd = fd};
    bool mapped = map_regions(memory, ranges, count, error);
    if (!mapped)
        free_all(memory);
    return mapped;
}

bool guest_memory_init(struct guest_memory *memory, const struct gpa_range *ranges,
                       unsigned range_count, struct error *error)
{
    uint64_t size;
    int fd;
    *memory = (struct guest_memory){0};
    return total_size(ranges, range_count, &size, error) && make_file(size, &fd, error) &&
           map_all(memory, ranges, range_count, fd, error);
}

bool guest_memory_init_private(struct guest_memory *memory,
                               const struct gpa_range *ranges, unsigned range_count,
                               struct error *error)
{
    uint64_t size;
    *memory = (struct guest_memory){0};
    return total_size(ranges, range_count, &size, error) &&
           map_all(memory, ranges, range_count, -1, error);
}

bool guest_memory_init_guest_memfd(struct guest_memory *memory,
                                   const struct gpa_range *ranges, unsigned range_count,
                                   int fd, struct error *error)
{
    uint64_t size;
    *memory = (struct guest_memory){0};
    if (!total_size(ranges, range_count, &size, error)) {
        close(fd);
        return false;
    }
    bool mapped = map_all(memory, ranges, range_count, fd, error);
    memory->is_guest_memfd = mapped;
    return mapped;
}

bool guest_memory_init_over(struct guest_memory *memory, const struct gpa_range *ranges,
                            unsigned range_count, int fd, struct error *error)
{
    uint64_t size;
    struct stat status = {0};
    *memory = (struct guest_memory){0};
    if (!total_size(ranges, range_count, &size, error))
        return false;
    int seals = fcntl(fd, F_GET_SEALS);
    if (fstat(fd, &status) != 0)
        return error_set(error, ERROR_HOST_BUFFER, "guest RAM: fstat: %s",
                         strerror(errno));
    if (seals < 0 || (seals & F_SEAL_SHRINK) == 0 || (uint64_t)status.st_size != size)
        return error_set(error, ERROR_HOST_BUFFER,
                         "file descriptor %d is no guest RAM of %" PRIu64
                         " MiB: it has %lld bytes, seals 0x%x",
                         fd, size / MIB, (long long)status.st_size, (unsigned)seals);
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (own < 0)
        return error_set(error, ERROR_HOST_SYSTEM, "guest RAM: F_DUPFD_CLOEXEC: %s",
                         strerror(errno));
    return map_all(memory, ranges, range_count, own, error);
}

void guest_memory_finish(struct guest_memory *memory)
{
    if (memory->region_count > 0)
        free_all(memory);
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

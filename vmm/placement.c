/* SPDX-License-Identifier: MIT */
#include "vmm/placement.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

static uint64_t page_size(void)
{
    return (uint64_t)sysconf(_SC_PAGESIZE);
}

/* A table is one page of entries of 8 bytes. */
uint64_t placement_block_size(void)
{
    return page_size() * (page_size() / sizeof(uint64_t));
}

bool placement_reserve(uint64_t size, gpa_t address, bool avoid_blocks, void **place,
                       struct error *error)
{
    uint64_t slack = avoid_blocks ? page_size() : 0;
    uint64_t reserved;
    void *start = MAP_FAILED;
    errno = ENOMEM;
    if (u64_add(size, slack, &reserved))
        start = mmap(NULL, reserved, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED)
        return error_set(error, ERROR_HOST_MEMORY,
                         "address space for a mapping of %llu bytes: %s",
                         (unsigned long long)size, strerror(errno));
    *place = start;
    if (slack == 0)
        return true;

    /* One of two neighbouring pages does not agree with the guest's address. */
    bool agrees = ((uintptr_t)start - address.value) % placement_block_size() == 0;
    uint8_t *first = start;
    munmap(agrees ? first : first + size, slack);
    *place = agrees ? first + slack : first;
    return true;
}

bool placement_move(void *from, uint64_t size, void *place, struct error *error)
{
    if (mremap(from, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, place) != MAP_FAILED)
        return true;
    return error_set(error, ERROR_HOST_MEMORY, "mremap of %llu bytes: %s",
                     (unsigned long long)size, strerror(errno));
}

bool placement_is_pfnmap(const void *host)
{
    uint8_t byte;
    const struct iovec local = {.iov_base = &byte, .iov_len = 1};
    const struct iovec remote = {.iov_base = (void *)(uintptr_t)host, .iov_len = 1};
    return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) < 0 && errno == EFAULT;
}

/* SPDX-License-Identifier: MIT */
#include "vmm/guest_memfd.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "vmm/kvm.h"

/* linux/kvm.h of Linux 6.18; the oldest headers that are supported have none of it. */
#define CAPABILITY_FLAGS 244 /* KVM_CAP_GUEST_MEMFD_FLAGS */
#define FLAG_MMAP        (UINT64_C(1) << 0)
#define FLAG_INIT_SHARED (UINT64_C(1) << 1)
#define MEM_GUEST_MEMFD  (UINT32_C(1) << 2)

struct create {
    uint64_t size;
    uint64_t flags;
    uint64_t reserved[6];
};
#define CREATE _IOWR(KVMIO, 0xd4, struct create)

struct region2 {
    uint32_t slot;
    uint32_t flags;
    uint64_t guest_phys_addr;
    uint64_t memory_size;
    uint64_t userspace_addr;
    uint64_t guest_memfd_offset;
    uint32_t guest_memfd;
    uint32_t pad1;
    uint64_t pad2[14];
};
#define SET_REGION2 _IOW(KVMIO, 0x49, struct region2)

bool guest_memfd_create(int vm_fd, uint64_t size, int *fd, struct error *error)
{
    const uint64_t flags = FLAG_MMAP | FLAG_INIT_SHARED;
    uint64_t known = (uint64_t)kvm_check(vm_fd, CAPABILITY_FLAGS);
    *fd = -1;
    if ((known & flags) != flags)
        return error_set(error, ERROR_CONFIG_HOST,
                         "guest_memfd: this KVM has none that can be mapped for such a "
                         "VM (KVM_CAP_GUEST_MEMFD_FLAGS is 0x%" PRIx64 ", not 0x%" PRIx64
                         "); use Linux 6.18 or newer, or --memory-backend=memfd",
                         known, flags);
    struct create create = {.size = size, .flags = flags};
    *fd = kvm_ioctl(vm_fd, CREATE, &create);
    if (*fd < 0)
        return error_set(error, ERROR_HOST_KVM,
                         "KVM_CREATE_GUEST_MEMFD of %" PRIu64 " MiB: %s", size / MIB,
                         strerror(errno));
    /* KVM takes no flag for it (__kvm_gmem_create()), and as yet there is no other thread. */
    if (fcntl(*fd, F_SETFD, FD_CLOEXEC) == 0)
        return true;
    error_set(error, ERROR_HOST_SYSTEM, "guest_memfd: F_SETFD: %s", strerror(errno));
    close(*fd);
    *fd = -1;
    return false;
}

bool guest_memfd_set_region(int vm_fd, uint32_t slot, const struct guest_region *region,
                            int fd, struct error *error)
{
    struct region2 request = {
        .slot = slot,
        .flags = MEM_GUEST_MEMFD,
        .guest_phys_addr = region->range.start.value,
        .memory_size = region->range.size,
        .userspace_addr = (uintptr_t)region->host,
        .guest_memfd_offset = region->file_offset,
        .guest_memfd = (uint32_t)fd,
    };
    return kvm_ioctl(vm_fd, SET_REGION2, &request) == 0 ||
           error_set(error, ERROR_HOST_KVM,
                     "KVM_SET_USER_MEMORY_REGION2 %u, GPA 0x%" PRIx64 ", 0x%" PRIx64
                     " bytes of a guest_memfd: %s",
                     slot, region->range.start.value, region->range.size,
                     strerror(errno));
}

/* SPDX-License-Identifier: MIT */
/*
 * KVM's guest_memfd as guest RAM: memory that the guest gets by a file descriptor, and not by
 * this process's page tables. What works with it, and what does not: docs/guest-memory.md.
 *
 *   KVM_CREATE_GUEST_MEMFD --> file --> mmap() --> this process, KVM's own accesses
 *                                \--> KVM_SET_USER_MEMORY_REGION2 --> the guest
 *
 * The file belongs to one VM: no other takes it, and closing it takes the guest's RAM away, as a
 * memslot holds no reference (virt/kvm/guest_memfd.c, kvm_gmem_bind(), kvm_gmem_release()).
 */
#ifndef S2VMM_GUEST_MEMFD_H
#define S2VMM_GUEST_MEMFD_H

#include "vmm/error.h"
#include "vmm/guest_memory.h"

/* Makes a file of `size` bytes that can be mapped, and is shared with the host from the start.
 * ERROR_CONFIG_HOST if this kernel has no such files, ERROR_HOST_KVM. */
bool guest_memfd_create(int vm_fd, uint64_t size, int *fd, struct error *error);

/* A memslot of the whole region, whose memory is such a file's. ERROR_HOST_KVM. */
bool guest_memfd_set_region(int vm_fd, uint32_t slot, const struct guest_region *region,
                            int fd, struct error *error);

#endif

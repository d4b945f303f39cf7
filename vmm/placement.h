/* SPDX-License-Identifier: MIT */
/*
 * Where a mapping lies in the VMM's own address space. Two hazards of KVM on arm64 depend on
 * it, and both are met by moving the mapping, which moves its page table entries along:
 *
 *   avoided blocks   Kernels before 6.12.113 and 7.2.11 take any VM_PFNMAP mapping for
 *                    physically contiguous (arch/arm64/kvm/mmu.c, get_vma_page_shift), and map
 *                    a whole block of the first page's neighbours where host address and guest
 *                    address agree modulo the block size: memory that belongs to somebody
 *                    else. They cannot where the two addresses differ by one page.
 *
 *   late mapping     Since 6.17 KVM refuses a new memslot over a cacheable VM_PFNMAP mapping
 *                    without FEAT_S2FWB and DIC (kvm_arch_prepare_memory_region), also where
 *                    it is RAM, as every udmabuf is. What lies behind a memslot that is there
 *                    already is judged by the page, at the guest's fault (user_mem_abort):
 *                    RAM is fine, as KVM does its cache maintenance through the linear map;
 *                    anything else is EFAULT. So the memslot is made over anonymous memory,
 *                    and the mapping moved there.
 *
 * A guest that looks at its memslot while the mapping is being moved finds the anonymous
 * memory or the buffer, never a hole: mremap() changes both under one hold of the mmap lock,
 * which KVM's fault takes, too (mm/mremap.c; virt/kvm/kvm_main.c, hva_to_pfn_slow).
 *
 *      reserve --> [ anonymous ] --memslot--> move --> [ the buffer ]       late mapping
 *      reserve --> [ anonymous ] --move--> [ the buffer ] --> memslot       avoided blocks
 */
#ifndef S2VMM_PLACEMENT_H
#define S2VMM_PLACEMENT_H

#include "vmm/error.h"
#include "vmm/types.h"

/* Bytes that one entry of the second-lowest table maps: 2 MiB with pages of 4 KiB. */
uint64_t placement_block_size(void);

/* Reserves anonymous memory for `size` bytes (a multiple of the page size) that are going to
 * be seen by the guest at `address`. With avoid_blocks, the two addresses differ modulo the
 * block size. To be ended by placement_move() or munmap(). ERROR_HOST_MEMORY. */
bool placement_reserve(uint64_t size, gpa_t address, bool avoid_blocks, void **place,
                       struct error *error);

/* Moves the mapping of `size` bytes at `from`, which the caller owns as a whole, to the
 * reserved `place`; nothing is left at `from`. On failure (ERROR_HOST_MEMORY) it is where it
 * was. The reservation is lost then: the kernel may have freed it, and another thread have got
 * the same addresses, so that nobody can give it back. */
bool placement_move(void *from, uint64_t size, void *place, struct error *error);

/* Whether KVM would see a VM_PFNMAP mapping here: one whose pages the kernel hands to nobody
 * (mm/gup.c, check_vma_flags: VM_IO and VM_PFNMAP are EFAULT). The first page is there. */
bool placement_is_pfnmap(const void *host);

#endif

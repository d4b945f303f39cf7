/* SPDX-License-Identifier: GPL-2.0-only */
/* What a page table's entry says about memory: one file for each architecture. */
#ifndef DMABUF_INFO_MEMORY_TYPE_H
#define DMABUF_INFO_MEMORY_TYPE_H

#include <linux/pgtable.h>
#include <linux/types.h>

/* The type, encoded as DMA_BUF_INFO_HOST_TYPE, of a leaf entry that maps 1 << SHIFT bytes. */
u8 memory_type_of_entry(u64 entry, unsigned int shift);

/* The same of a VMA's vm_page_prot. */
u8 memory_type_of_prot(pgprot_t prot);

/* A leaf entry with the bits of the address cleared. */
u64 memory_type_without_address(u64 entry, unsigned int shift);

/* DMA_BUF_VM_PROT_* for a type; -ENOSYS for one that none of the words fits (write-through). */
int memory_type_vm_prot(u8 type);

/* DMA_BUF_PAGE_KIND_* of a page that is mapped with TYPE: what KVM takes it for. */
u32 memory_type_page_kind(unsigned long pfn, u8 type);

#endif

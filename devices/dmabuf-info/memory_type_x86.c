// SPDX-License-Identifier: GPL-2.0-only
/*
 * x86: PWT, PCD and PAT select one of the eight bytes of the PAT MSR (SDM 3, 12.12.3). The MSR
 * is read, not remembered: it has the same value on all CPUs (12.12.4).
 */
#include <asm/msr.h>
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/ioport.h>
#include <linux/mm.h>
#include <uapi/linux/dma-buf.h>

#include "compat.h"
#include "dma_buf_info.h"
#include "memory_type.h"

/* SDM 3, table 12-10 */
enum {
	TYPE_UC = 0,
	TYPE_WC = 1,
	TYPE_WB = 6,
	TYPE_UC_MINUS = 7,
};

/* SDM 3, 4.9.2: bit 7 in an entry for 4 KiB; there it is the page size in a larger one, whose
 * PAT is bit 12. */
#define ENTRY_PWT       BIT_ULL(3)
#define ENTRY_PCD       BIT_ULL(4)
#define ENTRY_PAT       BIT_ULL(7)
#define ENTRY_PAT_LARGE BIT_ULL(12)

static u8 type_of_index(bool pat, bool pcd, bool pwt)
{
	u64 types;

	rdmsrq(MSR_IA32_CR_PAT, types);
	return (types >> (8 * (4 * pat + 2 * pcd + pwt))) & 7;
}

u8 memory_type_of_entry(u64 entry, unsigned int shift)
{
	u64 pat = shift == PAGE_SHIFT ? ENTRY_PAT : ENTRY_PAT_LARGE;

	return type_of_index(entry & pat, entry & ENTRY_PCD, entry & ENTRY_PWT);
}

u8 memory_type_of_prot(pgprot_t prot)
{
	return memory_type_of_entry(pgprot_val(prot), PAGE_SHIFT);
}

u64 memory_type_without_address(u64 entry, unsigned int shift)
{
	return entry & ~(shift == PAGE_SHIFT ? GENMASK_ULL(51, 12) : GENMASK_ULL(51, 13));
}

int memory_type_vm_prot(u8 type)
{
	switch (type) {
	case TYPE_WB:
		return DMA_BUF_VM_PROT_CACHED;
	case TYPE_WC:
		return DMA_BUF_VM_PROT_WC;
	case TYPE_UC:
	case TYPE_UC_MINUS:
		return DMA_BUF_VM_PROT_UNCACHED;
	default:
		return -ENOSYS;
	}
}

/*
 * The rule of __kvm_is_mmio_pfn() (arch/x86/kvm/mmu/spte.c), with what is exported: the mapped
 * type stands for KVM's look into the memory types (pat_pfn_immune_to_uc_mtrr), and the system's
 * RAM resources for the E820 map that they are made from.
 */
u32 memory_type_page_kind(unsigned long pfn, u8 type)
{
	bool mmio;

	if (pfn_valid(pfn))
		mmio = PageReserved(pfn_to_page(pfn)) && !is_zero_pfn(pfn) &&
		       type != TYPE_WB;
	else
		mmio = !page_is_ram(pfn);
	return mmio ? DMA_BUF_PAGE_KIND_MMIO : DMA_BUF_PAGE_KIND_RAM;
}

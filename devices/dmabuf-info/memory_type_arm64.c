// SPDX-License-Identifier: GPL-2.0-only
/*
 * arm64: AttrIndx, bits 4:2 of a leaf, selects one of the eight bytes of MAIR_EL1 (DDI 0487,
 * D8.6.1). A kernel that runs at EL2 (VHE) names its own register MAIR_EL1 too: with
 * HCR_EL2.E2H the access goes to MAIR_EL2, which is the one that its page tables use (D8.2.1
 * and the accessibility of MAIR_EL1, D24.2.127).
 */
#include <asm/pgtable-hwdef.h>
#include <asm/sysreg.h>
#include <linux/bitfield.h>
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/ioport.h>
#include <linux/mm.h>
#include <uapi/linux/dma-buf.h>

#include "dma_buf_info.h"
#include "memory_type.h"

#define ENTRY_ATTRIBUTE_INDEX GENMASK_ULL(4, 2)

/* D24.2.127: a high nibble of 0 is Device memory; else it is the outer and the low one the inner
 * cacheability. */
enum {
	ATTRIBUTE_NORMAL_NC = 0x44,
	ATTRIBUTE_NORMAL_WB = 0xff, /* write-back, read and write allocate */
	ATTRIBUTE_TAGGED_WB = 0xf0, /* the same with allocation tags (FEAT_MTE2) */
};

u8 memory_type_of_entry(u64 entry, unsigned int shift)
{
	return read_sysreg(mair_el1) >> (8 * FIELD_GET(ENTRY_ATTRIBUTE_INDEX, entry));
}

u8 memory_type_of_prot(pgprot_t prot)
{
	return memory_type_of_entry(pgprot_val(prot), PAGE_SHIFT);
}

/* With 52-bit addresses the high ones are lower down: in bits 15:12 for 64 KiB pages, else in
 * 9:8, where without FEAT_LPA2 the shareability is. */
u64 memory_type_without_address(u64 entry, unsigned int shift)
{
	u64 address = PTE_ADDR_LOW;

#ifdef CONFIG_ARM64_PA_BITS_52
	if (IS_ENABLED(CONFIG_ARM64_64K_PAGES) || lpa2_is_enabled())
		address |= PTE_ADDR_HIGH;
#endif
	return entry & ~address;
}

int memory_type_vm_prot(u8 type)
{
	switch (type) {
	case ATTRIBUTE_NORMAL_WB:
	case ATTRIBUTE_TAGGED_WB:
		return DMA_BUF_VM_PROT_CACHED;
	case ATTRIBUTE_NORMAL_NC:
		return DMA_BUF_VM_PROT_WC;
	default:
		return type < 0x10 ? DMA_BUF_VM_PROT_UNCACHED : -ENOSYS;
	}
}

/*
 * KVM asks pfn_is_map_memory() (arch/arm64/kvm/mmu.c), which modules cannot: memblock's memory
 * less what is marked "no map". The System RAM resources are made from exactly these ranges
 * (request_standard_resources(), arch/arm64/kernel/setup.c).
 */
u32 memory_type_page_kind(unsigned long pfn, u8 type)
{
	return page_is_ram(pfn) ? DMA_BUF_PAGE_KIND_RAM : DMA_BUF_PAGE_KIND_MMIO;
}

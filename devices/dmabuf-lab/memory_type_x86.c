// SPDX-License-Identifier: GPL-2.0-only
/*
 * x86: RAM has its type in struct page, set by set_pages_array_*(), which also changes
 * the direct map; other memory in a tree of ranges. Mapping by pfn takes the type on
 * record, whatever was asked for (lookup_memtype() in arch/x86/mm/pat/memtype.c); mapping
 * by struct page takes what is asked for.
 *
 * A range's type is recorded while somebody has it mapped. Without a record it is UC-, so
 * a BAR is mapped into the kernel for as long as the buffer lives. For WC alone there is
 * arch_io_reserve_memtype_wc() (include/linux/io.h). Where the MTRRs say other than WB,
 * asking for WB gives UC- (pat_x_mtrr_type()).
 */
#include <asm/cacheflush.h>
#include <asm/set_memory.h>
#include <linux/errno.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <uapi/linux/dma-buf.h>

#include "dma_buf_info.h"
#include "memory_type.h"

static int set_ram(struct backing *backing, enum dmabuf_lab_attribute attribute)
{
	switch (attribute) {
	case DMABUF_LAB_WC:
		return set_pages_array_wc(backing->pages, (int)backing->allocated);
	case DMABUF_LAB_UC:
	case DMABUF_LAB_DEVICE:
		return set_pages_array_uc(backing->pages, (int)backing->allocated);
	case DMABUF_LAB_WB:
	case DMABUF_LAB_WC_WISHED:
	case DMABUF_LAB_ATTRIBUTE_COUNT:
		break;
	}
	return 0;
}

static int set_bar(struct backing *backing, enum dmabuf_lab_attribute attribute)
{
	size_t size = backing->count << PAGE_SHIFT;

	switch (attribute) {
	case DMABUF_LAB_WB:
		/* an __iomem pointer, as of all of ioremap's kind */
		backing->record = ioremap_cache(backing->start, size);
		break;
	case DMABUF_LAB_WC:
	case DMABUF_LAB_WC_WISHED:
		backing->record = ioremap_wc(backing->start, size);
		break;
	case DMABUF_LAB_UC:
	case DMABUF_LAB_DEVICE:
	case DMABUF_LAB_ATTRIBUTE_COUNT:
		backing->record = ioremap(backing->start, size);
		break;
	}
	return backing->record ? 0 : -EBUSY;
}

int memory_type_set(struct backing *backing, enum dmabuf_lab_attribute attribute)
{
	return backing->pages ? set_ram(backing, attribute) : set_bar(backing, attribute);
}

int memory_type_reset(struct backing *backing)
{
	if (!backing->pages) {
		if (backing->record)
			iounmap(backing->record);
		backing->record = NULL;
		return 0;
	}
	switch (backing->attribute) {
	case DMABUF_LAB_WC:
	case DMABUF_LAB_UC:
	case DMABUF_LAB_DEVICE:
		return set_pages_array_wb(backing->pages, (int)backing->allocated);
	case DMABUF_LAB_WB:
	case DMABUF_LAB_WC_WISHED:
	case DMABUF_LAB_ATTRIBUTE_COUNT:
		break;
	}
	return 0;
}

int memory_type_flush(struct backing *backing, struct device *device)
{
	size_t i;

	for (i = 0; i < backing->count; i++)
		clflush_cache_range(page_address(backing->pages[i]), PAGE_SIZE);
	return 0;
}

/*
 * The entry of the kernel's own mapping, which has the recorded type. PWT and PCD are
 * enough: Linux fills the PAT MSR with WB, WC, UC-, UC, and in its second half differs in
 * two that no ioremap gives (pat_bp_init(), arch/x86/mm/pat/memtype.c).
 */
static int truth_of_bar(const struct backing *backing)
{
	unsigned int level;
	const pte_t *entry;

	if (!backing->record)
		return DMA_BUF_VM_PROT_UNCACHED;
	entry = lookup_address((unsigned long)backing->record, &level);
	if (!entry)
		return -ENOSYS;
	if (pte_val(*entry) & _PAGE_PCD)
		return DMA_BUF_VM_PROT_UNCACHED;
	return pte_val(*entry) & _PAGE_PWT ? DMA_BUF_VM_PROT_WC : DMA_BUF_VM_PROT_CACHED;
}

int memory_type_truth(const struct backing *backing, enum dmabuf_lab_vma vma)
{
	if (!backing->pages)
		return truth_of_bar(backing);
	if (backing->attribute == DMABUF_LAB_WC_WISHED && vma != DMABUF_LAB_STRUCT_PAGES)
		return DMA_BUF_VM_PROT_CACHED;
	return memory_type_wish(backing->attribute);
}

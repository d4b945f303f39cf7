// SPDX-License-Identifier: GPL-2.0-only
/*
 * Maps a dma-buf into the caller, with the caller's rights and limits, lets the exporter fault
 * the pages in, and walks the page table by hand.
 *
 * By hand, because follow_pfnmap_start() takes only VM_IO and VM_PFNMAP mappings, and GUP only
 * the others. The walk goes as GUP-fast's does (mm/gup.c): with interrupts off, each level read
 * once, the next found from the copy. Interrupts off keep a page table that is being freed
 * alive (asm-generic/tlb.h, MMU_GATHER_RCU_TABLE_FREE); the mmap lock keeps the VMA.
 *
 * Another thread of the caller can unmap the range or map something else there. So after each
 * time that the lock was not held the VMA is looked up again, and must be a shared one with the
 * same bounds; the exporter may have replaced its file (i915 does), so that proves nothing. A
 * process that maps over the very same range gets the answer for what it put there: the walk is
 * safe for any VMA, and it misinforms nobody else.
 */
#include <linux/dma-buf.h>
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/pgtable.h>
#include <linux/sched.h>
#include <uapi/linux/dma-buf.h>

#include "dma_buf_info.h"
#include "mapping.h"
#include "memory_type.h"

/* How often an exporter may take a page away between the fault and the look. */
#define ATTEMPTS 16

struct leaf {
	u64 entry;
	unsigned long pfn;
	unsigned int shift; /* log2 of the bytes that the entry maps */
};

/* False: nothing is mapped. Interrupts are off. */
static bool walk(struct mm_struct *mm, unsigned long address, struct leaf *leaf)
{
	pgd_t *pgdp = pgd_offset(mm, address), pgd = READ_ONCE(*pgdp);
	p4d_t *p4dp, p4d;
	pud_t *pudp, pud;
	pmd_t *pmdp, pmd;
	pte_t pte;

	if (pgd_none(pgd) || pgd_bad(pgd))
		return false;
	p4dp = p4d_offset_lockless(pgdp, pgd, address);
	p4d = READ_ONCE(*p4dp);
	if (p4d_none(p4d) || p4d_bad(p4d))
		return false;
	pudp = pud_offset_lockless(p4dp, p4d, address);
	pud = READ_ONCE(*pudp);
	if (!pud_present(pud))
		return false;
	if (pud_leaf(pud)) {
		*leaf = (struct leaf){pud_val(pud), pud_pfn(pud), PUD_SHIFT};
		return true;
	}
	pmdp = pmd_offset_lockless(pudp, pud, address);
	pmd = READ_ONCE(*pmdp);
	if (!pmd_present(pmd))
		return false;
	if (pmd_leaf(pmd)) {
		*leaf = (struct leaf){pmd_val(pmd), pmd_pfn(pmd), PMD_SHIFT};
		return true;
	}
	if (pmd_bad(pmd))
		return false;
	pte = READ_ONCE(*pte_offset_kernel(&pmd, address));
	if (!pte_present(pte))
		return false;
	*leaf = (struct leaf){pte_val(pte), pte_pfn(pte), PAGE_SHIFT};
	return true;
}

/* The mapping that we made, or NULL; the mmap lock is held. */
static struct vm_area_struct *own_area(unsigned long start, size_t length)
{
	struct vm_area_struct *vma = vma_lookup(current->mm, start);

	if (!vma || vma->vm_start != start || vma->vm_end != start + length ||
	    !(vma->vm_flags & VM_MAYSHARE))
		return NULL;
	return vma;
}

static u64 describe(const struct vm_area_struct *vma)
{
	u64 area = (u64)memory_type_of_prot(vma->vm_page_prot) << 8;

	if (vma->vm_flags & VM_PFNMAP)
		area |= DMA_BUF_VMA_PFNMAP;
	if (vma->vm_flags & VM_MIXEDMAP)
		area |= DMA_BUF_VMA_MIXEDMAP;
	if (vma->vm_flags & VM_IO)
		area |= DMA_BUF_VMA_IO;
	if (vma->vm_flags & VM_ALLOW_ANY_UNCACHED)
		area |= DMA_BUF_VMA_ALLOW_ANY_UNCACHED;
	return area;
}

/* The leaf of one page, faulted in if need be; the mmap lock is held. */
static int look_at_page(unsigned long start, size_t length, size_t offset,
			struct leaf *leaf)
{
	struct mm_struct *mm = current->mm;
	unsigned long flags;
	int attempt, error;
	bool found, unlocked;

	for (attempt = 0; attempt < ATTEMPTS; attempt++) {
		if (!own_area(start, length))
			return -EAGAIN;
		local_irq_save(flags);
		found = walk(mm, start + offset, leaf);
		local_irq_restore(flags);
		if (found) {
			size_t within = (start + offset) & ((1UL << leaf->shift) - 1);

			leaf->pfn += within >> PAGE_SHIFT;
			return 0;
		}
		unlocked = false;
		error = fixup_user_fault(mm, start + offset, 0, &unlocked);
		if (error)
			return own_area(start, length) ? error : -EAGAIN;
	}
	return -EAGAIN;
}

static int look_at_entries(unsigned long start, size_t length, struct mapping *mapping)
{
	const size_t offsets[] = {0, (length / 2) & PAGE_MASK, length - PAGE_SIZE};
	struct leaf leaf;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(offsets); i++) {
		int error = look_at_page(start, length, offsets[i], &leaf);
		u32 page_kind;
		u8 type;

		if (error)
			return error;
		type = memory_type_of_entry(leaf.entry, leaf.shift);
		page_kind = memory_type_page_kind(leaf.pfn, type);
		if (i == 0) {
			mapping->entry =
				memory_type_without_address(leaf.entry, leaf.shift);
			mapping->type = type;
			mapping->page_kind = page_kind;
		} else if (mapping->type != type || mapping->page_kind != page_kind) {
			return -ENOTUNIQ;
		}
	}
	return 0;
}

static int look(unsigned long start, size_t length, enum mapping_depth depth,
		struct mapping *mapping)
{
	const struct vm_area_struct *vma = own_area(start, length);

	if (!vma)
		return -EAGAIN;
	mapping->area = describe(vma);
	return depth == MAPPING_ENTRIES ? look_at_entries(start, length, mapping) : 0;
}

/* EINVAL is for an unknown parameter, and EFAULT for the caller's pointer, only. */
static int unambiguous(int error)
{
	switch (error) {
	case -EINVAL:
		return -ENODEV;
	case -EFAULT:
		return -EIO;
	default:
		return error;
	}
}

int mapping_look(struct file *file, enum mapping_depth depth, struct mapping *mapping)
{
	const struct dma_buf *dmabuf = file->private_data;
	size_t length = PAGE_ALIGN(dmabuf->size);
	unsigned long prot = PROT_READ | (file->f_mode & FMODE_WRITE ? PROT_WRITE : 0);
	unsigned long start = vm_mmap(file, 0, length, prot, MAP_SHARED, 0);
	int error;

	if (IS_ERR_VALUE(start))
		return unambiguous((int)(long)start);
	error = mmap_read_lock_killable(current->mm);
	if (!error) {
		error = look(start, length, depth, mapping);
		mmap_read_unlock(current->mm);
	}
	/* It fails only if the task is being killed, and the mapping goes with it, or if another
	 * thread of the caller has sealed a mapping that it did not make. */
	vm_munmap(start, length);
	return unambiguous(error);
}

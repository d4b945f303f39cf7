// SPDX-License-Identifier: GPL-2.0-only
/*
 * The walk goes as GUP-fast's does (mm/gup.c): with interrupts off, each level read once, the
 * next found from the copy. Interrupts off keep a page table that is being freed alive
 * (asm-generic/tlb.h, MMU_GATHER_RCU_TABLE_FREE), and a huge page whole while it is looked at;
 * the mmap lock keeps the VMA. Large entries, of THP, hugetlb and huge PFN mappings alike, are
 * leaves of the upper levels; arm64's contiguous ones are ordinary entries, one for each page.
 */
#include <linux/hugetlb.h>
#include <linux/ioport.h>
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <linux/sched.h>
#include <linux/uaccess.h>

#include "pte_reader.h"
#include "walk.h"

static struct leaf leaf_of(u64 entry, unsigned long pfn, unsigned int level,
			   unsigned int shift, unsigned long address)
{
	return (struct leaf){
		.entry = entry,
		.physical = ((u64)pfn << PAGE_SHIFT) + (address & ((1UL << shift) - 1)),
		.level = level,
		.shift = shift,
	};
}

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
		*leaf = leaf_of(pud_val(pud), pud_pfn(pud), PTE_READER_LEVEL_PUD,
				PUD_SHIFT, address);
		return true;
	}
	if (pud_bad(pud))
		return false;
	pmdp = pmd_offset_lockless(pudp, pud, address);
	pmd = READ_ONCE(*pmdp);
	if (!pmd_present(pmd))
		return false;
	if (pmd_leaf(pmd)) {
		*leaf = leaf_of(pmd_val(pmd), pmd_pfn(pmd), PTE_READER_LEVEL_PMD,
				PMD_SHIFT, address);
		return true;
	}
	if (pmd_bad(pmd))
		return false;
	pte = READ_ONCE(*pte_offset_kernel(&pmd, address));
	if (!pte_present(pte))
		return false;
	*leaf = leaf_of(pte_val(pte), pte_pfn(pte), PTE_READER_LEVEL_PTE, PAGE_SHIFT,
			address);
	return true;
}

static u32 flags_of(const struct vm_area_struct *vma, u64 physical)
{
	u32 flags = 0;

	if (vma->vm_flags & VM_PFNMAP)
		flags |= PTE_READER_PFNMAP;
	if (vma->vm_flags & VM_MIXEDMAP)
		flags |= PTE_READER_MIXEDMAP;
	if (vma->vm_flags & VM_IO)
		flags |= PTE_READER_IO;
	if (vma->vm_flags & VM_HUGETLB)
		flags |= PTE_READER_HUGETLB;
	if (page_is_ram(physical >> PAGE_SHIFT))
		flags |= PTE_READER_RAM;
	return flags;
}

static int look(struct mm_struct *mm, unsigned long address, struct leaf *leaf)
{
	const struct vm_area_struct *vma = vma_lookup(mm, address);
	unsigned long flags;
	bool found;

	if (!vma)
		return -ENOMEM;
	local_irq_save(flags);
	found = walk(mm, address, leaf);
	local_irq_restore(flags);
	if (!found)
		return -ENODATA;
	leaf->flags = flags_of(vma, leaf->physical);
	return 0;
}

int walk_caller(unsigned long address, struct leaf *leaf)
{
	struct mm_struct *mm = current->mm;
	int error;

	/* The kernel's half, a hole of non-canonical addresses, and (arm64) a tagged one. */
	if (address >= TASK_SIZE)
		return -EINVAL;
	error = mmap_read_lock_killable(mm);
	if (error)
		return error;
	error = look(mm, address, leaf);
	mmap_read_unlock(mm);
	return error;
}

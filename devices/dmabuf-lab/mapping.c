// SPDX-License-Identifier: GPL-2.0-only
/*
 * mmap() and the faults: the five kinds of mapping.
 *
 * Every kind can be emptied and refills by faults, with the buffer's attribute of that
 * moment. So the attribute of an entry comes from the buffer, and vm_page_prot is what it
 * was at mmap(); after SET_ATTRIBUTE it is stale, as TTM's always is.
 * vmf_insert_pfn_prot() takes the attribute as an argument. The two functions that only
 * know vm_page_prot get a copy of the VMA: they look at it, and find the page table
 * through it.
 *
 * DMABUF_LAB_PFNMAP makes with vmf_insert_pfn_prot() the entries and the flags that
 * remap_pfn_range() makes. That function itself is no choice: on x86, 6.12 then marks the
 * VMA VM_PAT, and munmap() warns if the first entry has been taken away (get_pat_info()
 * in arch/x86/mm/pat/memtype.c).
 */
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/pgtable.h>

#include "buffer.h"
#include "compat.h"
#include "mapping.h"

static pgprot_t prot_with(enum dmabuf_lab_attribute attribute, pgprot_t prot)
{
	switch (attribute) {
	case DMABUF_LAB_WC:
	case DMABUF_LAB_WC_WISHED:
		return pgprot_writecombine(prot);
	case DMABUF_LAB_UC:
		return pgprot_noncached(prot);
	case DMABUF_LAB_DEVICE:
		return pgprot_device(prot);
	case DMABUF_LAB_WB:
	case DMABUF_LAB_ATTRIBUTE_COUNT:
		break;
	}
	return prot;
}

static vm_fault_t insert_mixed(struct vm_area_struct *vma, unsigned long address,
			       unsigned long pfn, pgprot_t prot)
{
	struct vm_area_struct copy = *vma;

	copy.vm_page_prot = prot;
	return insert_special_mixed(&copy, address, pfn);
}

/* vm_insert_page() asks for VM_MIXEDMAP, which the VMA of a file has not; the entry is
 * the same. */
static vm_fault_t insert_struct_page(struct vm_area_struct *vma, unsigned long address,
				     struct page *page, pgprot_t prot)
{
	struct vm_area_struct copy = *vma;

	copy.vm_page_prot = prot;
	vm_flags_init(&copy, vma->vm_flags | VM_MIXEDMAP);
	switch (vm_insert_page(&copy, address, page)) {
	case 0:
	case -EBUSY: /* another thread was faster */
		return VM_FAULT_NOPAGE;
	case -ENOMEM:
		return VM_FAULT_OOM;
	default:
		return VM_FAULT_SIGBUS;
	}
}

/* Under the buffer's lock. */
static vm_fault_t insert(struct buffer *buffer, struct vm_area_struct *vma,
			 unsigned long address, pgoff_t index)
{
	const struct backing *backing = &buffer->backing;
	unsigned long pfn = backing_pfn(backing, index);
	pgprot_t prot = prot_with(backing->attribute, vm_get_page_prot(vma->vm_flags));
	vm_fault_t result = VM_FAULT_SIGBUS;

	switch (buffer->vma) {
	case DMABUF_LAB_PFNMAP:
	case DMABUF_LAB_FAULT:
	case DMABUF_LAB_TTM:
		result = vmf_insert_pfn_prot(vma, address, pfn, prot);
		break;
	case DMABUF_LAB_MIXED:
		result = insert_mixed(vma, address, pfn, prot);
		break;
	case DMABUF_LAB_STRUCT_PAGES:
		result = insert_struct_page(vma, address, backing->pages[index], prot);
		break;
	case DMABUF_LAB_VMA_COUNT:
		break;
	}
	if (result == VM_FAULT_NOPAGE)
		buffer->counters.faults++;
	return result;
}

static vm_fault_t fault(struct vm_fault *vmf)
{
	struct buffer *buffer = vmf->vma->vm_private_data;
	vm_fault_t result = VM_FAULT_SIGBUS;

	mutex_lock(&buffer->lock);
	if (!buffer->revoked && vmf->pgoff < buffer->backing.count)
		result = insert(buffer, vmf->vma, vmf->address, vmf->pgoff);
	mutex_unlock(&buffer->lock);
	return result;
}

static const struct vm_operations_struct mapping_ops = {
	.fault = fault,
};

static vm_flags_t flags_of(const struct buffer *buffer)
{
	vm_flags_t flags = VM_DONTEXPAND | VM_DONTDUMP;

	switch (buffer->vma) {
	case DMABUF_LAB_PFNMAP: /* remap_pfn_range() */
	case DMABUF_LAB_TTM:    /* ttm_bo_mmap_obj() */
		flags |= VM_PFNMAP | VM_IO;
		break;
	case DMABUF_LAB_FAULT:
		flags |= VM_PFNMAP | (buffer->kind == DMABUF_LAB_BAR ? VM_IO : 0);
		break;
	case DMABUF_LAB_MIXED:
		flags |= VM_MIXEDMAP;
		break;
	case DMABUF_LAB_STRUCT_PAGES:
	case DMABUF_LAB_VMA_COUNT:
		break;
	}
	if (buffer->flags & DMABUF_LAB_ANY_UNCACHED)
		flags |= VM_ALLOW_ANY_UNCACHED;
	return flags;
}

/* Under the buffer's lock. If it fails, mmap() fails, and the kernel takes the entries
 * away. */
static int fill(struct buffer *buffer, struct vm_area_struct *vma)
{
	unsigned long address;
	pgoff_t index = vma->vm_pgoff;

	if (buffer->revoked || !buffer_begin_fill(buffer, vma->vm_mm))
		return 0;
	for (address = vma->vm_start; address < vma->vm_end;
	     address += PAGE_SIZE, index++) {
		if (insert(buffer, vma, address, index) != VM_FAULT_NOPAGE)
			return -ENOMEM;
	}
	return 0;
}

int mapping_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma)
{
	struct buffer *buffer = dmabuf->priv;
	int error = 0;

	/* a private mapping would want copies of what has no struct page */
	if (!(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;
	vma->vm_ops = &mapping_ops;
	vma->vm_private_data = buffer;
	vm_flags_set(vma, flags_of(buffer));
	mutex_lock(&buffer->lock);
	buffer->counters.maps++;
	if (buffer->vma != DMABUF_LAB_TTM)
		vma->vm_page_prot =
			prot_with(buffer->backing.attribute, vma->vm_page_prot);
	if (buffer->vma == DMABUF_LAB_PFNMAP)
		error = fill(buffer, vma);
	mutex_unlock(&buffer->lock);
	return error;
}

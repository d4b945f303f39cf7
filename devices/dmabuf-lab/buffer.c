// SPDX-License-Identifier: GPL-2.0-only
/*
 * See buffer.h. The difficulty of a change is to find every mapping.
 *
 * unmap_mapping_range() finds the VMAs that are linked to the dma-buf's file. A fault
 * comes from such a VMA, and makes its entry under the buffer's lock: a change, which
 * holds it, sees all of those. But mmap() calls the exporter before the VMA is linked
 * (6.12: mmap_region() in mm/mmap.c; 7.3: __mmap_new_vma() in mm/vma.c), so entries that
 * are made there are invisible for a moment; drivers that move buffers therefore make
 * none at mmap(). We do (DMABUF_LAB_PFNMAP), and so remember where. A change first stops
 * this, then takes the mmap_lock of those address spaces once: mmap() holds it for
 * writing until its VMA is linked. From then on all entries can be found.
 */
#include <linux/atomic.h>
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "buffer.h"
#include "compat.h"

static atomic_t count_of_all = ATOMIC_INIT(0);

struct filler {
	struct list_head node;
	struct mm_struct *mm; /* of which we have the structure only: mmgrab() */
};

bool buffer_begin_fill(struct buffer *buffer, struct mm_struct *mm)
{
	struct filler *filler;

	lockdep_assert_held(&buffer->lock);
	if (!buffer->fill_at_mmap)
		return false;
	list_for_each_entry (filler, &buffer->fillers, node) {
		if (filler->mm == mm)
			return true;
	}
	filler = kmalloc(sizeof(*filler), GFP_KERNEL);
	if (!filler)
		return false;
	filler->mm = mm;
	mmgrab(mm);
	list_add(&filler->node, &buffer->fillers);
	return true;
}

static void forget(struct list_head *fillers, bool wait)
{
	struct filler *filler, *next;

	list_for_each_entry_safe (filler, next, fillers, node) {
		if (wait) {
			mmap_read_lock(filler->mm);
			mmap_read_unlock(filler->mm);
		}
		mmdrop(filler->mm);
		kfree(filler);
	}
	INIT_LIST_HEAD(fillers);
}

/* mmap() makes no entries any more, and those that it has made can be found. */
static void begin_change(struct buffer *buffer)
{
	LIST_HEAD(fillers);

	lockdep_assert_held(&buffer->control);
	mutex_lock(&buffer->lock);
	buffer->fill_at_mmap = false;
	list_splice_init(&buffer->fillers, &fillers);
	mutex_unlock(&buffer->lock);
	forget(&fillers, true);
}

/* Takes the buffer's lock, and all pages out of all mappings. None comes back before
 * end_change(). */
static void empty_mappings(struct buffer *buffer)
{
	mutex_lock(&buffer->lock);
	unmap_mapping_range(buffer->dmabuf->file->f_mapping, 0, 0, 1);
	buffer->counters.zaps++;
}

static void end_change(struct buffer *buffer)
{
	buffer->fill_at_mmap = true;
	mutex_unlock(&buffer->lock);
}

/* Tells the importers. EBUSY: one of them has the pages for good, or does not let go. */
static int call_back(struct buffer *buffer)
{
	size_t left;

	dma_resv_assert_held(buffer->dmabuf->resv);
	if (buffer->pins)
		return -EBUSY;
	dma_buf_invalidate_mappings(buffer->dmabuf);
	mutex_lock(&buffer->lock);
	left = buffer->dma_mappings;
	mutex_unlock(&buffer->lock);
	return left ? -EBUSY : 0;
}

/* Under control: fresh has what the buffer has. No importer maps meanwhile: that takes
 * the reservation lock. */
static int exchange(struct buffer *buffer, struct backing *fresh)
{
	struct dma_resv *reservation = buffer->dmabuf->resv;
	int error;

	begin_change(buffer);
	dma_resv_lock(reservation, NULL);
	error = call_back(buffer);
	if (error) {
		mutex_lock(&buffer->lock);
	} else {
		empty_mappings(buffer);
		error = backing_copy(fresh, &buffer->backing, buffer->device);
	}
	if (!error) {
		swap(*fresh, buffer->backing);
		buffer->counters.moves++;
	}
	end_change(buffer);
	dma_resv_unlock(reservation);
	return error;
}

static int move(struct buffer *buffer)
{
	struct backing fresh;
	int error;

	if (buffer->revoked)
		return -ENODEV;
	error = backing_create_ram(&fresh, buffer->kind, buffer->backing.count,
				   buffer->backing.attribute, buffer->device);
	if (error)
		return error;
	error = exchange(buffer, &fresh);
	/* the old pages now, or the new ones if it failed. A page that somebody has a
	 * reference to (GUP) is freed when it is dropped. */
	if (!error)
		backing_poison(&fresh);
	backing_destroy(&fresh);
	return error;
}

int buffer_move(struct buffer *buffer)
{
	int error;

	if (buffer->kind == DMABUF_LAB_BAR)
		return -EOPNOTSUPP;
	mutex_lock(&buffer->control);
	error = move(buffer);
	mutex_unlock(&buffer->control);
	return error;
}

int buffer_set_attribute(struct buffer *buffer, enum dmabuf_lab_attribute attribute)
{
	int error = -ENODEV;

	mutex_lock(&buffer->control);
	if (!buffer->revoked) {
		begin_change(buffer);
		empty_mappings(buffer);
		error = backing_set_attribute(&buffer->backing, attribute,
					      buffer->device);
		end_change(buffer);
	}
	mutex_unlock(&buffer->control);
	return error;
}

void buffer_revoke(struct buffer *buffer)
{
	mutex_lock(&buffer->control);
	if (!buffer->revoked) {
		begin_change(buffer);
		dma_resv_lock(buffer->dmabuf->resv, NULL);
		empty_mappings(buffer);
		buffer->revoked = true;
		end_change(buffer);
		dma_buf_invalidate_mappings(buffer->dmabuf);
		dma_resv_unlock(buffer->dmabuf->resv);
	}
	mutex_unlock(&buffer->control);
}

struct buffer *buffer_create(const struct dmabuf_lab_create *request,
			     struct device *device)
{
	struct buffer *buffer = kzalloc(sizeof(*buffer), GFP_KERNEL);
	size_t count = request->size >> PAGE_SHIFT;
	int error;

	if (!buffer)
		return ERR_PTR(-ENOMEM);
	if (request->backing == DMABUF_LAB_BAR)
		error = backing_create_bar(&buffer->backing, request->pci_address,
					   (int)request->bar, count, request->attribute);
	else
		error = backing_create_ram(&buffer->backing, request->backing, count,
					   request->attribute, device);
	if (error) {
		kfree(buffer);
		return ERR_PTR(error);
	}
	buffer->device = device;
	buffer->kind = request->backing;
	buffer->vma = request->vma;
	buffer->flags = request->flags;
	buffer->fill_at_mmap = true;
	INIT_LIST_HEAD(&buffer->fillers);
	mutex_init(&buffer->control);
	mutex_init(&buffer->lock);
	atomic_inc(&count_of_all);
	return buffer;
}

u32 buffer_count(void)
{
	return atomic_read(&count_of_all);
}

void buffer_destroy(struct buffer *buffer)
{
	forget(&buffer->fillers, false);
	backing_destroy(&buffer->backing);
	mutex_destroy(&buffer->lock);
	mutex_destroy(&buffer->control);
	kfree(buffer);
	atomic_dec(&count_of_all);
}

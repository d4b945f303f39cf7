/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One buffer, and what can happen to it while it is mapped.
 *
 *   create ──> live ──move, set_attribute──> live ──revoke──> revoked ──> destroyed
 *
 * Locks, in the order in which they are taken:
 *   control     one change at a time
 *   mmap_lock   of a process: faults and mmap() come with it (or with their VMA's lock)
 *   the dma-buf's reservation lock: importers come with it
 *   lock        what follows it in the structure
 *   unmap_mapping_range()'s: i_mmap_rwsem, page tables, MMU notifiers (KVM)
 *
 * So nothing may touch user memory, which can fault, under `lock`; and no mmap_lock may be
 * taken under it. Nobody takes `lock` under i_mmap_rwsem or in a notifier: there is no
 * shrinker here.
 */
#ifndef DMABUF_LAB_BUFFER_H
#define DMABUF_LAB_BUFFER_H

#include <linux/dma-buf.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/types.h>

#include "backing.h"
#include "dmabuf_lab.h"

struct buffer {
	/* what does not change */
	struct dma_buf *dmabuf;
	struct device *device; /* for the DMA API */
	enum dmabuf_lab_backing kind;
	enum dmabuf_lab_vma vma;
	u32 flags;

	struct mutex control;

	size_t pins; /* under the reservation lock */

	struct mutex lock;
	struct backing backing;
	bool revoked;
	bool fill_at_mmap;        /* no: a change is under way */
	struct list_head fillers; /* address spaces where mmap() itself made entries */
	size_t dma_mappings;
	struct dmabuf_lab_counters counters; /* its fd is not used */
};

/* REQUEST has been checked. An ERR_PTR of backing_create_*() or ENOMEM. */
struct buffer *buffer_create(const struct dmabuf_lab_create *request,
			     struct device *device);

/* Nothing is mapped any more. */
void buffer_destroy(struct buffer *buffer);

/* How many there are. */
u32 buffer_count(void);

/* New pages with the same content. EOPNOTSUPP a BAR; ENODEV revoked; EBUSY an importer
 * has it mapped and does not let go when it is told; or an error of backing_create_ram(). After an error the buffer is as
 * it was. */
int buffer_move(struct buffer *buffer);

/* ENODEV revoked; or an error of backing_set_attribute(), which then says what there
 * is. */
int buffer_set_attribute(struct buffer *buffer, enum dmabuf_lab_attribute attribute);

void buffer_revoke(struct buffer *buffer);

/* mmap() in the address space MM is about to make entries itself; under the buffer's
 * lock. False: a change is under way, or there is no memory to remember it: leave it
 * to the faults. */
bool buffer_begin_fill(struct buffer *buffer, struct mm_struct *mm);

#endif

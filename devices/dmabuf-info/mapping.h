/* SPDX-License-Identifier: GPL-2.0-only */
/* What an exporter's mmap() really installs, read from the page table. */
#ifndef DMABUF_INFO_MAPPING_H
#define DMABUF_INFO_MAPPING_H

#include <linux/fs.h>
#include <linux/types.h>

enum mapping_depth {
	MAPPING_AREA,    /* the VMA; no page is touched */
	MAPPING_ENTRIES, /* the entries of the first, the middle and the last page, too */
};

struct mapping {
	u64 area;      /* DMA_BUF_INFO_VMA */
	u64 entry;     /* the first page's, without the address */
	u32 page_kind; /* DMA_BUF_PAGE_KIND_* */
	u8 type;       /* DMA_BUF_INFO_HOST_TYPE */
};

/*
 * Maps the dma-buf FILE into the caller's address space for a moment, and reads. Errors: those
 * of mmap(), but ENODEV for EINVAL; EIO where touching a page would give SIGBUS; ENOTUNIQ the
 * pages differ; EAGAIN the mapping was changed by another thread, or the exporter kept taking
 * the pages away; EINTR the task is being killed.
 */
int mapping_look(struct file *file, enum mapping_depth depth, struct mapping *mapping);

#endif

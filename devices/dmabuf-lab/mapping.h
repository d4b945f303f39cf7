/* SPDX-License-Identifier: GPL-2.0-only */
/* User space's mappings of a buffer. */
#ifndef DMABUF_LAB_MAPPING_H
#define DMABUF_LAB_MAPPING_H

#include <linux/dma-buf.h>
#include <linux/mm_types.h>

/* dma_buf_ops.mmap. EINVAL a private mapping; ENOMEM. */
int mapping_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma);

#endif

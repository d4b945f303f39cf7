/* SPDX-License-Identifier: GPL-2.0-only */
/* DMA_BUF_IOCTL_INFO itself. */
#ifndef DMABUF_INFO_QUERY_H
#define DMABUF_INFO_QUERY_H

#include <linux/fs.h>

struct dma_buf_info;

/* FILE is a dma-buf; ARGUMENT comes from the caller. 0 or a negative errno, as in dma_buf_info.h. */
long query_answer(struct file *file, struct dma_buf_info __user *argument);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/* The way in: DMA_BUF_IOCTL_INFO on any dma-buf comes to this module. */
#ifndef DMABUF_INFO_HOOK_H
#define DMABUF_INFO_HOOK_H

/* -EBUSY: something else redirects dma_buf_ioctl, a live patch for example. */
int hook_install(void);

/* When it returns, no task is in the module's handler, and none will enter it. */
void hook_remove(void);

#endif

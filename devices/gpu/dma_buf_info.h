/* SPDX-License-Identifier: MIT */
/*
 * DMA_BUF_IOCTL_INFO: the interface of Rob Clark's proposal "dma-buf: Add ioctl to query
 * mmap info" (dri-devel, August 2022), never merged. Number 2 was given to
 * DMA_BUF_IOCTL_EXPORT_SYNC_FILE meanwhile; the size is part of the request number, so
 * the two do not collide.
 */
#ifndef S2VMM_GPU_DMA_BUF_INFO_H
#define S2VMM_GPU_DMA_BUF_INFO_H

#include <linux/dma-buf.h>
#include <linux/ioctl.h>
#include <stdint.h>

#define DMA_BUF_INFO_VM_PROT   1
#define DMA_BUF_VM_PROT_WC     0
#define DMA_BUF_VM_PROT_CACHED 1

struct dma_buf_info {
    uint32_t param; /* DMA_BUF_INFO_* */
    uint32_t pad;
    uint64_t value; /* out */
};

#define DMA_BUF_IOCTL_INFO _IOWR(DMA_BUF_BASE, 2, struct dma_buf_info)

_Static_assert(_IOC_SIZE(DMA_BUF_IOCTL_INFO) == 16, "as proposed");

#endif

/* SPDX-License-Identifier: (GPL-2.0-only WITH Linux-syscall-note) OR MIT */
/*
 * DMA_BUF_IOCTL_INFO: asks a dma-buf how its memory is mapped.
 *
 * The request, its structure and DMA_BUF_INFO_VM_PROT with the values WC and CACHED are
 * those of Rob Clark's proposal "dma-buf: Add ioctl to query mmap info" (dri-devel, August
 * 2022), never merged. Number 2 was given to DMA_BUF_IOCTL_EXPORT_SYNC_FILE meanwhile; the
 * size is part of the request number, so the two do not collide.
 *
 * Everything from DMA_BUF_VM_PROT_UNCACHED on is a proposal of this project. Its parameters
 * begin at 0x100, so that upstream can go on counting from 1. docs/dma-buf-info.md has the
 * reasons.
 *
 * Errors: ENOTTY no such ioctl here (a stock kernel); EINVAL unknown parameter; ENOSYS
 * nobody knows; EFAULT bad pointer; ENOTUNIQ the pages of the buffer differ; ENODEV the
 * exporter cannot be mapped so; EIO it is mapped, but an access would be SIGBUS; EAGAIN the
 * mapping changed while it was looked at; EACCES or another error of mmap().
 */
#ifndef DMA_BUF_INFO_H
#define DMA_BUF_INFO_H

#include <linux/dma-buf.h>
#include <linux/ioctl.h>
#include <linux/types.h>

#ifdef DMA_BUF_IOCTL_INFO
#define DMA_BUF_INFO_IN_KERNEL /* its headers are those of tests/lab/series */
#else
struct dma_buf_info {
	__u32 param; /* DMA_BUF_INFO_* */
	__u32 pad;
	__u64 value; /* out */
};

#define DMA_BUF_IOCTL_INFO _IOWR(DMA_BUF_BASE, 2, struct dma_buf_info)
#endif

/* How user space's mapping of the buffer is cached: what the exporter says (mmap_info), or
 * else what its mmap() installs. */
#define DMA_BUF_INFO_VM_PROT     1
#define DMA_BUF_VM_PROT_WC       0
#define DMA_BUF_VM_PROT_CACHED   1
#define DMA_BUF_VM_PROT_UNCACHED 2 /* proposal; the seed has no word for it */

/* --- proposal --- */

/* Who answers DMA_BUF_INFO_VM_PROT. */
#define DMA_BUF_INFO_SOURCE       0x100
#define DMA_BUF_SOURCE_EXPORTER   0 /* its mmap_info */
#define DMA_BUF_SOURCE_PAGE_TABLE 1 /* the entry that its mmap() installed */

/* Whether the CPU's accesses are coherent without DMA_BUF_IOCTL_SYNC. */
#define DMA_BUF_INFO_CPU_ACCESS       0x101
#define DMA_BUF_CPU_ACCESS_COHERENT   0
#define DMA_BUF_CPU_ACCESS_NEEDS_SYNC 1

/* Whether the exporter may move the buffer, or change its attribute, while it is mapped. */
#define DMA_BUF_INFO_STABILITY       0x102
#define DMA_BUF_STABILITY_FIXED      0
#define DMA_BUF_STABILITY_MAY_CHANGE 1

/* What lies behind the mapping. */
#define DMA_BUF_INFO_PAGE_KIND 0x103
#define DMA_BUF_PAGE_KIND_RAM  0
#define DMA_BUF_PAGE_KIND_MMIO 1

/* The memory type of the page table's entry, whoever answers VM_PROT: the truth. x86: the
 * encoding of the PAT MSR (0 UC, 1 WC, 4 WT, 5 WP, 6 WB, 7 UC-; SDM 3, 12.12.2). arm64: the
 * byte of MAIR_EL1 (DDI 0487, D24.2.127). */
#define DMA_BUF_INFO_HOST_TYPE 0x104

/* The entry itself, its address bits 0. */
#define DMA_BUF_INFO_HOST_PTE 0x105

/* How the exporter's mmap() maps: flags, and in bits 15:8 the memory type of vm_page_prot,
 * encoded as in HOST_TYPE. */
#define DMA_BUF_INFO_VMA                  0x106
#define DMA_BUF_VMA_PFNMAP                (1 << 0)
#define DMA_BUF_VMA_MIXEDMAP              (1 << 1)
#define DMA_BUF_VMA_IO                    (1 << 2)
#define DMA_BUF_VMA_ALLOW_ANY_UNCACHED    (1 << 3)
#define DMA_BUF_VMA_PAGE_PROT_TYPE(value) (((value) >> 8) & 0xff)

#endif

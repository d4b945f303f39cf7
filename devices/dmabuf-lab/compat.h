/* SPDX-License-Identifier: GPL-2.0-only */
/* The differences between the kernels that this module is built for: 6.12 to 7.3. */
#ifndef DMABUF_LAB_COMPAT_H
#define DMABUF_LAB_COMPAT_H

#include <linux/mm.h>
#include <linux/module.h>
#include <linux/version.h>

/* 6.12 has pfn_t, 7.2 has not */
#if __has_include(<linux/pfn_t.h>)
#include <linux/pfn_t.h>
#endif

static inline vm_fault_t insert_special_mixed(struct vm_area_struct *vma,
					      unsigned long address, unsigned long pfn)
{
#if __has_include(<linux/pfn_t.h>)
	return vmf_insert_mixed(vma, address, __pfn_to_pfn_t(pfn, PFN_DEV));
#else
	return vmf_insert_mixed(vma, address, pfn);
#endif
}

/* a string since 6.13 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
#define IMPORT_DMA_BUF MODULE_IMPORT_NS(DMA_BUF)
#else
#define IMPORT_DMA_BUF MODULE_IMPORT_NS("DMA_BUF")
#endif

/*
 * An importer is told of a move by move_notify; by another name since 7.1 (the number is
 * inferred: 7.2 has it). Until then CONFIG_DMABUF_MOVE_NOTIFY decides: without it, as in
 * Debian's 6.12, dma-buf pins for each mapping, also of those who could be told.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 1, 0)
#define INVALIDATE_MAPPINGS         move_notify
#define dma_buf_invalidate_mappings dma_buf_move_notify
#define PINS_EVERYBODY              (!IS_ENABLED(CONFIG_DMABUF_MOVE_NOTIFY))
#else
#define INVALIDATE_MAPPINGS invalidate_mappings
#define PINS_EVERYBODY      0
#endif

#endif

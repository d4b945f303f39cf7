// SPDX-License-Identifier: GPL-2.0-only
/*
 * dmabuf-info: answers DMA_BUF_IOCTL_INFO (dma_buf_info.h) on every dma-buf of a stock kernel.
 *
 *   hook         dma_buf_ioctl() -> query
 *   query        which parameter, who answers it
 *   provider     exporters that answer for their own buffers
 *   mapping      else: maps the buffer and reads the page table
 *   memory_type  what an entry says on this architecture
 */
#include <linux/module.h>

#include "hook.h"

static int __init dmabuf_info_init(void)
{
	return hook_install();
}

static void __exit dmabuf_info_exit(void)
{
	hook_remove();
}

module_init(dmabuf_info_init);
module_exit(dmabuf_info_exit);
MODULE_DESCRIPTION("DMA_BUF_IOCTL_INFO: how the memory of a dma-buf is mapped");
MODULE_AUTHOR("The s2vmm authors");
MODULE_LICENSE("GPL");

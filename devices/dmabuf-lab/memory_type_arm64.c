// SPDX-License-Identifier: GPL-2.0-only
/*
 * arm64: nothing is on record; each mapping has the type that its entry says, and the
 * kernel's linear map of RAM stays WB. So the cache lines are flushed by hand, with the
 * DMA API, as shmem GEM objects are.
 */
#include <linux/dma-mapping.h>
#include <linux/errno.h>
#include <uapi/linux/dma-buf.h>

#include "dma_buf_info.h"
#include "memory_type.h"

int memory_type_set(struct backing *backing, enum dmabuf_lab_attribute attribute)
{
	return 0;
}

int memory_type_reset(struct backing *backing)
{
	return 0;
}

/* Mapping for a device that does not snoop cleans the lines, and unmapping drops them:
 * arch_sync_dma_for_device() and _for_cpu(), arch/arm64/mm/dma-mapping.c. */
int memory_type_flush(struct backing *backing, struct device *device)
{
	size_t i;

	for (i = 0; i < backing->count; i++) {
		dma_addr_t address = dma_map_page(device, backing->pages[i], 0, PAGE_SIZE,
						  DMA_BIDIRECTIONAL);

		if (dma_mapping_error(device, address))
			return -EIO;
		dma_unmap_page(device, address, PAGE_SIZE, DMA_BIDIRECTIONAL);
	}
	return 0;
}

int memory_type_truth(const struct backing *backing, enum dmabuf_lab_vma vma)
{
	return memory_type_wish(backing->attribute);
}

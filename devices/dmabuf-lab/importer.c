// SPDX-License-Identifier: GPL-2.0-only
/*
 * See importer.h. A kernel with CONFIG_DMABUF_DEBUG hides the pages from importers: 6.12
 * inverts the bits of page_link (mangle_sg_table()), 7.3 gives out a copy of the list
 * without pages (dma_buf_wrap_sg_table(), both in drivers/dma-buf/dma-buf.c).
 */
#include <linux/dma-direction.h>
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>

#include "importer.h"

#ifndef CONFIG_SPARSEMEM_VMEMMAP
#error "dmabuf-lab needs CONFIG_SPARSEMEM_VMEMMAP: else page_to_pfn() reads the page"
#endif

/* Whether LINK is the address of a struct page; it is not read. */
static bool is_page(unsigned long link)
{
	unsigned long pfn = page_to_pfn((struct page *)link);

	return pfn_valid(pfn) && (unsigned long)pfn_to_page(pfn) == link;
}

int importer_look(struct dma_buf *dmabuf, struct device *device,
		  struct dmabuf_lab_import *import)
{
	struct dma_buf_attachment *attachment = dma_buf_attach(dmabuf, device);
	struct sg_table *table;
	unsigned long link;
	int error = 0;

	if (IS_ERR(attachment))
		return PTR_ERR(attachment);
	table = dma_buf_map_attachment_unlocked(attachment, DMA_BIDIRECTIONAL);
	if (IS_ERR(table)) {
		error = PTR_ERR(table);
	} else {
		link = table->sgl->page_link & ~SG_PAGE_LINK_MASK;
		import->entries = table->orig_nents;
		import->first_page_link = link;
		import->page_is_valid = is_page(link);
		dma_buf_unmap_attachment_unlocked(attachment, table, DMA_BIDIRECTIONAL);
	}
	dma_buf_detach(dmabuf, attachment);
	return error;
}

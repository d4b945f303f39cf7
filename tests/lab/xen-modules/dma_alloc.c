// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a kernel without CONFIG_XEN_GRANT_DMA_ALLOC has not, and gntdev refers to: pages of a DMA
 * buffer for GNTDEV_DMA_FLAG_WC and GNTDEV_DMA_FLAG_COHERENT, which nobody here asks for.
 */
#include <linux/errno.h>
#include <xen/grant_table.h>

int gnttab_dma_alloc_pages(struct gnttab_dma_alloc_args *args)
{
    return -EOPNOTSUPP;
}

int gnttab_dma_free_pages(struct gnttab_dma_alloc_args *args)
{
    return 0;
}

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For exporters: how to answer DMA_BUF_IOCTL_INFO for one's own buffers.
 *
 * The seed's patches add mmap_info to struct dma_buf_ops. A module cannot add a member to a
 * structure of the running kernel, so an exporter registers it for its dma_buf_ops instead.
 */
#ifndef DMABUF_INFO_PROVIDER_H
#define DMABUF_INFO_PROVIDER_H

#include <linux/dma-buf.h>
#include <linux/list.h>
#include <linux/module.h>

struct dmabuf_info_provider {
	const struct dma_buf_ops *ops; /* the buffers with these are the provider's */
	struct module *owner;

	/* Each may be NULL; returns the value, or a negative errno. May sleep. */
	int (*mmap_info)(struct dma_buf *dmabuf);  /* DMA_BUF_VM_PROT_*, as in the seed */
	int (*cpu_access)(struct dma_buf *dmabuf); /* DMA_BUF_CPU_ACCESS_* */
	int (*stability)(struct dma_buf *dmabuf);  /* DMA_BUF_STABILITY_* */

	struct list_head node; /* dmabuf-info's */
};

/* -EEXIST: these ops have a provider. */
int dmabuf_info_register(struct dmabuf_info_provider *provider);

/* When it returns, no call of the provider is running, and none will begin. */
void dmabuf_info_unregister(struct dmabuf_info_provider *provider);

#endif

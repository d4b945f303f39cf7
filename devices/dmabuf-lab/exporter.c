// SPDX-License-Identifier: GPL-2.0-only
/* See exporter.h. */
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/module.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <uapi/linux/dma-buf.h>

#include "buffer.h"
#include "compat.h"
#include "dma_buf_info.h"
#include "dmabuf_info_provider.h"
#include "exporter.h"
#include "mapping.h"
#include "memory_type.h"

/* --- importers --- */

/* Under the reservation lock, as map_dma() and unmap_dma(). */
static int pin(struct dma_buf_attachment *attachment)
{
	struct buffer *buffer = attachment->dmabuf->priv;

	buffer->pins++;
	return 0;
}

static void unpin(struct dma_buf_attachment *attachment)
{
	struct buffer *buffer = attachment->dmabuf->priv;

	buffer->pins--;
}

/* Under the buffer's lock. */
static struct sg_table *map_pages(struct buffer *buffer, struct device *device,
				  enum dma_data_direction direction)
{
	const struct backing *backing = &buffer->backing;
	struct sg_table *table;
	int error;

	if (!backing->pages)
		return ERR_PTR(-EOPNOTSUPP);
	if (buffer->revoked)
		return ERR_PTR(-ENODEV);
	table = kzalloc(sizeof(*table), GFP_KERNEL);
	if (!table)
		return ERR_PTR(-ENOMEM);
	error = sg_alloc_table_from_pages(table, backing->pages, backing->count, 0,
					  backing->count << PAGE_SHIFT, GFP_KERNEL);
	if (error)
		goto free;
	error = dma_map_sgtable(device, table, direction, 0);
	if (error)
		goto free_table;
	buffer->dma_mappings++;
	return table;

free_table:
	sg_free_table(table);
free:
	kfree(table);
	return ERR_PTR(error);
}

static struct sg_table *map_dma(struct dma_buf_attachment *attachment,
				enum dma_data_direction direction)
{
	struct buffer *buffer = attachment->dmabuf->priv;
	struct sg_table *table;

	mutex_lock(&buffer->lock);
	table = map_pages(buffer, attachment->dev, direction);
	mutex_unlock(&buffer->lock);
	return table;
}

static void unmap_dma(struct dma_buf_attachment *attachment, struct sg_table *table,
		      enum dma_data_direction direction)
{
	struct buffer *buffer = attachment->dmabuf->priv;

	dma_unmap_sgtable(attachment->dev, table, direction, 0);
	sg_free_table(table);
	kfree(table);
	mutex_lock(&buffer->lock);
	buffer->dma_mappings--;
	mutex_unlock(&buffer->lock);
}

/* --- DMA_BUF_IOCTL_SYNC --- */

static int begin_cpu_access(struct dma_buf *dmabuf, enum dma_data_direction direction)
{
	struct buffer *buffer = dmabuf->priv;

	mutex_lock(&buffer->lock);
	buffer->counters.syncs_begun++;
	mutex_unlock(&buffer->lock);
	return 0;
}

static int end_cpu_access(struct dma_buf *dmabuf, enum dma_data_direction direction)
{
	struct buffer *buffer = dmabuf->priv;

	mutex_lock(&buffer->lock);
	buffer->counters.syncs_ended++;
	mutex_unlock(&buffer->lock);
	return 0;
}

/* --- DMA_BUF_IOCTL_INFO --- */

static int mmap_info(struct dma_buf *dmabuf)
{
	struct buffer *buffer = dmabuf->priv;
	int answer;

	mutex_lock(&buffer->lock);
	if (buffer->flags & DMABUF_LAB_NAIVE)
		answer = memory_type_wish(buffer->backing.attribute);
	else if (buffer->revoked)
		answer = -EIO; /* as dmabuf-info says of what cannot be touched */
	else
		answer = memory_type_truth(&buffer->backing, buffer->vma);
	mutex_unlock(&buffer->lock);
	return answer;
}

static int cpu_access(struct dma_buf *dmabuf)
{
	const struct buffer *buffer = dmabuf->priv;

	return buffer->flags & DMABUF_LAB_NEEDS_SYNC ? DMA_BUF_CPU_ACCESS_NEEDS_SYNC
						     : DMA_BUF_CPU_ACCESS_COHERENT;
}

static int stability(struct dma_buf *dmabuf)
{
	const struct buffer *buffer = dmabuf->priv;

	return buffer->flags & DMABUF_LAB_MAY_CHANGE ? DMA_BUF_STABILITY_MAY_CHANGE
						     : DMA_BUF_STABILITY_FIXED;
}

#ifdef DMA_BUF_INFO_IN_KERNEL
/* The same for a kernel that asks by itself. */
static int kernel_mmap_info(struct dma_buf *dmabuf, struct dma_buf_mmap_info *info)
{
	int answer = mmap_info(dmabuf);

	if (answer < 0)
		return answer;
	info->vm_prot = answer;
	info->needs_sync = cpu_access(dmabuf) == DMA_BUF_CPU_ACCESS_NEEDS_SYNC;
	info->may_change = stability(dmabuf) == DMA_BUF_STABILITY_MAY_CHANGE;
	return 0;
}
#endif

/* --- the tables --- */

static void release(struct dma_buf *dmabuf)
{
	buffer_destroy(dmabuf->priv);
}

/* Having begin_cpu_access and end_cpu_access says that a buffer needs them: two
 * tables. */
static const struct dma_buf_ops coherent_ops = {
	.pin = pin,
	.unpin = unpin,
	.map_dma_buf = map_dma,
	.unmap_dma_buf = unmap_dma,
	.release = release,
	.mmap = mapping_mmap,
#ifdef DMA_BUF_INFO_IN_KERNEL
	.mmap_info = kernel_mmap_info,
#endif
};

static const struct dma_buf_ops synced_ops = {
	.pin = pin,
	.unpin = unpin,
	.map_dma_buf = map_dma,
	.unmap_dma_buf = unmap_dma,
	.release = release,
	.mmap = mapping_mmap,
#ifdef DMA_BUF_INFO_IN_KERNEL
	.mmap_info = kernel_mmap_info,
#endif
	.begin_cpu_access = begin_cpu_access,
	.end_cpu_access = end_cpu_access,
};

static struct dmabuf_info_provider coherent_provider = {
	.ops = &coherent_ops,
	.owner = THIS_MODULE,
	.mmap_info = mmap_info,
	.cpu_access = cpu_access,
	.stability = stability,
};

static struct dmabuf_info_provider synced_provider = {
	.ops = &synced_ops,
	.owner = THIS_MODULE,
	.mmap_info = mmap_info,
	.cpu_access = cpu_access,
	.stability = stability,
};

struct dma_buf *exporter_export(struct buffer *buffer, size_t size, int access)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct dma_buf *dmabuf;

	info.exp_name = "dmabuf-lab";
	info.ops = buffer->flags & DMABUF_LAB_NEEDS_SYNC ? &synced_ops : &coherent_ops;
	info.size = size;
	info.flags = access;
	info.priv = buffer;
	dmabuf = dma_buf_export(&info);
	if (IS_ERR(dmabuf))
		buffer_destroy(buffer);
	else
		buffer->dmabuf = dmabuf;
	return dmabuf;
}

struct buffer *exporter_buffer(const struct dma_buf *dmabuf)
{
	return dmabuf->ops == &coherent_ops || dmabuf->ops == &synced_ops ? dmabuf->priv
									  : NULL;
}

int exporter_register(void)
{
	int error = dmabuf_info_register(&coherent_provider);

	if (error)
		return error;
	error = dmabuf_info_register(&synced_provider);
	if (error)
		dmabuf_info_unregister(&coherent_provider);
	return error;
}

void exporter_unregister(void)
{
	dmabuf_info_unregister(&synced_provider);
	dmabuf_info_unregister(&coherent_provider);
}

IMPORT_DMA_BUF;

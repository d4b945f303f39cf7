// SPDX-License-Identifier: GPL-2.0-only
/*
 * See holder.h. What a driver does with an imported buffer, without the hardware:
 *
 *   STATIC    dma_buf_attach(): mapped until the end; nobody can tell it anything
 *   PINNED    has pinned the buffer, and lets go for ever when it is taken away
 *   DYNAMIC   lets go when it is told, and maps anew before its next access
 *
 * Who is told may go on until its fences are signalled. This one has none and unmaps at
 * once, as ib_umem_dmabuf_revoke_locked() (drivers/infiniband/core/umem_dmabuf.c).
 */
#include <linux/anon_inodes.h>
#include <linux/dma-direct.h>
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/module.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "holder.h"

struct holder {
	struct dma_buf *dmabuf;
	struct dma_buf_attachment *attachment;
	enum dmabuf_lab_holding holding;

	/* under the dma-buf's reservation lock */
	struct sg_table *table; /* NULL: not mapped */
	bool pinned;
	u32 told;
};

/* --- the buffer --- */

static void let_go(struct holder *holder)
{
	if (holder->table)
		dma_buf_unmap_attachment(holder->attachment, holder->table,
					 DMA_BIDIRECTIONAL);
	holder->table = NULL;
}

static void tell(struct dma_buf_attachment *attachment)
{
	struct holder *holder = attachment->importer_priv;

	holder->told++;
	let_go(holder);
}

static const struct dma_buf_attach_ops told_ops = {
	.INVALIDATE_MAPPINGS = tell,
};

/* Maps it if it is not; under the reservation lock. */
static int take(struct holder *holder)
{
	struct sg_table *table;
	int error = 0;

	if (holder->table)
		return 0;
	if (holder->holding == DMABUF_LAB_PINNED && !holder->pinned) {
		error = dma_buf_pin(holder->attachment);
		holder->pinned = !error;
	}
	if (error)
		return error;
	table = dma_buf_map_attachment(holder->attachment, DMA_BIDIRECTIONAL);
	if (IS_ERR(table))
		return PTR_ERR(table);
	holder->table = table;
	return 0;
}

static void give_back(struct holder *holder)
{
	dma_resv_lock(holder->dmabuf->resv, NULL);
	let_go(holder);
	if (holder->pinned)
		dma_buf_unpin(holder->attachment);
	dma_resv_unlock(holder->dmabuf->resv);
	dma_buf_detach(holder->dmabuf, holder->attachment);
}

/* --- the device --- */

/* No IOMMU is before a device without a bus: its DMA address is a physical one. */
static int read_word(const struct holder *holder, u64 offset, u64 *word)
{
	struct scatterlist *entry;
	phys_addr_t address;
	int i;

	for_each_sgtable_dma_sg(holder->table, entry, i)
	{
		if (offset >= sg_dma_len(entry)) {
			offset -= sg_dma_len(entry);
			continue;
		}
		address = dma_to_phys(holder->attachment->dev,
				      sg_dma_address(entry) + offset);
		if (!pfn_valid(PHYS_PFN(address)))
			return -EFAULT;
		*word = READ_ONCE(*(u64 *)phys_to_virt(address));
		return 0;
	}
	return -EINVAL;
}

static int access_word(struct holder *holder, struct dmabuf_lab_access *access)
{
	int error = 0;

	dma_resv_lock(holder->dmabuf->resv, NULL);
	access->error = -take(holder);
	if (!access->error)
		error = read_word(holder, access->offset, &access->word);
	access->told = holder->told;
	dma_resv_unlock(holder->dmabuf->resv);
	return error;
}

static long holder_ioctl(struct file *file, unsigned int command, unsigned long argument)
{
	void __user *user = (void __user *)argument;
	struct dmabuf_lab_access access;
	int error;

	if (command != DMABUF_LAB_IOCTL_ACCESS)
		return -ENOTTY;
	if (copy_from_user(&access, user, sizeof(access)))
		return -EFAULT;
	if (access.offset % sizeof(u64))
		return -EINVAL;
	error = access_word(file->private_data, &access);
	if (error)
		return error;
	return copy_to_user(user, &access, sizeof(access)) ? -EFAULT : 0;
}

static int holder_release(struct inode *inode, struct file *file)
{
	struct holder *holder = file->private_data;

	give_back(holder);
	dma_buf_put(holder->dmabuf);
	kfree(holder);
	return 0;
}

static const struct file_operations holder_operations = {
	.owner = THIS_MODULE,
	.release = holder_release,
	.unlocked_ioctl = holder_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static int attach(struct holder *holder, struct device *device)
{
	bool is_told = holder->holding != DMABUF_LAB_STATIC;
	int error;

	holder->attachment = is_told ? dma_buf_dynamic_attach(holder->dmabuf, device,
							      &told_ops, holder)
				     : dma_buf_attach(holder->dmabuf, device);
	if (IS_ERR(holder->attachment))
		return PTR_ERR(holder->attachment);
	dma_resv_lock(holder->dmabuf->resv, NULL);
	error = take(holder);
	dma_resv_unlock(holder->dmabuf->resv);
	if (error)
		give_back(holder);
	return error;
}

struct file *holder_create(struct dma_buf *dmabuf, struct device *device,
			   enum dmabuf_lab_holding holding)
{
	struct holder *holder = kzalloc(sizeof(*holder), GFP_KERNEL);
	struct file *file;
	int error;

	if (!holder)
		return ERR_PTR(-ENOMEM);
	holder->dmabuf = dmabuf;
	holder->holding = holding;
	error = attach(holder, device);
	if (error) {
		kfree(holder);
		return ERR_PTR(error);
	}
	file = anon_inode_getfile("dmabuf-lab-holder", &holder_operations, holder,
				  O_RDWR);
	if (IS_ERR(file)) {
		give_back(holder);
		kfree(holder);
	}
	return file;
}

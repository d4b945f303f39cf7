// SPDX-License-Identifier: GPL-2.0-only
/*
 * dmabuf-lab: an exporter for experiments (dmabuf_lab.h).
 *
 *   device       /dev/dmabuf-lab and its ioctls
 *   exporter     dma_buf_ops; what dmabuf-info is told
 *   buffer       life and changes of one buffer, and its locks
 *   backing      its pages, or the BAR
 *   memory_type  what the architecture keeps on record about those
 *   mapping      user space's mappings
 *   importer     a look at any dma-buf as importers see it
 *   holder       an importer that stays
 */
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/sizes.h>
#include <linux/uaccess.h>

#include "buffer.h"
#include "compat.h"
#include "exporter.h"
#include "holder.h"
#include "importer.h"

#define FLAGS                                                               \
	(DMABUF_LAB_NEEDS_SYNC | DMABUF_LAB_MAY_CHANGE | DMABUF_LAB_NAIVE | \
	 DMABUF_LAB_ANY_UNCACHED)

static const struct file_operations device_operations;

static struct device_dma_parameters dma_parameters;

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "dmabuf-lab",
	.fops = &device_operations,
	.mode = 0600,
};

static bool is_possible(const struct dmabuf_lab_create *request)
{
	int access = request->fd_flags & O_ACCMODE;

	return request->size && request->size <= SZ_1G && PAGE_ALIGNED(request->size) &&
	       request->backing < DMABUF_LAB_BACKING_COUNT &&
	       request->vma < DMABUF_LAB_VMA_COUNT &&
	       request->attribute < DMABUF_LAB_ATTRIBUTE_COUNT &&
	       !(request->flags & ~FLAGS) &&
	       !(request->fd_flags & ~(O_ACCMODE | O_CLOEXEC)) &&
	       (access == O_RDONLY || access == O_RDWR) &&
	       (request->backing == DMABUF_LAB_BAR
			? request->bar < PCI_STD_NUM_BARS
			: !request->pci_address && !request->bar) &&
	       (request->vma != DMABUF_LAB_STRUCT_PAGES ||
		request->backing == DMABUF_LAB_PAGES);
}

static long create(struct dmabuf_lab_create __user *argument)
{
	struct dmabuf_lab_create request;
	struct buffer *buffer;
	struct dma_buf *dmabuf;
	int fd;

	if (copy_from_user(&request, argument, sizeof(request)))
		return -EFAULT;
	if (!is_possible(&request))
		return -EINVAL;
	fd = get_unused_fd_flags(request.fd_flags & O_CLOEXEC);
	if (fd < 0)
		return fd;
	buffer = buffer_create(&request, device.this_device);
	dmabuf = IS_ERR(buffer) ? ERR_CAST(buffer)
				: exporter_export(buffer, request.size,
						  request.fd_flags & O_ACCMODE);
	if (IS_ERR(dmabuf)) {
		put_unused_fd(fd);
		return PTR_ERR(dmabuf);
	}
	request.fd = fd;
	if (copy_to_user(argument, &request, sizeof(request))) {
		put_unused_fd(fd);
		dma_buf_put(dmabuf);
		return -EFAULT;
	}
	fd_install(fd, dmabuf->file);
	return 0;
}

static long hold(struct dmabuf_lab_hold __user *argument)
{
	struct dmabuf_lab_hold request;
	struct dma_buf *dmabuf;
	struct file *file;
	int fd;

	if (copy_from_user(&request, argument, sizeof(request)))
		return -EFAULT;
	if (request.holding >= DMABUF_LAB_HOLDING_COUNT)
		return -EINVAL;
	dmabuf = dma_buf_get(request.fd);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	fd = get_unused_fd_flags(O_CLOEXEC);
	file = fd < 0 ? ERR_PTR(fd)
		      : holder_create(dmabuf, device.this_device, request.holding);
	if (IS_ERR(file)) {
		dma_buf_put(dmabuf);
		if (fd >= 0)
			put_unused_fd(fd);
		return PTR_ERR(file);
	}
	request.holder = fd;
	request.pins_everybody = PINS_EVERYBODY;
	if (copy_to_user(argument, &request, sizeof(request))) {
		put_unused_fd(fd);
		fput(file);
		return -EFAULT;
	}
	fd_install(fd, file);
	return 0;
}

/* Each gets a dma-buf, and may be called with one of another exporter. */
typedef long (*buffer_function)(struct buffer *buffer, void *argument);

static long move(struct buffer *buffer, void *argument)
{
	return buffer_move(buffer);
}

static long set_attribute(struct buffer *buffer, void *argument)
{
	const struct dmabuf_lab_set_attribute *set = argument;

	if (set->attribute >= DMABUF_LAB_ATTRIBUTE_COUNT)
		return -EINVAL;
	return buffer_set_attribute(buffer, set->attribute);
}

static long revoke(struct buffer *buffer, void *argument)
{
	buffer_revoke(buffer);
	return 0;
}

static long counters(struct buffer *buffer, void *argument)
{
	struct dmabuf_lab_counters *result = argument;
	s32 fd = result->fd;

	mutex_lock(&buffer->lock);
	*result = buffer->counters;
	mutex_unlock(&buffer->lock);
	result->fd = fd;
	return 0;
}

/* EINVAL: not a buffer of ours. */
static long on_buffer(s32 fd, buffer_function function, void *argument)
{
	struct dma_buf *dmabuf = dma_buf_get(fd);
	struct buffer *buffer;
	long result = -EINVAL;

	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	buffer = exporter_buffer(dmabuf);
	if (buffer)
		result = function(buffer, argument);
	dma_buf_put(dmabuf);
	return result;
}

static long import(struct dmabuf_lab_import *argument)
{
	struct dma_buf *dmabuf = dma_buf_get(argument->fd);
	long result;

	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	result = importer_look(dmabuf, device.this_device, argument);
	dma_buf_put(dmabuf);
	return result;
}

static long dispatch(unsigned int command, void *argument)
{
	const s32 *fd = argument; /* it is the first member of each structure */

	switch (command) {
	case DMABUF_LAB_IOCTL_MOVE:
		return on_buffer(*fd, move, NULL);
	case DMABUF_LAB_IOCTL_SET_ATTRIBUTE:
		return on_buffer(*fd, set_attribute, argument);
	case DMABUF_LAB_IOCTL_REVOKE:
		return on_buffer(*fd, revoke, NULL);
	case DMABUF_LAB_IOCTL_COUNTERS:
		return on_buffer(*fd, counters, argument);
	case DMABUF_LAB_IOCTL_IMPORT:
		return import(argument);
	case DMABUF_LAB_IOCTL_BUFFERS:
		*(u32 *)argument = buffer_count();
		return 0;
	default:
		return -ENOTTY;
	}
}

static long device_ioctl(struct file *file, unsigned int command, unsigned long argument)
{
	void __user *user = (void __user *)argument;
	union {
		s32 fd;
		struct dmabuf_lab_set_attribute set_attribute;
		struct dmabuf_lab_counters counters;
		struct dmabuf_lab_import import;
	} copy = {0};
	size_t size = _IOC_SIZE(command);
	long result;

	if (command == DMABUF_LAB_IOCTL_CREATE)
		return create(user);
	if (command == DMABUF_LAB_IOCTL_HOLD)
		return hold(user);
	if (_IOC_TYPE(command) != 'L' || size > sizeof(copy))
		return -ENOTTY;
	if (copy_from_user(&copy, user, size))
		return -EFAULT;
	result = dispatch(command, &copy);
	if (result)
		return result;
	if (_IOC_DIR(command) & _IOC_READ && copy_to_user(user, &copy, size))
		return -EFAULT;
	return 0;
}

static const struct file_operations device_operations = {
	.owner = THIS_MODULE,
	.open = nonseekable_open,
	.unlocked_ioctl = device_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static int __init dmabuf_lab_init(void)
{
	int error = exporter_register();

	if (error)
		return error;
	error = misc_register(&device);
	if (error)
		goto unregister;
	/* a device without a bus has no mask, and the DMA API wants one; as udmabuf
	 * does it */
	error = dma_coerce_mask_and_coherent(device.this_device, DMA_BIT_MASK(64));
	if (error)
		goto deregister;
	/* and it claims to take no more than 64 KiB in one piece until it says
	 * otherwise (dma_get_max_seg_size(); CONFIG_DMA_API_DEBUG warns) */
	device.this_device->dma_parms = &dma_parameters;
	dma_set_max_seg_size(device.this_device, UINT_MAX);
	return 0;

deregister:
	misc_deregister(&device);
unregister:
	exporter_unregister();
	return error;
}

static void __exit dmabuf_lab_exit(void)
{
	misc_deregister(&device);
	exporter_unregister();
}

module_init(dmabuf_lab_init);
module_exit(dmabuf_lab_exit);
MODULE_DESCRIPTION(
	"dma-bufs with every attribute, backing and kind of mapping, for experiments");
MODULE_AUTHOR("The s2vmm authors");
MODULE_LICENSE("GPL");

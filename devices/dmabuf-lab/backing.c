// SPDX-License-Identifier: GPL-2.0-only
/* See backing.h. */
#include <linux/dma-buf.h>
#include <linux/errno.h>
#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <uapi/linux/dma-buf.h>

#include "backing.h"
#include "dma_buf_info.h"
#include "memory_type.h"

#define BLOCK_ORDER 4
#define POISON      0x5a

/* --- RAM --- */

static unsigned int order_of(const struct backing *backing)
{
	return backing->kind == DMABUF_LAB_BLOCKS ? BLOCK_ORDER : 0;
}

/* Without __GFP_COMP, and not split: the pages behind the first of a block have no
 * reference. A failure is an answer here: no OOM killer, no message. */
static int allocate(struct backing *backing)
{
	const gfp_t flags = GFP_KERNEL | __GFP_ZERO | __GFP_NOWARN | __GFP_RETRY_MAYFAIL;
	unsigned int order = order_of(backing);
	size_t i, j;

	for (i = 0; i < backing->allocated; i += 1UL << order) {
		struct page *page;

		if (fatal_signal_pending(current))
			return -EINTR;
		page = alloc_pages(flags, order);
		if (!page)
			return -ENOMEM;
		for (j = 0; j < 1UL << order; j++)
			backing->pages[i + j] = page + j;
		cond_resched();
	}
	return 0;
}

/* The allocator likes to give neighbours one after the other: exchanges every second
 * page with its mirror image. */
static void scatter(struct backing *backing)
{
	size_t i;

	for (i = 1; i < backing->allocated / 2; i += 2)
		swap(backing->pages[i], backing->pages[backing->allocated - 1 - i]);
}

static void free_pages_of(struct backing *backing)
{
	unsigned int order = order_of(backing);
	size_t i;

	for (i = 0; i < backing->allocated; i += 1UL << order) {
		if (backing->pages[i])
			__free_pages(backing->pages[i], order);
	}
}

int backing_create_ram(struct backing *backing, enum dmabuf_lab_backing kind,
		       size_t count, enum dmabuf_lab_attribute attribute,
		       struct device *device)
{
	int error;

	*backing = (struct backing){.kind = kind, .count = count};
	backing->allocated = round_up(count, 1UL << order_of(backing));
	backing->pages =
		kvcalloc(backing->allocated, sizeof(*backing->pages), GFP_KERNEL);
	if (!backing->pages)
		return -ENOMEM;
	error = allocate(backing);
	if (!error && kind == DMABUF_LAB_PAGES)
		scatter(backing);
	if (!error)
		error = backing_set_attribute(backing, attribute, device);
	if (error)
		backing_destroy(backing);
	return error;
}

int backing_copy(struct backing *to, struct backing *from, struct device *device)
{
	size_t i;
	int error = 0;

	if (from->attribute != DMABUF_LAB_WB)
		error = memory_type_flush(from, device);
	if (error)
		return error;
	for (i = 0; i < to->count; i++)
		copy_highpage(to->pages[i], from->pages[i]);
	return to->attribute != DMABUF_LAB_WB ? memory_type_flush(to, device) : 0;
}

void backing_poison(struct backing *backing)
{
	size_t i;

	for (i = 0; i < backing->count; i++)
		memset(page_address(backing->pages[i]), POISON, PAGE_SIZE);
}

/* --- a BAR --- */

static int check_bar(const struct backing *backing)
{
	struct pci_dev *device = backing->device;
	size_t size = backing->count << PAGE_SHIFT;

	if (!(pci_resource_flags(device, backing->bar) & IORESOURCE_MEM) ||
	    !PAGE_ALIGNED(backing->start) ||
	    pci_resource_len(device, backing->bar) < size)
		return -ENXIO;
	return 0;
}

/* The device's lock is held: no driver comes meanwhile, and one that comes later finds
 * the BAR taken. */
static int claim(struct backing *backing)
{
	int error;

	if (backing->device->dev.driver)
		return -EBUSY;
	error = check_bar(backing);
	if (error)
		return error;
	error = pci_enable_device(backing->device);
	if (error)
		return error;
	error = pci_request_region(backing->device, backing->bar, "dmabuf-lab");
	if (error)
		pci_disable_device(backing->device);
	return error;
}

static void release(struct backing *backing)
{
	device_lock(&backing->device->dev);
	pci_release_region(backing->device, backing->bar);
	pci_disable_device(backing->device);
	device_unlock(&backing->device->dev);
	pci_dev_put(backing->device);
}

int backing_create_bar(struct backing *backing, u32 address, int bar, size_t count,
		       enum dmabuf_lab_attribute attribute)
{
	struct pci_dev *device = pci_get_domain_bus_and_slot(
		address >> 16, (address >> 8) & 0xff, address & 0xff);
	int error;

	if (!device)
		return -ENODEV;
	*backing = (struct backing){
		.kind = DMABUF_LAB_BAR,
		.attribute = DMABUF_LAB_UC,
		.count = count,
		.device = device,
		.bar = bar,
		.start = pci_resource_start(device, bar),
	};
	device_lock(&device->dev);
	error = claim(backing);
	device_unlock(&device->dev);
	if (error) {
		pci_dev_put(device);
		*backing = (struct backing){0};
		return error;
	}
	error = backing_set_attribute(backing, attribute, NULL);
	if (error)
		backing_destroy(backing);
	return error;
}

/* --- both --- */

int backing_set_attribute(struct backing *backing, enum dmabuf_lab_attribute attribute,
			  struct device *device)
{
	int error = memory_type_reset(backing);

	if (error)
		return error;
	if (backing->pages &&
	    (backing->attribute != DMABUF_LAB_WB || attribute != DMABUF_LAB_WB))
		error = memory_type_flush(backing, device);
	backing->attribute = backing->pages ? DMABUF_LAB_WB : DMABUF_LAB_UC;
	if (!error)
		error = memory_type_set(backing, attribute);
	if (!error)
		backing->attribute = attribute;
	return error;
}

void backing_destroy(struct backing *backing)
{
	int error = backing->count ? memory_type_reset(backing) : 0;

	if (backing->pages) {
		if (error)
			pr_err("dmabuf_lab: the memory type of %zu pages cannot be "
			       "restored "
			       "(%d); they are lost until the next boot\n",
			       backing->allocated, error);
		else
			free_pages_of(backing);
		kvfree(backing->pages);
	}
	if (backing->device)
		release(backing);
	*backing = (struct backing){0};
}

unsigned long backing_pfn(const struct backing *backing, pgoff_t index)
{
	return backing->pages ? page_to_pfn(backing->pages[index])
			      : PHYS_PFN(backing->start) + index;
}

int memory_type_wish(enum dmabuf_lab_attribute attribute)
{
	switch (attribute) {
	case DMABUF_LAB_WB:
		return DMA_BUF_VM_PROT_CACHED;
	case DMABUF_LAB_WC:
	case DMABUF_LAB_WC_WISHED:
		return DMA_BUF_VM_PROT_WC;
	case DMABUF_LAB_UC:
	case DMABUF_LAB_DEVICE:
	case DMABUF_LAB_ATTRIBUTE_COUNT:
		break;
	}
	return DMA_BUF_VM_PROT_UNCACHED;
}

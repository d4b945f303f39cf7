/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a buffer consists of: pages of RAM, or a part of a PCI device's memory; and the
 * memory type that the kernel has on record for it.
 */
#ifndef DMABUF_LAB_BACKING_H
#define DMABUF_LAB_BACKING_H

#include <linux/device.h>
#include <linux/pci.h>
#include <linux/types.h>

#include "dmabuf_lab.h"

struct backing {
	enum dmabuf_lab_backing kind;
	enum dmabuf_lab_attribute attribute; /* what the memory type was set for */
	size_t count;                        /* pages */

	/* RAM; NULL: a BAR */
	struct page **pages;
	size_t allocated; /* of them; BLOCKS: whole blocks */

	/* a BAR */
	struct pci_dev *device;
	int bar;
	phys_addr_t start;
	void __iomem *record; /* x86: the mapping that holds the memory type */
};

/*
 * Pages of RAM, zeroed, with the memory type of ATTRIBUTE. DEVICE is what caches are
 * flushed for. ENOMEM; EINTR the task is being killed; or the error of memory_type_set().
 */
int backing_create_ram(struct backing *backing, enum dmabuf_lab_backing kind,
		       size_t count, enum dmabuf_lab_attribute attribute,
		       struct device *device);

/*
 * The first COUNT pages of a BAR of the device at ADDRESS (as in dmabuf_lab_create).
 * ENODEV no such device; EBUSY it has a driver, or the BAR a user; ENXIO the BAR is no
 * memory, or not in pages, or smaller; or an error of pci_enable_device().
 */
int backing_create_bar(struct backing *backing, u32 address, int bar, size_t count,
		       enum dmabuf_lab_attribute attribute);

/* Nothing may be mapped any more. A zeroed BACKING is fine. */
void backing_destroy(struct backing *backing);

/*
 * Another memory type; nothing may be mapped. After an error `attribute` says what the
 * backing has: what it had, or what one gets without asking, WB or, of a BAR, UC.
 */
int backing_set_attribute(struct backing *backing, enum dmabuf_lab_attribute attribute,
			  struct device *device);

/* The same content. Both are RAM and have the same size; nothing may be mapped. */
int backing_copy(struct backing *to, struct backing *from, struct device *device);

/* Fills RAM with 0x5a, so that a stale mapping shows. */
void backing_poison(struct backing *backing);

unsigned long backing_pfn(const struct backing *backing, pgoff_t index);

#endif

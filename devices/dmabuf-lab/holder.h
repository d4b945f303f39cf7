/* SPDX-License-Identifier: GPL-2.0-only */
/* An importer that stays: a device that has a dma-buf mapped as long as a file is open. */
#ifndef DMABUF_LAB_HOLDER_H
#define DMABUF_LAB_HOLDER_H

#include <linux/device.h>
#include <linux/dma-buf.h>
#include <linux/fs.h>

#include "dmabuf_lab.h"

/* Attaches DEVICE to DMABUF and maps it; the file owns the reference to DMABUF, and
 * answers DMABUF_LAB_IOCTL_ACCESS. An ERR_PTR of the exporter, or ENOMEM: DMABUF is still
 * the caller's. */
struct file *holder_create(struct dma_buf *dmabuf, struct device *device,
			   enum dmabuf_lab_holding holding);

#endif

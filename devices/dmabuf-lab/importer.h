/* SPDX-License-Identifier: GPL-2.0-only */
/* What an importer sees of a dma-buf. */
#ifndef DMABUF_LAB_IMPORTER_H
#define DMABUF_LAB_IMPORTER_H

#include <linux/device.h>
#include <linux/dma-buf.h>

#include "dmabuf_lab.h"

/* Attaches DEVICE, maps, looks and detaches. Fills in what DMABUF_LAB_IOCTL_IMPORT
 * gives; or an error of the exporter. */
int importer_look(struct dma_buf *dmabuf, struct device *device,
		  struct dmabuf_lab_import *import);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/* The dma-buf side: how a buffer becomes one, and what it answers to importers and
 * dmabuf-info. */
#ifndef DMABUF_LAB_EXPORTER_H
#define DMABUF_LAB_EXPORTER_H

#include <linux/dma-buf.h>

struct buffer;

/* Tells dmabuf-info who answers for these buffers. EEXIST. */
int exporter_register(void);
void exporter_unregister(void);

/* A dma-buf that owns BUFFER, also if it fails; ACCESS is O_RDONLY or O_RDWR. An
 * ERR_PTR of dma_buf_export(). */
struct dma_buf *exporter_export(struct buffer *buffer, size_t size, int access);

/* The buffer behind DMABUF, or NULL if another exporter made it. */
struct buffer *exporter_buffer(const struct dma_buf *dmabuf);

#endif

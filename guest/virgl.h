/* SPDX-License-Identifier: MIT */
/* The one command of a virgl context that makes something a blob can be made of
 * (virglrenderer's src/virgl_protocol.h): a GL texture or buffer, under an id that
 * becomes the blob_id. */
#ifndef S2VMM_GUEST_VIRGL_H
#define S2VMM_GUEST_VIRGL_H

#include "guest/stream.h"

/* A BGRA texture that can be rendered to and scanned out: what GBM allocates, so that it
 * is a dma-buf where virglrenderer was built with GBM. 4 bytes for each pixel. */
void virgl_encode_create_texture(struct stream *stream, uint32_t blob_id, uint32_t width,
                                 uint32_t height);

/* A persistently mappable buffer of `size` bytes. */
void virgl_encode_create_buffer(struct stream *stream, uint32_t blob_id, uint32_t size);

#endif

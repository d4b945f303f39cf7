/* SPDX-License-Identifier: MIT */
/*
 * Blobs with guest memory: GUEST ("guest-only") and HOST3D_GUEST ("default"; its guest memory is
 * a shadow of the host's), virtio 1.3, 5.7.6.8.
 *
 *   guest RAM, one memfd   [ ... page ... page page ... ]
 *                                 |       \    /
 *   UDMABUF_CREATE_LIST           +---+----+--+
 *                                     v
 *   dma-buf                        [ page page page ]   the guest's own pages, no copy
 *
 * The dma-buf is made when somebody first needs it, and kept: the renderer, which imports it, or
 * the guest, which says that it is going to share the blob. Without /dev/udmabuf, or beyond the
 * module's limits, the blob is its pages: the renderer gets their addresses, and a picture is
 * read from them.
 */
#ifndef S2VMM_GPU_GUEST_BLOB_H
#define S2VMM_GPU_GUEST_BLOB_H

#include "devices/gpu/gpu.h"

/* The entries behind a RESOURCE_CREATE_BLOB. */
struct blob_entries {
    const struct virtio_gpu_mem_entry *entries;
    uint32_t count;
    uint64_t available; /* bytes that came with the command */
};

/* blob_create() with guest memory; blob->pages is filled in here. Also as guest_pages_init().
 * In blob.c. */
bool blob_create(struct gpu *gpu, const struct renderer_blob *blob,
                 const struct blob_entries *entries, struct error *error);

/* Makes a dma-buf of the first `size` bytes of the pages (a multiple of the page size).
 * Neighbours in guest RAM become one entry. ERROR_CONFIG_HOST without /dev/udmabuf;
 * ERROR_HOST_BUFFER when the kernel refuses it, or an entry is not whole pages. */
bool guest_blob_make_dmabuf(const struct guest_memory *memory,
                            const struct guest_pages *pages, uint64_t size, int *fd,
                            struct error *error);

/* The blob's dma-buf, made at the first call; -1: there is none, and the reason is in the
 * trace. It stays the resource's. */
int guest_blob_dmabuf(struct gpu *gpu, struct resource *resource);

/* Asks the dma-buf back, if there is one (lent.h): the pages go. */
void guest_blob_forget_dmabuf(struct gpu *gpu, struct resource *resource);

/* Tells the renderer about a GUEST blob that has pages, as a dma-buf if it can be one. Nothing,
 * and true, if the renderer does not want to know. */
bool guest_blob_import(struct gpu *gpu, struct resource *resource, struct error *error);

/* Whether the renderer knows the resource: its id may be handed on. */
bool gpu_renderer_knows(const struct gpu *gpu, const struct resource *resource);

/* 3D resources and blobs that have got, or are about to lose, guest memory. In command_3d.c. */
bool gpu_3d_attach(struct gpu *gpu, struct resource *resource, struct error *error);
void gpu_3d_detach(struct gpu *gpu, struct resource *resource);

#endif

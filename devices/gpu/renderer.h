/* SPDX-License-Identifier: MIT */
/*
 * What the GPU device needs of a renderer. devices/gpu/renderer_virgl.c implements it
 * with libvirglrenderer; the unit tests have one that lies on purpose.
 *
 * All functions are called on the device's thread, except the fence callback, which may
 * come from any thread. Everything that a renderer returns is a claim, not a fact: its
 * process may be under the guest's control. devices/gpu/backing.c checks what comes out
 * of export().
 */
#ifndef S2VMM_GPU_RENDERER_H
#define S2VMM_GPU_RENDERER_H

#include "vmm/error.h"
#include "vmm/types.h"

/* What the renderer says an exported fd is (VIRGL_RENDERER_BLOB_FD_TYPE_*). */
enum renderer_fd_type {
    RENDERER_FD_DMABUF = 1,
    RENDERER_FD_OPAQUE = 2, /* only the renderer knows how to map it */
    RENDERER_FD_SHM = 3,
};

struct renderer_capset {
    uint32_t id;
    uint32_t version;
    uint32_t size; /* bytes */
};

struct renderer_blob {
    uint32_t resource_id;
    uint32_t context_id;
    uint32_t memory; /* VIRTIO_GPU_BLOB_MEM_* */
    uint32_t flags;  /* VIRTIO_GPU_BLOB_FLAG_* */
    uint64_t blob_id;
    uint64_t size; /* bytes */
};

/* A timeline: context 0 is the global one, which has no rings. */
struct renderer_timeline {
    uint32_t context_id;
    uint32_t ring;
};

/* Everything up to and including `fence` is done on this timeline. */
typedef void renderer_fence_function(void *context, struct renderer_timeline timeline,
                                     uint32_t fence);

struct renderer_ops {
    /* Describes the capset with this index; false behind the last one. */
    bool (*capset)(void *renderer, unsigned index, struct renderer_capset *capset);
    /* Fills in capset->size bytes. */
    void (*capset_fill)(void *renderer, const struct renderer_capset *capset,
                        uint32_t version, void *buffer);

    bool (*context_create)(void *renderer, uint32_t context_id, uint32_t capset_id,
                           const char *name, struct error *error);
    void (*context_destroy)(void *renderer, uint32_t context_id);
    void (*attach)(void *renderer, uint32_t context_id, uint32_t resource_id);
    void (*detach)(void *renderer, uint32_t context_id, uint32_t resource_id);
    /* size: bytes, a multiple of 4, not 0; the buffer may be changed. */
    bool (*submit)(void *renderer, uint32_t context_id, void *commands, uint32_t size,
                   struct error *error);
    /* Asks for a call of the fence function when the timeline gets there; it may come
     * before this returns. */
    bool (*fence)(void *renderer, struct renderer_timeline timeline, uint32_t fence,
                  struct error *error);

    bool (*blob_create)(void *renderer, const struct renderer_blob *blob,
                        struct error *error);
    void (*blob_destroy)(void *renderer, uint32_t resource_id);
    /* On success the fd belongs to the caller. */
    bool (*blob_export)(void *renderer, uint32_t resource_id, enum renderer_fd_type *type,
                        int *fd, struct error *error);
    /* Maps into this process: for buffers that have no fd, or an OPAQUE one. *size is
     * what the mapping really has, which may be less than the blob. */
    bool (*blob_map)(void *renderer, uint32_t resource_id, void **host, uint64_t *size,
                     struct error *error);
    void (*blob_unmap)(void *renderer, uint32_t resource_id);
    /* What the renderer believes the cache mode to be, MEMATTR_MAP_*; false if it has no
     * opinion. */
    bool (*blob_map_info)(void *renderer, uint32_t resource_id, uint32_t *map_info);
};

struct renderer {
    const struct renderer_ops *ops;
    void *context; /* first argument of the ops */
};

#endif

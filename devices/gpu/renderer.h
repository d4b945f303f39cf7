/* SPDX-License-Identifier: MIT */
/*
 * What the GPU device needs of a renderer. devices/gpu/renderer_virgl.c implements it
 * with libvirglrenderer; the unit tests have one that lies on purpose.
 *
 * All functions are called on the device's thread, except those for a live update, and the
 * fence callback, which may come from any thread. Everything that a renderer returns is a claim, not a fact: its
 * process may be under the guest's control. devices/gpu/backing.c checks what comes out
 * of export().
 */
#ifndef S2VMM_GPU_RENDERER_H
#define S2VMM_GPU_RENDERER_H

#include <sys/uio.h>

#include "vmm/error.h"
#include "vmm/types.h"

struct state_reader;
struct state_writer;

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

/* Guest memory, see guest_pages.h. It stays in use until it is detached, or until the resource
 * is destroyed. */
struct renderer_pages {
    const struct iovec *vectors;
    unsigned count; /* 0: there is none */
};

struct renderer_blob {
    uint32_t resource_id;
    uint32_t context_id;
    uint32_t memory; /* VIRTIO_GPU_BLOB_MEM_* */
    uint32_t flags;  /* VIRTIO_GPU_BLOB_FLAG_* */
    uint64_t blob_id;
    uint64_t size;               /* bytes */
    struct renderer_pages pages; /* HOST3D: none */
};

/* A 3D resource: a buffer or a texture, in Gallium's numbers. */
struct renderer_resource {
    uint32_t resource_id;
    uint32_t target; /* RENDERER_TARGET_BUFFER: width is its bytes */
    uint32_t format;
    uint32_t bind;
    uint32_t width;
    uint32_t height;
    uint32_t depth;
    uint32_t array_size;
    uint32_t last_level;
    uint32_t sample_count;
    uint32_t flags; /* VIRTIO_GPU_RESOURCE_FLAG_* */
};

#define RENDERER_TARGET_BUFFER     0u /* enum pipe_texture_target of Gallium */
#define RENDERER_TARGET_TEXTURE_2D 2u

enum renderer_direction {
    RENDERER_TO_HOST,
    RENDERER_FROM_HOST,
};

struct renderer_transfer {
    enum renderer_direction direction;
    uint32_t resource_id;
    uint32_t context_id; /* 0: none */
    uint32_t level;
    uint32_t stride;       /* bytes from row to row; 0: without gaps */
    uint32_t layer_stride; /* bytes from layer to layer; 0: without gaps */
    uint64_t offset;       /* of the first byte, in the memory */
    uint32_t x, y, z;
    uint32_t width, height, depth;
    struct renderer_pages pages; /* none: what is attached */
};

/* A timeline: context 0 is the global one, which has no rings. */
struct renderer_timeline {
    uint32_t context_id;
    uint32_t ring;
};

/* Everything up to and including `fence` is done on this timeline. */
typedef void renderer_fence_function(void *context, struct renderer_timeline timeline,
                                     uint32_t fence);

/* NULL where nobody asks: what needs a capset, a context or a blob in a renderer that never has
 * one. */
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
    /* Ends a resource of any kind. */
    void (*resource_destroy)(void *renderer, uint32_t resource_id);
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

    /* The rest is NULL in a renderer without 3D resources. It is not told about blobs of guest
     * memory either. */

    /* A blob of guest memory, which is also the dma-buf `fd`; the fd stays the caller's. */
    bool (*blob_import)(void *renderer, const struct renderer_blob *blob, int fd,
                        struct error *error);
    bool (*resource_create)(void *renderer, const struct renderer_resource *resource,
                            struct error *error);
    /* Guest memory of a 3D resource or a HOST3D_GUEST blob. */
    bool (*pages_attach)(void *renderer, uint32_t resource_id,
                         struct renderer_pages pages, struct error *error);
    void (*pages_detach)(void *renderer, uint32_t resource_id);
    bool (*transfer)(void *renderer, const struct renderer_transfer *transfer,
                     struct error *error);
    /* When poll_fd(), which does not change, is readable, poll() wants to be called: fences or
     * queries are done, or a process of the renderer has something to say. The fd stays the
     * renderer's. */
    int (*poll_fd)(void *renderer);
    void (*poll)(void *renderer);

    /* Whether a process of the renderer has died that it needs for new contexts; restart() then
     * makes it as it was at its start, when nothing is left of its contexts and resources. If
     * that fails all commands fail that need it, and it has still died. */
    bool (*has_died)(const void *renderer);
    bool (*restart)(void *renderer, struct error *error);

    /* Live update, on the main thread: save() writes sections of its own, load() reads them in
     * another process, as the first call there. Then its contexts and resources are as they
     * were: knows_...() says which ones. None of a command is under way, as the device is
     * paused. All four are NULL where contexts and resources cannot be handed over. */
    bool (*save)(void *renderer, struct state_writer *writer, struct error *error);
    bool (*load)(void *renderer, struct state_reader *reader, struct error *error);
    bool (*knows_context)(const void *renderer, uint32_t context_id);
    bool (*knows_resource)(const void *renderer, uint32_t resource_id);
};

struct renderer {
    const struct renderer_ops *ops;
    void *context; /* first argument of the ops */
};

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The resource table: what the guest's resource ids stand for.
 *
 *              RESOURCE_CREATE_BLOB        MAP_BLOB
 *    (none) ------------------------> CREATED -----> MAPPED ------> LOST
 *      ^                                 |  ^          |  | drop()    |
 *      |            RESOURCE_UNREF       |  +----------+--|-----------+
 *      +---------------------------------+  UNMAP_BLOB    |           |
 *      +--------------------------------------------------+-----------+
 *                                      RESOURCE_UNREF, reset: unmapped first
 *
 * LOST: the host took the mapping away from under the guest (devices/gpu/lost.h). Its place is
 * a hole of the window, its memory is kept until UNMAP_BLOB.
 *
 * A resource belongs to no context: it outlives the context that it was created in.
 */
#ifndef S2VMM_GPU_RESOURCE_H
#define S2VMM_GPU_RESOURCE_H

#include "devices/gpu/cache_mode.h"
#include "devices/gpu/guest_pages.h"
#include "devices/gpu/hostmem.h"
#include "devices/gpu/shadow.h"

#define RESOURCE_COUNT_MAX 16384u /* for one guest */

/* What MAP_BLOB decided, kept for the records. */
struct blob_decision {
    struct cache_mode_report report;
    struct memattr_advice advice;
    enum memattr_map_info map_info; /* what the guest was told */
    bool forced;                    /* by --force-map-info */
    enum memattr_refusal refusal;   /* MEMATTR_ACCEPTED: it may be mapped */
    bool copied;   /* needs SYNC: the guest gets a synchronised copy of it (shadow.h) */
    bool followed; /* may change: it is watched, and the mapping dropped if it does */
};

enum resource_kind {
    RESOURCE_BLOB, /* RESOURCE_CREATE_BLOB */
    RESOURCE_2D,   /* RESOURCE_CREATE_2D: pixels in our own memory */
    RESOURCE_3D,   /* RESOURCE_CREATE_3D: a buffer or texture of the renderer */
};

/* The pixels of RESOURCE_2D. */
struct resource_image {
    uint32_t format; /* VIRTIO_GPU_FORMAT_* */
    uint32_t width;  /* pixels */
    uint32_t height;
    uint8_t *pixels; /* 4 * width * height bytes */
};

struct resource {
    uint32_t id;
    enum resource_kind kind;
    struct guest_pages pages;    /* 2D, 3D: attached; blob: its guest memory; or none */
    struct resource_image image; /* 2D; of 3D: format and size only */
    uint8_t uuid[16];            /* RESOURCE_ASSIGN_UUID; all zero: none yet */
    uint32_t blob_memory;        /* VIRTIO_GPU_BLOB_MEM_* */
    bool guest_dmabuf_made;      /* blob with guest memory: guest_dmabuf is */
    int guest_dmabuf;            /* a dma-buf over its guest memory (guest_blob.h) */
    uint32_t context_id;         /* where it was created, for messages */
    uint32_t flags;              /* VIRTIO_GPU_BLOB_FLAG_* */
    uint64_t size;               /* bytes */
    struct backing backing;      /* while mapped, or lost */
    struct shadow shadow;        /* what is mapped in its place, if decision.copied */
    struct hostmem_mapping mapping; /* this and the next: the state above */
    bool lost;
    struct blob_decision decision; /* valid while mapped, or lost */
    struct resource *next;         /* in its bucket */
};

#define RESOURCE_BUCKETS 1024u

struct resource_table {
    uint32_t count;
    struct resource *buckets[RESOURCE_BUCKETS];
};

/* Adds an empty resource. ERROR_GUEST_RESOURCE when the id is 0 or taken,
 * ERROR_GUEST_LIMIT, ERROR_HOST_MEMORY. */
struct resource *resource_add(struct resource_table *table, uint32_t id,
                              struct error *error);

/* ERROR_GUEST_RESOURCE, and NULL, when there is none. */
struct resource *resource_find(struct resource_table *table, uint32_t id,
                               struct error *error);

/* Forgets and frees it; it must not be mapped. */
void resource_remove(struct resource_table *table, struct resource *resource);

/* The one after `before` in no order that means something, the first one after NULL; NULL:
 * there is no more. */
struct resource *resource_next(const struct resource_table *table,
                               const struct resource *before);

#endif

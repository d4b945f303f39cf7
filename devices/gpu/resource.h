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

/* What one guest gets. */
#define RESOURCE_COUNT_MAX   16384u
#define RESOURCE_PIXELS_MAX  (512 * MIB) /* bytes of all 2D images */
#define RESOURCE_SIDE_MAX    16384u      /* pixels of a 2D image, width and height */
#define RESOURCE_ENTRIES_MAX 2097152u    /* of guest memory, of all resources */

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
    uint64_t serial; /* of all resources that ever were: tells a reused id apart */
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
    uint32_t entry_count; /* of guest memory */
    uint64_t pixel_bytes; /* of 2D images */
    uint64_t last_serial;
    struct resource *buckets[RESOURCE_BUCKETS];
};

/* Adds an empty resource. ERROR_GUEST_RESOURCE when the id is 0 or taken,
 * ERROR_GUEST_LIMIT, ERROR_HOST_MEMORY. */
struct resource *resource_add(struct resource_table *table, uint32_t id,
                              struct error *error);

/* ERROR_GUEST_RESOURCE, and NULL, when there is none. */
struct resource *resource_find(struct resource_table *table, uint32_t id,
                               struct error *error);

/* Gives it guest memory, see guest_pages_init(). Also ERROR_GUEST_STATE when it has some,
 * ERROR_GUEST_LIMIT beyond RESOURCE_ENTRIES_MAX. */
bool resource_attach_pages(struct resource_table *table, struct resource *resource,
                           const struct guest_memory *memory,
                           const struct virtio_gpu_mem_entry *entries, uint32_t count,
                           uint64_t available, struct error *error);

/* Takes it away; nothing if there is none. */
void resource_detach_pages(struct resource_table *table, struct resource *resource);

/* Makes it a RESOURCE_2D, whose pixels are zero. ERROR_GUEST_PARAMETER when the format is
 * unknown or a side is 0 or beyond RESOURCE_SIDE_MAX; ERROR_GUEST_LIMIT beyond
 * RESOURCE_PIXELS_MAX, ERROR_HOST_MEMORY. */
bool resource_make_image(struct resource_table *table, struct resource *resource,
                         uint32_t format, uint32_t width, uint32_t height,
                         struct error *error);

/* Forgets and frees it, with its image and its hold on guest memory; it must not be mapped. */
void resource_remove(struct resource_table *table, struct resource *resource);

/* The one after `before` in no order that means something, the first one after NULL; NULL:
 * there is no more. */
struct resource *resource_next(const struct resource_table *table,
                               const struct resource *before);

#endif

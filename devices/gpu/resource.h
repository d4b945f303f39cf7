/* SPDX-License-Identifier: MIT */
/*
 * The resource table: what the guest's resource ids stand for; and the life of a resource.
 *
 *                          ATTACH_BACKING, or CREATE_BLOB with entries
 *            CREATE_*    +------------------------------------------+
 *     NONE -----------> CREATED <-------------------------------- ATTACHED
 *                       |    ^            DETACH_BACKING
 *              MAP_BLOB |    | UNMAP_BLOB
 *                       v    |
 *                      HALFWAY <----------+
 *                       |    ^            | UNMAP_BLOB
 *                       v    |            |
 *                       MAPPED --------> LOST
 *                                drop
 *
 *     RESOURCE_UNREF, a reset, the end of the VM: NONE, from every state; what is mapped or lost
 *     is unmapped first.
 *
 * ATTACHED: it has guest memory. HALFWAY: the host's memory is open, and not in the window: for
 * as long as MAP_BLOB or UNMAP_BLOB runs, never between commands. LOST: the host took the mapping
 * away from under the guest (lost.h); its place is a hole, its memory is kept until UNMAP_BLOB.
 *
 * A resource belongs to no context, so the end of its context or of the renderer's process is no
 * event of it: a mapping stays, as the memory is ours, too. docs/lifetimes.md has the table.
 */
#ifndef S2VMM_GPU_RESOURCE_H
#define S2VMM_GPU_RESOURCE_H

#include "devices/gpu/cache_mode.h"
#include "devices/gpu/guest_pages.h"
#include "devices/gpu/hostmem.h"
#include "devices/gpu/shadow.h"
#include "vmm/quota.h"

#define RESOURCE_SIDE_MAX 16384u /* pixels of a 2D image, width and height */

/* Not stored: read off what the resource has. */
enum resource_state {
    RESOURCE_NONE, /* resource_find() finds nothing */
    RESOURCE_CREATED,
    RESOURCE_ATTACHED,
    RESOURCE_HALFWAY,
    RESOURCE_MAPPED,
    RESOURCE_LOST,
    RESOURCE_STATE_COUNT
};

enum resource_event {
    RESOURCE_ATTACH, /* guest memory */
    RESOURCE_DETACH,
    RESOURCE_MAP,
    RESOURCE_UNMAP,
    RESOURCE_DROP, /* by the host */
    RESOURCE_END,  /* RESOURCE_UNREF, reset, end of the VM */
    RESOURCE_EVENT_COUNT
};

struct loan;

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
    struct loan *loan;           /* of guest_dmabuf, whose owner it is; or NULL */
    uint32_t context_id;         /* where it was created, for messages */
    uint32_t flags;              /* VIRTIO_GPU_BLOB_FLAG_* */
    uint64_t size;               /* bytes */
    struct backing backing;      /* while mapped, or lost */
    struct shadow shadow;        /* what is mapped in its place, if decision.copied */
    struct hostmem_mapping mapping; /* with the next: the state */
    bool lost;
    struct quota_share share;        /* of the whole life */
    struct quota_share mapped_share; /* of the time when it is mapped, or lost */
    struct blob_decision decision;   /* valid while mapped, or lost */
    struct resource *next;           /* in its bucket */
};

#define RESOURCE_BUCKETS 1024u

struct resource_table {
    struct quota *quota;
    uint32_t count;
    uint64_t last_serial;
    struct resource *buckets[RESOURCE_BUCKETS];
};

enum resource_state resource_state(const struct resource *resource);

/* Whether the event may happen to it now; then *next is the state that it has afterwards.
 * ERROR_GUEST_STATE. An event that the device's own code must not let happen is a bug. */
bool resource_may(const struct resource *resource, enum resource_event event,
                  enum resource_state *next, struct error *error);

/* Takes so many bytes of host memory for it, until it ends. ERROR_GUEST_LIMIT. */
bool resource_charge(struct resource_table *table, struct resource *resource,
                     uint64_t bytes, struct error *error);

/* What of its share in host memory this file has charged: for it, its lists and its image. The
 * rest is resource_charge()'s. */
uint64_t resource_own_memory(const struct resource *resource);

/* Adds an empty resource. ERROR_GUEST_RESOURCE when the id is 0 or taken,
 * ERROR_GUEST_LIMIT, ERROR_HOST_MEMORY. */
struct resource *resource_add(struct resource_table *table, uint32_t id,
                              struct error *error);

/* ERROR_GUEST_RESOURCE, and NULL, when there is none. */
struct resource *resource_find(struct resource_table *table, uint32_t id,
                               struct error *error);

/* Gives it guest memory, see guest_pages_init(). Also ERROR_GUEST_STATE when it has some,
 * ERROR_GUEST_LIMIT for the memory that a list of them takes. */
bool resource_attach_pages(struct resource_table *table, struct resource *resource,
                           const struct guest_memory *memory,
                           const struct virtio_gpu_mem_entry *entries, uint32_t count,
                           uint64_t available, struct error *error);

/* Takes it away; nothing if there is none. */
void resource_detach_pages(struct resource_table *table, struct resource *resource);

/* Makes it a RESOURCE_2D, whose pixels are zero. ERROR_GUEST_PARAMETER when the format is
 * unknown or a side is 0 or beyond RESOURCE_SIDE_MAX; ERROR_GUEST_LIMIT,
 * ERROR_HOST_MEMORY. */
bool resource_make_image(struct resource_table *table, struct resource *resource,
                         uint32_t format, uint32_t width, uint32_t height,
                         struct error *error);

/* Forgets and frees it, with its image, its hold on guest memory and its share of the quota; it
 * must not be mapped. */
void resource_remove(struct resource_table *table, struct resource *resource);

/* The one after `before` in no order that means something, the first one after NULL; NULL:
 * there is no more. */
struct resource *resource_next(const struct resource_table *table,
                               const struct resource *before);

#endif

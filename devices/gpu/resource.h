/* SPDX-License-Identifier: MIT */
/*
 * The resource table: what the guest's resource ids stand for.
 *
 *              RESOURCE_CREATE_BLOB        MAP_BLOB
 *    (none) ------------------------> CREATED -----> MAPPED
 *      ^                                 |  ^          |  |
 *      |            RESOURCE_UNREF       |  +----------+  | RESOURCE_UNREF, reset:
 *      +---------------------------------+  UNMAP_BLOB    | unmapped first
 *      +--------------------------------------------------+
 *
 * A resource belongs to no context: it outlives the context that it was created in.
 */
#ifndef S2VMM_GPU_RESOURCE_H
#define S2VMM_GPU_RESOURCE_H

#include "devices/gpu/cache_mode.h"
#include "devices/gpu/hostmem.h"

#define RESOURCE_COUNT_MAX 16384u /* for one guest */

/* What MAP_BLOB decided, kept for the records. */
struct blob_decision {
    struct cache_mode_report report;
    struct memattr_advice advice;
    enum memattr_map_info map_info; /* what the guest was told */
    bool forced;                    /* by --force-map-info */
};

struct resource {
    uint32_t id;
    uint32_t context_id;            /* where it was created, for messages */
    uint32_t flags;                 /* VIRTIO_GPU_BLOB_FLAG_* */
    uint64_t size;                  /* bytes */
    struct backing backing;         /* while mapped */
    struct hostmem_mapping mapping; /* mapped or not: the state above */
    struct blob_decision decision;  /* valid while mapped */
    struct resource *next;          /* in its bucket */
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

/* Any one resource, or NULL when the table is empty. */
struct resource *resource_any(struct resource_table *table);

#endif

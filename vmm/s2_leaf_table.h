/* SPDX-License-Identifier: MIT */
/*
 * The last S2 leaf seen for each page of the guest: a table of fixed size, indexed by guest
 * frame number modulo its size. When two pages share a slot, the newer one has it, and the
 * older one is unknown: never wrong, and never more memory.
 *
 * At most one leaf covers a page: one that is set removes the smaller ones below it and the
 * larger ones above it.
 */
#ifndef S2VMM_S2_LEAF_TABLE_H
#define S2VMM_S2_LEAF_TABLE_H

#include "vmm/s2_trace.h"

#define S2_LEVELS 3

/* 256 MiB of guest memory in pages of 4 KiB. */
#define S2_LEAF_TABLE_SLOTS 65536

struct s2_leaf_slot {
    uint64_t gfn; /* of the first page */
    uint64_t raw; /* 0: empty */
    unsigned level;
};

struct s2_leaf_table {
    struct s2_leaf_slot *slots;
};

/* False when there is no memory. */
bool s2_leaf_table_init(struct s2_leaf_table *table);

/* A zeroed object is fine. */
void s2_leaf_table_finish(struct s2_leaf_table *table);

/* Takes in what happened to a leaf; after lost events nothing is known any more. */
void s2_leaf_table_apply(struct s2_leaf_table *table, const struct s2_event *event);

/* The leaf that covers this page, or NULL. */
const struct s2_leaf_slot *s2_leaf_table_find(const struct s2_leaf_table *table,
                                              uint64_t gfn);

/* Forgets every leaf that covers one of the pages. */
void s2_leaf_table_forget(struct s2_leaf_table *table, uint64_t gfn, uint64_t pages);

/* Pages of 4 KiB in a leaf of this level: 1, 512, 262144. */
static inline uint64_t s2_leaf_pages(unsigned level)
{
    return (uint64_t)1 << (9 * (level - 1));
}

/* The first page of the leaf of this level that would cover the page. */
static inline uint64_t s2_leaf_base(uint64_t gfn, unsigned level)
{
    return gfn & ~(s2_leaf_pages(level) - 1);
}

#endif

/* SPDX-License-Identifier: MIT */
#include "vmm/s2_leaf_table.h"

#include <stdlib.h>
#include <string.h>

bool s2_leaf_table_init(struct s2_leaf_table *table)
{
    table->slots = calloc(S2_LEAF_TABLE_SLOTS, sizeof table->slots[0]);
    return table->slots != NULL;
}

void s2_leaf_table_finish(struct s2_leaf_table *table)
{
    free(table->slots);
    table->slots = NULL;
}

static struct s2_leaf_slot *slot_of(const struct s2_leaf_table *table, uint64_t gfn)
{
    return &table->slots[gfn % S2_LEAF_TABLE_SLOTS];
}

/* The slot, if it holds the leaf of this level that begins at this page; or NULL. */
static struct s2_leaf_slot *leaf_at(const struct s2_leaf_table *table, uint64_t gfn,
                                    unsigned level)
{
    struct s2_leaf_slot *slot = slot_of(table, gfn);
    return slot->raw != 0 && slot->gfn == gfn && slot->level == level ? slot : NULL;
}

const struct s2_leaf_slot *s2_leaf_table_find(const struct s2_leaf_table *table,
                                              uint64_t gfn)
{
    for (unsigned level = 1; level <= S2_LEVELS; level++) {
        const struct s2_leaf_slot *slot = leaf_at(table, s2_leaf_base(gfn, level), level);
        if (slot)
            return slot;
    }
    return NULL;
}

void s2_leaf_table_forget(struct s2_leaf_table *table, uint64_t gfn, uint64_t pages)
{
    /* Those that begin inside. */
    uint64_t slots = pages < S2_LEAF_TABLE_SLOTS ? pages : S2_LEAF_TABLE_SLOTS;
    for (uint64_t i = 0; i < slots; i++) {
        struct s2_leaf_slot *slot = slot_of(table, gfn + i);
        if (slot->gfn >= gfn && slot->gfn - gfn < pages)
            slot->raw = 0;
    }
    /* Larger ones that begin before and reach in. */
    for (unsigned level = 2; level <= S2_LEVELS; level++) {
        struct s2_leaf_slot *slot = leaf_at(table, s2_leaf_base(gfn, level), level);
        if (slot)
            slot->raw = 0;
    }
}

void s2_leaf_table_apply(struct s2_leaf_table *table, const struct s2_event *event)
{
    struct s2_leaf_slot *slot;
    switch (event->kind) {
    case S2_EVENT_OTHER:
        return;
    case S2_EVENT_SET:
        s2_leaf_table_forget(table, event->gfn, s2_leaf_pages(event->level));
        *slot_of(table, event->gfn) =
            (struct s2_leaf_slot){event->gfn, event->raw, event->level};
        return;
    case S2_EVENT_CLEARED:
        slot = leaf_at(table, event->gfn, event->level);
        if (slot)
            slot->raw = 0;
        return;
    case S2_EVENT_LOST:
        memset(table->slots, 0, S2_LEAF_TABLE_SLOTS * sizeof table->slots[0]);
        return;
    }
}

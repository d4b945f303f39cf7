/* SPDX-License-Identifier: MIT */
/*
 * Walks a translation table of arm64 in the kernel's memory, stage 1 or stage 2, to the leaf
 * for one address (VMSAv8-64; DDI 0487, D8.2 to D8.3).
 *
 *   4 KiB granule:   47    39 38    30 29    21 20    12 11     0
 *                   +--------+--------+--------+--------+--------+
 *          address  | level 0| level 1| level 2| level 3| offset |   9 bits for each level
 *                   +--------+--------+--------+--------+--------+   (16 KiB: 11, 64 KiB: 13)
 *      root --> table --> table --> table --> page
 *                                     +--> block of 2 MiB
 *
 * The root may be larger than a page: stage 2 has up to 16 tables of its first level side by
 * side (concatenated, D8.2.2), or smaller.
 *
 * The tables belong to somebody who changes them while we read. A walk is believed when a
 * second one right after it finds the same leaf; any value that is read is only ever used to
 * look at another place of the kernel's memory.
 */
#ifndef S2VMM_PAGE_WALK_H
#define S2VMM_PAGE_WALK_H

#include <stdint.h>

#include "vmm/kcore.h"

struct page_table {
    uint64_t root;         /* kernel virtual address of the first descriptor */
    unsigned page_shift;   /* the granule: 12, 14 or 16 */
    unsigned address_bits; /* of an address that is translated, at most 52 */
    int start_level;       /* of the root: -1 to 3 */
    bool
        has_ds; /* FEAT_LPA2 in use (TCR.DS): bits 9:8 of a descriptor are address bits */
};

struct page_leaf {
    uint64_t raw;      /* the descriptor */
    int level;         /* 3: a page; less: a block */
    uint64_t physical; /* of the byte that was asked for */
};

/* The leaf for the address. False: there is none, a table is not RAM or cannot be read, a
 * descriptor is of a kind that its level does not have, or they never stopped changing. */
bool page_walk(const struct page_table *table, const struct kcore *kcore,
               uint64_t address, struct page_leaf *leaf);

/* The level at which a stage 1 table for addresses of so many bits begins, with a root of at
 * most one page (D8.2.8 to D8.2.10). */
int page_walk_start_level(unsigned page_shift, unsigned address_bits);

#endif

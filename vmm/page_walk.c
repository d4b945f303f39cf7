/* SPDX-License-Identifier: MIT */
#include "vmm/page_walk.h"

#define LAST_LEVEL 3
#define WALKS_MAX  8

/* A descriptor (DDI 0487, table D8-48). With bit 1 it points to a table or, at level 3, to a page; without,
 * it is a block. */
#define DESCRIPTOR_VALID  1u
#define DESCRIPTOR_POINTS 2u

static uint64_t bits(uint64_t value, unsigned high, unsigned low)
{
    return value >> low & (((uint64_t)1 << (high - low + 1)) - 1);
}

/* Address bits that an entry of this level leaves to the offset. */
static unsigned level_shift(const struct page_table *table, int level)
{
    unsigned levels_below = (unsigned)(LAST_LEVEL - level);
    return table->page_shift + levels_below * (table->page_shift - 3);
}

/* The output address (tables D8-50 to D8-53). With 64 KiB pages, bits 15:12 are address bits 51:48; a CPU
 * without FEAT_LPA has zeros there. */
static uint64_t output_address(const struct page_table *table, uint64_t raw)
{
    unsigned low = table->page_shift;
    if (table->page_shift == 16)
        return bits(raw, 15, 12) << 48 | bits(raw, 47, low) << low;
    if (table->has_ds)
        return bits(raw, 9, 8) << 50 | bits(raw, 49, low) << low;
    return bits(raw, 47, low) << low;
}

/* Levels that have blocks (table D8-52; 4 KiB: 1, 2, with DS also 0; 16 KiB: 2, with DS also 1;
 * 64 KiB: 2, with FEAT_LPA also 1). */
static bool has_blocks(const struct page_table *table, int level)
{
    int first = table->page_shift == 12 ? 1 : 2;
    if (table->has_ds || table->page_shift == 16)
        first--;
    return level >= first && level < LAST_LEVEL;
}

static bool is_sane(const struct page_table *table)
{
    return (table->page_shift == 12 || table->page_shift == 14 ||
            table->page_shift == 16) &&
           table->address_bits <= 52 && table->start_level >= -1 &&
           table->start_level <= LAST_LEVEL &&
           level_shift(table, table->start_level) < table->address_bits;
}

static bool walk_once(const struct page_table *table, const struct kcore *kcore,
                      uint64_t address, struct page_leaf *leaf)
{
    uint64_t entries = table->root;
    unsigned high = table->address_bits - 1;
    for (int level = table->start_level; level <= LAST_LEVEL; level++) {
        unsigned shift = level_shift(table, level);
        uint64_t at = entries + bits(address, high, shift) * sizeof(uint64_t);
        uint64_t raw;
        if (!kcore_read(kcore, at, &raw) || (raw & DESCRIPTOR_VALID) == 0)
            return false;
        uint64_t output = output_address(table, raw);
        bool points = (raw & DESCRIPTOR_POINTS) != 0;
        if (points && level < LAST_LEVEL) {
            if (!kcore_virtual(kcore, output, &entries))
                return false;
            high = shift - 1;
            continue;
        }
        uint64_t offset = ((uint64_t)1 << shift) - 1;
        *leaf = (struct page_leaf){raw, level, (output & ~offset) | (address & offset)};
        return points || has_blocks(table, level);
    }
    return false;
}

bool page_walk(const struct page_table *table, const struct kcore *kcore,
               uint64_t address, struct page_leaf *leaf)
{
    if (!is_sane(table) || address >> table->address_bits != 0)
        return false;
    struct page_leaf previous;
    if (!walk_once(table, kcore, address, &previous))
        return false;
    for (unsigned i = 0; i < WALKS_MAX; i++) {
        if (!walk_once(table, kcore, address, leaf))
            return false;
        if (leaf->raw == previous.raw && leaf->level == previous.level)
            return true;
        previous = *leaf;
    }
    return false;
}

int page_walk_start_level(unsigned page_shift, unsigned address_bits)
{
    unsigned bits_per_level = page_shift - 3;
    unsigned levels = (address_bits - page_shift + bits_per_level - 1) / bits_per_level;
    return LAST_LEVEL + 1 - (int)levels;
}

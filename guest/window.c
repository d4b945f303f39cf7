/* SPDX-License-Identifier: MIT */
#include "guest/window.h"

#include "guest/arch.h"
#include "guest/check.h"
#include "guest/string.h"

static bool check_reads(struct guest *guest, volatile void *hole)
{
    CHECK_EQUAL(*(volatile uint8_t *)hole, UINT8_MAX);
    CHECK_EQUAL(*(volatile uint16_t *)hole, UINT16_MAX);
    CHECK_EQUAL(*(volatile uint32_t *)hole, UINT32_MAX);
    CHECK_EQUAL(*(volatile uint64_t *)hole, UINT64_MAX);
    return true;
}

static bool check_write(struct guest *guest, volatile void *hole)
{
    const char *expect = options_text(&guest->options, "holes", "any");
    volatile uint64_t *word = hole;
    *word = 0;
    *(volatile uint8_t *)hole = 0;
    bool is_kept = *word == 0;
    CHECK(!string_equal(expect, is_kept ? "vanish" : "keep"));
    if (is_kept)
        *word = UINT64_MAX;
    return check_reads(guest, hole);
}

bool window_check_hole(struct guest *guest, uint64_t offset)
{
    uint64_t address = guest->gpu.window.start.value + offset;
    enum memattr_type s1 =
        memattr_s1_of_map_info(ARCH_MEMATTR_MODEL, MEMATTR_MAP_UNCACHED);
    volatile void *hole = mmu_map(guest->mmu, address, sizeof(uint64_t), s1);
    CHECK(hole != NULL);
    bool good = check_reads(guest, hole) && check_write(guest, hole);
    mmu_unmap(guest->mmu, address, sizeof(uint64_t), s1);
    return good;
}

/* SPDX-License-Identifier: MIT */
/*
 * The guest's half of the experiment "held-by-a-device" (vmm/experiments/holders.c): writes a
 * word to each page and reports, whereupon the host may move the buffer; all words have to be
 * there. Then the same again, but the host takes the buffer away: what is left is nothing.
 */
#include "guest/check.h"
#include "guest/mmu.h"
#include "guest/scenarios.h"
#include "guest/witness.h"

#define PAGE_WORDS 512u
#define ALL_ONES   (~UINT64_C(0))

static bool has(struct guest *guest, volatile uint64_t *words, uint64_t count,
                uint64_t value)
{
    for (uint64_t i = 0; i < count; i += PAGE_WORDS)
        CHECK_EQUAL(words[i], value);
    return true;
}

static void fill(volatile uint64_t *words, uint64_t count, uint64_t value)
{
    for (uint64_t i = 0; i < count; i += PAGE_WORDS)
        words[i] = value;
}

bool scenario_experiment_held(struct guest *guest)
{
    const struct boot_device *target = guest_device(guest, BOOT_DEVICE_TARGET);
    CHECK(target != NULL);
    const struct witness_request report = {
        .resource_id = BOOT_TARGET_RESOURCE,
        .length = target->size,
        .s1_type = MEMATTR_WB,
    };
    const uint64_t count = target->size / sizeof(uint64_t);
    volatile uint64_t *words =
        mmu_map(guest->mmu, target->base, target->size, MEMATTR_WB);
    CHECK(words != NULL);
    fill(words, count, 1);
    REQUIRE(witness_observe(guest, &report));
    REQUIRE(has(guest, words, count, 1));
    fill(words, count, 2);
    REQUIRE(witness_observe(guest, &report));
    CHECK_EQUAL(words[0], ALL_ONES);
    mmu_unmap(guest->mmu, target->base, target->size, MEMATTR_WB);
    return true;
}

/* SPDX-License-Identifier: MIT */
/*
 * The guest's half of the experiment "revoked" (vmm/experiments/changes.c): reports its
 * mapping, whereupon the host takes the memory away, and looks again. If it gets that far, it
 * has to find what is nowhere: all ones, and its writes are lost.
 */
#include "guest/check.h"
#include "guest/mmu.h"
#include "guest/scenarios.h"
#include "guest/witness.h"

#define ALL_ONES (~UINT64_C(0))

bool scenario_experiment_revoked(struct guest *guest)
{
    const struct boot_device *target = guest_device(guest, BOOT_DEVICE_TARGET);
    CHECK(target != NULL);
    const struct witness_request report = {
        .resource_id = BOOT_TARGET_RESOURCE,
        .length = target->size,
        .s1_type = MEMATTR_WB,
    };
    volatile uint64_t *words =
        mmu_map(guest->mmu, target->base, target->size, MEMATTR_WB);
    CHECK(words != NULL);
    words[0] = 1;
    CHECK_EQUAL(words[0], 1);
    REQUIRE(witness_observe(guest, &report));
    CHECK_EQUAL(words[0], ALL_ONES);
    words[0] = 2;
    CHECK_EQUAL(words[0], ALL_ONES);
    mmu_unmap(guest->mmu, target->base, target->size, MEMATTR_WB);
    return witness_observe(guest, &report);
}

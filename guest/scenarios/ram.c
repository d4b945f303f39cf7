/* SPDX-License-Identifier: MIT */
/* RAM keeps what is written to it, and pages are not mixed up. */
#include "devices/gpu/witness_abi.h"
#include "guest/check.h"
#include "guest/scenarios.h"

bool scenario_ram(struct guest *guest)
{
    uint64_t size;
    REQUIRE(check_option(guest, "size", 256 * KIB, &size));
    uint64_t count = size / sizeof(uint64_t);
    volatile uint64_t *words = heap_allocate(&guest->heap, size);
    for (uint64_t seed = 1; seed <= 2; seed++) {
        for (uint64_t i = 0; i < count; i++)
            words[i] = witness_pattern(seed, i);
        for (uint64_t i = 0; i < count; i++)
            CHECK_EQUAL(words[i], witness_pattern(seed, i));
    }
    return true;
}

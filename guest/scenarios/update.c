/* SPDX-License-Identifier: MIT */
/*
 * Goes on for a while, during which its VMM may be replaced, and sees nothing of it: each vCPU
 * counts, memory keeps what is in it, time does not go back, and no line that it prints is lost.
 * seconds=N: for how long; size=N: bytes of memory.
 */
#include "devices/gpu/witness_abi.h"
#include "guest/arch.h"
#include "guest/check.h"
#include "guest/scenarios.h"

#define CPUS_MAX 16u
#define LINES    10u /* in a second */
#define TIMEOUT  20u /* seconds that another vCPU may stand still */

struct counters {
    volatile bool stop;
    volatile uint64_t values[CPUS_MAX];
    volatile uint64_t
        wrong[CPUS_MAX]; /* how often a count was not its own copy, plus one */
};

/* In registers and in memory. */
static void count(void *argument, uint32_t index)
{
    struct counters *counters = argument;
    uint64_t own = 0;
    while (!counters->stop) {
        if (counters->values[index] != own)
            counters->wrong[index]++;
        own++;
        counters->values[index]++;
        arch_pause();
    }
}

struct gap {
    uint64_t last;
    uint64_t longest;
};

/* False: time went back. */
static bool take_time(struct gap *gap)
{
    uint64_t now = arch_ticks();
    bool good = now >= gap->last;
    if (good && now - gap->last > gap->longest)
        gap->longest = now - gap->last;
    gap->last = now;
    return good;
}

static bool check_memory(struct guest *guest, volatile uint64_t *words, uint64_t count_of,
                         uint64_t seed, struct gap *gap)
{
    for (uint64_t i = 0; i < count_of; i++) {
        CHECK_EQUAL(words[i], witness_pattern(seed, i));
        words[i] = witness_pattern(seed + 1, i);
        if (i % 64 == 0)
            CHECK(take_time(gap));
    }
    return true;
}

static bool check_counters(struct guest *guest, const struct counters *counters,
                           uint64_t *before)
{
    uint64_t start = arch_ticks();
    for (uint32_t cpu = 1; cpu < guest->boot.cpu_count; cpu++) {
        CHECK_EQUAL(counters->wrong[cpu], 0);
        while (counters->values[cpu] == before[cpu])
            CHECK(arch_ticks() - start < TIMEOUT * arch_ticks_per_second());
        before[cpu] = counters->values[cpu];
    }
    return true;
}

bool scenario_update(struct guest *guest)
{
    struct counters counters = {.stop = false};
    uint64_t before[CPUS_MAX] = {0};
    uint64_t seconds;
    uint64_t size;
    REQUIRE(check_option(guest, "seconds", 10, &seconds));
    REQUIRE(check_option(guest, "size", 16 * KIB, &size));
    CHECK(guest->boot.cpu_count <= CPUS_MAX);
    CHECK(arch_start_cpus(guest, count, &counters));

    uint64_t words_count = size / sizeof(uint64_t);
    volatile uint64_t *words = heap_allocate(&guest->heap, size);
    uint64_t seed = 1;
    for (uint64_t i = 0; i < words_count; i++)
        words[i] = witness_pattern(seed, i);

    uint64_t second = arch_measure_ticks_per_second();
    uint64_t start = arch_ticks();
    struct gap gap = {.last = start};
    for (uint64_t line = 0; line < seconds * LINES; line++) {
        console_printf(&guest->console, "line %lu\n", line);
        while (arch_ticks() - start < (line + 1) * second / LINES) {
            REQUIRE(check_memory(guest, words, words_count, seed, &gap));
            REQUIRE(check_counters(guest, &counters, before));
            seed++;
        }
    }
    counters.stop = true;
    console_printf(&guest->console,
                   "%lu rounds through memory, the longest pause %lu ms\n", seed - 1,
                   gap.longest * 1000 / second);
    return true;
}

/* SPDX-License-Identifier: MIT */
#include "guest/linux/load.h"

#include <inttypes.h>
#include <stdio.h>

#include "devices/gpu/witness_abi.h"

static uint64_t seed_of(const struct load *load, uint64_t round)
{
    return (uint64_t)load->kind->name[0] << 56 | round;
}

void load_fill(const struct load *load, volatile void *memory, uint64_t size,
               uint64_t round)
{
    volatile uint64_t *words = memory;
    uint64_t seed = seed_of(load, round);
    for (uint64_t i = 0; i < size / sizeof *words; i++)
        words[i] = witness_pattern(seed, i);
}

bool load_check(const struct load *load, const char *what, const volatile void *memory,
                uint64_t size, uint64_t round)
{
    const volatile uint64_t *words = memory;
    uint64_t seed = seed_of(load, round);
    for (uint64_t i = 0; i < size / sizeof *words; i++) {
        uint64_t want = witness_pattern(seed, i);
        uint64_t got = words[i];
        if (got == want)
            continue;
        printf("FAIL %s: %s: %s, pattern of round %" PRIu64 ", at %#zx: got %#" PRIx64
               ", want %#" PRIx64 ", now %#" PRIx64 "\n",
               load->test->scenario, load->kind->name, what, round, i * sizeof *words,
               got, want, words[i]);
        return false;
    }
    return true;
}

static void *work(void *argument)
{
    struct load *load = argument;
    while (!load->failed && !load->stop) {
        load->failed = !load->kind->round(load, load->rounds + 1);
        load->rounds += !load->failed;
    }
    return NULL;
}

bool load_start(struct test *test, struct load *load)
{
    load->test = test;
    REQUIRE(load->kind->start(load));
    CHECK_DONE(pthread_create(&load->thread, NULL, work, load));
    return true;
}

bool load_finish(struct load *load)
{
    load->stop = true;
    pthread_join(load->thread, NULL);
    return !load->failed && load->kind->end(load, load->rounds);
}

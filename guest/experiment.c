/* SPDX-License-Identifier: MIT */
#include "guest/experiment.h"

#include "guest/arch.h"
#include "guest/check.h"
#include "guest/witness.h"

#define WORD sizeof(uint64_t)

/* The two ranges of the memory that are looked at, and how the guest reaches them. */
struct view {
    volatile uint64_t *words;
    uint64_t offset; /* bytes from the start of the memory */
    uint64_t length; /* bytes */
};

#define VIEW_COUNT 2u

static void guest_write(const struct view *view, uint64_t seed)
{
    for (uint64_t i = 0; i < view->length / WORD; i++)
        view->words[i] = witness_pattern(seed, i);
}

static uint64_t guest_count_different(const struct view *view, uint64_t seed)
{
    uint64_t different = 0;
    for (uint64_t i = 0; i < view->length / WORD; i++)
        different += view->words[i] != witness_pattern(seed, i);
    return different;
}

/* The host writes, the guest reads. */
static bool host_to_guest(struct guest *guest, uint32_t resource_id,
                          const struct view views[VIEW_COUNT], uint64_t seed,
                          uint64_t *different)
{
    for (unsigned i = 0; i < VIEW_COUNT; i++)
        REQUIRE(witness_write(guest, resource_id, views[i].offset, views[i].length,
                              seed + i));
    arch_barrier();
    for (unsigned i = 0; i < VIEW_COUNT; i++)
        *different += guest_count_different(&views[i], seed + i);
    return true;
}

/* The guest writes, the host reads. */
static bool guest_to_host(struct guest *guest, uint32_t resource_id,
                          const struct view views[VIEW_COUNT], uint64_t seed,
                          uint64_t *different)
{
    for (unsigned i = 0; i < VIEW_COUNT; i++)
        guest_write(&views[i], seed + i);
    arch_barrier();
    for (unsigned i = 0; i < VIEW_COUNT; i++) {
        uint64_t count;
        REQUIRE(witness_check(guest, resource_id, views[i].offset, views[i].length,
                              seed + i, &count));
        *different += count;
    }
    return true;
}

static bool exchange(struct guest *guest, uint32_t resource_id,
                     const struct view views[VIEW_COUNT],
                     struct experiment_result *result)
{
    uint64_t seed =
        arch_ticks(); /* new at each run, so that an old pattern does not pass */
    return host_to_guest(guest, resource_id, views, seed, &result->guest_missed) &&
           guest_to_host(guest, resource_id, views, ~seed, &result->host_missed) &&
           host_to_guest(guest, resource_id, views, seed ^ 0x5555, &result->guest_missed);
}

/* With the memory mapped: fills in what is reported. */
static bool observe(struct guest *guest, const struct experiment *experiment,
                    volatile void *memory, struct experiment_result *result,
                    struct witness_request *report)
{
    uint64_t last = experiment->size - WORD;
    const struct view views[VIEW_COUNT] = {
        {.words = memory, .length = last < EXPERIMENT_MAX ? last : EXPERIMENT_MAX},
        {.words = (volatile uint64_t *)memory + last / WORD,
         .offset = last,
         .length = WORD},
    };
    bool exchanged = exchange(guest, experiment->resource_id, views, result);
    for (unsigned i = 0; i < VIEW_COUNT; i++)
        arch_cache_flush(views[i].words, views[i].length);
    REQUIRE(exchanged);

    uint64_t par;
    report->par = arch_translate(memory, &par) ? par : 0;
    report->observed = (result->guest_missed == 0 ? WITNESS_GUEST_SAW_HOST_WRITE : 0) |
                       (result->host_missed == 0 ? WITNESS_HOST_SAW_GUEST_WRITE : 0);
    if (experiment->try_unaligned)
        report->observed |= arch_unaligned_read(memory) == ARCH_ACCESS_WORKS
                                ? WITNESS_GUEST_UNALIGNED_WORKS
                                : WITNESS_GUEST_UNALIGNED_FAULTED;
    return true;
}

static void print(struct guest *guest, const struct experiment *experiment,
                  const struct experiment_result *result,
                  const struct witness_request *report)
{
    struct console *console = &guest->console;
    console_printf(console,
                   "resource %u: 0x%lx bytes, map_info %s, S1 %s: guest missed %lu "
                   "words, host missed %lu",
                   experiment->resource_id, experiment->size,
                   memattr_map_info_name((enum memattr_map_info)experiment->map_info),
                   memattr_type_name(experiment->s1), result->guest_missed,
                   result->host_missed);
    if (report->par != 0)
        console_printf(console, ", PAR 0x%lx", report->par);
    if (report->observed & WITNESS_GUEST_UNALIGNED_WORKS)
        console_printf(console, ", unaligned read works");
    if (report->observed & WITNESS_GUEST_UNALIGNED_FAULTED)
        console_printf(console, ", unaligned read faults");
    console_printf(console, "\n");
}

bool experiment_run(struct guest *guest, const struct experiment *experiment,
                    struct experiment_result *result)
{
    struct witness_request report = {
        .resource_id = experiment->resource_id,
        .length = experiment->size,
        .s1_type = experiment->s1,
        .map_info = experiment->map_info,
    };
    *result = (struct experiment_result){.guest_missed = 0};
    volatile void *memory =
        mmu_map(guest->mmu, experiment->address, experiment->size, experiment->s1);
    CHECK(memory != NULL);
    bool observed = observe(guest, experiment, memory, result, &report);
    mmu_unmap(guest->mmu, experiment->address, experiment->size, experiment->s1);
    REQUIRE(observed);
    print(guest, experiment, result, &report);
    return witness_observe(guest, &report);
}

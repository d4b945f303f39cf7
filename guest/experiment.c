/* SPDX-License-Identifier: MIT */
/* The experiment on a mapped blob: see blob.h. */
#include "guest/arch.h"
#include "guest/blob.h"
#include "guest/check.h"
#include "guest/witness.h"

#define WORD sizeof(uint64_t)

/* The two ranges of the blob that are looked at, and how the guest reaches them. */
struct view {
    volatile uint64_t *words;
    uint64_t offset; /* bytes from the start of the blob */
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
static bool host_to_guest(struct guest *guest, const struct blob *blob,
                          const struct view views[VIEW_COUNT], uint64_t seed,
                          uint64_t *different)
{
    for (unsigned i = 0; i < VIEW_COUNT; i++)
        REQUIRE(witness_write(guest, blob->resource_id, views[i].offset, views[i].length,
                              seed + i));
    arch_barrier();
    for (unsigned i = 0; i < VIEW_COUNT; i++)
        *different += guest_count_different(&views[i], seed + i);
    return true;
}

/* The guest writes, the host reads. */
static bool guest_to_host(struct guest *guest, const struct blob *blob,
                          const struct view views[VIEW_COUNT], uint64_t seed,
                          uint64_t *different)
{
    for (unsigned i = 0; i < VIEW_COUNT; i++)
        guest_write(&views[i], seed + i);
    arch_barrier();
    for (unsigned i = 0; i < VIEW_COUNT; i++) {
        uint64_t count;
        REQUIRE(witness_check(guest, blob->resource_id, views[i].offset, views[i].length,
                              seed + i, &count));
        *different += count;
    }
    return true;
}

static bool exchange(struct guest *guest, const struct blob *blob, volatile void *pointer,
                     uint64_t *guest_missed, uint64_t *host_missed)
{
    uint64_t seed =
        arch_ticks(); /* new at each run, so that an old pattern does not pass */
    uint64_t last = blob->size - WORD;
    const struct view views[VIEW_COUNT] = {
        {.words = pointer,
         .length = last < BLOB_EXPERIMENT_MAX ? last : BLOB_EXPERIMENT_MAX},
        {.words = (volatile uint64_t *)pointer + last / WORD,
         .offset = last,
         .length = WORD},
    };
    REQUIRE(host_to_guest(guest, blob, views, seed, guest_missed));
    REQUIRE(guest_to_host(guest, blob, views, ~seed, host_missed));
    return host_to_guest(guest, blob, views, seed ^ 0x5555, guest_missed);
}

bool blob_experiment(struct guest *guest, const struct blob *blob, enum memattr_type s1)
{
    uint64_t address = guest->gpu.window.start.value + blob->offset;
    uint64_t guest_missed = 0, host_missed = 0;
    volatile void *pointer = mmu_map(guest->mmu, address, blob->size, s1);
    CHECK(pointer != NULL);
    bool exchanged = exchange(guest, blob, pointer, &guest_missed, &host_missed);
    mmu_unmap(guest->mmu, address, blob->size, s1);
    REQUIRE(exchanged);

    uint32_t observed = (guest_missed == 0 ? WITNESS_GUEST_SAW_HOST_WRITE : 0) |
                        (host_missed == 0 ? WITNESS_HOST_SAW_GUEST_WRITE : 0);
    console_printf(
        &guest->console,
        "blob %u: 0x%lx bytes, map_info %s, S1 %s: guest missed %lu words, host "
        "missed %lu\n",
        blob->resource_id, blob->size,
        memattr_map_info_name((enum memattr_map_info)blob->map_info),
        memattr_type_name(s1), guest_missed, host_missed);
    REQUIRE(witness_observe(guest, blob->resource_id, blob->size, s1, blob->map_info,
                            observed));
    if (s1 == blob_s1(blob)) {
        CHECK_EQUAL(guest_missed, 0);
        CHECK_EQUAL(host_missed, 0);
    }
    return true;
}

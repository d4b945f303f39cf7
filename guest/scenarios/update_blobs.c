/* SPDX-License-Identifier: MIT */
/*
 * Uses a GPU while its VMM is replaced: a blob stays, with a pattern in it that changes; it is unmapped
 * and mapped again, with the same map_info each time; commands have fences; and another blob is made,
 * mapped, written, read and destroyed in each round. Ten lines a second.
 * seconds=N: for how long; blob=shm or virgl.
 */
#include "devices/gpu/witness_abi.h"
#include "guest/arch.h"
#include "guest/blob.h"
#include "guest/check.h"
#include "guest/mmu.h"
#include "guest/scenarios.h"
#include "guest/string.h"

#define SIZE  (16 * KIB)
#define LINES 10u /* in a second */
#define STAYS 1u  /* resource ids */
#define OTHER 2u

static bool fill_and_check(struct guest *guest, const struct blob *blob, bool check,
                           uint64_t old, uint64_t new)
{
    uint64_t address = guest->gpu.window.start.value + blob->offset;
    enum memattr_type type = blob_s1(blob);
    volatile uint64_t *words = mmu_map(guest->mmu, address, blob->size, type);
    bool good = words != NULL;
    for (uint64_t i = 0; good && check && i < blob->size / sizeof *words; i++)
        good = check_equal(guest, __FILE__, __LINE__, "a word of the blob", words[i],
                           witness_pattern(old, i));
    for (uint64_t i = 0; good && i < blob->size / sizeof *words; i++)
        words[i] = witness_pattern(new, i);
    if (words)
        mmu_unmap(guest->mmu, address, blob->size, type);
    return good;
}

static bool map(struct guest *guest, struct blob *blob, uint32_t map_info)
{
    CHECK_RESPONSE(
        gpu_blob_map(&guest->gpu, blob->resource_id, blob->offset, &blob->map_info),
        VIRTIO_GPU_RESP_OK_MAP_INFO);
    CHECK(map_info == 0 || blob->map_info == map_info);
    return true;
}

/* gpu_command() looks at the fence in the answer. */
static bool wait_for_fence(struct guest *guest, uint64_t number)
{
    const struct virtio_gpu_ctx_resource request = {
        .hdr = {.type = VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE,
                .flags = VIRTIO_GPU_FLAG_FENCE,
                .fence_id = number,
                .ctx_id = BLOB_CONTEXT},
        .resource_id = STAYS,
    };
    struct virtio_gpu_ctrl_hdr response;
    CHECK_RESPONSE(gpu_command(&guest->gpu, &request, sizeof request, NULL, 0, &response,
                               sizeof response),
                   VIRTIO_GPU_RESP_OK_NODATA);
    return true;
}

static bool try_another(struct guest *guest, const struct blob *blob, uint64_t round)
{
    struct blob other = *blob;
    other.resource_id = OTHER;
    other.offset = blob->offset + blob->size;
    REQUIRE(blob_create(guest, &other));
    REQUIRE(map(guest, &other, blob->map_info));
    REQUIRE(fill_and_check(guest, &other, false, 0, ~round));
    REQUIRE(fill_and_check(guest, &other, true, ~round, round));
    CHECK_RESPONSE(gpu_blob_unmap(&guest->gpu, OTHER), VIRTIO_GPU_RESP_OK_NODATA);
    CHECK_RESPONSE(gpu_resource_unref(&guest->gpu, OTHER), VIRTIO_GPU_RESP_OK_NODATA);
    return true;
}

static bool run_round(struct guest *guest, struct blob *blob, uint64_t round)
{
    REQUIRE(fill_and_check(guest, blob, round > 0, round, round + 1));
    REQUIRE(wait_for_fence(guest, round + 1));
    CHECK_RESPONSE(gpu_blob_unmap(&guest->gpu, STAYS), VIRTIO_GPU_RESP_OK_NODATA);
    REQUIRE(map(guest, blob, blob->map_info));
    return try_another(guest, blob, round);
}

bool scenario_update_blobs(struct guest *guest)
{
    const char *kind = options_text(&guest->options, "blob", "shm");
    bool is_virgl = string_equal(kind, "virgl");
    struct blob blob = {
        .kind = is_virgl ? BLOB_VIRGL : BLOB_SHM,
        .resource_id = STAYS,
        .flags = VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE |
                 (is_virgl ? VIRTIO_GPU_BLOB_FLAG_USE_SHAREABLE : 0),
        .size = SIZE,
    };
    uint64_t seconds;
    uint64_t rounds = 0;
    CHECK(is_virgl || string_equal(kind, "shm"));
    REQUIRE(check_option(guest, "seconds", 10, &seconds));
    REQUIRE(gpu_start(guest, 0));
    REQUIRE(blob_context(guest, blob.kind));
    REQUIRE(blob_create(guest, &blob));
    REQUIRE(map(guest, &blob, 0));

    uint64_t second = arch_measure_ticks_per_second();
    uint64_t start = arch_ticks();
    for (uint64_t line = 0; line < seconds * LINES; line++) {
        console_printf(&guest->console, "line %lu\n", line);
        do
            REQUIRE(run_round(guest, &blob, rounds++));
        while (arch_ticks() - start < (line + 1) * second / LINES);
    }
    REQUIRE(fill_and_check(guest, &blob, true, rounds, rounds));
    REQUIRE(blob_experiment(guest, &blob, blob_s1(&blob)));
    console_printf(&guest->console, "%lu rounds, map_info %u\n", rounds, blob.map_info);
    return true;
}

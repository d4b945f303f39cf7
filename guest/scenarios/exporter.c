/* SPDX-License-Identifier: MIT */
/*
 * Buffers that come straight from an exporter (s2vmm run --blobs-from), and what an exporter
 * may do with them while the guest has them mapped. Options:
 *
 *   size=BYTES  offset=BYTES (in the window)
 *   map-info=MODE        what the device has to answer: cached uncached wc
 *   expect=refused       MAP_BLOB has to fail, and the device has to live on
 *   to=MODE              exporter-attribute: what the buffer becomes
 *   then=MODE            ... and what the device has to answer the next time, or refused
 *   rounds=N             exporter-moves
 */
#include "devices/gpu/renderer_exporter_abi.h"
#include "guest/arch.h"
#include "guest/blob.h"
#include "guest/check.h"
#include "guest/scenarios.h"
#include "guest/string.h"
#include "guest/window.h"
#include "guest/witness.h"

#define ID        1u
#define HAND_OVER 0x1000u /* bytes that guest and host exchange */

/* Words of the options; the index is a MEMATTR_MAP_*, but for the last one. */
static const char *const answers[] = {
    [MEMATTR_MAP_NONE] = "none",
    [MEMATTR_MAP_CACHED] = "cached",
    [MEMATTR_MAP_UNCACHED] = "uncached",
    [MEMATTR_MAP_WC] = "wc",
    "refused",
};
#define ANSWER_REFUSED (ARRAY_SIZE(answers) - 1)
#define ANSWER_ANY     ARRAY_SIZE(answers)

static bool answer_option(struct guest *guest, const char *key, unsigned *answer)
{
    const char *value = options_text(&guest->options, key, NULL);
    *answer = ANSWER_ANY;
    for (unsigned i = 0; value != NULL && i < ARRAY_SIZE(answers); i++) {
        if (string_equal(value, answers[i]))
            *answer = i;
    }
    if (value == NULL || *answer != ANSWER_ANY)
        return true;
    console_printf(&guest->console, "FAIL %s: unknown value %s=%s\n", guest->scenario,
                   key, value);
    return false;
}

/* Context and blob. */
static bool create(struct guest *guest, struct blob *blob)
{
    struct gpu *gpu = &guest->gpu;
    *blob = (struct blob){.resource_id = ID, .flags = VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE};
    REQUIRE(check_option(guest, "size", 64 * KIB, &blob->size));
    REQUIRE(check_option(guest, "offset", 0, &blob->offset));
    REQUIRE(gpu_start(guest, 0));
    CHECK_RESPONSE(gpu_context_create(gpu, BLOB_CONTEXT, 0), VIRTIO_GPU_RESP_OK_NODATA);
    CHECK_RESPONSE(
        gpu_blob_create(gpu, BLOB_CONTEXT, blob->resource_id, blob->flags, 1, blob->size),
        VIRTIO_GPU_RESP_OK_NODATA);
    CHECK_RESPONSE(gpu_context_attach(gpu, BLOB_CONTEXT, blob->resource_id),
                   VIRTIO_GPU_RESP_OK_NODATA);
    return true;
}

static bool map(struct guest *guest, struct blob *blob, unsigned answer)
{
    uint32_t response =
        gpu_blob_map(&guest->gpu, blob->resource_id, blob->offset, &blob->map_info);
    CHECK_RESPONSE(response, answer == ANSWER_REFUSED ? VIRTIO_GPU_RESP_ERR_UNSPEC
                                                      : VIRTIO_GPU_RESP_OK_MAP_INFO);
    if (answer < ANSWER_REFUSED)
        CHECK_EQUAL(blob->map_info, answer);
    return true;
}

static bool destroy(struct guest *guest, const struct blob *blob)
{
    struct gpu *gpu = &guest->gpu;
    CHECK_RESPONSE(gpu_context_detach(gpu, BLOB_CONTEXT, blob->resource_id),
                   VIRTIO_GPU_RESP_OK_NODATA);
    CHECK_RESPONSE(gpu_resource_unref(gpu, blob->resource_id), VIRTIO_GPU_RESP_OK_NODATA);
    CHECK_RESPONSE(gpu_context_destroy(gpu, BLOB_CONTEXT), VIRTIO_GPU_RESP_OK_NODATA);
    return true;
}

static bool unmap(struct guest *guest, const struct blob *blob)
{
    CHECK_RESPONSE(gpu_blob_unmap(&guest->gpu, blob->resource_id),
                   VIRTIO_GPU_RESP_OK_NODATA);
    return true;
}

/* Has the exporter do something. */
static bool command(struct guest *guest, enum exporter_operation operation,
                    uint32_t argument)
{
    const struct exporter_command words = {
        .operation = operation, .resource_id = ID, .argument = argument};
    CHECK_RESPONSE(gpu_submit(&guest->gpu, BLOB_CONTEXT, &words, sizeof words),
                   VIRTIO_GPU_RESP_OK_NODATA);
    return true;
}

static volatile uint64_t *reach(struct guest *guest, const struct blob *blob)
{
    return mmu_map(guest->mmu, guest->gpu.window.start.value + blob->offset, blob->size,
                   blob_s1(blob));
}

static void leave(struct guest *guest, const struct blob *blob)
{
    mmu_unmap(guest->mmu, guest->gpu.window.start.value + blob->offset, blob->size,
              blob_s1(blob));
}

static void fill(volatile uint64_t *words, uint64_t length, uint64_t seed)
{
    for (uint64_t i = 0; i < length / sizeof *words; i++)
        words[i] = witness_pattern(seed, i);
    arch_barrier();
}

static uint64_t count_different(const volatile uint64_t *words, uint64_t length,
                                uint64_t seed)
{
    uint64_t different = 0;
    arch_barrier();
    for (uint64_t i = 0; i < length / sizeof *words; i++)
        different += words[i] != witness_pattern(seed, i);
    return different;
}

/* --- mapped, or refused --- */

bool scenario_exporter(struct guest *guest)
{
    struct blob blob;
    unsigned answer;
    unsigned expect;
    REQUIRE(answer_option(guest, "map-info", &answer));
    REQUIRE(answer_option(guest, "expect", &expect));
    REQUIRE(create(guest, &blob));
    REQUIRE(map(guest, &blob, expect == ANSWER_REFUSED ? expect : answer));
    if (expect != ANSWER_REFUSED) {
        REQUIRE(blob_experiment(guest, &blob, blob_s1(&blob)));
        REQUIRE(unmap(guest, &blob));
    }
    return destroy(guest, &blob);
}

/* --- a copy: both sides see the other's writes at the points of synchronisation --- */

static bool exchange_copy(struct guest *guest, const struct blob *blob,
                          volatile uint64_t *memory)
{
    volatile uint64_t *second = memory + HAND_OVER / sizeof *memory;
    uint64_t seed = arch_ticks();
    uint64_t different;
    /* An empty stream is a point of synchronisation, too. */
    fill(memory, HAND_OVER, seed);
    REQUIRE(witness_write(guest, ID, HAND_OVER, HAND_OVER, ~seed));
    CHECK_EQUAL(count_different(second, HAND_OVER, ~seed), HAND_OVER / sizeof *memory);
    CHECK_RESPONSE(gpu_submit(&guest->gpu, BLOB_CONTEXT, NULL, 0),
                   VIRTIO_GPU_RESP_OK_NODATA);
    CHECK_EQUAL(count_different(memory, HAND_OVER, seed), 0);
    CHECK_EQUAL(count_different(second, HAND_OVER, ~seed), 0);
    REQUIRE(witness_check(guest, ID, 0, HAND_OVER, seed, &different));
    CHECK_EQUAL(different, 0);
    REQUIRE(witness_check(guest, ID, HAND_OVER, HAND_OVER, ~seed, &different));
    CHECK_EQUAL(different, 0);

    const struct witness_request observation = {
        .resource_id = ID,
        .length = blob->size,
        .s1_type = blob_s1(blob),
        .map_info = blob->map_info,
        .observed = WITNESS_GUEST_SAW_HOST_WRITE | WITNESS_HOST_SAW_GUEST_WRITE,
    };
    REQUIRE(witness_observe(guest, &observation));
    fill(memory, HAND_OVER, seed + 1); /* for the unmapping to carry over */
    return true;
}

bool scenario_exporter_copy(struct guest *guest)
{
    struct blob blob;
    REQUIRE(create(guest, &blob));
    REQUIRE(map(guest, &blob, MEMATTR_MAP_CACHED));
    volatile uint64_t *memory = reach(guest, &blob);
    CHECK(memory != NULL);
    REQUIRE(exchange_copy(guest, &blob, memory));
    uint64_t word = memory[0];
    leave(guest, &blob);
    REQUIRE(unmap(guest, &blob));
    REQUIRE(map(guest, &blob, MEMATTR_MAP_CACHED));
    memory = reach(guest, &blob);
    CHECK(memory != NULL);
    CHECK_EQUAL(memory[0], word);
    leave(guest, &blob);
    REQUIRE(unmap(guest, &blob));
    return destroy(guest, &blob);
}

/* --- moved: nothing stale is read, nothing is lost --- */

bool scenario_exporter_moves(struct guest *guest)
{
    struct blob blob;
    uint64_t rounds;
    REQUIRE(check_option(guest, "rounds", 20, &rounds));
    REQUIRE(create(guest, &blob));
    REQUIRE(map(guest, &blob, ANSWER_ANY));
    volatile uint64_t *memory = reach(guest, &blob);
    CHECK(memory != NULL);
    for (uint64_t round = 0; round < rounds; round++) {
        uint64_t different;
        fill(memory, blob.size, round);
        REQUIRE(command(guest, EXPORTER_MOVE, 0));
        CHECK_EQUAL(count_different(memory, blob.size, round), 0);
        fill(memory, HAND_OVER, ~round);
        REQUIRE(witness_check(guest, ID, 0, HAND_OVER, ~round, &different));
        CHECK_EQUAL(different, 0);
    }
    leave(guest, &blob);
    REQUIRE(blob_experiment(guest, &blob, blob_s1(&blob)));
    REQUIRE(unmap(guest, &blob));
    return destroy(guest, &blob);
}

/* --- taken away --- */

/* The mapping of the guest is still there, and behind it is nothing. */
static bool check_nothing_behind(struct guest *guest, const struct blob *blob,
                                 volatile uint64_t *memory)
{
    CHECK_EQUAL(memory[0], UINT64_MAX);
    memory[0] = 0; /* vanishes, or goes to scratch memory: guest/window.h */
    CHECK(memory[0] == UINT64_MAX || memory[0] == 0);
    memory[0] = UINT64_MAX;
    CHECK_EQUAL(memory[0], UINT64_MAX);
    CHECK_EQUAL(memory[blob->size / sizeof *memory - 1], UINT64_MAX);
    return true;
}

bool scenario_exporter_revokes(struct guest *guest)
{
    struct blob blob;
    REQUIRE(create(guest, &blob));
    REQUIRE(map(guest, &blob, ANSWER_ANY));
    volatile uint64_t *memory = reach(guest, &blob);
    CHECK(memory != NULL);
    fill(memory, blob.size, 1);
    REQUIRE(command(guest, EXPORTER_REVOKE, 0));
    /* A copy of it meets that at its next synchronisation. */
    CHECK_RESPONSE(gpu_submit(&guest->gpu, BLOB_CONTEXT, NULL, 0),
                   VIRTIO_GPU_RESP_OK_NODATA);
    REQUIRE(check_nothing_behind(guest, &blob, memory));
    leave(guest, &blob);
    REQUIRE(window_check_hole(guest, blob.offset));
    uint32_t ignored;
    CHECK_RESPONSE(gpu_blob_map(&guest->gpu, ID, blob.offset, &ignored),
                   VIRTIO_GPU_RESP_ERR_UNSPEC);
    REQUIRE(unmap(guest, &blob));
    REQUIRE(map(guest, &blob, ANSWER_REFUSED)); /* its pages are gone for ever */
    return destroy(guest, &blob);
}

/* --- followed --- */

static bool wait_until_dropped(struct guest *guest, const volatile uint64_t *memory)
{
    uint64_t start = arch_ticks();
    while (*memory != UINT64_MAX)
        CHECK(arch_ticks() - start < 10 * arch_ticks_per_second());
    return true;
}

bool scenario_exporter_attribute(struct guest *guest)
{
    static const uint32_t attributes[] = {
        [MEMATTR_MAP_CACHED] = EXPORTER_WB,
        [MEMATTR_MAP_UNCACHED] = EXPORTER_UC,
        [MEMATTR_MAP_WC] = EXPORTER_WC,
    };
    struct blob blob;
    unsigned answer;
    unsigned to;
    unsigned then;
    REQUIRE(answer_option(guest, "map-info", &answer));
    REQUIRE(answer_option(guest, "to", &to));
    REQUIRE(answer_option(guest, "then", &then));
    CHECK(to > MEMATTR_MAP_NONE && to < ANSWER_REFUSED);
    REQUIRE(create(guest, &blob));
    REQUIRE(map(guest, &blob, answer));
    REQUIRE(blob_experiment(guest, &blob, blob_s1(&blob)));
    volatile uint64_t *memory = reach(guest, &blob);
    CHECK(memory != NULL);
    fill(memory, blob.size, 1);
    REQUIRE(command(guest, EXPORTER_SET_ATTRIBUTE, attributes[to]));
    REQUIRE(wait_until_dropped(guest, memory));
    REQUIRE(check_nothing_behind(guest, &blob, memory));
    leave(guest, &blob);
    REQUIRE(unmap(guest, &blob));
    REQUIRE(map(guest, &blob, then));
    if (then != ANSWER_REFUSED) {
        REQUIRE(blob_experiment(guest, &blob, blob_s1(&blob)));
        REQUIRE(unmap(guest, &blob));
    }
    return destroy(guest, &blob);
}

/* SPDX-License-Identifier: MIT */
/*
 * Somebody kills the render server (tests/e2e/server.c, when the console asks for it):
 *
 *   server-dies   rounds=N times, while a blob is mapped and a fence waits: each command is
 *                 answered, the mapping stays, and what comes next works again. how=reset: after
 *                 a reset of the device; how=contexts: after the last context has gone
 *   server-storm  again and again, at random moments, until lives of a blob have failed for
 *                 breaks=N times, or seconds=N are over; each good one is told ("life"). Then
 *                 all works
 */
#include "guest/arch.h"
#include "guest/blob.h"
#include "guest/check.h"
#include "guest/scenarios.h"

#define BLOB_SIZE  (64 * KIB)
#define OTHER      2u  /* a context, and a resource */
#define PATIENCE   20u /* seconds, on a slow machine */
#define BREAKS_MIN 3u
#define PATTERN    0x5e5e1234deadbeefu

static uint64_t seconds(uint64_t count)
{
    return count * arch_ticks_per_second();
}

static void wait(uint64_t ticks)
{
    uint64_t start = arch_ticks();
    while (arch_ticks() - start < ticks)
        arch_pause();
}

/* The blob's memory, through the window; NULL: the guest has no table for it. */
static volatile uint64_t *open_blob(struct guest *guest, const struct blob *blob)
{
    return mmu_map(guest->mmu, guest->gpu.window.start.value + blob->offset, blob->size,
                   blob_s1(blob));
}

static void close_blob(struct guest *guest, const struct blob *blob)
{
    mmu_unmap(guest->mmu, guest->gpu.window.start.value + blob->offset, blob->size,
              blob_s1(blob));
}

/* --- server-dies --- */

struct fenced {
    struct virtio_gpu_ctx_resource request;
    struct virtio_gpu_ctrl_hdr response;
    int chain;
};

/* A command that changes nothing, with a fence on a ring of the context. */
static bool submit_fence(struct guest *guest, struct fenced *fenced)
{
    struct virtqueue *queue = &guest->gpu.control;
    *fenced =
        (struct fenced){.request = {.hdr = {.type = VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE,
                                            .flags = VIRTIO_GPU_FLAG_FENCE |
                                                     VIRTIO_GPU_FLAG_INFO_RING_IDX,
                                            .fence_id = 77,
                                            .ctx_id = BLOB_CONTEXT},
                                    .resource_id = 1}};
    const struct virtqueue_part parts[] = {
        {.data = &fenced->request, .length = sizeof fenced->request},
        {.data = &fenced->response,
         .length = sizeof fenced->response,
         .device_writes = true},
    };
    fenced->chain = virtqueue_add(queue, parts, ARRAY_SIZE(parts));
    CHECK(fenced->chain >= 0);
    virtqueue_kick(queue);
    return true;
}

static bool is_answered(struct guest *guest, const struct fenced *fenced, uint64_t ticks)
{
    uint64_t start = arch_ticks();
    uint32_t written;
    while (virtqueue_take_used(&guest->gpu.control, &written) != fenced->chain) {
        if (arch_ticks() - start > ticks)
            return false;
        arch_pause();
    }
    return true;
}

/* The server's processes are stopped; then a fence waits for one of them. */
static bool wait_until_stopped(struct guest *guest, struct fenced *fenced)
{
    uint64_t start = arch_ticks();
    console_printf(&guest->console, "stop the server\n");
    do {
        CHECK(arch_ticks() - start < seconds(PATIENCE));
        REQUIRE(submit_fence(guest, fenced));
    } while (is_answered(guest, fenced, seconds(1)));
    return true;
}

/* Context BLOB_CONTEXT exists: no new server may come in between. */
static bool wait_until_killed(struct guest *guest)
{
    struct gpu *gpu = &guest->gpu;
    uint64_t start = arch_ticks();
    while (gpu_context_create(gpu, OTHER, GPU_CAPSET_VENUS) ==
           VIRTIO_GPU_RESP_OK_NODATA) {
        CHECK_RESPONSE(gpu_context_destroy(gpu, OTHER), VIRTIO_GPU_RESP_OK_NODATA);
        CHECK(arch_ticks() - start < seconds(PATIENCE));
    }
    CHECK_RESPONSE(gpu_context_create(gpu, OTHER, GPU_CAPSET_VENUS),
                   VIRTIO_GPU_RESP_ERR_UNSPEC);
    return true;
}

static bool check_what_is_left(struct guest *guest, const struct blob *blob)
{
    struct gpu *gpu = &guest->gpu;
    struct virtio_gpu_resp_display_info info;
    volatile uint64_t *memory = open_blob(guest, blob);
    CHECK(memory != NULL);
    CHECK_EQUAL(memory[0], PATTERN);
    memory[1] = PATTERN + 1;
    CHECK_EQUAL(memory[1], PATTERN + 1);
    close_blob(guest, blob);
    CHECK_RESPONSE(gpu_blob_create(gpu, BLOB_CONTEXT, OTHER,
                                   VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE, 0, BLOB_SIZE),
                   VIRTIO_GPU_RESP_ERR_UNSPEC);
    CHECK_RESPONSE(gpu_get_display_info(gpu, &info), VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
    return true;
}

static bool make_room(struct guest *guest, bool by_reset)
{
    struct gpu *gpu = &guest->gpu;
    if (by_reset)
        return gpu_start(guest, 0);
    CHECK_RESPONSE(gpu_context_destroy(gpu, BLOB_CONTEXT), VIRTIO_GPU_RESP_OK_NODATA);
    /* Its blob is still in the window, and the renderer's. */
    CHECK_RESPONSE(gpu_context_create(gpu, OTHER, GPU_CAPSET_VENUS),
                   VIRTIO_GPU_RESP_ERR_UNSPEC);
    CHECK_RESPONSE(gpu_blob_unmap(gpu, 1), VIRTIO_GPU_RESP_OK_NODATA);
    CHECK_RESPONSE(gpu_resource_unref(gpu, 1), VIRTIO_GPU_RESP_OK_NODATA);
    return true;
}

bool scenario_server_dies(struct guest *guest)
{
    struct blob blob;
    struct fenced fenced;
    const char *how = options_text(&guest->options, "how", "reset");
    bool by_reset = how[0] == 'r';
    uint64_t rounds;
    REQUIRE(check_option(guest, "rounds", 2, &rounds));
    REQUIRE(gpu_start(guest, 0));
    for (uint64_t round = 0; round < rounds; round++) {
        REQUIRE(blob_context(guest, BLOB_SHM));
        REQUIRE(blob_create_mapped(guest, &blob, 1, BLOB_SIZE, 0));
        volatile uint64_t *memory = open_blob(guest, &blob);
        CHECK(memory != NULL);
        memory[0] = PATTERN;
        close_blob(guest, &blob);

        REQUIRE(wait_until_stopped(guest, &fenced));
        console_printf(&guest->console, "kill the server\n");
        CHECK(is_answered(guest, &fenced, seconds(PATIENCE)));
        REQUIRE(wait_until_killed(guest));
        REQUIRE(check_what_is_left(guest, &blob));
        REQUIRE(make_room(guest, by_reset));
    }
    REQUIRE(blob_context(guest, BLOB_SHM));
    REQUIRE(blob_create_mapped(guest, &blob, 1, BLOB_SIZE, 0));
    return blob_experiment(guest, &blob, blob_s1(&blob));
}

/* --- server-storm --- */

/* A blob's life; false: a command of it failed, and the rest was not tried. */
static bool live(struct guest *guest)
{
    struct gpu *gpu = &guest->gpu;
    struct blob blob = {.resource_id = 1, .size = BLOB_SIZE};
    if (gpu_context_create(gpu, BLOB_CONTEXT, GPU_CAPSET_VENUS) !=
            VIRTIO_GPU_RESP_OK_NODATA ||
        gpu_blob_create(gpu, BLOB_CONTEXT, 1, VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE, 0,
                        BLOB_SIZE) != VIRTIO_GPU_RESP_OK_NODATA ||
        gpu_blob_map(gpu, 1, 0, &blob.map_info) != VIRTIO_GPU_RESP_OK_MAP_INFO)
        return false;
    volatile uint64_t *memory = open_blob(guest, &blob);
    for (uint64_t i = 0; memory && i < BLOB_SIZE / sizeof *memory; i += 512)
        memory[i] = i;
    close_blob(guest, &blob);
    return memory && gpu_blob_unmap(gpu, 1) == VIRTIO_GPU_RESP_OK_NODATA &&
           gpu_resource_unref(gpu, 1) == VIRTIO_GPU_RESP_OK_NODATA &&
           gpu_context_destroy(gpu, BLOB_CONTEXT) == VIRTIO_GPU_RESP_OK_NODATA;
}

/* What may be there of it: without a reset it is taken down piece by piece. */
static bool clean_up(struct guest *guest, bool by_reset)
{
    struct gpu *gpu = &guest->gpu;
    if (by_reset)
        return gpu_start(guest, 0);
    gpu_blob_unmap(gpu, 1);
    gpu_resource_unref(gpu, 1);
    gpu_context_destroy(gpu, BLOB_CONTEXT);
    return true;
}

bool scenario_server_storm(struct guest *guest)
{
    struct blob blob;
    uint64_t wanted;
    uint64_t limit;
    unsigned lives = 0;
    unsigned failures = 0;
    unsigned breaks = 0;
    bool was_good = false;
    REQUIRE(check_option(guest, "breaks", 20, &wanted));
    REQUIRE(check_option(guest, "seconds", 40, &limit));
    REQUIRE(gpu_start(guest, 0));
    console_printf(&guest->console, "storm\n");
    uint64_t start = arch_ticks();
    while (breaks < wanted && arch_ticks() - start < seconds(limit)) {
        bool is_good = live(guest);
        if (is_good)
            console_printf(&guest->console, "life\n");
        if (!is_good)
            REQUIRE(clean_up(guest, failures++ % 2 == 0));
        lives += is_good;
        breaks += was_good && !is_good;
        was_good = is_good;
    }
    console_printf(&guest->console, "calm after %u lives, %u failures, %u breaks\n",
                   lives, failures, breaks);
    CHECK(breaks >= BREAKS_MIN);
    wait(seconds(2)); /* until the last kill has been */
    REQUIRE(gpu_start(guest, 0));
    REQUIRE(blob_context(guest, BLOB_SHM));
    REQUIRE(blob_create_mapped(guest, &blob, 1, BLOB_SIZE, 0));
    return blob_experiment(guest, &blob, blob_s1(&blob));
}

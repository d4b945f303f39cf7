/* SPDX-License-Identifier: MIT */
/* The device, its capsets, contexts and fences. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "guest/linux/drm.h"
#include "guest/linux/scenarios.h"

#define CAPSET_MAX  64u
#define FENCE_COUNT 8u
#define TIMEOUT     20000 /* milliseconds */

static const char *capset_name(uint32_t id)
{
    static const char *const names[] = {
        [1] = "virgl", [2] = "virgl2",       [3] = "gfxstream",
        [4] = "venus", [5] = "cross-domain", [6] = "drm",
    };
    return id < sizeof names / sizeof names[0] && names[id] ? names[id] : "?";
}

bool scenario_info(struct test *test)
{
    struct gpu gpu;
    CHECK_DONE(gpu_open_render(&gpu));
    test_say(test, "3D %s, blobs %s, window %s, UUID %s, capsets %#" PRIx64,
             gpu.has_3d ? "yes" : "no", gpu.has_blobs ? "yes" : "no",
             gpu.has_window ? "yes" : "no", gpu.has_cross_device ? "yes" : "no",
             gpu.capsets);
    gpu_close(&gpu);
    return true;
}

bool scenario_capsets(struct test *test)
{
    struct gpu gpu;
    unsigned count = 0;
    CHECK_DONE(gpu_open_render(&gpu));
    for (uint32_t id = 1; id < CAPSET_MAX; id++) {
        uint8_t bytes[4096] = {0};
        if (!gpu_has_capset(&gpu, id)) {
            CHECK_ERROR(gpu_get_capset(&gpu, id, bytes, sizeof bytes), EINVAL);
            continue;
        }
        CHECK_DONE(gpu_get_capset(&gpu, id, bytes, sizeof bytes));
        size_t used = sizeof bytes;
        while (used > 0 && bytes[used - 1] == 0)
            used--;
        test_say(test, "capset %u (%s): %zu bytes", id, capset_name(id), used);
        count++;
    }
    CHECK(count > 0);
    gpu_close(&gpu);
    return true;
}

bool scenario_contexts(struct test *test)
{
    struct gpu gpu;
    CHECK_DONE(gpu_open_render(&gpu));
    uint64_t capsets = gpu.capsets;
    CHECK_ERROR(gpu_context(&gpu, CAPSET_MAX - 1, 1), EINVAL);
    gpu_close(&gpu);
    for (uint32_t id = 1; id < CAPSET_MAX; id++) {
        if (!((capsets >> id) & 1))
            continue;
        struct gpu other;
        CHECK_DONE(gpu_open_render(&gpu));
        CHECK_DONE(gpu_open_render(&other));
        CHECK_DONE(gpu_context(&gpu, id, 1));
        CHECK_DONE(gpu_context(&other, id, 1));
        CHECK_ERROR(gpu_context(&gpu, id, 1), EEXIST);
        gpu_close(&gpu);
        gpu_close(&other);
        test_say(test, "two contexts of capset %u (%s)", id, capset_name(id));
    }
    return true;
}

/* Whether the fence's file has become readable: it has signalled. */
static bool has_signalled(int fence, int timeout)
{
    struct pollfd file = {.fd = fence, .events = POLLIN};
    return poll(&file, 1, timeout) == 1 && (file.revents & POLLIN);
}

static bool check_order(struct test *test, const struct gpu *gpu, uint32_t ring)
{
    /* A virgl command of one word that does nothing (VIRGL_CCMD_NOP). */
    struct stream nothing = {.size = 0};
    int fences[FENCE_COUNT];
    stream_put32(&nothing, 0);
    for (unsigned i = 0; i < FENCE_COUNT; i++) {
        CHECK_DONE(gpu_submit(gpu, &nothing, ring, NULL, 0, &fences[i]));
        CHECK(fences[i] >= 0);
    }
    CHECK(has_signalled(fences[FENCE_COUNT - 1], TIMEOUT));
    for (unsigned i = 0; i < FENCE_COUNT; i++) {
        CHECK(has_signalled(fences[i], 0));
        close(fences[i]);
    }
    return true;
}

bool scenario_fences(struct test *test)
{
    struct gpu gpu;
    CHECK_DONE(gpu_open_render(&gpu));
    CHECK_DONE(gpu_context(&gpu, GPU_CAPSET_VIRGL2, 2));
    REQUIRE(check_order(test, &gpu, 0));
    REQUIRE(check_order(test, &gpu, 1));
    struct stream nothing = {.size = 0};
    int fence;
    stream_put32(&nothing, 0);
    CHECK_ERROR(gpu_submit(&gpu, &nothing, 2, NULL, 0, &fence), EINVAL);
    gpu_close(&gpu);
    test_say(test, "%u fences on each of two rings, in order", FENCE_COUNT);
    return true;
}

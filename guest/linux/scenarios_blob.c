/* SPDX-License-Identifier: MIT */
/*
 * One blob after the other of each kind: created, mapped, looked at, written and read, unmapped
 * and destroyed. Options:
 *
 *   size=BYTES rounds=N
 *   flags=N           VIRTGPU_USE_*
 *   s1=TYPE           the type that the guest's page table has to have: WB, WC, UC-, NC, ...
 *   expect=refused    the mapping has to fail with EINVAL (the device refused MAP_BLOB), and
 *                     the device has to live on
 *   witness=no        does not ask the host
 */
#include <errno.h>
#include <string.h>

#include "guest/linux/blob.h"
#include "guest/linux/scenarios.h"

/* The driver sends MAP_BLOB when the blob is created; virtio_gpu_vram_mmap() gives EINVAL if the
 * answer was an error (drivers/gpu/drm/virtio/virtgpu_vram.c). */
static bool examine_or_refused(struct test *test, const struct gpu *gpu,
                               struct blob *blob, bool refused)
{
    if (refused) {
        CHECK_ERROR(blob_map(gpu, blob), EINVAL);
        test_say(test, "resource %u: refused", blob->resource_id);
        return true;
    }
    CHECK_DONE(blob_map(gpu, blob));
    return blob_examine(test, blob);
}

static bool run_rounds(struct test *test, const struct gpu *gpu, enum blob_kind kind)
{
    uint64_t size;
    uint64_t flags;
    uint64_t rounds;
    const char *expect = options_text(&test->options, "expect", "mapped");
    CHECK(strcmp(expect, "mapped") == 0 || strcmp(expect, "refused") == 0);
    REQUIRE(test_option(test, "size", blob_default_size(kind), &size));
    REQUIRE(test_option(test, "flags", blob_default_flags(kind), &flags));
    REQUIRE(test_option(test, "rounds", 1, &rounds));
    REQUIRE(blob_context(test, gpu, kind));
    for (uint64_t round = 0; round < rounds; round++) {
        struct blob blob = {
            .kind = kind,
            .flags = (uint32_t)flags,
            .size = size,
            .object = round + 1,
        };
        CHECK_DONE(blob_create(gpu, &blob));
        bool works = examine_or_refused(test, gpu, &blob, strcmp(expect, "refused") == 0);
        CHECK_DONE(blob_destroy(gpu, &blob));
        REQUIRE(works);
    }
    return true;
}

static bool blob_scenario(struct test *test, enum blob_kind kind)
{
    struct gpu gpu;
    CHECK_DONE(gpu_open_render(&gpu));
    bool works = run_rounds(test, &gpu, kind);
    gpu_close(&gpu);
    return works;
}

bool scenario_blob_shm(struct test *test)
{
    return blob_scenario(test, BLOB_SHM);
}

bool scenario_blob_venus(struct test *test)
{
    return blob_scenario(test, BLOB_VENUS);
}

bool scenario_blob_virgl(struct test *test)
{
    return blob_scenario(test, BLOB_VIRGL);
}

bool scenario_blob_guest(struct test *test)
{
    return blob_scenario(test, BLOB_GUEST);
}

bool scenario_blob_host3d_guest(struct test *test)
{
    return blob_scenario(test, BLOB_HOST3D_GUEST);
}

/* SPDX-License-Identifier: MIT */
/*
 * Many blobs at once, and a window that has no room left. Option keep=yes: the many are still mapped
 * when the VM ends.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "guest/linux/blob.h"
#include "guest/linux/scenarios.h"
#include "vmm/types.h"

#define REFUSALS_MAX       10u
#define REFUSALS_MAX_LATER 500u /* of 20 ms each */

struct many {
    struct gpu gpu;
    struct blob *blobs;
    uint64_t count; /* created */
    uint64_t room;  /* of the array */
    uint64_t size;  /* bytes, of each */
};

/* Creates and maps one more. 0 or an errno: ENOSPC if there is no room in the window
 * (drm_mm_insert_node() in virtio_gpu_vram_map()). */
static int add(struct many *many)
{
    struct blob *blob = &many->blobs[many->count];
    *blob = (struct blob){
        .kind = BLOB_SHM,
        .flags = VIRTGPU_USE_MAPPABLE,
        .size = many->size,
    };
    int error = blob_create(&many->gpu, blob);
    if (error)
        return error;
    many->count++;
    return blob_map(&many->gpu, blob);
}

static bool start(struct test *test, struct many *many, uint64_t room, uint64_t size)
{
    *many = (struct many){.gpu = {.fd = -1}, .room = room, .size = size};
    many->blobs = calloc(room, sizeof *many->blobs);
    CHECK(many->blobs != NULL);
    CHECK_DONE(gpu_open_render(&many->gpu));
    return blob_context(test, &many->gpu, BLOB_SHM);
}

static void finish(struct many *many)
{
    gpu_close(&many->gpu);
    free(many->blobs);
}

static void remove_all(struct many *many)
{
    for (uint64_t i = 0; i < many->count; i++)
        (void)blob_destroy(&many->gpu, &many->blobs[i]);
    many->count = 0;
}

/* Each has its own pattern: two that share a page would show. */
static bool fill_and_check(struct test *test, const struct many *many)
{
    for (uint64_t i = 0; i < many->count; i++)
        *(volatile uint64_t *)many->blobs[i].address = i ^ 0x5327a11u;
    for (uint64_t i = 0; i < many->count; i++)
        CHECK_EQUAL(*(volatile uint64_t *)many->blobs[i].address, i ^ 0x5327a11u);
    return true;
}

static bool run_many(struct test *test, struct many *many)
{
    while (many->count < many->room)
        CHECK_DONE(add(many));
    REQUIRE(fill_and_check(test, many));
    REQUIRE(blob_examine(test, &many->blobs[many->count - 1]));
    test_say(test, "%" PRIu64 " blobs of %" PRIu64 " bytes mapped at once", many->count,
             many->size);
    return true;
}

bool scenario_blob_many(struct test *test)
{
    struct many many;
    bool kept = false;
    uint64_t count;
    uint64_t size;
    REQUIRE(test_option(test, "count", 1000, &count));
    REQUIRE(test_option(test, "size", 4 * KIB, &size));
    CHECK(count > 0 && count <= 1000000);
    bool works = start(test, &many, count, size) && run_many(test, &many) &&
                 test_keep(test, &kept);
    if (!kept)
        remove_all(&many);
    finish(&many);
    return works;
}

/* Adds until there is no room, for good: the driver gives the place of a closed blob free when
 * the host has answered to RESOURCE_UNREF, which is later (virtio_gpu_cleanup_object()), and an
 * emulated host needs a fifth of a second for each. */
static int fill(struct many *many, unsigned patience)
{
    const struct timespec moment = {.tv_nsec = 20000000};
    int error = 0;
    for (unsigned refusals = 0; many->count < many->room && refusals < patience;) {
        error = add(many);
        if (error != 0 && error != ENOSPC)
            return error;
        refusals += error == ENOSPC;
        if (error == ENOSPC)
            nanosleep(&moment, NULL);
    }
    return error;
}

/* Then everything goes, and it must all fit once more. */
static bool fill_twice(struct test *test, struct many *many)
{
    int error = fill(many, REFUSALS_MAX);
    uint64_t first = many->count;
    CHECK_ERROR(error, ENOSPC);
    CHECK(first > 0);
    REQUIRE(fill_and_check(test, many));
    REQUIRE(blob_examine(test, &many->blobs[first - 1]));
    remove_all(many);

    many->room = first;
    CHECK_DONE(fill(many, REFUSALS_MAX_LATER));
    CHECK_EQUAL(many->count, first);
    REQUIRE(fill_and_check(test, many));
    REQUIRE(blob_examine(test, &many->blobs[first - 1]));
    test_say(test, "%" PRIu64 " blobs of %" PRIu64 " bytes fill the window, twice", first,
             many->size);
    return true;
}

bool scenario_window_full(struct test *test)
{
    struct many many;
    uint64_t size;
    REQUIRE(test_option(test, "size", 16 * MIB, &size));
    bool works = start(test, &many, 4096, size) && fill_twice(test, &many);
    remove_all(&many);
    finish(&many);
    return works;
}

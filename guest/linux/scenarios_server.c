/* SPDX-License-Identifier: MIT */
/*
 *   server-dies   somebody stops the host's render server when the console asks for it, and then
 *                 kills it (tests/e2e/server.c), while a blob is mapped and a fence waits. The fence
 *                 is signalled, the mapping stays, no new blob comes; and when the last context and
 *                 its blobs are gone all works again, for the next program that opens the device.
 *                 Needs device-errors=yes
 */
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "guest/linux/blob.h"
#include "guest/linux/scenarios.h"

#define BLOB_SIZE 65536u
#define PATIENCE  20u  /* seconds, on a slow machine */
#define WAIT      1000 /* milliseconds: so long no fence takes */
#define SEED      77u

static bool later_than(time_t start, unsigned seconds)
{
    return time(NULL) - start > (time_t)seconds;
}

/* A fence on ring 0 of the context: it is the server that signals it, unlike one of no ring. */
static bool submit_fence(struct test *test, const struct gpu *gpu, struct pollfd *file)
{
    struct virtgpu_submit submit = {
        .flags = VIRTGPU_SUBMIT_FENCE_OUT | VIRTGPU_SUBMIT_RING,
        .fence_fd = -1,
    };
    CHECK_DONE(drm_ioctl(gpu->fd, VIRTGPU_IOCTL_SUBMIT, &submit));
    *file = (struct pollfd){.fd = submit.fence_fd, .events = POLLIN};
    CHECK(file->fd >= 0);
    return true;
}

static bool wait_until_stopped(struct test *test, const struct gpu *gpu,
                               struct pollfd *file)
{
    const time_t start = time(NULL);
    test_say(test, "stop the server");
    for (;;) {
        CHECK(!later_than(start, PATIENCE));
        REQUIRE(submit_fence(test, gpu, file));
        if (poll(file, 1, WAIT) == 0)
            return true;
        close(file->fd);
    }
}

/* The driver does not wait for the answer to CTX_CREATE: whether there is a context, a blob of it
 * says, when it is mapped. */
static bool try_blob(struct test *test, struct gpu *gpu, struct blob *blob, bool *works)
{
    *blob = (struct blob){.kind = BLOB_SHM,
                          .flags = blob_default_flags(BLOB_SHM),
                          .size = BLOB_SIZE,
                          .object = 1};
    CHECK_DONE(gpu_open_render(gpu));
    REQUIRE(blob_context(test, gpu, BLOB_SHM));
    *works = blob_create(gpu, blob) == 0 && blob_map(gpu, blob) == 0;
    if (!*works) {
        CHECK_DONE(blob_destroy(gpu, blob));
        gpu_close(gpu);
    }
    return true;
}

static bool killed_while_mapped(struct test *test)
{
    struct gpu gpu;
    struct gpu other;
    struct blob blob;
    struct blob refused;
    struct pollfd file;
    bool works;
    REQUIRE(try_blob(test, &gpu, &blob, &works));
    CHECK(works);
    blob_fill(&blob, SEED);
    REQUIRE(wait_until_stopped(test, &gpu, &file));
    test_say(test, "kill the server");
    CHECK(poll(&file, 1, (int)PATIENCE * 1000) == 1);
    close(file.fd);

    CHECK(blob_holds(&blob, SEED));
    blob_fill(&blob, SEED + 1);
    CHECK(blob_holds(&blob, SEED + 1));
    REQUIRE(try_blob(test, &other, &refused, &works));
    CHECK(!works);
    CHECK_DONE(blob_destroy(&gpu, &blob));
    gpu_close(&gpu);
    return true;
}

/* The driver destroys contexts and blobs in its own time. */
bool scenario_server_dies(struct test *test)
{
    struct gpu gpu;
    struct blob blob;
    bool works = false;
    REQUIRE(killed_while_mapped(test));
    for (time_t start = time(NULL); !works; usleep(100000)) {
        CHECK(!later_than(start, PATIENCE));
        REQUIRE(try_blob(test, &gpu, &blob, &works));
    }
    works = blob_examine(test, &blob);
    CHECK_DONE(blob_destroy(&gpu, &blob));
    gpu_close(&gpu);
    return works;
}

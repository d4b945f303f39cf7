/* SPDX-License-Identifier: MIT */
/*
 * What blobs and commands cost a program in the guest; the same program runs under any VMM.
 *
 *   bench-blob    create, the map ioctl, mmap() and the first touch of a blob, and its unmapping;
 *                 then with many held, and their unmapping: of shared memory, of which one word is
 *                 touched, or (shm-whole) a word of each page; and of Vulkan's.
 *                 Options: size=BYTES rounds=N held=N vulkan=yes
 *   bench-queue   an empty submission of a venus context: with a fence that is waited for, and
 *                 many, of which the last is waited for. Options: rounds=N
 *
 * Lines: "bench NAME: min median p99" in microseconds.
 */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "guest/linux/blob.h"
#include "guest/linux/scenarios.h"
#include "vmm/types.h"

#define COUNT_MAX      100000u
#define FENCE_TIMEOUT  60000 /* ms */
#define MICROSECOND_NS 1000u

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Sorts the times, in nanoseconds. The console has the line before the next measurement begins. */
static void report(const struct test *test, const char *what, const char *name,
                   uint64_t *times, uint64_t count)
{
    qsort(times, count, sizeof *times, compare);
    test_say(test, "bench %s-%s: %" PRIu64 " %" PRIu64 " %" PRIu64, what, name,
             times[0] / MICROSECOND_NS, times[count / 2] / MICROSECOND_NS,
             times[count * 99 / 100] / MICROSECOND_NS);
    (void)fflush(stdout);
    (void)tcdrain(STDOUT_FILENO);
}

/* --- blobs --- */

struct bench {
    struct gpu gpu;
    enum blob_kind kind;
    bool whole;      /* every page of a blob is touched, not only the first one */
    uint64_t size;   /* bytes of a blob */
    uint64_t rounds; /* for the times of one blob */
    uint64_t held;
    struct blob *blobs; /* held of them */
    uint64_t *times;    /* ns, as many as the larger of the two */
    uint64_t objects;   /* of Vulkan, so far */
};

static bool add(struct test *test, struct bench *bench, struct blob *blob)
{
    *blob = (struct blob){.kind = bench->kind,
                          .flags = VIRTGPU_USE_MAPPABLE,
                          .size = bench->size,
                          .object = ++bench->objects};
    CHECK_DONE(blob_create(&bench->gpu, blob));
    CHECK_DONE(blob_map(&bench->gpu, blob));
    const uint64_t page = (uint64_t)getpagesize();
    for (uint64_t i = 0; i < (bench->whole ? bench->size : 1); i += page)
        *(volatile uint64_t *)((char *)blob->address + i) = 1;
    return true;
}

static const char *name_of(const struct bench *bench)
{
    return bench->kind != BLOB_SHM ? "vulkan" : bench->whole ? "shm-whole" : "shm";
}

/* Each waits for the unmapping of the one before it: the driver's queue is one. */
static bool measure_one(struct test *test, struct bench *bench)
{
    for (uint64_t i = 0; i < bench->rounds; i++) {
        struct blob blob;
        uint64_t start = now();
        REQUIRE(add(test, bench, &blob));
        bench->times[i] = now() - start;
        CHECK_DONE(blob_destroy(&bench->gpu, &blob));
    }
    report(test, name_of(bench), "map", bench->times, bench->rounds);
    return true;
}

/* Unmapping is over when the commands behind it are answered: those of one more blob. */
static bool measure_held(struct test *test, struct bench *bench)
{
    struct blob last;
    CHECK(bench->held > 0);
    for (uint64_t i = 0; i < bench->held; i++) {
        uint64_t start = now();
        REQUIRE(add(test, bench, &bench->blobs[i]));
        bench->times[i] = now() - start;
    }
    report(test, name_of(bench), "map-held", bench->times, bench->held);
    uint64_t start = now();
    for (uint64_t i = 0; i < bench->held; i++)
        CHECK_DONE(blob_destroy(&bench->gpu, &bench->blobs[i]));
    REQUIRE(add(test, bench, &last));
    bench->times[0] = (now() - start) / bench->held;
    report(test, name_of(bench), "unmap-held", bench->times, 1);
    CHECK_DONE(blob_destroy(&bench->gpu, &last));
    return true;
}

static bool measure_kind(struct test *test, struct bench *bench, enum blob_kind kind,
                         bool whole)
{
    bench->kind = kind;
    bench->whole = whole;
    CHECK_DONE(gpu_open_render(&bench->gpu));
    bool works = blob_context(test, &bench->gpu, kind) && measure_one(test, bench) &&
                 measure_held(test, bench);
    gpu_close(&bench->gpu);
    return works;
}

static bool measure_all(struct test *test, struct bench *bench, bool vulkan)
{
    CHECK(bench->blobs != NULL && bench->times != NULL);
    return measure_kind(test, bench, BLOB_SHM, false) &&
           measure_kind(test, bench, BLOB_SHM, true) &&
           (!vulkan || measure_kind(test, bench, BLOB_VENUS, false));
}

bool scenario_bench_blob(struct test *test)
{
    struct bench bench = {.objects = 0};
    bool vulkan;
    REQUIRE(test_flag(test, "vulkan", false, &vulkan));
    REQUIRE(test_option(test, "size", 64 * KIB, &bench.size));
    REQUIRE(test_option(test, "rounds", 200, &bench.rounds));
    REQUIRE(test_option(test, "held", 4000, &bench.held));
    CHECK(bench.rounds > 0 && bench.rounds <= COUNT_MAX);
    CHECK(bench.held > 0 && bench.held <= COUNT_MAX);
    bench.blobs = calloc(bench.held, sizeof *bench.blobs);
    bench.times = calloc(bench.held + bench.rounds, sizeof *bench.times);
    bool works = measure_all(test, &bench, vulkan);
    free(bench.blobs);
    free(bench.times);
    return works;
}

/* --- the control queue --- */

static bool wait_for(struct test *test, int fence)
{
    struct pollfd file = {.fd = fence, .events = POLLIN};
    CHECK(fence >= 0);
    CHECK(poll(&file, 1, FENCE_TIMEOUT) == 1);
    close(fence);
    return true;
}

static bool measure_submissions(struct test *test, const struct gpu *gpu, uint64_t *times,
                                uint64_t rounds)
{
    const struct stream nothing = {.size = 0};
    int fence = -1;
    for (uint64_t i = 0; i < rounds; i++) {
        uint64_t start = now();
        CHECK_DONE(gpu_submit(gpu, &nothing, 0, NULL, 0, &fence));
        REQUIRE(wait_for(test, fence));
        times[i] = now() - start;
    }
    report(test, "submission", "fenced", times, rounds);
    uint64_t start = now();
    for (uint64_t i = 0; i < rounds; i++)
        CHECK_DONE(gpu_submit(gpu, &nothing, 0, NULL, 0, i + 1 < rounds ? NULL : &fence));
    REQUIRE(wait_for(test, fence));
    times[0] = (now() - start) / rounds;
    report(test, "submission", "many", times, 1);
    return true;
}

bool scenario_bench_queue(struct test *test)
{
    struct gpu gpu;
    uint64_t rounds;
    REQUIRE(test_option(test, "rounds", 500, &rounds));
    CHECK(rounds > 0 && rounds <= COUNT_MAX);
    CHECK_DONE(gpu_open_render(&gpu));
    CHECK_DONE(gpu_context(&gpu, GPU_CAPSET_VENUS, 1));
    uint64_t *times = calloc(rounds, sizeof *times);
    bool works = times != NULL && measure_submissions(test, &gpu, times, rounds);
    free(times);
    gpu_close(&gpu);
    return works;
}

/* SPDX-License-Identifier: MIT */
/*
 * bench-queue: what a command of the control queue costs, seen from a vCPU; the time of one access
 * to a register that the VMM emulates is the measure to compare with. Options:
 *
 *   rounds=N      of each kind of command
 *   venus=yes     empty SUBMIT_3D of a venus context, too
 *   virgl=yes     SUBMIT_3D of an OpenGL context, with one command that does nothing
 *
 * Its times are medians: nanoseconds of the local APIC's timer on x86, of the counter on arm64.
 *
 * bench-stay: maps a blob, if there is a GPU, and stays, for those who look at the VMM's memory.
 * Option map=no: does not map.
 *
 * bench-first-map: maps a blob, and says so.
 */
#include <linux/virtio_ids.h>

#include "guest/arch.h"
#include "guest/blob.h"
#include "guest/check.h"
#include "guest/scenarios.h"
#include "guest/string.h"

#define BATCH         VIRTQUEUE_CHAINS
#define ROUNDS_MAX    1000000u
#define BILLION       1000000000u
#define TIMEOUT       20u /* seconds */
#define FIRST_FENCE   1u
#define SMALL_BLOB    (64 * KIB)
#define CONFIG_EVENTS 0u /* events_read of the device configuration */

struct bench {
    struct guest *guest;
    uint64_t rounds;
    uint64_t *ticks; /* of each round */
    uint64_t ticks_per_second;
    bool interrupts; /* wanted after every command, and acknowledged */
};

/* Shell's sort. */
static void sort(uint64_t *values, uint64_t count)
{
    for (uint64_t gap = count / 2; gap > 0; gap /= 2) {
        for (uint64_t i = gap; i < count; i++) {
            uint64_t value = values[i];
            uint64_t at = i;
            for (; at >= gap && values[at - gap] > value; at -= gap)
                values[at] = values[at - gap];
            values[at] = value;
        }
    }
}

/* In each of the first `rounds` of bench->ticks `commands` were done. */
static void report(const struct bench *bench, const char *name, uint64_t rounds,
                   uint64_t commands)
{
    sort(bench->ticks, rounds);
    uint64_t ticks = bench->ticks[rounds / 2];
    uint64_t nanoseconds =
        ticks * (BILLION / 1000) / (bench->ticks_per_second / 1000) / commands;
    console_printf(&bench->guest->console, "bench-queue %s%s: %lu ns, %lu per second\n",
                   name, bench->interrupts ? ", interrupts" : "", nanoseconds,
                   nanoseconds > 0 ? BILLION / nanoseconds : 0);
}

/* The floor: an exit to the VMM and back. */
static void measure_register(const struct bench *bench)
{
    for (uint64_t i = 0; i < bench->rounds; i++) {
        uint64_t start = arch_ticks();
        (void)virtio_config(&bench->guest->gpu.virtio, CONFIG_EVENTS);
        bench->ticks[i] = arch_ticks() - start;
    }
    report(bench, "register", bench->rounds, 1);
}

static void acknowledge(const struct bench *bench)
{
    struct gpu *gpu = &bench->guest->gpu;
    if (!bench->interrupts)
        return;
    virtio_interrupt_acknowledge(&gpu->virtio, virtio_interrupt_status(&gpu->virtio));
    virtqueue_want_interrupts(&gpu->control, true);
}

/* One command after the other, each waited for. */
static bool measure_one(const struct bench *bench, const char *name,
                        const struct virtio_gpu_cmd_submit *request, uint32_t size,
                        uint32_t want)
{
    struct guest *guest = bench->guest;
    struct virtio_gpu_cmd_submit command = *request;
    struct virtio_gpu_resp_display_info response;
    const uint32_t no_operation = 0; /* VIRGL_CCMD_NOP, of no words (virgl_protocol.h) */
    for (uint64_t i = 0; i < bench->rounds; i++) {
        uint64_t start = arch_ticks();
        command.hdr.fence_id = FIRST_FENCE + i;
        CHECK_RESPONSE(gpu_command(&guest->gpu, &command, size,
                                   command.size > 0 ? &no_operation : NULL, command.size,
                                   &response.hdr, sizeof response),
                       want);
        acknowledge(bench);
        bench->ticks[i] = arch_ticks() - start;
    }
    report(bench, name, bench->rounds, 1);
    return true;
}

/* The answers to all of a batch. */
static bool take_batch(struct guest *guest)
{
    uint64_t start = arch_ticks();
    for (unsigned answered = 0; answered < BATCH;) {
        uint32_t written;
        if (virtqueue_take_used(&guest->gpu.control, &written) >= 0) {
            answered++;
            continue;
        }
        CHECK(arch_ticks() - start < TIMEOUT * arch_ticks_per_second());
        arch_pause();
    }
    return true;
}

/* As many as the queue takes, with one kick. */
static bool do_batch(struct guest *guest)
{
    const struct virtio_gpu_ctrl_hdr request = {.type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO};
    struct virtio_gpu_resp_display_info responses[BATCH];
    for (unsigned i = 0; i < BATCH; i++) {
        const struct virtqueue_part parts[] = {
            {.data = &request, .length = sizeof request},
            {.data = &responses[i], .length = sizeof responses[i], .device_writes = true},
        };
        CHECK(virtqueue_add(&guest->gpu.control, parts, ARRAY_SIZE(parts)) >= 0);
    }
    virtqueue_kick(&guest->gpu.control);
    return take_batch(guest);
}

static bool measure_batches(const struct bench *bench)
{
    uint64_t rounds = (bench->rounds + BATCH - 1) / BATCH;
    for (uint64_t i = 0; i < rounds; i++) {
        uint64_t start = arch_ticks();
        REQUIRE(do_batch(bench->guest));
        acknowledge(bench);
        bench->ticks[i] = arch_ticks() - start;
    }
    report(bench, "display-info, 16 at once", rounds, BATCH);
    return true;
}

static bool measure_commands(const struct bench *bench, bool venus, bool virgl)
{
    struct virtio_gpu_cmd_submit request = {.hdr.type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO};
    virtqueue_want_interrupts(&bench->guest->gpu.control, bench->interrupts);
    REQUIRE(measure_one(bench, "display-info", &request, sizeof request.hdr,
                        VIRTIO_GPU_RESP_OK_DISPLAY_INFO));
    REQUIRE(measure_batches(bench));
    request.hdr.flags = VIRTIO_GPU_FLAG_FENCE;
    REQUIRE(measure_one(bench, "fenced", &request, sizeof request.hdr,
                        VIRTIO_GPU_RESP_OK_DISPLAY_INFO));
    if (!venus && !virgl)
        return true;
    request = (struct virtio_gpu_cmd_submit){
        .hdr = {.type = VIRTIO_GPU_CMD_SUBMIT_3D, .ctx_id = BLOB_CONTEXT},
        .size = virgl ? sizeof(uint32_t) : 0};
    REQUIRE(measure_one(bench, "submit", &request, sizeof request,
                        VIRTIO_GPU_RESP_OK_NODATA));
    request.hdr.flags = VIRTIO_GPU_FLAG_FENCE | VIRTIO_GPU_FLAG_INFO_RING_IDX;
    return measure_one(bench, "submit, fenced", &request, sizeof request,
                       VIRTIO_GPU_RESP_OK_NODATA);
}

bool scenario_bench_queue(struct guest *guest)
{
    struct bench bench = {.guest = guest};
    bool venus = string_equal(options_text(&guest->options, "venus", "no"), "yes");
    bool virgl = string_equal(options_text(&guest->options, "virgl", "no"), "yes");
    REQUIRE(check_option(guest, "rounds", 1000, &bench.rounds));
    CHECK(bench.rounds > 0 && bench.rounds <= ROUNDS_MAX);
    REQUIRE(gpu_start(guest, 0));
    if (venus || virgl)
        REQUIRE(blob_context(guest, virgl ? BLOB_VIRGL : BLOB_SHM));
    bench.ticks = heap_allocate(&guest->heap, bench.rounds * sizeof *bench.ticks);
    bench.ticks_per_second = arch_measure_ticks_per_second();
    console_printf(&guest->console, "bench-queue clock: %lu ticks per second\n",
                   bench.ticks_per_second);
    measure_register(&bench);
    REQUIRE(measure_commands(&bench, venus, virgl));
    bench.interrupts = true;
    return measure_commands(&bench, venus, virgl);
}

static bool map_one(struct guest *guest)
{
    struct blob blob;
    REQUIRE(blob_context(guest, BLOB_SHM));
    return blob_create_mapped(guest, &blob, 1, SMALL_BLOB, 0);
}

bool scenario_bench_first_map(struct guest *guest)
{
    REQUIRE(gpu_start(guest, 0));
    REQUIRE(map_one(guest));
    console_printf(&guest->console, "go!\n");
    return true;
}

bool scenario_bench_stay(struct guest *guest)
{
    struct virtio virtio;
    bool maps = string_equal(options_text(&guest->options, "map", "yes"), "yes");
    if (virtio_find(guest, VIRTIO_ID_GPU, &virtio)) {
        REQUIRE(gpu_start(guest, 0));
        REQUIRE(!maps || map_one(guest));
    }
    console_printf(&guest->console, "bench-stay stays\n");
    for (;;)
        arch_pause();
}

/* SPDX-License-Identifier: MIT */
/*
 * Guest memory that somebody on the host has as a dma-buf, and writes to (tests/e2e/lent.c). The
 * console says
 *
 *   lent     from now on it can be taken
 *   let go   whoever has it shall let go
 *
 * Options: how=returned (the default): RESOURCE_UNREF is answered only when that is done, other
 * commands in the milliseconds=N until then; how=overdue: it fails first, and is sent again.
 * Afterwards the memory is the guest's alone.
 */
#include "guest/arch.h"
#include "guest/check.h"
#include "guest/scenarios.h"

#define ID      1u
#define SIZE    (16 * KIB)
#define TIMEOUT 20u /* seconds */

static _Alignas(4096) uint64_t memory[SIZE / sizeof(uint64_t)];

static uint64_t milliseconds(uint64_t count)
{
    return count * (arch_ticks_per_second() / 1000);
}

static void stay(uint64_t count)
{
    uint64_t start = arch_ticks();
    while (arch_ticks() - start < milliseconds(count))
        arch_pause();
}

static bool create(struct guest *guest)
{
    const struct virtio_gpu_resource_create_blob request = {
        .hdr.type = VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB,
        .resource_id = ID,
        .blob_mem = VIRTIO_GPU_BLOB_MEM_GUEST,
        .blob_flags = VIRTIO_GPU_BLOB_FLAG_USE_SHAREABLE,
        .nr_entries = 1,
        .size = SIZE,
    };
    const struct virtio_gpu_mem_entry entry = {.addr = (uintptr_t)memory, .length = SIZE};
    struct virtio_gpu_ctrl_hdr response;
    CHECK_RESPONSE(gpu_command(&guest->gpu, &request, sizeof request, &entry,
                               sizeof entry, &response, sizeof response),
                   VIRTIO_GPU_RESP_OK_NODATA);
    return true;
}

/* A command that is in flight. */
struct unref {
    struct virtio_gpu_resource_unref request;
    struct virtio_gpu_ctrl_hdr response;
    int chain;
};

static bool send(struct guest *guest, struct unref *unref)
{
    *unref = (struct unref){
        .request = {.hdr.type = VIRTIO_GPU_CMD_RESOURCE_UNREF, .resource_id = ID}};
    const struct virtqueue_part parts[] = {
        {.data = &unref->request, .length = sizeof unref->request},
        {.data = &unref->response,
         .length = sizeof unref->response,
         .device_writes = true},
    };
    unref->chain = virtqueue_add(&guest->gpu.control, parts, ARRAY_SIZE(parts));
    CHECK(unref->chain >= 0);
    virtqueue_kick(&guest->gpu.control);
    return true;
}

static bool wait_for(struct guest *guest, const struct unref *unref)
{
    uint32_t written;
    uint64_t start = arch_ticks();
    while (virtqueue_take_used(&guest->gpu.control, &written) != unref->chain) {
        CHECK(arch_ticks() - start < TIMEOUT * arch_ticks_per_second());
        arch_pause();
    }
    return true;
}

/* gpu_command() would lose the other answer if it came meanwhile, and the check after it would
 * fail. */
static bool returned(struct guest *guest)
{
    struct unref unref;
    struct virtio_gpu_resp_display_info info;
    uint32_t written;
    uint64_t count;
    REQUIRE(check_option(guest, "milliseconds", 500, &count));
    REQUIRE(send(guest, &unref));
    for (unsigned i = 0; i < 5; i++) {
        stay(count / 5);
        CHECK_RESPONSE(gpu_get_display_info(&guest->gpu, &info),
                       VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
        CHECK(virtqueue_take_used(&guest->gpu.control, &written) < 0);
    }
    console_printf(&guest->console, "let go\n");
    REQUIRE(wait_for(guest, &unref));
    CHECK_RESPONSE(unref.response.type, VIRTIO_GPU_RESP_OK_NODATA);
    return true;
}

static bool overdue(struct guest *guest)
{
    CHECK_RESPONSE(gpu_resource_unref(&guest->gpu, ID), VIRTIO_GPU_RESP_ERR_UNSPEC);
    console_printf(&guest->console, "let go\n");
    CHECK_RESPONSE(gpu_resource_unref(&guest->gpu, ID), VIRTIO_GPU_RESP_OK_NODATA);
    CHECK_RESPONSE(gpu_resource_unref(&guest->gpu, ID),
                   VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
    return true;
}

/* Whoever still wrote to it would be seen. */
static bool is_ours(struct guest *guest)
{
    volatile uint64_t *words = memory;
    for (uint64_t i = 0; i < ARRAY_SIZE(memory); i++)
        words[i] = ~i;
    stay(500);
    for (uint64_t i = 0; i < ARRAY_SIZE(memory); i++)
        CHECK_EQUAL(words[i], ~i);
    return true;
}

bool scenario_lent(struct guest *guest)
{
    REQUIRE(gpu_start(guest, 0));
    REQUIRE(create(guest));
    console_printf(&guest->console, "lent\n");
    volatile const uint64_t *first = memory;
    uint64_t start = arch_ticks();
    while (*first == 0) {
        CHECK(arch_ticks() - start < TIMEOUT * arch_ticks_per_second());
        arch_pause();
    }
    const char *how = options_text(&guest->options, "how", "returned");
    REQUIRE(how[0] == 'o' ? overdue(guest) : returned(guest));
    return is_ours(guest);
}

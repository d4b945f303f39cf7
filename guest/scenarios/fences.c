/* SPDX-License-Identifier: MIT */
/* Fenced commands are answered with their fence, and fences of one timeline in order. */
#include "guest/arch.h"
#include "guest/blob.h"
#include "guest/check.h"
#include "guest/scenarios.h"

#define FENCE_COUNT 8u
#define FIRST_FENCE 0x123456789abcdef0u
#define TIMEOUT     20u /* seconds */

struct fenced {
    struct virtio_gpu_ctx_resource request;
    struct virtio_gpu_ctrl_hdr response;
};

/* Attaching a resource once more is a command that needs a context and changes nothing.
 */
static struct virtio_gpu_ctx_resource fenced_request(uint32_t flags, uint64_t fence)
{
    return (struct virtio_gpu_ctx_resource){
        .hdr = {.type = VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE,
                .flags = VIRTIO_GPU_FLAG_FENCE | flags,
                .fence_id = fence,
                .ctx_id = BLOB_CONTEXT},
        .resource_id = 1,
    };
}

static bool check_response_header(struct guest *guest, const struct fenced *command)
{
    const struct virtio_gpu_ctrl_hdr *want = &command->request.hdr;
    const struct virtio_gpu_ctrl_hdr *got = &command->response;
    CHECK_RESPONSE(got->type, VIRTIO_GPU_RESP_OK_NODATA);
    CHECK_EQUAL(got->flags, want->flags);
    CHECK_EQUAL(got->fence_id, want->fence_id);
    if ((want->flags & VIRTIO_GPU_FLAG_INFO_RING_IDX) != 0) {
        CHECK_EQUAL(got->ctx_id, want->ctx_id);
        CHECK_EQUAL(got->ring_idx, want->ring_idx);
    }
    return true;
}

/* All commands at once; the answers have to come in the order of the fences. */
static bool check_order(struct guest *guest, uint32_t flags)
{
    struct virtqueue *queue = &guest->gpu.control;
    struct fenced commands[FENCE_COUNT];
    int chains[FENCE_COUNT];
    for (uint32_t i = 0; i < FENCE_COUNT; i++) {
        struct fenced *command = &commands[i];
        *command = (struct fenced){.request = fenced_request(flags, FIRST_FENCE + i)};
        const struct virtqueue_part parts[] = {
            {.data = &command->request, .length = sizeof command->request},
            {.data = &command->response,
             .length = sizeof command->response,
             .device_writes = true},
        };
        chains[i] = virtqueue_add(queue, parts, ARRAY_SIZE(parts));
        CHECK(chains[i] >= 0);
    }
    virtqueue_kick(queue);

    uint64_t start = arch_ticks();
    for (uint32_t answered = 0; answered < FENCE_COUNT;) {
        uint32_t written;
        int chain = virtqueue_take_used(queue, &written);
        CHECK(arch_ticks() - start < TIMEOUT * arch_ticks_per_second());
        arch_pause();
        if (chain < 0)
            continue;
        CHECK_EQUAL(chain, chains[answered]);
        CHECK_EQUAL(written, sizeof(struct virtio_gpu_ctrl_hdr));
        REQUIRE(check_response_header(guest, &commands[answered]));
        answered++;
    }
    return true;
}

bool scenario_fences(struct guest *guest)
{
    struct gpu *gpu = &guest->gpu;
    struct blob blob = {
        .resource_id = 1, .flags = VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE, .size = 4 * KIB};
    REQUIRE(gpu_start(guest, 0));
    REQUIRE(blob_context(guest, BLOB_SHM));
    REQUIRE(blob_create(guest, &blob));
    REQUIRE(check_order(guest, 0));
    REQUIRE(check_order(guest, VIRTIO_GPU_FLAG_INFO_RING_IDX));

    /* A refused command is answered too, with its fence (gpu_command() looks). */
    struct virtio_gpu_ctx_resource request = fenced_request(0, FIRST_FENCE);
    struct virtio_gpu_ctrl_hdr response;
    request.resource_id = 2;
    CHECK_RESPONSE(
        gpu_command(gpu, &request, sizeof request, NULL, 0, &response, sizeof response),
        VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
    return true;
}

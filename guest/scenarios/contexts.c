/* SPDX-License-Identifier: MIT */
#include "guest/check.h"
#include "guest/scenarios.h"

bool scenario_contexts(struct guest *guest)
{
    struct gpu *gpu = &guest->gpu;
    REQUIRE(gpu_start(guest, 0));
    for (unsigned round = 0; round < 2; round++) {
        CHECK_RESPONSE(gpu_context_create(gpu, 7, GPU_CAPSET_VENUS),
                       VIRTIO_GPU_RESP_OK_NODATA);
        CHECK_RESPONSE(gpu_context_create(gpu, 8, GPU_CAPSET_VENUS),
                       VIRTIO_GPU_RESP_OK_NODATA);
        CHECK_RESPONSE(gpu_context_create(gpu, 7, GPU_CAPSET_VENUS),
                       VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID);
        CHECK_RESPONSE(gpu_context_destroy(gpu, 7), VIRTIO_GPU_RESP_OK_NODATA);
        CHECK_RESPONSE(gpu_context_destroy(gpu, 7),
                       VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID);
        CHECK_RESPONSE(gpu_context_destroy(gpu, 8), VIRTIO_GPU_RESP_OK_NODATA);
    }
    CHECK_RESPONSE(gpu_context_destroy(gpu, 9), VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID);
    return true;
}

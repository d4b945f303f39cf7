/* SPDX-License-Identifier: MIT */
/* The status machine of virtio 1.2, 3.1.1 and 2.1: up, down, and up again. */
#include "guest/check.h"
#include "guest/scenarios.h"

#define STATUS_RUNNING                                                                   \
    (VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |                              \
     VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK)

/* A feature that no GPU has; virtio 1.2, 6 reserves it. */
#define FEATURE_NOBODY_HAS VIRTIO_FEATURE(63)

bool scenario_virtio_reset(struct guest *guest)
{
    struct gpu *gpu = &guest->gpu;
    struct virtio_gpu_resp_display_info info;
    for (unsigned round = 0; round < 2; round++) {
        REQUIRE(gpu_start(guest, FEATURE_NOBODY_HAS));
        CHECK_EQUAL(gpu->virtio.negotiated & FEATURE_NOBODY_HAS, 0);
        CHECK_EQUAL(virtio_status(&gpu->virtio), STATUS_RUNNING);
        CHECK_RESPONSE(gpu_get_display_info(gpu, &info), VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
        CHECK(virtio_reset(&gpu->virtio));
        CHECK_EQUAL(virtio_status(&gpu->virtio), 0);
        CHECK_EQUAL(virtio_interrupt_status(&gpu->virtio), 0);
    }
    return true;
}

/* SPDX-License-Identifier: MIT */
#include <stddef.h>

#include "guest/check.h"
#include "guest/scenarios.h"

bool scenario_display_info(struct guest *guest)
{
    struct gpu *gpu = &guest->gpu;
    struct virtio_gpu_resp_display_info info;
    REQUIRE(gpu_start(guest, 0));
    uint32_t scanouts =
        virtio_config(&gpu->virtio, offsetof(struct virtio_gpu_config, num_scanouts));
    CHECK(scanouts <= VIRTIO_GPU_MAX_SCANOUTS);
    CHECK_RESPONSE(gpu_get_display_info(gpu, &info), VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
    for (uint32_t i = 0; i < VIRTIO_GPU_MAX_SCANOUTS; i++) {
        if (info.pmodes[i].enabled != 0)
            CHECK(i < scanouts && info.pmodes[i].r.width > 0 &&
                  info.pmodes[i].r.height > 0);
    }
    console_printf(&guest->console, "%u scanouts\n", scanouts);
    return true;
}

/* SPDX-License-Identifier: MIT */
/* Every capset that num_capsets announces can be had, and holds something. */
#include <stddef.h>

#include "guest/check.h"
#include "guest/scenarios.h"

static bool is_all_zero(const uint8_t *bytes, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++) {
        if (bytes[i] != 0)
            return false;
    }
    return true;
}

bool scenario_capsets(struct guest *guest)
{
    struct gpu *gpu = &guest->gpu;
    REQUIRE(gpu_start(guest, 0));
    uint32_t count =
        virtio_config(&gpu->virtio, offsetof(struct virtio_gpu_config, num_capsets));
    CHECK(count > 0);
    for (uint32_t index = 0; index < count; index++) {
        struct virtio_gpu_resp_capset_info info;
        CHECK_RESPONSE(gpu_get_capset_info(gpu, index, &info),
                       VIRTIO_GPU_RESP_OK_CAPSET_INFO);
        console_printf(&guest->console, "capset %u: id %u, version %u, %u bytes\n", index,
                       info.capset_id, info.capset_max_version, info.capset_max_size);
        CHECK(info.capset_id != 0);
        CHECK(info.capset_max_size > 0);
        struct virtio_gpu_resp_capset *capset =
            heap_allocate(&guest->heap, sizeof *capset + info.capset_max_size);
        CHECK_RESPONSE(gpu_get_capset(gpu, info.capset_id, info.capset_max_version,
                                      capset, info.capset_max_size),
                       VIRTIO_GPU_RESP_OK_CAPSET);
        CHECK(!is_all_zero(capset->capset_data, info.capset_max_size));
    }
    return true;
}

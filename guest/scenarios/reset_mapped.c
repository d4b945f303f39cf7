/* SPDX-License-Identifier: MIT */
/* A reset takes everything back that the driver had: mappings, resources, contexts. */
#include "guest/blob.h"
#include "guest/check.h"
#include "guest/scenarios.h"
#include "guest/window.h"

#define BLOB_SIZE  (64 * KIB)
#define BLOB_COUNT 3u

bool scenario_reset_mapped(struct guest *guest)
{
    struct blob blob;
    for (unsigned round = 0; round < 2; round++) {
        REQUIRE(gpu_start(guest, 0)); /* in the second round, the reset */
        for (uint32_t i = 0; i < BLOB_COUNT; i++)
            REQUIRE(window_check_hole(guest, i * BLOB_SIZE));
        CHECK_RESPONSE(gpu_resource_unref(&guest->gpu, 1),
                       VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
        REQUIRE(blob_context(guest, BLOB_SHM));
        for (uint32_t i = 0; i < BLOB_COUNT; i++)
            REQUIRE(blob_create_mapped(guest, &blob, i + 1, BLOB_SIZE, i * BLOB_SIZE));
        REQUIRE(blob_experiment(guest, &blob, blob_s1(&blob)));
    }
    CHECK(virtio_reset(&guest->gpu.virtio));
    REQUIRE(window_check_hole(guest, 0));
    return true;
}

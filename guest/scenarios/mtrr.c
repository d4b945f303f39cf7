/* SPDX-License-Identifier: MIT */
/*
 * The guest's own MTRRs over the window. While one says UC, a Linux guest would make UC- of a
 * mapping that it is told to be CACHED (pat_x_mtrr_type), so that a blob that the host maps
 * write-back must be refused; with the MTRR gone it is mapped. For platforms on which the
 * guest's attribute counts.
 */
#include "guest/arch.h"
#include "guest/blob.h"
#include "guest/check.h"
#include "guest/scenarios.h"

#define BLOB_SIZE  (64 * KIB)
#define RANGE_SIZE (2 * MIB) /* of the MTRR, at the start of the window */

bool scenario_mtrr(struct guest *guest)
{
    const struct blob blob = {
        .kind = BLOB_SHM,
        .resource_id = 1,
        .flags = VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE,
        .size = BLOB_SIZE,
    };
    struct gpu *gpu = &guest->gpu;
    struct blob later;
    uint32_t map_info;
    REQUIRE(gpu_start(guest, 0));
    REQUIRE(blob_context(guest, BLOB_SHM));
    REQUIRE(blob_create(guest, &blob));

    CHECK(arch_set_mtrr_uc(gpu->window.start.value, RANGE_SIZE, true));
    CHECK_RESPONSE(gpu_blob_map(gpu, blob.resource_id, 0, &map_info),
                   VIRTIO_GPU_RESP_ERR_UNSPEC);
    CHECK(arch_set_mtrr_uc(gpu->window.start.value, RANGE_SIZE, false));
    CHECK_RESPONSE(gpu_blob_map(gpu, blob.resource_id, 0, &map_info),
                   VIRTIO_GPU_RESP_OK_MAP_INFO);
    CHECK_EQUAL(map_info, MEMATTR_MAP_CACHED);

    /* It is about the moment of the map: what is mapped stays, the next one is refused. */
    CHECK(arch_set_mtrr_uc(gpu->window.start.value, RANGE_SIZE, true));
    later = blob;
    later.map_info = map_info;
    REQUIRE(blob_experiment(guest, &later, blob_s1(&later)));
    later.resource_id = 2;
    REQUIRE(blob_create(guest, &later));
    CHECK_RESPONSE(gpu_blob_map(gpu, later.resource_id, BLOB_SIZE, &map_info),
                   VIRTIO_GPU_RESP_ERR_UNSPEC);
    CHECK(arch_set_mtrr_uc(gpu->window.start.value, RANGE_SIZE, false));
    return true;
}

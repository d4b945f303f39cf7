/* SPDX-License-Identifier: MIT */
/* The blob scenarios that differ in the kind of blob or in the features of the ring only;
 * guest/blob_scenario.c has their options. */
#include "guest/blob.h"
#include "guest/check.h"
#include "guest/scenarios.h"
#include "guest/virtio.h"
#include "guest/virtqueue.h"

bool scenario_blob_shm(struct guest *guest)
{
    return blob_scenario(guest, BLOB_SHM, 0);
}

bool scenario_blob_venus(struct guest *guest)
{
    return blob_scenario(guest, BLOB_VENUS, 0);
}

bool scenario_blob_virgl(struct guest *guest)
{
    return blob_scenario(guest, BLOB_VIRGL, 0);
}

/* Two blobs of different attributes, one behind the other in the window: each mapping has its
 * own, whatever holds both on the host. The first outlives its context. */
bool scenario_side_by_side(struct guest *guest)
{
    struct gpu *gpu = &guest->gpu;
    struct blob combined = {
        .kind = BLOB_VIRGL,
        .resource_id = 1,
        .flags = VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE | VIRTIO_GPU_BLOB_FLAG_USE_SHAREABLE,
        .size = 16 * KIB,
    };
    struct blob cached;
    REQUIRE(gpu_start(guest, 0));
    REQUIRE(blob_context(guest, BLOB_VIRGL));
    REQUIRE(blob_create(guest, &combined));
    CHECK_RESPONSE(gpu_blob_map(gpu, 1, 0, &combined.map_info),
                   VIRTIO_GPU_RESP_OK_MAP_INFO);
    CHECK_RESPONSE(gpu_context_destroy(gpu, BLOB_CONTEXT), VIRTIO_GPU_RESP_OK_NODATA);
    REQUIRE(blob_context(guest, BLOB_SHM));
    REQUIRE(blob_create_mapped(guest, &cached, 2, 64 * KIB, combined.size));
    CHECK_EQUAL(combined.map_info, MEMATTR_MAP_WC);
    CHECK_EQUAL(cached.map_info, MEMATTR_MAP_CACHED);
    REQUIRE(blob_experiment(guest, &combined, blob_s1(&combined)));
    REQUIRE(blob_experiment(guest, &cached, blob_s1(&cached)));
    return blob_experiment(guest, &combined, blob_s1(&combined));
}

bool scenario_blob_buffer(struct guest *guest)
{
    return blob_scenario(guest, BLOB_BUFFER, 0);
}

bool scenario_indirect(struct guest *guest)
{
    return blob_scenario(guest, BLOB_SHM, VIRTIO_FEATURE(VIRTIO_RING_F_INDIRECT_DESC));
}

bool scenario_event_index(struct guest *guest)
{
    return blob_scenario(guest, BLOB_SHM, VIRTIO_FEATURE(VIRTIO_RING_F_EVENT_IDX));
}

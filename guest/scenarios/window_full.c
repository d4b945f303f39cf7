/* SPDX-License-Identifier: MIT */
/* The guest owns the window's addresses: it can fill it to the last page, not beyond, and
 * use it again. Option size=BYTES: of each blob; a quarter of the window if not given. */
#include "guest/blob.h"
#include "guest/check.h"
#include "guest/scenarios.h"

#define PAGE (4 * KIB)

/* The resource is created, but cannot be mapped at this offset. */
static bool check_no_room(struct guest *guest, uint32_t resource_id, uint64_t offset)
{
    uint32_t map_info;
    CHECK_RESPONSE(gpu_blob_map(&guest->gpu, resource_id, offset, &map_info),
                   VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    return true;
}

bool scenario_window_full(struct guest *guest)
{
    struct gpu *gpu = &guest->gpu;
    struct blob blob;
    uint64_t size;
    REQUIRE(gpu_start(guest, 0));
    REQUIRE(check_option(guest, "size", gpu->window.size / 4, &size));
    CHECK(size >= 2 * PAGE && is_aligned(size, PAGE) && size <= gpu->window.size);
    uint32_t count = (uint32_t)(gpu->window.size / size);
    uint32_t one_more = count + 1;
    uint64_t end = count * size;
    REQUIRE(blob_context(guest, BLOB_SHM));
    for (uint32_t i = 0; i < count; i++)
        REQUIRE(blob_create_mapped(guest, &blob, i + 1, size, i * size));
    REQUIRE(blob_experiment(guest, &blob, blob_s1(&blob))); /* the last one */

    struct blob extra = blob;
    extra.resource_id = one_more;
    REQUIRE(blob_create(guest, &extra));
    REQUIRE(check_no_room(guest, one_more, end));
    REQUIRE(check_no_room(guest, one_more, end - PAGE));
    REQUIRE(check_no_room(guest, one_more, gpu->window.size - PAGE));
    REQUIRE(check_no_room(guest, one_more, 0));
    REQUIRE(check_no_room(guest, one_more, PAGE));

    for (uint32_t i = 0; i < count; i++) {
        CHECK_RESPONSE(gpu_blob_unmap(gpu, i + 1), VIRTIO_GPU_RESP_OK_NODATA);
        CHECK_RESPONSE(gpu_resource_unref(gpu, i + 1), VIRTIO_GPU_RESP_OK_NODATA);
    }
    extra.offset = PAGE;
    CHECK_RESPONSE(gpu_blob_map(gpu, one_more, extra.offset, &extra.map_info),
                   VIRTIO_GPU_RESP_OK_MAP_INFO);
    REQUIRE(blob_experiment(guest, &extra, blob_s1(&extra)));
    console_printf(&guest->console, "%u blobs of 0x%lx bytes fill the window\n", count,
                   size);
    return true;
}

/* SPDX-License-Identifier: MIT */
/*
 * A blob of 2 MiB over a GL buffer of 100 bytes. virglrenderer creates it (0.10.4 to 1.3,
 * as measured) and maps 100 bytes of its heap for it: a device that believes the blob's
 * size gives the guest the rest of the heap. It must not be mapped.
 */
#include "guest/blob.h"
#include "guest/check.h"
#include "guest/scenarios.h"
#include "guest/virgl.h"
#include "guest/window.h"

#define BUFFER_SIZE 100u
#define BUFFER_ID   1000u
#define RESOURCE    1u

bool scenario_blob_overrun(struct guest *guest)
{
    struct gpu *gpu = &guest->gpu;
    struct stream stream = {.size = 0};
    uint32_t map_info;
    REQUIRE(gpu_start(guest, 0));
    REQUIRE(blob_context(guest, BLOB_VIRGL));
    virgl_encode_create_buffer(&stream, BUFFER_ID, BUFFER_SIZE);
    CHECK_RESPONSE(gpu_submit(gpu, BLOB_CONTEXT, stream.bytes, stream.size),
                   VIRTIO_GPU_RESP_OK_NODATA);
    CHECK_RESPONSE(gpu_blob_create(gpu, BLOB_CONTEXT, RESOURCE,
                                   VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE, BUFFER_ID, 2 * MIB),
                   VIRTIO_GPU_RESP_OK_NODATA);
    CHECK_RESPONSE(gpu_blob_map(gpu, RESOURCE, 0, &map_info), VIRTIO_GPU_RESP_ERR_UNSPEC);
    REQUIRE(window_check_hole(guest, 0));
    CHECK_RESPONSE(gpu_resource_unref(gpu, RESOURCE), VIRTIO_GPU_RESP_OK_NODATA);
    return true;
}

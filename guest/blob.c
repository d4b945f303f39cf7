/* SPDX-License-Identifier: MIT */
#include "guest/blob.h"

#include "guest/arch.h"
#include "guest/check.h"
#include "guest/experiment.h"
#include "guest/venus.h"
#include "guest/virgl.h"

#define TEXTURE_WIDTH  64u
#define TEXTURE_STRIDE (TEXTURE_WIDTH * 4) /* bytes */

bool blob_context(struct guest *guest, enum blob_kind kind)
{
    struct gpu *gpu = &guest->gpu;
    bool is_opengl = kind == BLOB_VIRGL || kind == BLOB_BUFFER;
    uint32_t capset = is_opengl ? GPU_CAPSET_VIRGL2 : GPU_CAPSET_VENUS;
    CHECK_RESPONSE(gpu_context_create(gpu, BLOB_CONTEXT, capset),
                   VIRTIO_GPU_RESP_OK_NODATA);
    if (kind == BLOB_VENUS) {
        struct stream stream = {.size = 0};
        venus_encode_device(&stream);
        CHECK_RESPONSE(gpu_submit(gpu, BLOB_CONTEXT, stream.bytes, stream.size),
                       VIRTIO_GPU_RESP_OK_NODATA);
    }
    return true;
}

/* Makes what is behind the blob; returns its blob_id. The resource id is unique in the
 * context, so it serves for the object's id too. */
static bool create_object(struct guest *guest, const struct blob *blob, uint64_t *blob_id)
{
    struct stream stream = {.size = 0};
    switch (blob->kind) {
    case BLOB_SHM:
    case BLOB_KIND_COUNT:
        *blob_id = 0;
        return true;
    case BLOB_VENUS:
        *blob_id = VENUS_MEMORY + blob->resource_id;
        /* As Mesa's driver does it: only memory for other devices asks for a dma-buf; the
         * renderer makes all of it exportable as it can. */
        venus_encode_allocate_memory(&stream, VENUS_DEVICE, *blob_id, blob->size,
                                     blob->flags & VIRTIO_GPU_BLOB_FLAG_USE_CROSS_DEVICE
                                         ? VENUS_EXPORT_DMA_BUF
                                         : VENUS_EXPORT_NONE);
        break;
    case BLOB_VIRGL:
        *blob_id = blob->resource_id;
        virgl_encode_create_texture(&stream, (uint32_t)*blob_id, TEXTURE_WIDTH,
                                    (uint32_t)(blob->size / TEXTURE_STRIDE));
        break;
    case BLOB_BUFFER:
        *blob_id = blob->resource_id;
        virgl_encode_create_buffer(&stream, (uint32_t)*blob_id, (uint32_t)blob->size);
        break;
    }
    CHECK_RESPONSE(gpu_submit(&guest->gpu, BLOB_CONTEXT, stream.bytes, stream.size),
                   VIRTIO_GPU_RESP_OK_NODATA);
    return true;
}

bool blob_create(struct guest *guest, const struct blob *blob)
{
    struct gpu *gpu = &guest->gpu;
    uint64_t blob_id;
    REQUIRE(create_object(guest, blob, &blob_id));
    CHECK_RESPONSE(gpu_blob_create(gpu, BLOB_CONTEXT, blob->resource_id, blob->flags,
                                   blob_id, blob->size),
                   VIRTIO_GPU_RESP_OK_NODATA);
    CHECK_RESPONSE(gpu_context_attach(gpu, BLOB_CONTEXT, blob->resource_id),
                   VIRTIO_GPU_RESP_OK_NODATA);
    return true;
}

enum memattr_type blob_s1(const struct blob *blob)
{
    return memattr_s1_of_map_info(ARCH_MEMATTR_MODEL,
                                  (enum memattr_map_info)blob->map_info);
}

bool blob_experiment(struct guest *guest, const struct blob *blob, enum memattr_type s1)
{
    const struct experiment experiment = {
        .resource_id = blob->resource_id,
        .map_info = blob->map_info,
        .address = guest->gpu.window.start.value + blob->offset,
        .size = blob->size,
        .s1 = s1,
    };
    struct experiment_result result;
    REQUIRE(experiment_run(guest, &experiment, &result));
    if (s1 == blob_s1(blob)) {
        CHECK_EQUAL(result.guest_missed, 0);
        CHECK_EQUAL(result.host_missed, 0);
    }
    return true;
}

bool blob_create_mapped(struct guest *guest, struct blob *blob, uint32_t resource_id,
                        uint64_t size, uint64_t offset)
{
    *blob = (struct blob){
        .kind = BLOB_SHM,
        .resource_id = resource_id,
        .flags = VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE,
        .size = size,
        .offset = offset,
    };
    REQUIRE(blob_create(guest, blob));
    CHECK_RESPONSE(gpu_blob_map(&guest->gpu, resource_id, offset, &blob->map_info),
                   VIRTIO_GPU_RESP_OK_MAP_INFO);
    return true;
}

/* SPDX-License-Identifier: MIT */
/*
 * Blob resources, and the end of any resource.
 */
#include "devices/gpu/command.h"
#include "devices/gpu/guest_blob.h"

static bool resource_create_blob(struct gpu *gpu, struct call *call, struct error *error)
{
    const struct virtio_gpu_resource_create_blob *create = call->request;
    const struct renderer_blob blob = {
        .resource_id = create->resource_id,
        .context_id = create->hdr.ctx_id,
        .memory = create->blob_mem,
        .flags = create->blob_flags,
        .blob_id = create->blob_id,
        .size = create->size,
    };
    const struct blob_entries entries = {
        .entries = (const struct virtio_gpu_mem_entry *)(create + 1),
        .count = create->nr_entries,
        .available = call->size - sizeof *create,
    };
    return blob_create(gpu, &blob, &entries, error);
}

static bool resource_map_blob(struct gpu *gpu, struct call *call, struct error *error)
{
    const struct virtio_gpu_resource_map_blob *map = call->request;
    enum memattr_map_info map_info;
    if (!blob_map(gpu, map->resource_id, map->offset, &map_info, error))
        return error_wrap(error, "blob %u", map->resource_id);
    call->response->map_info = (struct virtio_gpu_resp_map_info){
        .hdr.type = VIRTIO_GPU_RESP_OK_MAP_INFO,
        .map_info =
            gpu->config.force_map_info ? gpu->config.forced_map_info : (uint32_t)map_info,
    };
    call->response->size = sizeof call->response->map_info;
    return true;
}

static bool resource_unmap_blob(struct gpu *gpu, struct call *call, struct error *error)
{
    const struct virtio_gpu_resource_unmap_blob *unmap = call->request;
    return blob_unmap(gpu, unmap->resource_id, error) ||
           error_wrap(error, "blob %u", unmap->resource_id);
}

static bool resource_unref(struct gpu *gpu, struct call *call, struct error *error)
{
    const struct virtio_gpu_resource_unref *unref = call->request;
    bool good = blob_destroy(gpu, unref->resource_id, error);
    /* Also when it is sent once more because memory is overdue. */
    return lent_wait(gpu, unref->resource_id) || good;
}

static const struct command commands[] = {
    COMMAND(RESOURCE_CREATE_BLOB, resource_create_blob, ctrl_hdr, resource_create_blob),
    COMMAND(RESOURCE_MAP_BLOB, resource_map_blob, resp_map_info, resource_map_blob),
    COMMAND(RESOURCE_UNMAP_BLOB, resource_unmap_blob, ctrl_hdr, resource_unmap_blob),
    COMMAND(RESOURCE_UNREF, resource_unref, ctrl_hdr, resource_unref),
};

const struct command_table gpu_commands_blob = {commands, ARRAY_SIZE(commands)};

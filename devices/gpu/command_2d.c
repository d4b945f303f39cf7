/* SPDX-License-Identifier: MIT */
/*
 * 2D resources, and guest memory of all kinds of resources.
 *
 *   guest memory --TRANSFER_TO_HOST_2D--> our copy of the pixels --scanout--> display
 *
 * A 2D resource has its pixels in our memory, so a guest that changes its own in the middle
 * of something spoils its picture, and nothing else.
 */
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "devices/gpu/command.h"
#include "devices/gpu/guest_blob.h"

#define PIXEL_SIZE 4u /* bytes, of all formats */

static bool resource_create_2d(struct gpu *gpu, struct call *call, struct error *error)
{
    const struct virtio_gpu_resource_create_2d *create = call->request;
    struct resource *resource = resource_add(&gpu->resources, create->resource_id, error);
    if (!resource)
        return false;
    if (resource_make_image(&gpu->resources, resource, create->format, create->width,
                            create->height, error))
        return true;
    resource_remove(&gpu->resources, resource);
    return false;
}

/* --- guest memory --- */

/* A blob may get its guest memory later (5.7.6.8, RESOURCE_CREATE_BLOB). */
static bool check_blob(const struct resource *resource, struct error *error)
{
    if (resource->kind != RESOURCE_BLOB)
        return true;
    if (resource->blob_memory == VIRTIO_GPU_BLOB_MEM_GUEST ||
        resource->blob_memory == VIRTIO_GPU_BLOB_MEM_HOST3D_GUEST)
        return true;
    return error_set(error, ERROR_GUEST_RESOURCE,
                     "blob %u has host memory only (blob_mem %u)", resource->id,
                     resource->blob_memory);
}

static bool attach_backing(struct gpu *gpu, struct call *call, struct error *error)
{
    const struct virtio_gpu_resource_attach_backing *attach = call->request;
    struct resource *resource =
        resource_find(&gpu->resources, attach->resource_id, error);
    if (!resource || !check_blob(resource, error))
        return false;
    const void *entries = attach + 1;
    if (!resource_attach_pages(&gpu->resources, resource, gpu->virtio.memory, entries,
                               attach->nr_entries, call->size - sizeof *attach, error))
        return false;
    if (resource->kind == RESOURCE_2D || gpu_3d_attach(gpu, resource, error))
        return true;
    guest_blob_forget_dmabuf(gpu, resource); /* it is of these pages */
    resource_detach_pages(&gpu->resources, resource);
    return false;
}

static bool detach_backing(struct gpu *gpu, struct call *call, struct error *error)
{
    const struct virtio_gpu_resource_detach_backing *detach = call->request;
    struct resource *resource =
        resource_find(&gpu->resources, detach->resource_id, error);
    enum resource_state next;
    if (!resource)
        return false;
    if (!resource_may(resource, RESOURCE_DETACH, &next, error))
        return lent_wait(gpu, resource->id) ||
               error_wrap(error, "resource %u", resource->id);
    if (resource->kind != RESOURCE_2D)
        gpu_3d_detach(gpu, resource);
    resource_detach_pages(&gpu->resources, resource);
    BUG_ON(resource_state(resource) != next);
    lent_wait(gpu, resource->id);
    return true;
}

/* --- transfers --- */

static bool check_rect(const struct resource *resource,
                       const struct virtio_gpu_rect *rect, struct error *error)
{
    const struct resource_image *image = &resource->image;
    if ((uint64_t)rect->x + rect->width <= image->width &&
        (uint64_t)rect->y + rect->height <= image->height)
        return true;
    return error_set(error, ERROR_GUEST_PARAMETER,
                     "resource %u: %u x %u pixels at (%u, %u) are not in its %u x %u",
                     resource->id, rect->width, rect->height, rect->x, rect->y,
                     image->width, image->height);
}

/* All rows are in the guest memory, so that a refused command changes nothing. */
static bool check_source(const struct resource *resource,
                         const struct virtio_gpu_transfer_to_host_2d *transfer,
                         struct error *error)
{
    uint64_t stride = (uint64_t)PIXEL_SIZE * resource->image.width;
    uint64_t length =
        stride * (transfer->r.height - 1) + (uint64_t)PIXEL_SIZE * transfer->r.width;
    uint64_t end;
    if (u64_add(transfer->offset, length, &end) && end <= resource->pages.size)
        return true;
    return error_set(error, ERROR_GUEST_PARAMETER,
                     "resource %u: %llu bytes from byte %llu of its guest memory, which "
                     "has %llu",
                     resource->id, (unsigned long long)length,
                     (unsigned long long)transfer->offset,
                     (unsigned long long)resource->pages.size);
}

/* `offset` is where the rectangle's first pixel is in guest memory; the rows there are as long
 * as the resource's (Linux: drivers/gpu/drm/virtio/virtgpu_plane.c,
 * virtio_gpu_update_dumb_bo()). An empty rectangle is nothing to do: the specification does not
 * forbid it. Nor is a guest blob, which is guest memory already: Linux' driver sends this for
 * its dumb buffers, whatever they are. */
static bool transfer_to_host_2d(struct gpu *gpu, struct call *call, struct error *error)
{
    const struct virtio_gpu_transfer_to_host_2d *transfer = call->request;
    const struct virtio_gpu_rect *rect = &transfer->r;
    struct resource *resource =
        resource_find(&gpu->resources, transfer->resource_id, error);
    if (!resource)
        return false;
    if (resource->kind == RESOURCE_BLOB &&
        resource->blob_memory == VIRTIO_GPU_BLOB_MEM_GUEST)
        return true;
    if (resource->kind != RESOURCE_2D)
        return error_set(error, ERROR_GUEST_RESOURCE, "resource %u is not a 2D resource",
                         resource->id);
    if (!check_rect(resource, rect, error))
        return false;
    if (resource->pages.count == 0)
        return error_set(error, ERROR_GUEST_STATE,
                         "resource %u has no guest memory to transfer from: "
                         "RESOURCE_ATTACH_BACKING first",
                         resource->id);
    if (rect->width == 0 || rect->height == 0)
        return true;
    if (!check_source(resource, transfer, error))
        return false;
    const size_t stride = (size_t)PIXEL_SIZE * resource->image.width;
    uint8_t *row =
        resource->image.pixels + rect->y * stride + (size_t)PIXEL_SIZE * rect->x;
    for (uint32_t y = 0; y < rect->height; y++, row += stride)
        if (!guest_pages_read(&resource->pages, transfer->offset + y * stride, row,
                              (uint64_t)PIXEL_SIZE * rect->width, error))
            return false;
    return true;
}

/* A screenshot reads the resource itself, so that there is nothing to copy here. */
static bool resource_flush(struct gpu *gpu, struct call *call, struct error *error)
{
    const struct virtio_gpu_resource_flush *flush = call->request;
    const struct resource *resource =
        resource_find(&gpu->resources, flush->resource_id, error);
    /* A blob has no width and height of its own. */
    return resource &&
           (resource->kind == RESOURCE_BLOB || check_rect(resource, &flush->r, error));
}

/* --- names for other devices --- */

/* A random one (RFC 4122, 4.4), made when it is first asked for. */
static bool make_uuid(struct resource *resource, struct error *error)
{
    uint8_t *uuid = resource->uuid;
    if (getrandom(uuid, sizeof resource->uuid, 0) != (ssize_t)sizeof resource->uuid) {
        memset(uuid, 0, sizeof resource->uuid);
        return error_set(error, ERROR_HOST_SYSTEM, "getrandom: %s", strerror(errno));
    }
    uuid[6] = (uint8_t)((uuid[6] & 0x0f) | 0x40);
    uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80);
    return true;
}

static bool resource_assign_uuid(struct gpu *gpu, struct call *call, struct error *error)
{
    const struct virtio_gpu_resource_assign_uuid *assign = call->request;
    struct virtio_gpu_resp_resource_uuid *response = &call->response->uuid;
    struct resource *resource =
        resource_find(&gpu->resources, assign->resource_id, error);
    if (!resource || (resource->uuid[6] == 0 && !make_uuid(resource, error)))
        return false;
    response->hdr.type = VIRTIO_GPU_RESP_OK_RESOURCE_UUID;
    memcpy(response->uuid, resource->uuid, sizeof response->uuid);
    call->response->size = sizeof *response;
    return true;
}

static const struct command commands[] = {
    COMMAND(RESOURCE_CREATE_2D, resource_create_2d, ctrl_hdr, resource_create_2d),
    COMMAND(RESOURCE_ATTACH_BACKING, resource_attach_backing, ctrl_hdr, attach_backing),
    COMMAND(RESOURCE_DETACH_BACKING, resource_detach_backing, ctrl_hdr, detach_backing),
    COMMAND(TRANSFER_TO_HOST_2D, transfer_to_host_2d, ctrl_hdr, transfer_to_host_2d),
    COMMAND(RESOURCE_FLUSH, resource_flush, ctrl_hdr, resource_flush),
    COMMAND_WITH(RESOURCE_UUID, RESOURCE_ASSIGN_UUID, resource_assign_uuid,
                 resp_resource_uuid, resource_assign_uuid),
};

const struct command_table gpu_commands_2d = {commands, ARRAY_SIZE(commands)};

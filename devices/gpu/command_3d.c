/* SPDX-License-Identifier: MIT */
/*
 * 3D resources, and transfers between them and guest memory (virtio 1.3, 5.7.6.9). Whether the
 * numbers of a resource fit together is for the renderer to say; here they are bounded, so that
 * one command cannot ask for more than the host has.
 */
#include "devices/gpu/command.h"
#include "devices/gpu/guest_blob.h"
#include "devices/gpu/lost.h"
#include "devices/gpu/picture.h"

/* Of one resource. OpenGL 4.6, table 23.53: a texture's sides are at least 16384 possible,
 * its depth and its layers 2048. */
#define SIDE_MAX    16384u
#define DEPTH_MAX   2048u
#define LEVEL_MAX   14u /* 16384 = 1 << 14 */
#define SAMPLES_MAX 32u
#define TEXELS_MAX  (UINT64_C(1) << 28)
#define BUFFER_MAX  (GIB)

/* --- create --- */

static bool check_buffer(const struct virtio_gpu_resource_create_3d *create,
                         struct error *error)
{
    return (create->width > 0 && create->width <= BUFFER_MAX) ||
           error_set(error, ERROR_GUEST_PARAMETER,
                     "resource %u: a buffer of %u bytes: 1 to %llu are possible",
                     create->resource_id, create->width, (unsigned long long)BUFFER_MAX);
}

static bool check_texture(const struct virtio_gpu_resource_create_3d *create,
                          struct error *error)
{
    if (create->width == 0 || create->height == 0 || create->depth == 0 ||
        create->array_size == 0 || create->width > SIDE_MAX ||
        create->height > SIDE_MAX || create->depth > DEPTH_MAX ||
        create->array_size > DEPTH_MAX || create->last_level > LEVEL_MAX ||
        create->nr_samples > SAMPLES_MAX)
        return error_set(error, ERROR_GUEST_PARAMETER,
                         "resource %u: %u x %u x %u, %u layers, %u levels, %u samples: "
                         "sides are 1 to %u, depth and layers 1 to %u, the last level is "
                         "up to %u, samples up to %u",
                         create->resource_id, create->width, create->height,
                         create->depth, create->array_size, create->last_level,
                         create->nr_samples, SIDE_MAX, DEPTH_MAX, LEVEL_MAX, SAMPLES_MAX);
    uint64_t samples = create->nr_samples > 0 ? create->nr_samples : 1;
    /* At most 2^14 * 2^14 * 2^11 * 2^11 * 2^5. */
    uint64_t texels = (uint64_t)create->width * create->height * create->depth *
                      create->array_size * samples;
    return texels <= TEXELS_MAX ||
           error_set(error, ERROR_GUEST_LIMIT,
                     "resource %u: a texture of %llu texels: %llu are the limit",
                     create->resource_id, (unsigned long long)texels,
                     (unsigned long long)TEXELS_MAX);
}

/* At most: what the renderer does is its business, so this is the largest that a texture of
 * these numbers can be. Formats of 2D have 4 bytes for each texel, no format of Gallium's that a
 * texture can have has more than 16; levels add a third. */
static uint64_t bytes_of(const struct virtio_gpu_resource_create_3d *create)
{
    if (create->target == RENDERER_TARGET_BUFFER)
        return create->width;
    uint64_t samples = create->nr_samples > 0 ? create->nr_samples : 1;
    uint64_t bytes = (uint64_t)create->width * create->height * create->depth *
                     create->array_size * samples *
                     (picture_format_is_known(create->format) ? 4 : 16);
    return create->last_level > 0 ? bytes + bytes / 3 : bytes;
}

static bool create_in_renderer(struct gpu *gpu,
                               const struct virtio_gpu_resource_create_3d *create,
                               struct error *error)
{
    const struct renderer_resource resource = {
        .resource_id = create->resource_id,
        .target = create->target,
        .format = create->format,
        .bind = create->bind,
        .width = create->width,
        .height = create->height,
        .depth = create->depth,
        .array_size = create->array_size,
        .last_level = create->last_level,
        .sample_count = create->nr_samples,
        .flags = create->flags,
    };
    return gpu->renderer.ops->resource_create(gpu->renderer.context, &resource, error);
}

static bool resource_create_3d(struct gpu *gpu, struct call *call, struct error *error)
{
    const struct virtio_gpu_resource_create_3d *create = call->request;
    if (!gpu->renderer.ops->resource_create)
        return error_set(error, ERROR_HOST_RENDERER,
                         "resource %u: this device has no 3D resources, run it with "
                         "--gpu=virgl",
                         create->resource_id);
    bool is_buffer = create->target == RENDERER_TARGET_BUFFER;
    if (!(is_buffer ? check_buffer(create, error) : check_texture(create, error)))
        return false;

    struct resource *resource = resource_add(&gpu->resources, create->resource_id, error);
    if (!resource)
        return false;
    if (!resource_charge(&gpu->resources, resource, bytes_of(create), error) ||
        !create_in_renderer(gpu, create, error)) {
        resource_remove(&gpu->resources, resource);
        return false;
    }
    resource->kind = RESOURCE_3D;
    resource->context_id = create->hdr.ctx_id;
    /* The numbers of the 2D formats are those of the renderer's (virgl_hw.h). */
    resource->image = (struct resource_image){
        .format = create->format,
        .width = create->width,
        .height = create->height,
    };
    return true;
}

/* --- guest memory --- */

bool gpu_3d_attach(struct gpu *gpu, struct resource *resource, struct error *error)
{
    if (resource->kind == RESOURCE_2D)
        return true;
    if (resource->kind == RESOURCE_BLOB) {
        if (resource->pages.size < resource->size)
            return error_set(error, ERROR_GUEST_PARAMETER,
                             "blob %u of %llu bytes: its guest memory has %llu",
                             resource->id, (unsigned long long)resource->size,
                             (unsigned long long)resource->pages.size);
        if (resource->blob_memory == VIRTIO_GPU_BLOB_MEM_HOST3D)
            return error_set(error, ERROR_GUEST_STATE,
                             "blob %u: a HOST3D blob has no guest memory", resource->id);
        if (resource->blob_memory == VIRTIO_GPU_BLOB_MEM_GUEST)
            return guest_blob_import(gpu, resource, error);
    }
    const struct renderer_pages pages = {resource->pages.vectors, resource->pages.count};
    const struct renderer_ops *ops = gpu->renderer.ops;
    return !ops->pages_attach ||
           ops->pages_attach(gpu->renderer.context, resource->id, pages, error);
}

/* A GUEST blob is its pages: without them the renderer has nothing left, and contexts lose it. */
void gpu_3d_detach(struct gpu *gpu, struct resource *resource)
{
    const struct renderer_ops *ops = gpu->renderer.ops;
    if (resource->pages.count == 0 || !gpu_renderer_knows(gpu, resource)) {
        guest_blob_forget_dmabuf(gpu, resource);
        return;
    }
    if (resource->kind == RESOURCE_BLOB &&
        resource->blob_memory == VIRTIO_GPU_BLOB_MEM_GUEST)
        ops->resource_destroy(gpu->renderer.context, resource->id);
    else if (ops->pages_detach)
        ops->pages_detach(gpu->renderer.context, resource->id);
    guest_blob_forget_dmabuf(gpu, resource);
}

/* --- transfers --- */

/* virtio 1.3, 5.7.6.8: blobs can be transferred, too. Only a HOST3D_GUEST blob has two sides. */
static bool check_sides(const struct gpu *gpu, const struct resource *resource,
                        struct error *error)
{
    if (resource->kind == RESOURCE_2D)
        return error_set(error, ERROR_GUEST_RESOURCE,
                         "resource %u is a 2D one: TRANSFER_TO_HOST_2D is for it",
                         resource->id);
    if (!gpu->renderer.ops->transfer || !gpu_renderer_knows(gpu, resource))
        return error_set(error, ERROR_GUEST_STATE,
                         "resource %u is not the renderer's: there is no other side",
                         resource->id);
    if (resource->pages.count == 0)
        return error_set(error, ERROR_GUEST_STATE,
                         "resource %u has no guest memory: attach some first",
                         resource->id);
    return true;
}

static bool transfer(struct gpu *gpu, struct call *call,
                     enum renderer_direction direction, struct error *error)
{
    const struct virtio_gpu_transfer_host_3d *command = call->request;
    struct resource *resource =
        resource_find(&gpu->resources, command->resource_id, error);
    if (!resource || !check_sides(gpu, resource, error))
        return false;
    if (command->hdr.ctx_id != 0 && !gpu_context_check(gpu, command->hdr.ctx_id, error))
        return false;
    if (command->offset > resource->pages.size)
        return error_set(error, ERROR_GUEST_PARAMETER,
                         "resource %u: offset %#llx, its guest memory has %#llx bytes",
                         resource->id, (unsigned long long)command->offset,
                         (unsigned long long)resource->pages.size);
    const struct renderer_transfer transfer = {
        .direction = direction,
        .resource_id = resource->id,
        .context_id = command->hdr.ctx_id,
        .level = command->level,
        .stride = command->stride,
        .layer_stride = command->layer_stride,
        .offset = command->offset,
        .x = command->box.x,
        .y = command->box.y,
        .z = command->box.z,
        .width = command->box.w,
        .height = command->box.h,
        .depth = command->box.d,
    };
    sync_copies(gpu);
    return gpu->renderer.ops->transfer(gpu->renderer.context, &transfer, error);
}

static bool transfer_to_host(struct gpu *gpu, struct call *call, struct error *error)
{
    return transfer(gpu, call, RENDERER_TO_HOST, error);
}

static bool transfer_from_host(struct gpu *gpu, struct call *call, struct error *error)
{
    return transfer(gpu, call, RENDERER_FROM_HOST, error);
}

static const struct command commands[] = {
    COMMAND(RESOURCE_CREATE_3D, resource_create_3d, ctrl_hdr, resource_create_3d),
    COMMAND(TRANSFER_TO_HOST_3D, transfer_host_3d, ctrl_hdr, transfer_to_host),
    COMMAND(TRANSFER_FROM_HOST_3D, transfer_host_3d, ctrl_hdr, transfer_from_host),
};

const struct command_table gpu_commands_3d = {commands, ARRAY_SIZE(commands)};

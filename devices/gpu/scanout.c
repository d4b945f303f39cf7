/* SPDX-License-Identifier: MIT */
#include "devices/gpu/scanout.h"

#include <stdlib.h>
#include <string.h>

#include "devices/gpu/cursor.h"
#include "devices/gpu/gpu.h"

#define PIXEL_SIZE 4u /* bytes, of all known formats */

bool scanout_check(const struct gpu *gpu, uint32_t index, struct error *error)
{
    if (index < gpu->registers.num_scanouts)
        return true;
    return error_set(error, ERROR_GUEST_SCANOUT,
                     "scanout %u: num_scanouts in the configuration space is %u", index,
                     gpu->registers.num_scanouts);
}

/* Inside of width x height pixels, not empty, and of a size that a display may have. */
static bool check_rect(const struct virtio_gpu_rect *rect, uint32_t resource_id,
                       uint32_t width, uint32_t height, struct error *error)
{
    if (rect->width == 0 || rect->height == 0 || rect->width > GPU_DISPLAY_SIZE_MAX ||
        rect->height > GPU_DISPLAY_SIZE_MAX)
        return error_set(error, ERROR_GUEST_PARAMETER,
                         "resource %u: a scanout of %u x %u pixels: each is 1 to %u",
                         resource_id, rect->width, rect->height, GPU_DISPLAY_SIZE_MAX);
    if ((uint64_t)rect->x + rect->width > width ||
        (uint64_t)rect->y + rect->height > height)
        return error_set(error, ERROR_GUEST_PARAMETER,
                         "resource %u: %u x %u pixels at (%u, %u) are not in its %u x %u",
                         resource_id, rect->width, rect->height, rect->x, rect->y, width,
                         height);
    return true;
}

static void turn_on(struct gpu *gpu, uint32_t index, const struct resource *resource,
                    struct resource_view view, const struct virtio_gpu_rect *rect)
{
    struct scanout *scanout = &gpu->scanouts[index];
    view.x = rect->x;
    view.y = rect->y;
    view.width = rect->width;
    view.height = rect->height;
    scanout->resource_id = resource->id;
    scanout->serial = resource->serial;
    scanout->view = view;
}

struct resource_view scanout_view_of(const struct resource *resource)
{
    const struct resource_image *image = &resource->image;
    return (struct resource_view){
        .format = image->format,
        .stride = resource->kind == RESOURCE_2D ? PIXEL_SIZE * image->width : 0,
        .width = image->width,
        .height = image->height,
    };
}

bool scanout_set(struct gpu *gpu, uint32_t index, uint32_t resource_id,
                 const struct virtio_gpu_rect *rect, struct error *error)
{
    if (!scanout_check(gpu, index, error))
        return false;
    if (resource_id == 0) {
        gpu->scanouts[index].resource_id = 0;
        return true;
    }
    const struct resource *resource = resource_find(&gpu->resources, resource_id, error);
    if (!resource)
        return false;
    if (resource->kind == RESOURCE_BLOB)
        return error_set(error, ERROR_GUEST_RESOURCE,
                         "resource %u is a blob, which has no format: "
                         "SET_SCANOUT_BLOB shows it",
                         resource_id);
    if (!picture_format_is_known(resource->image.format))
        return error_set(error, ERROR_GUEST_PARAMETER,
                         "resource %u has format %u: a scanout shows only those of "
                         "VIRTIO_GPU_FORMAT_*",
                         resource_id, resource->image.format);
    if (!check_rect(rect, resource_id, resource->image.width, resource->image.height,
                    error))
        return false;
    turn_on(gpu, index, resource, scanout_view_of(resource), rect);
    return true;
}

/* The pixels that the command describes lie in the blob. */
static bool check_layout(const struct virtio_gpu_set_scanout_blob *command, uint64_t size,
                         struct error *error)
{
    if (!picture_format_is_known(command->format))
        return error_set(error, ERROR_GUEST_PARAMETER,
                         "blob %u: format %u is not one of VIRTIO_GPU_FORMAT_*",
                         command->resource_id, command->format);
    if (command->width == 0 || command->height == 0 ||
        command->width > RESOURCE_SIDE_MAX || command->height > RESOURCE_SIDE_MAX)
        return error_set(error, ERROR_GUEST_PARAMETER,
                         "blob %u: %u x %u pixels: each is 1 to %u", command->resource_id,
                         command->width, command->height, RESOURCE_SIDE_MAX);
    /* All of these have 32 bits, width and height have 15: no overflow. */
    uint64_t row = (uint64_t)PIXEL_SIZE * command->width;
    uint64_t stride = command->strides[0];
    if (stride < row)
        return error_set(error, ERROR_GUEST_PARAMETER,
                         "blob %u: a stride of %llu bytes for rows of %llu",
                         command->resource_id, (unsigned long long)stride,
                         (unsigned long long)row);
    uint64_t end = command->offsets[0] + stride * (command->height - 1) + row;
    if (end > size)
        return error_set(error, ERROR_GUEST_PARAMETER,
                         "blob %u: the picture ends at byte %llu, the blob has %llu",
                         command->resource_id, (unsigned long long)end,
                         (unsigned long long)size);
    return true;
}

bool scanout_set_blob(struct gpu *gpu, const struct virtio_gpu_set_scanout_blob *command,
                      struct error *error)
{
    if (!scanout_check(gpu, command->scanout_id, error))
        return false;
    if (command->resource_id == 0) {
        gpu->scanouts[command->scanout_id].resource_id = 0;
        return true;
    }
    const struct resource *resource =
        resource_find(&gpu->resources, command->resource_id, error);
    if (!resource)
        return false;
    if (resource->kind != RESOURCE_BLOB)
        return error_set(error, ERROR_GUEST_RESOURCE,
                         "resource %u is not a blob: SET_SCANOUT shows it",
                         command->resource_id);
    if (!check_layout(command, resource->size, error) ||
        !check_rect(&command->r, command->resource_id, command->width, command->height,
                    error))
        return false;
    const struct resource_view view = {
        .format = command->format,
        .offset = command->offsets[0],
        .stride = command->strides[0],
    };
    turn_on(gpu, command->scanout_id, resource, view, &command->r);
    return true;
}

struct resource *scanout_resource(struct gpu *gpu, unsigned index)
{
    const struct scanout *scanout = &gpu->scanouts[index];
    struct error error;
    if (scanout->resource_id == 0)
        return NULL;
    struct resource *resource =
        resource_find(&gpu->resources, scanout->resource_id, &error);
    return resource && resource->serial == scanout->serial ? resource : NULL;
}

static void read_image(const struct resource *resource, const struct resource_view *view,
                       uint8_t *rows)
{
    const size_t row = (size_t)PIXEL_SIZE * view->width;
    const size_t stride = (size_t)PIXEL_SIZE * resource->image.width;
    const uint8_t *source =
        resource->image.pixels + view->y * stride + (size_t)PIXEL_SIZE * view->x;
    for (uint32_t y = 0; y < view->height; y++)
        memcpy(rows + y * row, source + y * stride, row);
}

bool scanout_read_view(struct gpu *gpu, struct resource *resource,
                       const struct resource_view *view, struct picture *picture,
                       struct error *error)
{
    if (!picture_init(picture, view->width, view->height, error))
        return false;
    bool good = true;
    if (resource->kind == RESOURCE_2D)
        read_image(resource, view, picture->pixels);
    else
        good = gpu_resource_read(gpu, resource, view, picture->pixels, error);
    if (good)
        picture_convert(picture->pixels, picture->pixels, view->format,
                        view->width * view->height);
    else
        picture_finish(picture);
    return good;
}

bool scanout_read(struct gpu *gpu, unsigned index, struct picture *picture,
                  struct error *error)
{
    struct scanout *scanout = &gpu->scanouts[index];
    struct resource *resource = scanout_resource(gpu, index);
    if (!resource)
        return error_set(error, ERROR_GUEST_STATE,
                         "scanout %u shows nothing: the guest has set no picture", index);
    if (!scanout_read_view(gpu, resource, &scanout->view, picture, error))
        return error_wrap(error, "scanout %u", index);
    cursor_blend(&scanout->cursor, picture);
    return true;
}

void scanouts_clear(struct gpu *gpu)
{
    for (unsigned i = 0; i < ARRAY_SIZE(gpu->scanouts); i++) {
        picture_finish(&gpu->scanouts[i].cursor.picture);
        gpu->scanouts[i] = (struct scanout){0};
    }
}

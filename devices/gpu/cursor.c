/* SPDX-License-Identifier: MIT */
#include "devices/gpu/cursor.h"

#include "devices/gpu/gpu.h"

#define CURSOR_STRIDE (4u * GPU_CURSOR_SIZE) /* bytes */
#define CURSOR_BYTES  ((uint64_t)CURSOR_STRIDE * GPU_CURSOR_SIZE)

static void place(struct cursor *cursor, const struct virtio_gpu_cursor_pos *position)
{
    cursor->x = (int32_t)position->x;
    cursor->y = (int32_t)position->y;
}

bool cursor_move(struct gpu *gpu, const struct virtio_gpu_cursor_pos *position,
                 struct error *error)
{
    if (!scanout_check(gpu, position->scanout_id, error))
        return false;
    place(&gpu->scanouts[position->scanout_id].cursor, position);
    return true;
}

/* A blob says nothing about its format: it is the only one that Linux' driver offers for
 * cursors (virtgpu_plane.c, virtio_gpu_cursor_formats, on a little-endian guest). */
static bool find_view(const struct resource *resource, struct resource_view *view,
                      struct error *error)
{
    if (resource->kind == RESOURCE_BLOB) {
        *view = (struct resource_view){
            .format = VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM,
            .stride = CURSOR_STRIDE,
            .width = GPU_CURSOR_SIZE,
            .height = GPU_CURSOR_SIZE,
        };
        return resource->size >= CURSOR_BYTES ||
               error_set(error, ERROR_GUEST_PARAMETER,
                         "blob %u has %llu bytes, a cursor needs %llu", resource->id,
                         (unsigned long long)resource->size,
                         (unsigned long long)CURSOR_BYTES);
    }
    *view = scanout_view_of(resource);
    if (view->width != GPU_CURSOR_SIZE || view->height != GPU_CURSOR_SIZE)
        return error_set(error, ERROR_GUEST_PARAMETER,
                         "resource %u has %u x %u pixels, a cursor has %u x %u",
                         resource->id, view->width, view->height, GPU_CURSOR_SIZE,
                         GPU_CURSOR_SIZE);
    return picture_format_is_known(view->format) ||
           error_set(error, ERROR_GUEST_PARAMETER,
                     "resource %u has format %u: a cursor has one of VIRTIO_GPU_FORMAT_*",
                     resource->id, view->format);
}

bool cursor_update(struct gpu *gpu, const struct virtio_gpu_update_cursor *command,
                   struct error *error)
{
    struct resource_view view;
    struct picture picture;
    if (!scanout_check(gpu, command->pos.scanout_id, error))
        return false;
    struct cursor *cursor = &gpu->scanouts[command->pos.scanout_id].cursor;
    if (command->resource_id == 0) {
        cursor->visible = false;
        place(cursor, &command->pos);
        return true;
    }
    struct resource *resource =
        resource_find(&gpu->resources, command->resource_id, error);
    if (!resource || !find_view(resource, &view, error) ||
        !scanout_read_view(gpu, resource, &view, &picture, error))
        return false;
    picture_finish(&cursor->picture);
    cursor->picture = picture;
    cursor->visible = true;
    place(cursor, &command->pos);
    return true;
}

static uint8_t mix(uint8_t below, uint8_t above, uint8_t alpha)
{
    unsigned sum = above + (below * (255u - alpha) + 127) / 255;
    return (uint8_t)(sum < 255 ? sum : 255);
}

void cursor_blend(const struct cursor *cursor, struct picture *picture)
{
    if (!cursor->visible)
        return;
    for (int64_t row = 0; row < GPU_CURSOR_SIZE; row++) {
        for (int64_t column = 0; column < GPU_CURSOR_SIZE; column++) {
            int64_t x = cursor->x + column;
            int64_t y = cursor->y + row;
            if (x < 0 || y < 0 || x >= picture->width || y >= picture->height)
                continue;
            const uint8_t *above =
                cursor->picture.pixels + 4 * (row * GPU_CURSOR_SIZE + column);
            uint8_t *below = picture->pixels + 4 * (y * picture->width + x);
            for (unsigned i = 0; i < 3; i++)
                below[i] = mix(below[i], above[i], above[3]);
        }
    }
}

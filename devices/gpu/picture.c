/* SPDX-License-Identifier: MIT */
#include "devices/gpu/picture.h"

#include <stdlib.h>

#include "devices/gpu/protocol.h"

/* Where red, green, blue and alpha are among a pixel's four bytes in memory; the formats are
 * named in the order of the bytes (virtio 1.2, 5.7.6.8: they are Gallium's, whose names begin
 * with the lowest byte). */
struct order {
    uint32_t format;
    uint8_t red, green, blue;
    uint8_t alpha; /* OPAQUE: the byte means nothing */
};

#define OPAQUE 4u /* behind the four */

static const struct order orders[] = {
    {VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM, 2, 1, 0, 3},
    {VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, 2, 1, 0, OPAQUE},
    {VIRTIO_GPU_FORMAT_A8R8G8B8_UNORM, 1, 2, 3, 0},
    {VIRTIO_GPU_FORMAT_X8R8G8B8_UNORM, 1, 2, 3, OPAQUE},
    {VIRTIO_GPU_FORMAT_R8G8B8A8_UNORM, 0, 1, 2, 3},
    {VIRTIO_GPU_FORMAT_X8B8G8R8_UNORM, 3, 2, 1, OPAQUE},
    {VIRTIO_GPU_FORMAT_A8B8G8R8_UNORM, 3, 2, 1, 0},
    {VIRTIO_GPU_FORMAT_R8G8B8X8_UNORM, 0, 1, 2, OPAQUE},
};

static const struct order *find_order(uint32_t format)
{
    for (size_t i = 0; i < ARRAY_SIZE(orders); i++)
        if (orders[i].format == format)
            return &orders[i];
    return NULL;
}

bool picture_init(struct picture *picture, uint32_t width, uint32_t height,
                  struct error *error)
{
    size_t size;
    *picture = (struct picture){.width = width, .height = height};
    if (!__builtin_mul_overflow((uint64_t)width * height, 4, &size))
        picture->pixels = calloc(1, size);
    return picture->pixels ||
           error_set(error, ERROR_HOST_MEMORY,
                     "no memory for a picture of %u x %u pixels", width, height);
}

void picture_finish(struct picture *picture)
{
    free(picture->pixels);
    *picture = (struct picture){0};
}

bool picture_format_is_known(uint32_t format)
{
    return find_order(format) != NULL;
}

void picture_convert(uint8_t *pixels, const uint8_t *source, uint32_t format,
                     uint32_t count)
{
    const struct order *order = find_order(format);
    BUG_ON(!order);
    for (uint32_t i = 0; i < count; i++, pixels += 4, source += 4) {
        const uint8_t pixel[5] = {source[0], source[1], source[2], source[3], 255};
        pixels[0] = pixel[order->red];
        pixels[1] = pixel[order->green];
        pixels[2] = pixel[order->blue];
        pixels[3] = pixel[order->alpha];
    }
}

/* SPDX-License-Identifier: MIT */
/*
 * Pixels, as a screenshot shows them: 8 bits each of red, green, blue and alpha, in this order
 * in memory, rows from top to bottom without gaps. And the eight formats of the 2D commands
 * (VIRTIO_GPU_FORMAT_*, virtio 1.2, 5.7.6.8), all of 4 bytes for a pixel.
 */
#ifndef S2VMM_GPU_PICTURE_H
#define S2VMM_GPU_PICTURE_H

#include "vmm/error.h"
#include "vmm/types.h"

struct picture {
    uint32_t width; /* pixels */
    uint32_t height;
    uint8_t *pixels; /* 4 * width * height bytes */
};

/* ERROR_HOST_MEMORY; the pixels are zero. */
bool picture_init(struct picture *picture, uint32_t width, uint32_t height,
                  struct error *error);
/* A zeroed object is fine. */
void picture_finish(struct picture *picture);

/* True for the formats of VIRTIO_GPU_FORMAT_*. */
bool picture_format_is_known(uint32_t format);

/* Converts `count` pixels of a known format; formats with an X get an alpha of 255. Both may be
 * the same memory. */
void picture_convert(uint8_t *pixels, const uint8_t *source, uint32_t format,
                     uint32_t count);

/* Writes a PNG file: first to `path` with ".part" behind it, then renamed, so that nobody sees
 * half a picture. ERROR_CONFIG_FILE. */
bool picture_write_png(const struct picture *picture, const char *path,
                       struct error *error);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The part of a resource that is looked at: what a scanout shows (virtio 1.3, 5.7.6.8,
 * SET_SCANOUT and SET_SCANOUT_BLOB), or a cursor's picture.
 *
 *   offset --> +------------------------------+  \
 *              |   (x, y) +--------+          |   > stride bytes from row to row
 *              |          | width  | height   |  /
 *              |          +--------+          |
 *              +------------------------------+
 */
#ifndef S2VMM_GPU_RESOURCE_VIEW_H
#define S2VMM_GPU_RESOURCE_VIEW_H

#include "vmm/error.h"
#include "vmm/types.h"

struct gpu;
struct resource;

struct resource_view {
    uint32_t format; /* a known one, see picture.h: 4 bytes for a pixel */
    uint64_t offset; /* bytes to pixel (0, 0) of the plane; 2D and 3D: 0 */
    uint32_t stride; /* bytes from row to row; 3D: 0, only the renderer knows */
    uint32_t x;      /* pixels, of what is looked at */
    uint32_t y;
    uint32_t width;
    uint32_t height;
};

/* Reads the view of a 3D resource or of a blob, which must lie in it: that is checked here,
 * whatever was checked before. Fills `rows`, of 4 * width * height bytes, with pixels of
 * view->format, the top row first, without gaps. Device thread, under the lock.
 * ERROR_GUEST_PARAMETER when the view does not fit, ERROR_GUEST_STATE when there is nothing to
 * read, ERROR_HOST_*. In resource_read.c. */
bool gpu_resource_read(struct gpu *gpu, struct resource *resource,
                       const struct resource_view *view, uint8_t *rows,
                       struct error *error);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Scanouts: what the guest shows on which display.
 *
 *            SET_SCANOUT, SET_SCANOUT_BLOB
 *   off ------------------------------------> on: a view of a resource, and a cursor over it
 *    ^                                        |
 *    +----------------------------------------+
 *      resource 0, the end of the resource, reset
 *
 * A scanout knows its resource by id and serial, so it never shows another resource that got
 * the id later. What the guest does when the resource of a scanout ends is not in the
 * specification: here the scanout is off from then on.
 *
 * The display (the configured size, what GET_DISPLAY_INFO and GET_EDID tell) is a wish: the
 * guest may show a rectangle of any size, and then that is what a screenshot has.
 */
#ifndef S2VMM_GPU_SCANOUT_H
#define S2VMM_GPU_SCANOUT_H

#include "devices/gpu/picture.h"
#include "devices/gpu/protocol.h"
#include "devices/gpu/resource_view.h"

/* A picture of GPU_CURSOR_SIZE squared, copied when the guest sets it. */
struct cursor {
    bool visible;
    int32_t x; /* of its top left corner, in the scanout; may be outside */
    int32_t y;
    struct picture picture;
};

struct scanout {
    uint32_t resource_id; /* 0: off */
    uint64_t serial;      /* of the resource */
    struct resource_view view;
    struct cursor cursor;
};

/* All of the following are called under the device's lock. */

/* ERROR_GUEST_SCANOUT. */
bool scanout_check(const struct gpu *gpu, uint32_t index, struct error *error);

/* Shows the part of a 2D or 3D resource, or turns the scanout off: resource 0.
 * ERROR_GUEST_SCANOUT, ERROR_GUEST_RESOURCE when there is none or it is a blob,
 * ERROR_GUEST_PARAMETER when the rectangle is empty, too large, or not in the resource. */
bool scanout_set(struct gpu *gpu, uint32_t index, uint32_t resource_id,
                 const struct virtio_gpu_rect *rect, struct error *error);

/* The same for a blob, whose format and layout come with the command. */
bool scanout_set_blob(struct gpu *gpu, const struct virtio_gpu_set_scanout_blob *command,
                      struct error *error);

/* What it shows; NULL: it is off. */
struct resource *scanout_resource(struct gpu *gpu, unsigned index);

/* Makes a picture of what it shows, with the cursor; picture_finish() is the caller's on
 * success. ERROR_GUEST_STATE when it is off, and what gpu_resource_read() says. Device
 * thread. */
bool scanout_read(struct gpu *gpu, unsigned index, struct picture *picture,
                  struct error *error);

/* All off, without cursors: for a reset. */
void scanouts_clear(struct gpu *gpu);

/* The view of a whole 2D or 3D resource, without checks. */
struct resource_view scanout_view_of(const struct resource *resource);

/* Reads a view of any resource as a picture (2D here, others by gpu_resource_read()). */
bool scanout_read_view(struct gpu *gpu, struct resource *resource,
                       const struct resource_view *view, struct picture *picture,
                       struct error *error);

#endif

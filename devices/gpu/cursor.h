/* SPDX-License-Identifier: MIT */
/*
 * The cursor of a scanout: UPDATE_CURSOR copies its picture from a resource of 64 x 64 pixels,
 * MOVE_CURSOR moves it (virtio 1.3, 5.7.6.6 and 5.7.6.10), a screenshot blends it in.
 *
 * The position is that of the picture's top left corner, not of the hot spot: the specification
 * does not say which, and Linux sends the position of its cursor plane
 * (drivers/gpu/drm/virtio/virtgpu_plane.c, virtio_gpu_cursor_plane_update()). It may be negative.
 */
#ifndef S2VMM_GPU_CURSOR_H
#define S2VMM_GPU_CURSOR_H

#include "devices/gpu/scanout.h"

/* UPDATE_CURSOR; resource 0 hides the cursor. ERROR_GUEST_SCANOUT, ERROR_GUEST_RESOURCE,
 * ERROR_GUEST_PARAMETER when the resource has another size or is too small, and what
 * gpu_resource_read() says. On the device's thread, under the lock. */
bool cursor_update(struct gpu *gpu, const struct virtio_gpu_update_cursor *command,
                   struct error *error);

/* MOVE_CURSOR. ERROR_GUEST_SCANOUT. */
bool cursor_move(struct gpu *gpu, const struct virtio_gpu_cursor_pos *position,
                 struct error *error);

/* Puts the cursor over the picture, as far as it is in it. Its colours are multiplied by its
 * alpha already: so are a plane's in Linux unless it says otherwise, and virtio-gpu's cannot
 * (drivers/gpu/drm/drm_atomic_state_helper.c, DRM_MODE_BLEND_PREMULTI). */
void cursor_blend(const struct cursor *cursor, struct picture *picture);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * No renderer: for a device that shows 2D resources and blobs of guest memory, and renders
 * nothing. It has no capsets, contexts and HOST3D blobs; fences are signalled at once.
 */
#ifndef S2VMM_GPU_RENDERER_NONE_H
#define S2VMM_GPU_RENDERER_NONE_H

#include "devices/gpu/renderer.h"

struct renderer_none {
    renderer_fence_function *fence;
    void *fence_context;
};

/* The caller's object stays in use; there is nothing to destroy. */
struct renderer renderer_none_interface(struct renderer_none *none);

#endif

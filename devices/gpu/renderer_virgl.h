/* SPDX-License-Identifier: MIT */
/*
 * A renderer on libvirglrenderer, 0.10.4 to 1.3, loaded at run time: a VMM without a GPU
 * device starts without it, and one binary runs on any of these versions, whichever
 * headers it was built with.
 */
#ifndef S2VMM_GPU_RENDERER_VIRGL_H
#define S2VMM_GPU_RENDERER_VIRGL_H

#include "devices/gpu/render_server.h"
#include "devices/gpu/renderer.h"

struct renderer_virgl_config {
    bool virgl; /* OpenGL contexts: capsets virgl, virgl2 */
    bool venus; /* Vulkan contexts, by the render server: capset venus */
    struct render_server *server; /* for venus */
    const char *drm_node; /* for virgl: a DRM node, or NULL for a surfaceless display */
    renderer_fence_function *fence; /* called from any thread */
    void *fence_context;
};

struct renderer_virgl;

/* Loads and initialises the library; the calling thread is the only one that may use the
 * renderer from then on. One at a time in a process (the library has global state).
 * ERROR_CONFIG_HOST when the library, its server or a feature is missing, with the
 * package that has it; ERROR_HOST_RENDERER when the library refuses to start. */
struct renderer_virgl *renderer_virgl_create(const struct renderer_virgl_config *config,
                                             struct error *error);
void renderer_virgl_destroy(struct renderer_virgl *virgl);

/* The ops for this renderer. */
struct renderer renderer_virgl_interface(struct renderer_virgl *virgl);

/* The file that was loaded, "libvirglrenderer.so.1.9.0"; it tells the version, as the
 * library has no call for it. */
const char *renderer_virgl_library(const struct renderer_virgl *virgl);

#endif

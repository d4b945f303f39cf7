/* SPDX-License-Identifier: MIT */
/*
 * Which renderer the device has, as its configuration says: libvirglrenderer in this process or
 * in one of its own, an exporter of buffers, or none.
 */
#include <stdio.h>

#include "devices/gpu/gpu.h"
#include "devices/gpu/renderer_exporter.h"
#include "devices/gpu/renderer_remote.h"
#include "devices/gpu/renderer_virgl.h"

static void fence_done(void *context, struct renderer_timeline timeline, uint32_t fence)
{
    struct gpu *gpu = context;
    fence_queue_signal(&gpu->fences, timeline, fence);
}

static bool create_virgl(struct gpu *gpu, struct error *error)
{
    const struct renderer_virgl_config config = {
        .virgl = gpu->config.virgl,
        .venus = gpu->config.venus,
        .server = gpu->config.server,
        .drm_node = gpu->config.drm_node,
        .fence = fence_done,
        .fence_context = gpu,
    };
    gpu->virgl = renderer_virgl_create(&config, error);
    if (!gpu->virgl)
        return false;
    gpu->renderer = renderer_virgl_interface(gpu->virgl);
    snprintf(gpu->recorder->library, sizeof gpu->recorder->library, "%s",
             renderer_virgl_library(gpu->virgl));
    return true;
}

static bool create_remote(struct gpu *gpu, struct error *error)
{
    struct renderer_remote *remote = gpu->config.remote;
    if (!renderer_remote_start(remote, gpu->virtio.memory, fence_done, gpu, error))
        return false;
    gpu->renderer = renderer_remote_interface(remote);
    snprintf(gpu->recorder->library, sizeof gpu->recorder->library, "%s",
             renderer_remote_library(remote));
    return true;
}

static bool create_exporter(struct gpu *gpu, struct error *error)
{
    struct renderer_exporter *exporter =
        renderer_exporter_create(gpu->config.blobs_from, gpu->config.drm_node,
                                 gpu->config.platform.model, fence_done, gpu, error);
    if (!exporter)
        return false;
    const char *node = renderer_exporter_node(exporter);
    if (node) {
        trace_detail(gpu->trace, "gpu", "buffers come from %s", node);
        gpu->config.drm_node = node; /* who made them is asked about them */
    }
    gpu->renderer = renderer_exporter_interface(exporter);
    snprintf(gpu->recorder->library, sizeof gpu->recorder->library, "none");
    return true;
}

bool gpu_wants_renderer(const struct gpu_config *config)
{
    return config->virgl || config->venus || config->blobs_from;
}

bool gpu_create_renderer(struct gpu *gpu, struct error *error)
{
    if (gpu->config.blobs_from)
        return create_exporter(gpu, error);
    if (gpu->config.remote)
        return create_remote(gpu, error);
    if (gpu_wants_renderer(&gpu->config))
        return create_virgl(gpu, error);
    gpu->none = (struct renderer_none){.fence = fence_done, .fence_context = gpu};
    gpu->renderer = renderer_none_interface(&gpu->none);
    snprintf(gpu->recorder->library, sizeof gpu->recorder->library, "none");
    return true;
}

/* libvirglrenderer and OpenGL want one thread. */
static bool is_bound_to_thread(const struct gpu_config *config)
{
    return !config->blobs_from && !config->remote && (config->virgl || config->venus);
}

bool gpu_make_renderer(struct gpu *gpu, struct error *error)
{
    if (!gpu->has_renderer && !is_bound_to_thread(&gpu->config))
        gpu->has_renderer = gpu_create_renderer(gpu, error);
    return gpu->has_renderer || is_bound_to_thread(&gpu->config);
}

void gpu_destroy_renderer(struct gpu *gpu)
{
    if (gpu->config.blobs_from)
        renderer_exporter_destroy(gpu->renderer.context);
    else if (gpu->config.remote)
        renderer_remote_stop(gpu->config.remote);
    else if (gpu->virgl)
        renderer_virgl_destroy(gpu->virgl);
    gpu->renderer = (struct renderer){0};
    gpu->virgl = NULL;
    gpu->has_renderer = false;
}

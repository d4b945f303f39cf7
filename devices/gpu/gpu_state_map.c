/* SPDX-License-Identifier: MIT */
/*
 * A blob is mapped once more: by blob_map(), which knows how, from a stand-in for the renderer,
 * which hands out the file of the state, and says about the cache mode what the renderer said.
 */
#include <string.h>
#include <unistd.h>

#include "devices/gpu/gpu_state.h"

static bool stand_in_export(void *renderer, uint32_t resource_id,
                            enum renderer_fd_type *type, int *fd, struct error *error)
{
    (void)resource_id;
    (void)error;
    struct gpu_state_mapping *mapping = renderer;
    *type = mapping->kind == BACKING_DMABUF ? RENDERER_FD_DMABUF : RENDERER_FD_SHM;
    *fd = mapping->fd;
    mapping->fd = -1;
    return true;
}

static bool stand_in_map_info(void *renderer, uint32_t resource_id, uint32_t *map_info)
{
    (void)resource_id;
    const struct gpu_state_mapping *mapping = renderer;
    *map_info = mapping->renderer;
    return mapping->renderer != MEMATTR_MAP_NONE;
}

/* blob_map() asks for nothing else where there is a file. */
static const struct renderer_ops stand_in_ops = {
    .blob_export = stand_in_export,
    .blob_map_info = stand_in_map_info,
};

uint32_t gpu_state_told(const struct gpu *gpu, const struct resource *resource)
{
    return gpu->config.force_map_info ? gpu->config.forced_map_info
                                      : (uint32_t)resource->decision.map_info;
}

uint32_t gpu_state_renderer_said(const struct resource *resource)
{
    const struct cache_mode_answer *answer =
        &resource->decision.report.answers[CACHE_MODE_RENDERER];
    for (uint32_t i = MEMATTR_MAP_CACHED; answer->known && i <= MEMATTR_MAP_WC; i++)
        if (strcmp(answer->said, memattr_map_info_name((enum memattr_map_info)i)) == 0)
            return i;
    return MEMATTR_MAP_NONE;
}

bool gpu_state_map(struct gpu *gpu, struct resource *resource,
                   struct gpu_state_mapping mapping, struct error *error)
{
    const struct renderer renderer = gpu->renderer;
    enum memattr_map_info ignored;
    gpu->renderer = (struct renderer){&stand_in_ops, &mapping};
    bool good = blob_map(gpu, resource->id, mapping.offset, &ignored, error);
    gpu->renderer = renderer;
    if (mapping.fd >= 0)
        close(mapping.fd);
    if (!good)
        return error_wrap(error, "blob %u cannot be mapped again", resource->id);
    uint32_t now = gpu_state_told(gpu, resource);
    return now == mapping.told ||
           error_set(error, ERROR_REFUSED,
                     "blob %u (%s): the guest was told map_info %u, and would be told %u "
                     "now: let the guest unmap it before an update",
                     resource->id, resource->backing.exporter, mapping.told, now);
}

/* SPDX-License-Identifier: MIT */
#include "devices/gpu/window.h"

#include "devices/gpu/lost.h"

static void hide(struct gpu *gpu, struct resource *resource)
{
    const struct hostmem_mapping before = resource->mapping;
    struct error error;
    if (before.hidden)
        return;
    if (hostmem_hide(&gpu->hostmem, &resource->mapping, &error))
        recorder_unmapped(gpu->recorder, &before, resource->size);
    else /* the guest still finds it at its old place */
        trace_warning(gpu->trace, "gpu", "blob %u does not move with the window: %s",
                      resource->id, error.text);
}

static void show(struct gpu *gpu, struct resource *resource)
{
    const struct hostmem_placement placement = resource->mapping.placement;
    struct error error;
    if (!resource->mapping.hidden ||
        hostmem_show(&gpu->hostmem, resource->id, &resource->mapping, &error))
        return;
    resource->lost = true;
    resource->mapping.placement = placement; /* for the record */
    trace_warning(gpu->trace, "gpu",
                  "blob %u is lost: the window moved, and it cannot follow: %s",
                  resource->id, error.text);
    recorder_dropped(gpu->recorder, resource, error.text);
}

static void for_each_mapped(struct gpu *gpu,
                            void (*action)(struct gpu *, struct resource *))
{
    for (struct resource *resource = resource_next(&gpu->resources, NULL); resource;
         resource = resource_next(&gpu->resources, resource))
        if (resource->mapping.mapped)
            action(gpu, resource);
}

void gpu_window_moved(void *context, uint8_t id, const struct gpa_range *range)
{
    struct gpu *gpu = context;
    struct error error;
    BUG_ON(id != VIRTIO_GPU_SHM_ID_HOST_VISIBLE);
    pthread_mutex_lock(&gpu->lock);
    for_each_mapped(gpu, hide);
    if (!hostmem_move(&gpu->hostmem, range, &error)) {
        trace_warning(gpu->trace, "gpu", "the window does not move: %s", error.text);
        for_each_mapped(gpu, show);
    } else if (range) {
        gpu->config.window = *range; /* for the guest's MTRRs */
        for_each_mapped(gpu, show);
        trace_detail(gpu->trace, "gpu", "the window is at 0x%llx, %llu bytes",
                     (unsigned long long)range->start.value,
                     (unsigned long long)range->size);
    } else {
        trace_detail(gpu->trace, "gpu", "the window is switched off");
    }
    pthread_mutex_unlock(&gpu->lock);
}

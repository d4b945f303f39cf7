/* SPDX-License-Identifier: MIT */
/* What the witness sees of a GPU: its mapped blobs. The device's lock is held for each look.
 * Of a blob that the guest has a copy of (shadow.h) it sees the buffer: that is what the rest of
 * the host has, and a copy that is never carried over shows. */
#include "devices/gpu/gpu.h"
#include "devices/gpu/witness.h"

static const struct resource *find(struct gpu *gpu, uint32_t resource_id)
{
    struct error ignored;
    const struct resource *resource =
        resource_find(&gpu->resources, resource_id, &ignored);
    return resource && resource->mapping.mapped ? resource : NULL;
}

static bool acquire(void *context, uint32_t resource_id, struct witness_view *view)
{
    struct gpu *gpu = context;
    pthread_mutex_lock(&gpu->lock);
    const struct resource *resource = find(gpu, resource_id);
    if (!resource) {
        pthread_mutex_unlock(&gpu->lock);
        return false;
    }
    const struct backing *backing = &resource->backing;
    *view = (struct witness_view){
        .has_file = backing->kind != BACKING_POINTER,
        .fd = backing->fd,
        .size = backing->size,
        .host = backing->host,
        .is_dmabuf = backing->kind == BACKING_DMABUF,
        .is_bar = resource->decision.report.buffer.page == MEMATTR_PAGE_MMIO,
    };
    return true;
}

static void release(void *context)
{
    struct gpu *gpu = context;
    pthread_mutex_unlock(&gpu->lock);
}

static void observed(void *context, uint32_t resource_id,
                     const struct guest_observation *observation)
{
    struct gpu *gpu = context;
    recorder_observed(gpu->recorder, find(gpu, resource_id), observation);
}

const struct witness_ops witness_gpu_ops = {
    .acquire = acquire,
    .release = release,
    .observed = observed,
};

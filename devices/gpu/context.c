/* SPDX-License-Identifier: MIT */
/*
 * Rendering contexts: which ids exist. What a context does is the renderer's business;
 * the list is asked first because the library may crash on an id that it does not know.
 */
#include "devices/gpu/guest_blob.h"

/* Of a renderer, for each context: its connection to the server, and its timelines;
 * docs/lifetimes.md. */
#define CONTEXT_DESCRIPTORS 4u

static unsigned position(const struct gpu *gpu, uint32_t id)
{
    unsigned i = 0;
    while (i < gpu->context_count && gpu->contexts[i] != id)
        i++;
    return i;
}

bool gpu_context_check(const struct gpu *gpu, uint32_t id, struct error *error)
{
    return position(gpu, id) < gpu->context_count ||
           error_set(error, ERROR_GUEST_CONTEXT, "there is no context %u", id);
}

/* virtio 1.2, 5.7.6.9: with capset 0, or without CONTEXT_INIT, the device determines what a context
 * is for: OpenGL, as it was before there was a choice, or else what there is. libvirglrenderer's
 * own call of that time stands for VIRGL2 (virgl_renderer_context_create()). */
static uint32_t default_capset(const struct gpu *gpu)
{
    struct renderer_capset capset;
    uint32_t choice = 0; /* stays for a renderer that has none: renderer_exporter.h */
    for (unsigned i = 0; gpu->renderer.ops->capset(gpu->renderer.context, i, &capset);
         i++)
        if (choice == 0 || capset.id == VIRTIO_GPU_CAPSET_VIRGL2)
            choice = capset.id;
    return choice;
}

static bool choose_capset(const struct gpu *gpu, uint32_t *capset_id, struct error *error)
{
    struct renderer_capset capset;
    if (*capset_id == 0) {
        *capset_id = default_capset(gpu);
        return true;
    }
    for (unsigned i = 0; gpu->renderer.ops->capset(gpu->renderer.context, i, &capset);
         i++)
        if (*capset_id == capset.id)
            return true;
    return error_set(error, ERROR_GUEST_PARAMETER,
                     "capset %u is not offered: GET_CAPSET_INFO lists those that are",
                     *capset_id);
}

static void give_back(struct gpu *gpu)
{
    struct quota_share *share = &gpu->context_share;
    quota_give(&gpu->quota, share, QUOTA_CONTEXTS, 1);
    quota_give(&gpu->quota, share, QUOTA_DESCRIPTORS, CONTEXT_DESCRIPTORS);
}

static bool take(struct gpu *gpu, uint32_t id, struct error *error)
{
    struct quota_share *share = &gpu->context_share;
    if (!quota_take(&gpu->quota, share, QUOTA_CONTEXTS, 1, error))
        return error_wrap(error, "context %u", id);
    if (quota_take(&gpu->quota, share, QUOTA_DESCRIPTORS, CONTEXT_DESCRIPTORS, error))
        return true;
    quota_give(&gpu->quota, share, QUOTA_CONTEXTS, 1);
    return error_wrap(error, "context %u", id);
}

/* --- renderer --- */

/* The old one's memory, contexts and resources must not be in use: they go with it. */
static bool holds_something(const struct gpu *gpu)
{
    const struct resource *resource = NULL;
    if (gpu->left_mapped || gpu->context_count > 0)
        return true;
    while ((resource = resource_next(&gpu->resources, resource)) != NULL)
        if (gpu_renderer_knows(gpu, resource))
            return true;
    return false;
}

void gpu_restart_renderer(struct gpu *gpu)
{
    const struct renderer_ops *ops = gpu->renderer.ops;
    struct error error;
    if (!ops->has_died || !ops->has_died(gpu->renderer.context) || holds_something(gpu))
        return;
    if (ops->restart(gpu->renderer.context, &error))
        trace_warning(gpu->trace, "gpu", "the renderer was restarted");
    else
        trace_warning(gpu->trace, "gpu",
                      "the renderer could not be restarted: %s; the next context, or "
                      "reset, tries it again",
                      error.text);
}

/* --- contexts --- */

static bool check_new(const struct gpu *gpu, uint32_t id, struct error *error)
{
    if (id == 0)
        return error_set(error, ERROR_GUEST_CONTEXT, "context id 0 is the device itself");
    if (position(gpu, id) < gpu->context_count)
        return error_set(error, ERROR_GUEST_CONTEXT,
                         "context %u exists already: destroy it first", id);
    return gpu->context_count < GPU_CONTEXTS_MAX ||
           error_set(error, ERROR_GUEST_LIMIT,
                     "context %u: the limit of %u contexts is reached", id,
                     GPU_CONTEXTS_MAX);
}

bool gpu_context_create(struct gpu *gpu, uint32_t id, uint32_t capset_id,
                        const char *name, struct error *error)
{
    if (!check_new(gpu, id, error))
        return false;
    gpu_restart_renderer(gpu);
    if (!choose_capset(gpu, &capset_id, error) || !take(gpu, id, error))
        return false;
    if (!gpu->renderer.ops->context_create(gpu->renderer.context, id, capset_id, name,
                                           error)) {
        give_back(gpu);
        return false;
    }
    gpu->contexts[gpu->context_count++] = id;
    trace_detail(gpu->trace, "gpu", "context %u \"%s\" created for capset %u", id, name,
                 capset_id);
    return true;
}

bool gpu_context_load(struct gpu *gpu, uint32_t id, struct error *error)
{
    if (!check_new(gpu, id, error) || !take(gpu, id, error))
        return false;
    gpu->contexts[gpu->context_count++] = id;
    return true;
}

bool gpu_context_destroy(struct gpu *gpu, uint32_t id, struct error *error)
{
    if (!gpu_context_check(gpu, id, error))
        return false;
    gpu->renderer.ops->context_destroy(gpu->renderer.context, id);
    fence_queue_abandon(&gpu->fences, id);
    gpu->contexts[position(gpu, id)] = gpu->contexts[gpu->context_count - 1];
    gpu->context_count--;
    give_back(gpu);
    return true;
}

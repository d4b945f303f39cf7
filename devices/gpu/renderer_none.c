/* SPDX-License-Identifier: MIT */
#include "devices/gpu/renderer_none.h"

static bool no(struct error *error, const char *what, uint32_t id)
{
    return error_set(error, ERROR_HOST_RENDERER,
                     "%s %u: this device has no renderer, run it with --gpu=virgl or "
                     "--gpu=venus",
                     what, id);
}

static bool capset(void *renderer, unsigned index, struct renderer_capset *capset)
{
    (void)renderer;
    (void)index;
    (void)capset;
    return false;
}

static bool context_create(void *renderer, uint32_t context_id, uint32_t capset_id,
                           const char *name, struct error *error)
{
    (void)renderer;
    (void)capset_id;
    (void)name;
    return no(error, "context", context_id);
}

static bool signal_at_once(void *renderer, struct renderer_timeline timeline,
                           uint32_t number, struct error *error)
{
    const struct renderer_none *none = renderer;
    (void)error;
    none->fence(none->fence_context, timeline, number);
    return true;
}

static bool blob_create(void *renderer, const struct renderer_blob *blob,
                        struct error *error)
{
    (void)renderer;
    return no(error, "HOST3D blob", blob->resource_id);
}

/* Without contexts and blobs there is nobody to ask for the rest. */
static const struct renderer_ops ops = {
    .capset = capset,
    .context_create = context_create,
    .fence = signal_at_once,
    .blob_create = blob_create,
};

struct renderer renderer_none_interface(struct renderer_none *none)
{
    return (struct renderer){.ops = &ops, .context = none};
}

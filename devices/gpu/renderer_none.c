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

static void capset_fill(void *renderer, const struct renderer_capset *capset,
                        uint32_t version, void *buffer)
{
    (void)renderer;
    (void)capset;
    (void)version;
    (void)buffer;
    BUG_ON(true); /* there is none */
}

static bool context_create(void *renderer, uint32_t context_id, uint32_t capset_id,
                           const char *name, struct error *error)
{
    (void)renderer;
    (void)capset_id;
    (void)name;
    return no(error, "context", context_id);
}

static void context_destroy(void *renderer, uint32_t context_id)
{
    (void)renderer;
    (void)context_id;
    BUG_ON(true);
}

static void attach(void *renderer, uint32_t context_id, uint32_t resource_id)
{
    (void)renderer;
    (void)context_id;
    (void)resource_id;
    BUG_ON(true);
}

static bool submit(void *renderer, uint32_t context_id, void *commands, uint32_t size,
                   struct error *error)
{
    (void)renderer;
    (void)commands;
    (void)size;
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

static void resource_destroy(void *renderer, uint32_t resource_id)
{
    (void)renderer;
    (void)resource_id;
    BUG_ON(true);
}

static bool blob_export(void *renderer, uint32_t resource_id, enum renderer_fd_type *type,
                        int *fd, struct error *error)
{
    (void)renderer;
    (void)type;
    (void)fd;
    return no(error, "HOST3D blob", resource_id);
}

static bool blob_map(void *renderer, uint32_t resource_id, void **host, uint64_t *size,
                     struct error *error)
{
    (void)renderer;
    (void)host;
    (void)size;
    return no(error, "HOST3D blob", resource_id);
}

static void blob_unmap(void *renderer, uint32_t resource_id)
{
    (void)renderer;
    (void)resource_id;
    BUG_ON(true);
}

static bool blob_map_info(void *renderer, uint32_t resource_id, uint32_t *map_info)
{
    (void)renderer;
    (void)resource_id;
    (void)map_info;
    return false;
}

static const struct renderer_ops ops = {
    .capset = capset,
    .capset_fill = capset_fill,
    .context_create = context_create,
    .context_destroy = context_destroy,
    .attach = attach,
    .detach = attach,
    .submit = submit,
    .fence = signal_at_once,
    .blob_create = blob_create,
    .resource_destroy = resource_destroy,
    .blob_export = blob_export,
    .blob_map = blob_map,
    .blob_unmap = blob_unmap,
    .blob_map_info = blob_map_info,
};

struct renderer renderer_none_interface(struct renderer_none *none)
{
    return (struct renderer){.ops = &ops, .context = none};
}

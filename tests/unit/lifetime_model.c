/* SPDX-License-Identifier: MIT */
#include "tests/unit/lifetime_model.h"

#include <string.h>

#include <linux/virtio_gpu.h>

#define OK        VIRTIO_GPU_RESP_OK_NODATA
#define STATE     VIRTIO_GPU_RESP_ERR_UNSPEC
#define HOST      VIRTIO_GPU_RESP_ERR_UNSPEC
#define MEMORY    VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY
#define RESOURCE  VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID
#define CONTEXT   VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID
#define PARAMETER VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER

#define LIST_ENTRY          UINT64_C(40) /* bytes, of a list of guest memory */
#define CONTEXT_DESCRIPTORS UINT64_C(4)
#define BLOB_DESCRIPTORS    1u
#define GUEST               VIRTIO_GPU_BLOB_MEM_GUEST
#define HOST3D              VIRTIO_GPU_BLOB_MEM_HOST3D

static bool is_host_blob(const struct model_resource *resource)
{
    return resource->kind == MODEL_BLOB && resource->memory != GUEST;
}

/* Whether the renderer knows the resource. */
static bool is_renderers(const struct model_resource *resource)
{
    return resource->kind == MODEL_3D || is_host_blob(resource) ||
           (resource->kind == MODEL_BLOB && resource->entries > 0);
}

/* A copy has three: of the buffer, itself, and a piece to move bytes with. In a window a mapping
 * is where the guest sees it, and goes when it is lost; that of a copy is one more. */
static unsigned mappings_of(const struct model *model,
                            const struct model_resource *resource)
{
    bool in_window = model->one_slot && resource->place == MODEL_MAPPED;
    if (resource->buffer == MODEL_POINTER)
        return 0;
    if (resource->buffer == MODEL_COPIED)
        return 3 + in_window;
    return model->one_slot ? in_window : 1;
}

static void count_mapped(const struct model *model, const struct model_resource *resource,
                         struct model_counts *counts)
{
    bool copied = resource->buffer == MODEL_COPIED;
    bool pointer = resource->buffer == MODEL_POINTER;
    counts->of[QUOTA_WINDOW] += resource->size;
    counts->of[QUOTA_MEMSLOTS] += !model->one_slot;
    counts->of[QUOTA_DESCRIPTORS] += copied ? 3 : 1;
    counts->of[QUOTA_HOST_MEMORY] += copied ? 2 * resource->size : 0;
    counts->renderer_mappings += pointer;
    counts->descriptors += pointer ? 0 : copied ? 3 : 1;
    counts->mappings += mappings_of(model, resource);
    counts->slots +=
        resource->place == MODEL_MAPPED && !model->window_off && !model->one_slot;
}

void model_count(const struct model *model, struct model_counts *counts)
{
    *counts = (struct model_counts){.slots = model->slot_made};
    for (unsigned i = 0; i < MODEL_CONTEXTS; i++)
        counts->contexts += model->contexts[i];
    for (unsigned i = 0; i < MODEL_IDS; i++) {
        const struct model_resource *resource = &model->resources[i];
        if (resource->kind == MODEL_NONE)
            continue;
        counts->resources++;
        counts->renderer_resources += is_renderers(resource);
        counts->descriptors += resource->dmabuf;
        counts->of[QUOTA_HOST_MEMORY] +=
            model->resource_size + LIST_ENTRY * resource->entries;
        counts->of[QUOTA_DESCRIPTORS] += resource->dmabuf;
        counts->of[QUOTA_LENT] += resource->dmabuf ? resource->size : 0;
        if (resource->kind != MODEL_BLOB || resource->memory != GUEST)
            counts->of[QUOTA_HOST_MEMORY] += resource->size;
        if (is_host_blob(resource))
            counts->of[QUOTA_DESCRIPTORS] += BLOB_DESCRIPTORS;
        if (resource->place != MODEL_UNMAPPED)
            count_mapped(model, resource, counts);
    }
    counts->of[QUOTA_RESOURCES] = counts->resources;
    counts->of[QUOTA_CONTEXTS] = counts->contexts;
    counts->of[QUOTA_DESCRIPTORS] += CONTEXT_DESCRIPTORS * counts->contexts;
}

/* Whether the quotas have room for the model as it is now. */
static bool fits(const struct model *model)
{
    struct model_counts counts;
    model_count(model, &counts);
    for (unsigned i = 0; i < QUOTA_KIND_COUNT; i++)
        if (counts.of[i] > model->limits.of[i])
            return false;
    return true;
}

/* --- resources --- */

static bool context_exists(const struct model *model, uint32_t id)
{
    return id > 0 && id < MODEL_CONTEXTS && model->contexts[id];
}

static struct model_resource *find(struct model *model, uint32_t id)
{
    struct model_resource *resource = &model->resources[id];
    return id > 0 && id < MODEL_IDS && resource->kind != MODEL_NONE ? resource : NULL;
}

static bool is_too_little(const struct model_resource *resource,
                          const struct model_step *step)
{
    return resource->kind == MODEL_BLOB &&
           (uint64_t)step->entries * step->entry_pages * MODEL_PAGE < resource->size;
}

/* Puts guest memory into the resource. A GUEST blob becomes a dma-buf where there is udmabuf, and
 * a quota for its descriptor. */
static uint32_t attach(const struct model *model, struct model_resource *resource,
                       const struct model_step *step)
{
    resource->entries = step->entries;
    if (!fits(model))
        return MEMORY;
    if (is_too_little(resource, step))
        return PARAMETER;
    if (resource->kind != MODEL_2D && (step->renderer_fails || model->dead))
        return HOST;
    resource->dmabuf =
        model->has_udmabuf && resource->kind == MODEL_BLOB && resource->memory == GUEST;
    resource->dmabuf = resource->dmabuf && fits(model);
    return OK;
}

/* Undoes what did not go well. */
static uint32_t keep_if(uint32_t response, struct model_resource *place,
                        struct model_resource before)
{
    if (response >= VIRTIO_GPU_RESP_ERR_UNSPEC)
        *place = before;
    return response;
}

/* With the renderer's memory, and with the guest's. */
static uint32_t fill(const struct model *model, struct model_resource *place,
                     const struct model_step *step, struct model_resource new)
{
    const bool needs_renderer = new.kind == MODEL_3D || is_host_blob(&new);
    if (!fits(model)) /* without either */
        return MEMORY;
    if (new.kind == MODEL_BLOB && step->entries > 0) {
        place->entries = step->entries;
        if (!fits(model))
            return MEMORY;
        if (is_too_little(&new, step))
            return PARAMETER;
    }
    *place = new;
    if (new.kind == MODEL_BLOB &&new.memory == GUEST)
        return step->entries > 0 ? attach(model, place, step) : OK;
    place->entries = new.kind == MODEL_BLOB ? step->entries : 0;
    if (!fits(model))
        return MEMORY;
    return needs_renderer && (step->renderer_fails || model->dead) ? HOST : OK;
}

static uint32_t create(struct model *model, const struct model_step *step,
                       struct model_resource new)
{
    if (step->resource == 0 || find(model, step->resource))
        return RESOURCE;
    struct model_resource *place = &model->resources[step->resource];
    *place = (struct model_resource){.kind = new.kind, .memory = GUEST};
    return keep_if(fill(model, place, step, new), place, (struct model_resource){0});
}

static uint32_t create_blob(struct model *model, const struct model_step *step)
{
    if ((step->context != 0 || step->memory != GUEST) &&
        !context_exists(model, step->context))
        return CONTEXT;
    if (step->memory == HOST3D && step->entries > 0)
        return PARAMETER;
    const struct model_resource new = {
        .kind = MODEL_BLOB,
        .memory = step->memory,
        .mappable = step->mappable,
        .size = (uint64_t)step->pages * MODEL_PAGE,
        .buffer = step->buffer,
    };
    return create(model, step, new);
}

static uint32_t attach_backing(struct model *model, const struct model_step *step)
{
    struct model_resource *resource = find(model, step->resource);
    if (!resource || (resource->kind == MODEL_BLOB && resource->memory == HOST3D))
        return RESOURCE;
    if (resource->entries > 0)
        return STATE;
    if (step->entries == 0)
        return PARAMETER;
    struct model_resource before = *resource;
    return keep_if(attach(model, resource, step), resource, before);
}

static uint32_t detach_backing(struct model *model, const struct model_step *step)
{
    struct model_resource *resource = find(model, step->resource);
    if (!resource)
        return RESOURCE;
    if (resource->entries == 0)
        return STATE;
    resource->entries = 0;
    resource->dmabuf = false;
    return OK;
}

/* --- the window --- */

static bool overlaps(const struct model *model, const struct model_resource *one)
{
    for (unsigned i = 0; i < MODEL_IDS; i++) {
        const struct model_resource *other = &model->resources[i];
        if (other != one && other->kind != MODEL_NONE && other->place == MODEL_MAPPED &&
            other->offset < one->offset + one->size &&
            one->offset < other->offset + other->size)
            return true;
    }
    return false;
}

static uint32_t put(struct model *model, const struct model_resource *resource,
                    const struct model_step *step)
{
    if (model->dead || resource->buffer == MODEL_UNSEALED ||
        resource->buffer == MODEL_SHORT)
        return HOST;
    if (!fits(model))
        return MEMORY;
    if (model->window_off)
        return STATE;
    if (resource->offset + resource->size > model->window)
        return PARAMETER;
    if (!model->one_slot) {
        if (resource->buffer == MODEL_LIAR)
            return HOST;
        if (overlaps(model, resource))
            return PARAMETER;
        return step->slot_fails ? HOST : VIRTIO_GPU_RESP_OK_MAP_INFO;
    }
    model->slot_made |= !step->slot_fails;
    if (!model->slot_made)
        return HOST;
    if (overlaps(model, resource))
        return PARAMETER;
    return resource->buffer == MODEL_LIAR || resource->buffer == MODEL_POINTER
               ? HOST
               : VIRTIO_GPU_RESP_OK_MAP_INFO;
}

static uint32_t map(struct model *model, const struct model_step *step)
{
    struct model_resource *resource = find(model, step->resource);
    if (!resource)
        return RESOURCE;
    if (resource->kind != MODEL_BLOB || resource->memory != HOST3D ||
        !resource->mappable || resource->place != MODEL_UNMAPPED)
        return STATE;
    const struct model_resource before = *resource;
    resource->place = MODEL_MAPPED;
    resource->offset = step->offset;
    /* The quota of a plain mapping is asked before the buffer is looked at. */
    enum model_buffer buffer = resource->buffer;
    resource->buffer = MODEL_SHM;
    bool plain_fits = fits(model);
    resource->buffer = buffer;
    return keep_if(plain_fits ? put(model, resource, step) : MEMORY, resource, before);
}

/* Whether the memslot stays. */
static bool stuck(const struct model *model, const struct model_resource *resource,
                  const struct model_step *step)
{
    return step->removal_fails && resource->place == MODEL_MAPPED && !model->window_off &&
           !model->one_slot;
}

static uint32_t unmap(struct model *model, const struct model_step *step)
{
    struct model_resource *resource = find(model, step->resource);
    if (!resource)
        return RESOURCE;
    if (resource->place == MODEL_UNMAPPED)
        return STATE;
    if (stuck(model, resource, step))
        return HOST;
    resource->place = MODEL_UNMAPPED;
    return OK;
}

static uint32_t unref(struct model *model, const struct model_step *step)
{
    struct model_resource *resource = find(model, step->resource);
    if (!resource)
        return RESOURCE;
    if (stuck(model, resource, step))
        return HOST;
    *resource = (struct model_resource){0};
    return OK;
}

/* The window is there again: what is mapped needs its slots. */
static void show(struct model *model, bool slot_fails)
{
    model->window_off = false;
    model->slot_made = false;
    for (unsigned i = 0; i < MODEL_IDS; i++) {
        if (model->resources[i].place != MODEL_MAPPED)
            continue;
        model->slot_made = model->one_slot && !slot_fails;
        if (slot_fails)
            model->resources[i].place = MODEL_LOST;
    }
}

/* --- contexts --- */

static uint32_t context_create(struct model *model, const struct model_step *step)
{
    if (step->context == 0 || context_exists(model, step->context))
        return CONTEXT;
    model->contexts[step->context] = true;
    uint32_t response = !fits(model)                          ? MEMORY
                        : step->renderer_fails || model->dead ? HOST
                                                              : OK;
    model->contexts[step->context] = response == OK;
    return response;
}

static uint32_t context_destroy(struct model *model, const struct model_step *step)
{
    if (!context_exists(model, step->context))
        return CONTEXT;
    model->contexts[step->context] = false;
    return OK;
}

static uint32_t submit(const struct model *model, const struct model_step *step)
{
    if (!context_exists(model, step->context))
        return CONTEXT;
    return step->renderer_fails || model->dead ? HOST : OK;
}

static uint32_t pair(struct model *model, const struct model_step *step)
{
    if (!context_exists(model, step->context))
        return CONTEXT;
    return find(model, step->resource) ? OK : RESOURCE;
}

static uint32_t scanout(struct model *model, const struct model_step *step)
{
    const struct model_resource *resource = find(model, step->resource);
    if (step->resource == 0)
        return OK;
    return resource && resource->kind != MODEL_BLOB ? OK : RESOURCE;
}

uint32_t model_step(struct model *model, const struct model_step *step)
{
    const uint64_t bytes = (uint64_t)step->pages * MODEL_PAGE;
    struct model_resource *resource;
    switch (step->operation) {
    case MODEL_CREATE_BLOB:
        return create_blob(model, step);
    case MODEL_CREATE_2D:
        return create(model, step,
                      (struct model_resource){.kind = MODEL_2D, .size = bytes});
    case MODEL_CREATE_3D:
        return create(model, step,
                      (struct model_resource){.kind = MODEL_3D, .size = bytes});
    case MODEL_ATTACH:
        return attach_backing(model, step);
    case MODEL_DETACH:
        return detach_backing(model, step);
    case MODEL_MAP:
        return map(model, step);
    case MODEL_UNMAP:
        return unmap(model, step);
    case MODEL_UNREF:
        return unref(model, step);
    case MODEL_CONTEXT_CREATE:
        return context_create(model, step);
    case MODEL_CONTEXT_DESTROY:
        return context_destroy(model, step);
    case MODEL_CONTEXT_ATTACH:
    case MODEL_CONTEXT_DETACH:
        return pair(model, step);
    case MODEL_SUBMIT:
        return submit(model, step);
    case MODEL_SCANOUT:
        return scanout(model, step);
    case MODEL_RESET:
        memset(model->resources, 0, sizeof model->resources);
        memset(model->contexts, 0, sizeof model->contexts);
        model->dead = false;
        break;
    case MODEL_DROP:
        resource = find(model, step->resource);
        if (resource && resource->place == MODEL_MAPPED && !stuck(model, resource, step))
            resource->place = MODEL_LOST;
        break;
    case MODEL_WINDOW_OFF:
        model->window_off = true;
        model->slot_made = false;
        break;
    case MODEL_WINDOW_MOVE:
        show(model, step->slot_fails);
        break;
    case MODEL_DEATH:
        model->dead = true;
        break;
    case MODEL_OPERATIONS:
        break;
    }
    return 0;
}

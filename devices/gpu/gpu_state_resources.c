/* SPDX-License-Identifier: MIT */
/*
 * Resources in a state: one section with all of them, the oldest first, so that whoever loads
 * them has them in the same order.
 *
 *   2D      the pixels of all images are in one memfd, one behind the other
 *   3D      the renderer has it; here are its id, its size, and what it is charged with
 *   blob    guest memory: the addresses of its entries; its dma-buf goes along
 *           host memory: the renderer has it; the file of what is mapped goes along
 *
 * A copy (shadow.h) is not in it: it is synchronised with its buffer, and made anew.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "devices/gpu/gpu_state.h"
#include "devices/gpu/state_file.h"

/* One of them all, in the order of their age. */
struct item {
    struct resource *resource;
};

static bool write_all(int fd, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        ssize_t count = write(fd, bytes, size);
        if (count <= 0)
            return false;
        bytes += count;
        size -= (size_t)count;
    }
    return true;
}

/* Makes gpu->pixels_fd, if there is a 2D resource. */
static bool save_pixels(struct gpu *gpu, const struct item *items, struct error *error)
{
    bool good = true;
    for (uint32_t i = 0; good && i < gpu->resources.count; i++) {
        const struct resource *resource = items[i].resource;
        if (resource->kind != RESOURCE_2D)
            continue;
        if (gpu->pixels_fd < 0)
            gpu->pixels_fd = memfd_create("s2vmm-pixels", MFD_CLOEXEC);
        good = gpu->pixels_fd >= 0 &&
               write_all(gpu->pixels_fd, resource->image.pixels, resource->size);
    }
    return good ||
           error_set(error, ERROR_HOST_MEMORY,
                     "a memfd for the pixels of 2D resources: %s", strerror(errno));
}

static void save_pages(const struct guest_pages *pages, struct state_writer *writer)
{
    state_put32(writer, pages->count);
    for (unsigned i = 0; i < pages->count; i++) {
        state_put64(writer, pages->ranges[i].start.value);
        state_put32(writer, (uint32_t)pages->ranges[i].size);
    }
}

static void save_image(const struct resource_image *image, struct state_writer *writer)
{
    state_put32(writer, image->format);
    state_put32(writer, image->width);
    state_put32(writer, image->height);
}

static void save_mapped(const struct gpu *gpu, const struct resource *resource,
                        struct state_writer *writer)
{
    state_put32(writer, resource->backing.kind);
    state_file_put(writer, resource->backing.fd);
    state_put64(writer, resource->mapping.offset);
    state_put32(writer, gpu_state_told(gpu, resource));
    state_put32(writer, gpu_state_renderer_said(resource));
    state_put64(writer, resource->shadow.conflicts);
}

static void save_lost(const struct resource *resource, struct state_writer *writer)
{
    state_put32(writer, resource->backing.kind);
    state_file_put(writer, resource->backing.fd);
    for (unsigned i = 0; i < QUOTA_KIND_COUNT; i++)
        state_put64(writer, resource->mapped_share.of[i]);
}

/* The guest's last changes to a copy go into the buffer, where the next copy finds them. */
static bool save_memory(const struct gpu *gpu, struct resource *resource,
                        struct state_writer *writer, struct error *error)
{
    switch (resource_state(resource)) {
    case RESOURCE_MAPPED:
        break;
    case RESOURCE_LOST:
        state_put32(writer, GPU_STATE_LOST);
        save_lost(resource, writer);
        return true;
    case RESOURCE_NONE:
    case RESOURCE_CREATED:
    case RESOURCE_ATTACHED:
    case RESOURCE_HALFWAY:
    case RESOURCE_STATE_COUNT:
        state_put32(writer, GPU_STATE_UNMAPPED);
        return true;
    }
    if (resource->decision.copied &&
        !shadow_sync(&resource->shadow, &resource->backing, error))
        return error_wrap(error, "blob %u", resource->id);
    state_put32(writer, GPU_STATE_MAPPED);
    save_mapped(gpu, resource, writer);
    return true;
}

static bool save_blob(const struct gpu *gpu, struct resource *resource,
                      struct state_writer *writer, struct error *error)
{
    state_put32(writer, resource->blob_memory);
    state_put32(writer, resource->flags);
    state_put64(writer, resource->size);
    state_put32(writer, resource->guest_dmabuf_made);
    state_file_put(writer, resource->guest_dmabuf_made ? resource->guest_dmabuf : -1);
    state_put64(writer, resource->loan ? resource->loan->since : 0);
    return save_memory(gpu, resource, writer, error);
}

static bool save_resource(const struct gpu *gpu, struct resource *resource,
                          struct state_writer *writer, struct error *error)
{
    const struct quota_share *share = &resource->share;
    state_put32(writer, resource->id);
    state_put64(writer, resource->serial);
    state_put32(writer, resource->kind);
    state_put_bytes(writer, resource->uuid, sizeof resource->uuid);
    state_put32(writer, resource->context_id);
    state_put64(writer, share->of[QUOTA_HOST_MEMORY] - resource_own_memory(resource));
    state_put64(writer, share->of[QUOTA_DESCRIPTORS]);
    save_pages(&resource->pages, writer);
    if (resource->kind == RESOURCE_BLOB)
        return save_blob(gpu, resource, writer, error);
    save_image(&resource->image, writer);
    return true;
}

static int compare_age(const void *one, const void *other)
{
    const struct item *a = one;
    const struct item *b = other;
    return (a->resource->serial > b->resource->serial) -
           (a->resource->serial < b->resource->serial);
}

static struct item *sort_by_age(const struct gpu *gpu, struct error *error)
{
    const uint32_t count = gpu->resources.count;
    struct item *items = calloc((size_t)count + 1, sizeof *items);
    struct resource *resource = NULL;
    if (!items) {
        error_set(error, ERROR_HOST_MEMORY, "no memory to sort %u resources", count);
        return NULL;
    }
    for (uint32_t i = 0; i < count; i++)
        items[i].resource = resource = resource_next(&gpu->resources, resource);
    qsort(items, count, sizeof *items, compare_age);
    return items;
}

bool gpu_save_resources(struct gpu *gpu, struct state_writer *writer, struct error *error)
{
    struct item *items = sort_by_age(gpu, error);
    if (!items)
        return false;
    bool good = save_pixels(gpu, items, error);
    state_begin(writer, GPU_STATE_RESOURCES, 0, GPU_STATE_RESOURCES_VERSION);
    state_put32(writer, gpu->resources.count);
    state_put64(writer, gpu->resources.last_serial);
    state_put_fd(writer, gpu->pixels_fd);
    for (uint32_t i = 0; good && i < gpu->resources.count; i++)
        good = save_resource(gpu, items[i].resource, writer, error);
    state_end(writer);
    free(items);
    return good;
}

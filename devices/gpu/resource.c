/* SPDX-License-Identifier: MIT */
#include "devices/gpu/resource.h"

#include <stdlib.h>

#include "devices/gpu/picture.h"

static struct resource **bucket_of(struct resource_table *table, uint32_t id)
{
    return &table->buckets[id % RESOURCE_BUCKETS];
}

static struct resource *look_up(struct resource_table *table, uint32_t id)
{
    struct resource *resource = *bucket_of(table, id);
    while (resource && resource->id != id)
        resource = resource->next;
    return resource;
}

struct resource *resource_add(struct resource_table *table, uint32_t id,
                              struct error *error)
{
    struct resource *resource = NULL;
    if (id == 0)
        error_set(error, ERROR_GUEST_RESOURCE,
                  "resource id 0 means \"none\" and cannot be used");
    else if (look_up(table, id))
        error_set(error, ERROR_GUEST_RESOURCE,
                  "resource %u exists already: unref it first", id);
    else if (table->count == RESOURCE_COUNT_MAX)
        error_set(error, ERROR_GUEST_LIMIT,
                  "resource %u: the limit of %u resources is reached", id,
                  RESOURCE_COUNT_MAX);
    else if (!(resource = calloc(1, sizeof *resource)))
        error_set(error, ERROR_HOST_MEMORY, "no memory for resource %u", id);
    if (!resource)
        return NULL;

    struct resource **bucket = bucket_of(table, id);
    resource->id = id;
    resource->serial = ++table->last_serial;
    resource->next = *bucket;
    *bucket = resource;
    table->count++;
    return resource;
}

struct resource *resource_find(struct resource_table *table, uint32_t id,
                               struct error *error)
{
    struct resource *resource = look_up(table, id);
    if (!resource)
        error_set(error, ERROR_GUEST_RESOURCE, "there is no resource %u", id);
    return resource;
}

bool resource_attach_pages(struct resource_table *table, struct resource *resource,
                           const struct guest_memory *memory,
                           const struct virtio_gpu_mem_entry *entries, uint32_t count,
                           uint64_t available, struct error *error)
{
    if (resource->pages.count > 0)
        return error_set(error, ERROR_GUEST_STATE,
                         "resource %u has guest memory already: detach it first",
                         resource->id);
    if (count > RESOURCE_ENTRIES_MAX - table->entry_count)
        return error_set(error, ERROR_GUEST_LIMIT,
                         "%u entries of guest memory for resource %u: all resources have "
                         "%u, %u are the limit",
                         count, resource->id, table->entry_count, RESOURCE_ENTRIES_MAX);
    if (!guest_pages_init(&resource->pages, memory, entries, count, available, error))
        return error_wrap(error, "resource %u", resource->id);
    table->entry_count += count;
    return true;
}

void resource_detach_pages(struct resource_table *table, struct resource *resource)
{
    table->entry_count -= resource->pages.count;
    guest_pages_finish(&resource->pages);
}

static bool check_image(const struct resource_table *table, uint32_t id, uint32_t format,
                        uint32_t width, uint32_t height, struct error *error)
{
    if (!picture_format_is_known(format))
        return error_set(error, ERROR_GUEST_PARAMETER,
                         "resource %u: format %u is not one of VIRTIO_GPU_FORMAT_*", id,
                         format);
    if (width == 0 || height == 0 || width > RESOURCE_SIDE_MAX ||
        height > RESOURCE_SIDE_MAX)
        return error_set(error, ERROR_GUEST_PARAMETER,
                         "resource %u: %u x %u pixels: each is 1 to %u", id, width,
                         height, RESOURCE_SIDE_MAX);
    if (UINT64_C(4) * width * height > RESOURCE_PIXELS_MAX - table->pixel_bytes)
        return error_set(error, ERROR_GUEST_LIMIT,
                         "resource %u: %u x %u pixels: all 2D resources have %llu bytes, "
                         "%llu are the limit",
                         id, width, height, (unsigned long long)table->pixel_bytes,
                         (unsigned long long)RESOURCE_PIXELS_MAX);
    return true;
}

bool resource_make_image(struct resource_table *table, struct resource *resource,
                         uint32_t format, uint32_t width, uint32_t height,
                         struct error *error)
{
    if (!check_image(table, resource->id, format, width, height, error))
        return false;
    size_t size = (size_t)4 * width * height;
    uint8_t *pixels = calloc(1, size);
    if (!pixels)
        return error_set(error, ERROR_HOST_MEMORY,
                         "no memory for resource %u, %u x %u pixels", resource->id, width,
                         height);
    table->pixel_bytes += size;
    resource->kind = RESOURCE_2D;
    resource->size = size;
    resource->image.format = format;
    resource->image.width = width;
    resource->image.height = height;
    resource->image.pixels = pixels;
    return true;
}

void resource_remove(struct resource_table *table, struct resource *resource)
{
    BUG_ON(resource->mapping.mapped);
    struct resource **link = bucket_of(table, resource->id);
    while (*link != resource)
        link = &(*link)->next;
    *link = resource->next;
    table->count--;
    resource_detach_pages(table, resource);
    if (resource->image.pixels)
        table->pixel_bytes -= resource->size;
    free(resource->image.pixels);
    free(resource);
}

struct resource *resource_next(const struct resource_table *table,
                               const struct resource *before)
{
    struct resource *next = before ? before->next : NULL;
    uint32_t bucket = before ? before->id % RESOURCE_BUCKETS + 1 : 0;
    while (!next && bucket < RESOURCE_BUCKETS)
        next = table->buckets[bucket++];
    return next;
}

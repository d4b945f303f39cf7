/* SPDX-License-Identifier: MIT */
#include "devices/gpu/resource.h"

#include <stdlib.h>

#include "devices/gpu/picture.h"

/* --- states --- */

struct rule {
    enum resource_state next; /* NONE: it ends */
    const char *refused;      /* or why not */
    bool possible;            /* false: nothing lets it get there */
};

#define GOES(state)                                                                      \
    {                                                                                    \
        .next = RESOURCE_##state, .possible = true                                       \
    }
#define REFUSED(text)                                                                    \
    {                                                                                    \
        .refused = (text), .possible = true                                              \
    }

#define NOT_MAPPED "it is not mapped"
#define NO_MEMORY  "it has no guest memory attached"
#define HAS_MEMORY "it has guest memory already: detach it first"

/* A HOST3D blob, which alone is mapped, is never attached to guest memory (check_blob() in
 * command_2d.c), and what is attached is never mapped (check_mappable() in blob.c). Nothing
 * happens to a resource that is halfway: the device's lock is held. */
static const struct rule rules[RESOURCE_STATE_COUNT][RESOURCE_EVENT_COUNT] = {
    [RESOURCE_CREATED] =
        {
            [RESOURCE_ATTACH] = GOES(ATTACHED),
            [RESOURCE_DETACH] = REFUSED(NO_MEMORY),
            [RESOURCE_MAP] = GOES(MAPPED),
            [RESOURCE_UNMAP] = REFUSED(NOT_MAPPED),
            [RESOURCE_END] = GOES(NONE),
        },
    [RESOURCE_ATTACHED] =
        {
            [RESOURCE_ATTACH] = REFUSED(HAS_MEMORY),
            [RESOURCE_DETACH] = GOES(CREATED),
            [RESOURCE_UNMAP] = REFUSED(NOT_MAPPED),
            [RESOURCE_END] = GOES(NONE),
        },
    [RESOURCE_MAPPED] =
        {
            [RESOURCE_DETACH] = REFUSED(NO_MEMORY),
            [RESOURCE_MAP] = REFUSED("it is mapped already: unmap it first"),
            [RESOURCE_UNMAP] = GOES(CREATED),
            [RESOURCE_DROP] = GOES(LOST),
            [RESOURCE_END] = GOES(NONE),
        },
    [RESOURCE_LOST] =
        {
            [RESOURCE_DETACH] = REFUSED(NO_MEMORY),
            [RESOURCE_MAP] = REFUSED("it was taken away from the guest: unmap it first"),
            [RESOURCE_UNMAP] = GOES(CREATED),
            [RESOURCE_END] = GOES(NONE),
        },
};

enum resource_state resource_state(const struct resource *resource)
{
    if (resource->lost)
        return RESOURCE_LOST;
    if (resource->mapping.mapped)
        return RESOURCE_MAPPED;
    if (resource->backing.size > 0)
        return RESOURCE_HALFWAY;
    return resource->pages.count > 0 ? RESOURCE_ATTACHED : RESOURCE_CREATED;
}

bool resource_may(const struct resource *resource, enum resource_event event,
                  enum resource_state *next, struct error *error)
{
    const struct rule *rule = &rules[resource_state(resource)][event];
    BUG_ON(!rule->possible);
    *next = rule->next;
    return !rule->refused || error_set(error, ERROR_GUEST_STATE, "%s", rule->refused);
}

/* --- the table --- */

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

bool resource_charge(struct resource_table *table, struct resource *resource,
                     uint64_t bytes, struct error *error)
{
    return quota_take(table->quota, &resource->share, QUOTA_HOST_MEMORY, bytes, error) ||
           error_wrap(error, "resource %u", resource->id);
}

struct resource *resource_add(struct resource_table *table, uint32_t id,
                              struct error *error)
{
    struct quota_share share = {0};
    struct resource *resource = NULL;
    if (id == 0)
        error_set(error, ERROR_GUEST_RESOURCE,
                  "resource id 0 means \"none\" and cannot be used");
    else if (look_up(table, id))
        error_set(error, ERROR_GUEST_RESOURCE,
                  "resource %u exists already: unref it first", id);
    else if (!quota_take(table->quota, &share, QUOTA_RESOURCES, 1, error) ||
             !quota_take(table->quota, &share, QUOTA_HOST_MEMORY, sizeof *resource,
                         error))
        error_wrap(error, "resource %u", id);
    else if (!(resource = calloc(1, sizeof *resource)))
        error_set(error, ERROR_HOST_MEMORY, "no memory for resource %u", id);
    if (!resource) {
        quota_give_all(table->quota, &share);
        return NULL;
    }

    struct resource **bucket = bucket_of(table, id);
    resource->id = id;
    resource->share = share;
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

/* Of the lists that guest_pages_init() makes of the entries. */
static uint64_t size_of_lists(const struct guest_pages *pages, uint64_t count)
{
    return count *
           (sizeof *pages->ranges + sizeof *pages->vectors + sizeof *pages->starts);
}

uint64_t resource_own_memory(const struct resource *resource)
{
    uint64_t image = resource->kind == RESOURCE_2D ? resource->size : 0;
    return sizeof *resource + size_of_lists(&resource->pages, resource->pages.count) +
           image;
}

bool resource_attach_pages(struct resource_table *table, struct resource *resource,
                           const struct guest_memory *memory,
                           const struct virtio_gpu_mem_entry *entries, uint32_t count,
                           uint64_t available, struct error *error)
{
    enum resource_state next;
    struct guest_pages *pages = &resource->pages;
    if (!resource_may(resource, RESOURCE_ATTACH, &next, error) ||
        !guest_pages_init(pages, memory, entries, count, available, error))
        return error_wrap(error, "resource %u", resource->id);
    if (!resource_charge(table, resource, size_of_lists(pages, count), error)) {
        guest_pages_finish(pages);
        return false;
    }
    BUG_ON(resource_state(resource) != next);
    return true;
}

void resource_detach_pages(struct resource_table *table, struct resource *resource)
{
    quota_give(table->quota, &resource->share, QUOTA_HOST_MEMORY,
               size_of_lists(&resource->pages, resource->pages.count));
    guest_pages_finish(&resource->pages);
}

static bool check_image(uint32_t id, uint32_t format, uint32_t width, uint32_t height,
                        struct error *error)
{
    if (!picture_format_is_known(format))
        return error_set(error, ERROR_GUEST_PARAMETER,
                         "resource %u: format %u is not one of VIRTIO_GPU_FORMAT_*", id,
                         format);
    return (width > 0 && height > 0 && width <= RESOURCE_SIDE_MAX &&
            height <= RESOURCE_SIDE_MAX) ||
           error_set(error, ERROR_GUEST_PARAMETER,
                     "resource %u: %u x %u pixels: each is 1 to %u", id, width, height,
                     RESOURCE_SIDE_MAX);
}

bool resource_make_image(struct resource_table *table, struct resource *resource,
                         uint32_t format, uint32_t width, uint32_t height,
                         struct error *error)
{
    size_t size = (size_t)4 * width * height;
    if (!check_image(resource->id, format, width, height, error) ||
        !resource_charge(table, resource, size, error))
        return false;
    uint8_t *pixels = calloc(1, size);
    if (!pixels)
        return error_set(error, ERROR_HOST_MEMORY,
                         "no memory for resource %u, %u x %u pixels", resource->id, width,
                         height);
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
    quota_give_all(table->quota, &resource->mapped_share);
    quota_give_all(table->quota, &resource->share);
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

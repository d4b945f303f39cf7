/* SPDX-License-Identifier: MIT */
#include "devices/gpu/resource.h"

#include <stdlib.h>

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

void resource_remove(struct resource_table *table, struct resource *resource)
{
    BUG_ON(resource->mapping.mapped);
    struct resource **link = bucket_of(table, resource->id);
    while (*link != resource)
        link = &(*link)->next;
    *link = resource->next;
    table->count--;
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

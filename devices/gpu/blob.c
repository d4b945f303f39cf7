/* SPDX-License-Identifier: MIT */
/*
 * Blob resources, and the end of any resource: the straight line from the guest's call to the memslot and map_info.
 *
 *   blob_map()  resource_find()      is there one, and in the right state?
 *               take_place()         does the quota allow it?
 *               backing_get()        get the memory, check that it is what it is said to be
 *               cache_mode_query()   what is the host attribute, and who says so?
 *               memattr_advise()     which map_info gives a match here, if any?
 *               shadow_open()        needs SYNC, and the policy says copy: a copy of it
 *               hostmem_map()        map it where the guest sees it, by the map strategy
 *               watch_start()        may change, and the policy says follow
 *               -> map_info
 *
 * docs/life-of-a-blob.md walks along it.
 */
#include <unistd.h>

#include "devices/gpu/guest_blob.h"
#include "devices/gpu/watch.h"

#define BLOB_DESCRIPTORS 1u /* of a renderer, for each blob; docs/lifetimes.md */
#define COPY_DESCRIPTORS 2u /* of a shadow */

/* virtio 1.3, 5.7.6.8. The window bounds what is mapped into it; guest memory is bounded by its
 * entries. The size is a multiple of the page size, which is also blob_alignment. */
static bool check_blob(const struct gpu *gpu, const struct renderer_blob *blob,
                       struct error *error)
{
    const uint64_t page_size = (uint64_t)sysconf(_SC_PAGESIZE);
    if (blob->memory < VIRTIO_GPU_BLOB_MEM_GUEST ||
        blob->memory > VIRTIO_GPU_BLOB_MEM_HOST3D_GUEST)
        return error_set(error, ERROR_GUEST_PARAMETER,
                         "blob %u: memory type %u is not defined: 1 (GUEST), 2 (HOST3D) "
                         "and 3 (HOST3D_GUEST) are",
                         blob->resource_id, blob->memory);
    if (blob->flags & ~(uint32_t)(VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE |
                                  VIRTIO_GPU_BLOB_FLAG_USE_SHAREABLE |
                                  VIRTIO_GPU_BLOB_FLAG_USE_CROSS_DEVICE))
        return error_set(error, ERROR_GUEST_PARAMETER,
                         "blob %u: flags %#x are not defined", blob->resource_id,
                         blob->flags);
    if (blob->size == 0 || !is_aligned(blob->size, page_size) ||
        (blob->memory != VIRTIO_GPU_BLOB_MEM_GUEST &&
         blob->size > gpu->config.window.size))
        return error_set(
            error, ERROR_GUEST_PARAMETER,
            "blob %u: a size of %llu bytes is not a multiple of the page size "
            "within 1 page and the window (%llu bytes)",
            blob->resource_id, (unsigned long long)blob->size,
            (unsigned long long)gpu->config.window.size);
    /* Context 0 is none, which only guest memory does without. */
    if (blob->context_id == 0 && blob->memory == VIRTIO_GPU_BLOB_MEM_GUEST)
        return true;
    return gpu_context_check(gpu, blob->context_id, error);
}

/* The part of a blob that has guest memory. It may come later (RESOURCE_ATTACH_BACKING). */
static bool attach_entries(struct gpu *gpu, struct resource *resource,
                           const struct blob_entries *entries, struct error *error)
{
    if (entries->count == 0)
        return true;
    if (!resource_attach_pages(&gpu->resources, resource, gpu->virtio.memory,
                               entries->entries, entries->count, entries->available,
                               error))
        return false;
    return resource->pages.size >= resource->size ||
           error_set(error, ERROR_GUEST_PARAMETER,
                     "blob %u of %llu bytes: its guest memory has %llu", resource->id,
                     (unsigned long long)resource->size,
                     (unsigned long long)resource->pages.size);
}

/* The renderer has the memory, and at least one descriptor for it. */
static bool create_in_renderer(struct gpu *gpu, struct resource *resource,
                               const struct renderer_blob *asked, struct error *error)
{
    if (resource->blob_memory == VIRTIO_GPU_BLOB_MEM_GUEST) {
        /* Whoever is going to share it needs a dma-buf. */
        if (resource->flags & (VIRTIO_GPU_BLOB_FLAG_USE_SHAREABLE |
                               VIRTIO_GPU_BLOB_FLAG_USE_CROSS_DEVICE) &&
            resource->pages.count > 0)
            guest_blob_dmabuf(gpu, resource);
        return resource->pages.count == 0 || guest_blob_import(gpu, resource, error);
    }
    struct quota_share *share = &resource->share;
    if (!quota_take(&gpu->quota, share, QUOTA_DESCRIPTORS, BLOB_DESCRIPTORS, error) ||
        !quota_take(&gpu->quota, share, QUOTA_HOST_MEMORY, resource->size, error))
        return error_wrap(error, "blob %u", resource->id);
    struct renderer_blob blob = *asked;
    blob.pages = (struct renderer_pages){resource->pages.vectors, resource->pages.count};
    return gpu->renderer.ops->blob_create(gpu->renderer.context, &blob, error);
}

bool blob_create(struct gpu *gpu, const struct renderer_blob *blob,
                 const struct blob_entries *entries, struct error *error)
{
    if (!check_blob(gpu, blob, error))
        return false;
    if (blob->memory == VIRTIO_GPU_BLOB_MEM_HOST3D && entries->count > 0)
        return error_set(
            error, ERROR_GUEST_PARAMETER,
            "blob %u: a HOST3D blob has no guest memory, %u entries came with it",
            blob->resource_id, entries->count);
    struct resource *resource = resource_add(&gpu->resources, blob->resource_id, error);
    if (!resource)
        return false;
    resource->kind = RESOURCE_BLOB;
    resource->blob_memory = blob->memory;
    resource->guest_dmabuf = -1;
    resource->context_id = blob->context_id;
    resource->flags = blob->flags;
    resource->size = blob->size;
    if (attach_entries(gpu, resource, entries, error) &&
        create_in_renderer(gpu, resource, blob, error))
        return true;
    guest_blob_forget_dmabuf(gpu, resource);
    resource_remove(&gpu->resources, resource);
    return false;
}

/* Where KVM needs the mapping to be. */
static struct hostmem_placement placement_of(const struct gpu *gpu,
                                             const struct resource *resource)
{
    const struct memattr_buffer *buffer = &resource->decision.report.buffer;
    return (struct hostmem_placement){
        .late = memattr_expected_slot(&gpu->config.platform, buffer)->refused,
        .avoid_blocks =
            gpu->config.pfnmap_block_hazard && buffer->vma != MEMATTR_VMA_PLAIN,
    };
}

/* Only the page table tells that an attribute changed (watch.h). */
static bool can_follow(struct resource *resource, struct error *error)
{
    struct blob_decision *decision = &resource->decision;
    if (!decision->followed || decision->report.kernel.knows_type)
        return true;
    decision->refusal = MEMATTR_REFUSED_MAY_CHANGE;
    return error_set(
        error, ERROR_REFUSED,
        "this %s buffer may change while it is mapped, and nobody tells when: "
        "--may-change=follow needs the module dmabuf-info on the host",
        resource->backing.exporter);
}

/* Maps what the decision says: the buffer, or a copy of it. */
static bool put_in_place(struct gpu *gpu, struct resource *resource, uint64_t offset,
                         struct error *error)
{
    struct quota_share *share = &resource->mapped_share;
    if (!resource->decision.copied)
        return hostmem_map(&gpu->hostmem, &resource->backing, placement_of(gpu, resource),
                           resource->id, offset, &resource->mapping, error);
    /* The copy, and its last common state. */
    if (!quota_take(&gpu->quota, share, QUOTA_DESCRIPTORS, COPY_DESCRIPTORS, error) ||
        !quota_take(&gpu->quota, share, QUOTA_HOST_MEMORY, 2 * resource->size, error) ||
        (!resource->backing.host && !backing_map(&resource->backing, NULL, error)) ||
        !shadow_open(&resource->shadow, &resource->backing, error))
        return false;
    if (hostmem_map(&gpu->hostmem, &resource->shadow.copy, (struct hostmem_placement){0},
                    resource->id, offset, &resource->mapping, error))
        return true;
    shadow_close(&resource->shadow);
    return false;
}

/* What any mapping takes: a part of the window, a memslot if each has one, and the buffer's
 * descriptor. */
static bool take_place(struct gpu *gpu, struct resource *resource, struct error *error)
{
    struct quota_share *share = &resource->mapped_share;
    unsigned slots = gpu->hostmem.strategy == HOSTMEM_SLOT;
    if (quota_take(&gpu->quota, share, QUOTA_WINDOW, resource->size, error) &&
        quota_take(&gpu->quota, share, QUOTA_MEMSLOTS, slots, error) &&
        quota_take(&gpu->quota, share, QUOTA_DESCRIPTORS, 1, error))
        return true;
    quota_give_all(&gpu->quota, share);
    return false;
}

/* virtio 1.3, 5.7.6.9: MAP_BLOB is for host-only blobs. */
static bool check_mappable(const struct resource *resource, struct error *error)
{
    if (resource->kind != RESOURCE_BLOB)
        return error_set(error, ERROR_GUEST_STATE, "it is no blob");
    if (resource->blob_memory != VIRTIO_GPU_BLOB_MEM_HOST3D)
        return error_set(
            error, ERROR_GUEST_STATE,
            "its memory is the guest's already: only HOST3D blobs are mapped "
            "into the window");
    return resource->flags & VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE ||
           error_set(error, ERROR_GUEST_STATE,
                     "it was created without VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE");
}

bool blob_map(struct gpu *gpu, uint32_t resource_id, uint64_t offset,
              enum memattr_map_info *map_info, struct error *error)
{
    struct resource *resource = resource_find(&gpu->resources, resource_id, error);
    if (!resource)
        return false;
    enum resource_state next;
    if (!check_mappable(resource, error))
        return false;
    if (!resource_may(resource, RESOURCE_MAP, &next, error))
        return resource->mapping.mapped
                   ? error_wrap(error, "at guest physical address %#llx",
                                (unsigned long long)resource->mapping.address.value)
                   : false;
    if (!take_place(gpu, resource, error))
        return false;

    if (!backing_get(&resource->backing, &gpu->renderer, resource_id, resource->size,
                     error)) {
        quota_give_all(&gpu->quota, &resource->mapped_share);
        return false;
    }
    resource->backing.lazy =
        !gpu->config.prefault_shm && resource->backing.kind == BACKING_SHM;
    if (blob_decide(gpu, resource, error) && can_follow(resource, error) &&
        put_in_place(gpu, resource, offset, error)) {
        BUG_ON(resource_state(resource) != next);
        if (resource->decision.followed)
            watch_start(gpu);
        *map_info = resource->decision.map_info;
        return true;
    }
    if (error->code == ERROR_REFUSED)
        recorder_refused(gpu->recorder, resource, error->text);
    backing_close(&resource->backing, &gpu->renderer, resource_id);
    quota_give_all(&gpu->quota, &resource->mapped_share);
    return false;
}

/* The guest's last changes to a copy. */
static void close_copy(struct gpu *gpu, struct resource *resource)
{
    struct shadow *shadow = &resource->shadow;
    struct error error;
    if (!resource->lost && !shadow_sync(shadow, &resource->backing, &error))
        trace_warning(gpu->trace, "gpu",
                      "blob %u: the last changes to its copy are lost: %s", resource->id,
                      error.text);
    if (shadow->conflicts > 0)
        trace_warning(
            gpu->trace, "gpu",
            "blob %u: %llu bytes of it were changed by the guest and by the host "
            "at the same time; the guest's are kept",
            resource->id, (unsigned long long)shadow->conflicts);
    shadow_close(shadow);
}

/* The memslot first: afterwards no vCPU can reach the memory, and it may go. A lost resource
 * has none. */
static bool unmap(struct gpu *gpu, struct resource *resource, struct error *error)
{
    const struct hostmem_mapping mapping = resource->mapping;
    if (mapping.mapped) {
        if (!hostmem_unmap(&gpu->hostmem, &resource->mapping, error))
            return false;
        recorder_unmapped(gpu->recorder, &mapping, resource->size);
    }
    if (resource->decision.copied)
        close_copy(gpu, resource);
    resource->lost = false;
    BUG_ON(resource_state(resource) != RESOURCE_HALFWAY);
    backing_close(&resource->backing, &gpu->renderer, resource->id);
    quota_give_all(&gpu->quota, &resource->mapped_share);
    return true;
}

static bool has_memory(const struct resource *resource)
{
    enum resource_state state = resource_state(resource);
    return state == RESOURCE_MAPPED || state == RESOURCE_LOST;
}

bool blob_unmap(struct gpu *gpu, uint32_t resource_id, struct error *error)
{
    struct resource *resource = resource_find(&gpu->resources, resource_id, error);
    enum resource_state next;
    if (!resource || !resource_may(resource, RESOURCE_UNMAP, &next, error) ||
        !unmap(gpu, resource, error))
        return false;
    BUG_ON(resource_state(resource) != next);
    return true;
}

bool blob_destroy(struct gpu *gpu, uint32_t resource_id, struct error *error)
{
    struct resource *resource = resource_find(&gpu->resources, resource_id, error);
    if (!resource)
        return false;
    if (has_memory(resource)) {
        /* The specification is silent; to leave the memslot would be a use after free. */
        trace_warning(
            gpu->trace, "gpu",
            "blob %u is unreferenced while it is mapped: unmapped first; a driver "
            "should send RESOURCE_UNMAP_BLOB",
            resource_id);
        if (!unmap(gpu, resource, error))
            return false;
    }
    blob_release(gpu, resource);
    return true;
}

/* The guest can still reach the memory: it stays for as long as the VM does, and counts. So does
 * the renderer's part of it, whose mapping it may be. */
static void leave_mapped(struct gpu *gpu, struct resource *resource,
                         const struct error *error)
{
    trace_warning(gpu->trace, "gpu", "blob %u stays mapped: %s", resource->id,
                  error->text);
    gpu->left_mapped = true;
    resource->mapping = (struct hostmem_mapping){0};
    resource->share = resource->mapped_share = (struct quota_share){0};
}

void blob_release(struct gpu *gpu, struct resource *resource)
{
    enum resource_state next;
    struct error error;
    BUG_ON(!resource_may(resource, RESOURCE_END, &next, &error));
    if (has_memory(resource) && !unmap(gpu, resource, &error))
        leave_mapped(gpu, resource, &error);
    else if (gpu_renderer_knows(gpu, resource))
        gpu->renderer.ops->resource_destroy(gpu->renderer.context, resource->id);
    guest_blob_forget_dmabuf(gpu, resource);
    resource_remove(&gpu->resources, resource);
}

/* SPDX-License-Identifier: MIT */
/*
 * Resources out of a state (gpu_state_resources.c). Each is made by the functions that commands
 * call, as far as these do not call the renderer, which has its resources already. The numbers
 * are checked like those of a guest, the files like those of a renderer.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "devices/gpu/gpu_state.h"
#include "devices/gpu/guest_blob.h"
#include "devices/gpu/state_file.h"

#define ENTRY_SIZE 12u /* of guest memory: address, length */

struct load {
    struct gpu *gpu;
    struct state_reader *reader;
    struct state_section *section;
    int pixels_fd;
    uint64_t pixels_read;
    uint64_t newest; /* serial */
};

static bool load_pages(const struct load *load, struct resource *resource,
                       struct error *error)
{
    uint32_t count = state_get32(load->section);
    if (count == 0)
        return true;
    if (count > state_left(load->section) / ENTRY_SIZE)
        return state_refuse(load->section, error,
                            "resource %u: %u entries of guest memory", resource->id,
                            count);
    struct virtio_gpu_mem_entry *entries = calloc(count, sizeof *entries);
    if (!entries)
        return error_set(error, ERROR_HOST_MEMORY, "no memory for %u entries", count);
    for (uint32_t i = 0; i < count; i++) {
        entries[i].addr = state_get64(load->section);
        entries[i].length = state_get32(load->section);
    }
    bool good =
        resource_attach_pages(&load->gpu->resources, resource, load->gpu->virtio.memory,
                              entries, count, count * sizeof *entries, error);
    free(entries);
    return good;
}

/* The file may be shorter than it was said to be: it is read, and not mapped. */
static bool load_pixels(struct load *load, const struct resource *resource,
                        struct error *error)
{
    uint64_t done = 0;
    while (done < resource->size) {
        ssize_t count = pread(load->pixels_fd, resource->image.pixels + done,
                              resource->size - done, (off_t)(load->pixels_read + done));
        if (count <= 0)
            return state_refuse(load->section, error,
                                "resource %u: its pixels end after %" PRIu64
                                " bytes of %" PRIu64,
                                resource->id, done, resource->size);
        done += (uint64_t)count;
    }
    load->pixels_read += done;
    return true;
}

static bool load_image(struct load *load, struct resource *resource, struct error *error)
{
    uint32_t format = state_get32(load->section);
    uint32_t width = state_get32(load->section);
    uint32_t height = state_get32(load->section);
    return resource_make_image(&load->gpu->resources, resource, format, width, height,
                               error) &&
           load_pixels(load, resource, error);
}

/* The renderer would be asked about it, and must know it. */
static bool check_known(const struct load *load, uint32_t id, struct error *error)
{
    const struct renderer *renderer = &load->gpu->renderer;
    return (renderer->ops->knows_resource &&
            renderer->ops->knows_resource(renderer->context, id)) ||
           state_refuse(load->section, error,
                        "resource %u is the renderer's, which does not know it", id);
}

static bool load_texture(const struct load *load, struct resource *resource,
                         struct error *error)
{
    if (!check_known(load, resource->id, error))
        return false;
    resource->kind = RESOURCE_3D;
    resource->image.format = state_get32(load->section);
    resource->image.width = state_get32(load->section);
    resource->image.height = state_get32(load->section);
    return true;
}

static bool check_blob(const struct load *load, const struct resource *resource,
                       struct error *error)
{
    const uint64_t page_size = (uint64_t)sysconf(_SC_PAGESIZE);
    const uint32_t flags = VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE |
                           VIRTIO_GPU_BLOB_FLAG_USE_SHAREABLE |
                           VIRTIO_GPU_BLOB_FLAG_USE_CROSS_DEVICE;
    bool is_host_only = resource->blob_memory == VIRTIO_GPU_BLOB_MEM_HOST3D;
    bool is_host = resource->blob_memory != VIRTIO_GPU_BLOB_MEM_GUEST;
    return (resource->blob_memory >= VIRTIO_GPU_BLOB_MEM_GUEST &&
            resource->blob_memory <= VIRTIO_GPU_BLOB_MEM_HOST3D_GUEST &&
            (resource->flags & ~flags) == 0 && resource->size > 0 &&
            is_aligned(resource->size, page_size) &&
            (!is_host || resource->size <= load->gpu->config.window.size) &&
            !(is_host_only && resource->pages.count > 0)) ||
           state_refuse(load->section, error,
                        "blob %u: memory type %u, flags %#x, %" PRIu64
                        " bytes, %u "
                        "entries of guest memory do not go together",
                        resource->id, resource->blob_memory, resource->flags,
                        resource->size, resource->pages.count);
}

/* Of its guest memory. */
static bool load_dmabuf(const struct load *load, struct resource *resource,
                        struct error *error)
{
    uint32_t made = state_get32(load->section);
    int fd;
    if (!state_file_get(load->reader, load->section, &fd, error))
        return false;
    if (made > 1 ||
        (fd >= 0 && (!made || resource->pages.count == 0 || !backing_is_dmabuf(fd)))) {
        if (fd >= 0)
            close(fd);
        return state_refuse(load->section, error,
                            "blob %u: no dma-buf of its guest memory", resource->id);
    }
    uint64_t since = load->section->version >= 2 ? state_get64(load->section) : 0;
    resource->guest_dmabuf_made = made;
    resource->guest_dmabuf = fd;
    if (fd < 0)
        return true;
    resource->loan = lent_begin(load->gpu, resource->id, resource->size, error);
    if (!resource->loan) {
        close(fd);
        return false;
    }
    resource->loan->fd = fd;
    return load->section->version < 2 || lent_began(resource->loan, since, error);
}

static bool get_backing(const struct load *load, enum backing_kind *kind, int *fd,
                        struct error *error)
{
    uint32_t number = state_get32(load->section);
    *kind = number == BACKING_DMABUF ? BACKING_DMABUF : BACKING_SHM;
    if (!state_file_get(load->reader, load->section, fd, error))
        return false;
    if (*fd >= 0 && (number == BACKING_DMABUF || number == BACKING_SHM))
        return true;
    if (*fd >= 0)
        close(*fd);
    return state_refuse(load->section, error, "memory of kind %u, %s a file", number,
                        *fd >= 0 ? "with" : "without");
}

static bool load_mapped(const struct load *load, struct resource *resource,
                        struct error *error)
{
    struct gpu_state_mapping mapping;
    if (!get_backing(load, &mapping.kind, &mapping.fd, error))
        return false;
    mapping.offset = state_get64(load->section);
    mapping.told = state_get32(load->section);
    mapping.renderer = state_get32(load->section);
    uint64_t conflicts = state_get64(load->section);
    if (!gpu_state_map(load->gpu, resource, mapping, error))
        return false;
    resource->shadow.conflicts += conflicts;
    return true;
}

/* It has only its file, and what it takes, until the guest unmaps it. */
static bool load_lost(const struct load *load, struct resource *resource,
                      struct error *error)
{
    enum backing_kind kind;
    int fd;
    if (!get_backing(load, &kind, &fd, error))
        return false;
    resource->lost = true;
    resource->backing = (struct backing){.kind = kind, .fd = fd, .size = resource->size};
    for (unsigned i = 0; i < QUOTA_KIND_COUNT; i++)
        if (!quota_take(&load->gpu->quota, &resource->mapped_share, (enum quota_kind)i,
                        state_get64(load->section), error))
            return false;
    return true;
}

static bool load_memory(const struct load *load, struct resource *resource,
                        struct error *error)
{
    uint32_t memory = state_get32(load->section);
    if (memory == GPU_STATE_UNMAPPED)
        return true;
    if (resource->blob_memory != VIRTIO_GPU_BLOB_MEM_HOST3D ||
        !(resource->flags & VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE) || memory > GPU_STATE_LOST)
        return state_refuse(load->section, error, "blob %u cannot be mapped, and is (%u)",
                            resource->id, memory);
    return memory == GPU_STATE_MAPPED ? load_mapped(load, resource, error)
                                      : load_lost(load, resource, error);
}

static bool load_blob(const struct load *load, struct resource *resource,
                      struct error *error)
{
    resource->guest_dmabuf = -1;
    resource->blob_memory = state_get32(load->section);
    resource->flags = state_get32(load->section);
    resource->size = state_get64(load->section);
    return check_blob(load, resource, error) &&
           (!gpu_renderer_knows(load->gpu, resource) ||
            check_known(load, resource->id, error)) &&
           load_dmabuf(load, resource, error);
}

/* A 2D resource until the kind is known: the renderer is not to be told of the end of what it may
 * not know. */
static bool load_body(struct load *load, struct resource *resource, uint32_t kind,
                      struct error *error)
{
    struct state_section *section = load->section;
    struct gpu *gpu = load->gpu;
    const void *uuid = state_get_bytes(section, sizeof resource->uuid);
    if (uuid)
        memcpy(resource->uuid, uuid, sizeof resource->uuid);
    resource->context_id = state_get32(section);
    uint64_t memory = state_get64(section);
    uint64_t descriptors = state_get64(section);
    if (!quota_take(&gpu->quota, &resource->share, QUOTA_HOST_MEMORY, memory, error) ||
        !quota_take(&gpu->quota, &resource->share, QUOTA_DESCRIPTORS, descriptors,
                    error) ||
        !load_pages(load, resource, error))
        return false;
    switch (kind) {
    case RESOURCE_2D:
        return load_image(load, resource, error);
    case RESOURCE_3D:
        return load_texture(load, resource, error);
    case RESOURCE_BLOB:
        resource->kind = RESOURCE_BLOB;
        return load_blob(load, resource, error);
    default: /* a number of the state's */
        return state_refuse(section, error, "resource %u of kind %u", resource->id, kind);
    }
}

static bool load_resource(struct load *load, struct error *error)
{
    struct gpu *gpu = load->gpu;
    uint32_t id = state_get32(load->section);
    uint64_t serial = state_get64(load->section);
    uint32_t kind = state_get32(load->section);
    if (load->section->too_short)
        return state_close(load->section, error);
    if (serial <= load->newest)
        return state_refuse(load->section, error,
                            "resource %u is number %" PRIu64 ", behind number %" PRIu64,
                            id, serial, load->newest);
    load->newest = serial;
    struct resource *resource = resource_add(&gpu->resources, id, error);
    if (!resource)
        return false;
    resource->kind = RESOURCE_2D;
    resource->serial = serial;
    if (!load_body(load, resource, kind, error)) {
        if (kind == RESOURCE_BLOB)
            guest_blob_forget_dmabuf(gpu, resource);
        resource_remove(&gpu->resources, resource);
        return false;
    }
    return kind != RESOURCE_BLOB || load_memory(load, resource, error);
}

static bool load_all(struct load *load, struct error *error)
{
    uint32_t count = state_get32(load->section);
    uint64_t last_serial = state_get64(load->section);
    if (!state_get_fd(load->reader, load->section, &load->pixels_fd, error))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (!load_resource(load, error))
            return error_wrap(error, "state of the GPU's resource number %u", i);
    }
    if (last_serial < load->newest)
        return state_refuse(load->section, error,
                            "%" PRIu64 " resources ever, and one is number %" PRIu64,
                            last_serial, load->newest);
    load->gpu->resources.last_serial = last_serial;
    return state_close(load->section, error);
}

bool gpu_load_resources(struct gpu *gpu, struct state_reader *reader, struct error *error)
{
    struct load load = {.gpu = gpu, .reader = reader, .pixels_fd = -1};
    bool good = state_open(reader, GPU_STATE_RESOURCES, 0, GPU_STATE_RESOURCES_VERSION,
                           &load.section, error) &&
                load_all(&load, error);
    if (load.pixels_fd >= 0)
        close(load.pixels_fd);
    return good;
}

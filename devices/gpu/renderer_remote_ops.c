/* SPDX-License-Identifier: MIT */
/* What the device asks of a renderer, as requests to the renderer process. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "devices/gpu/renderer_remote.h"

/* --- requests --- */

static struct wire_request of_kind(enum wire_kind kind)
{
    return (struct wire_request){.header.kind = kind};
}

/* The answer is "done". */
static bool ask(struct renderer_remote *remote, struct wire_request *request,
                struct error *error)
{
    struct wire_answer answer;
    return renderer_remote_ask(remote, request, -1, &answer, NULL, error);
}

/* Nobody wants to know whether there is still somebody who does it. */
static void tell(struct renderer_remote *remote, struct wire_request *request)
{
    struct error error;
    (void)ask(remote, request, &error);
}

/* --- guest memory --- */

static bool find_range(const struct guest_memory *memory, const struct iovec *vector,
                       struct wire_range *range)
{
    for (unsigned i = 0; i < memory->region_count; i++) {
        const struct guest_region *region = &memory->regions[i];
        uint64_t offset = (uintptr_t)vector->iov_base - (uintptr_t)region->host;
        if ((uintptr_t)vector->iov_base >= (uintptr_t)region->host &&
            offset < region->range.size &&
            vector->iov_len <= region->range.size - offset) {
            *range = (struct wire_range){region->file_offset + offset, vector->iov_len};
            return true;
        }
    }
    return false;
}

/* Where the pages are in the file of guest RAM, into the area. False: one is not there. */
static bool put_pages(struct renderer_remote *remote, struct renderer_pages pages,
                      struct wire_request *request)
{
    struct wire_range range;
    BUG_ON(pages.count > GUEST_PAGES_ENTRIES_MAX);
    for (unsigned i = 0; i < pages.count; i++) {
        if (!find_range(remote->memory, &pages.vectors[i], &range))
            return false;
        memcpy(remote->area + i * sizeof range, &range, sizeof range);
    }
    request->header.area_used = (uint32_t)(pages.count * sizeof range);
    return true;
}

/* Pages of a resource come from guest_pages.h. */
static void put_guest_pages(struct renderer_remote *remote, struct renderer_pages pages,
                            struct wire_request *request)
{
    BUG_ON(!put_pages(remote, pages, request));
}

/* --- capsets, contexts --- */

static bool capset(void *renderer, unsigned index, struct renderer_capset *capset)
{
    const struct renderer_remote *remote = renderer;
    if (index >= remote->capset_count)
        return false;
    *capset = remote->capsets[index];
    return true;
}

/* Without a process the buffer stays as it is. */
static void capset_fill(void *renderer, const struct renderer_capset *capset,
                        uint32_t version, void *buffer)
{
    struct renderer_remote *remote = renderer;
    struct wire_request request = of_kind(WIRE_CAPSET_FILL);
    struct error error;
    request.fill.capset = *capset;
    request.fill.version = version;
    if (ask(remote, &request, &error))
        memcpy(buffer, remote->area, capset->size);
}

static bool context_create(void *renderer, uint32_t context_id, uint32_t capset_id,
                           const char *name, struct error *error)
{
    struct wire_request request = of_kind(WIRE_CONTEXT_CREATE);
    request.context.id = context_id;
    request.context.capset_id = capset_id;
    memcpy(request.context.name, name, strnlen(name, WIRE_NAME_SIZE));
    return ask(renderer, &request, error);
}

static void context_destroy(void *renderer, uint32_t context_id)
{
    struct wire_request request = of_kind(WIRE_CONTEXT_DESTROY);
    request.context.id = context_id;
    tell(renderer, &request);
    renderer_remote_forget_fences(renderer, context_id);
}

static void tell_pair(struct renderer_remote *remote, enum wire_kind kind,
                      uint32_t context_id, uint32_t resource_id)
{
    struct wire_request request = of_kind(kind);
    request.pair.context_id = context_id;
    request.pair.resource_id = resource_id;
    tell(remote, &request);
}

static void attach(void *renderer, uint32_t context_id, uint32_t resource_id)
{
    tell_pair(renderer, WIRE_ATTACH, context_id, resource_id);
}

static void detach(void *renderer, uint32_t context_id, uint32_t resource_id)
{
    tell_pair(renderer, WIRE_DETACH, context_id, resource_id);
}

static bool submit(void *renderer, uint32_t context_id, void *commands, uint32_t size,
                   struct error *error)
{
    struct renderer_remote *remote = renderer;
    struct wire_request request = of_kind(WIRE_SUBMIT);
    BUG_ON(size > WIRE_AREA_SIZE);
    request.header.area_used = size;
    request.context.id = context_id;
    memcpy(remote->area, commands, size);
    return ask(remote, &request, error);
}

static bool fence(void *renderer, struct renderer_timeline timeline, uint32_t number,
                  struct error *error)
{
    return renderer_remote_ask_fence(renderer, timeline, number, error);
}

/* --- blobs --- */

static bool blob_create(void *renderer, const struct renderer_blob *blob,
                        struct error *error)
{
    struct wire_request request = of_kind(WIRE_BLOB_CREATE);
    request.blob = *blob;
    request.blob.pages.vectors = NULL;
    put_guest_pages(renderer, blob->pages, &request);
    return ask(renderer, &request, error);
}

static bool blob_import(void *renderer, const struct renderer_blob *blob, int fd,
                        struct error *error)
{
    struct wire_request request = of_kind(WIRE_BLOB_IMPORT);
    struct wire_answer answer;
    request.blob = *blob;
    request.blob.pages = (struct renderer_pages){0};
    return renderer_remote_ask(renderer, &request, fd, &answer, NULL, error);
}

static void resource_destroy(void *renderer, uint32_t resource_id)
{
    struct wire_request request = of_kind(WIRE_RESOURCE_DESTROY);
    request.of_resource.id = resource_id;
    tell(renderer, &request);
}

static bool blob_export(void *renderer, uint32_t resource_id, enum renderer_fd_type *type,
                        int *fd, struct error *error)
{
    struct wire_request request = of_kind(WIRE_BLOB_EXPORT);
    struct wire_answer answer;
    *fd = -1;
    request.of_resource.id = resource_id;
    if (!renderer_remote_ask(renderer, &request, -1, &answer, fd, error))
        return false;
    if (*fd < 0)
        return error_set(
            error, ERROR_HOST_RENDERER,
            "renderer process: export of resource %u succeeded without an fd",
            resource_id);
    *type = (enum renderer_fd_type)answer.fd_type;
    return true;
}

static bool blob_map(void *renderer, uint32_t resource_id, void **host, uint64_t *size,
                     struct error *error)
{
    (void)renderer;
    (void)host;
    (void)size;
    return error_set(error, ERROR_HOST_RENDERER,
                     "resource %u is memory that only its renderer can map, which is "
                     "another process: --renderer=inside maps it",
                     resource_id);
}

/* Nothing was mapped. */
static void blob_unmap(void *renderer, uint32_t resource_id)
{
    (void)renderer;
    (void)resource_id;
}

static bool blob_map_info(void *renderer, uint32_t resource_id, uint32_t *map_info)
{
    struct wire_request request = of_kind(WIRE_BLOB_MAP_INFO);
    struct wire_answer answer;
    struct error error;
    request.of_resource.id = resource_id;
    if (!renderer_remote_ask(renderer, &request, -1, &answer, NULL, &error) ||
        answer.map_info.is_known == 0)
        return false;
    *map_info = answer.map_info.value;
    return true;
}

/* --- 3D resources --- */

static bool resource_create(void *renderer, const struct renderer_resource *resource,
                            struct error *error)
{
    struct wire_request request = of_kind(WIRE_RESOURCE_CREATE);
    request.resource = *resource;
    return ask(renderer, &request, error);
}

static bool pages_attach(void *renderer, uint32_t resource_id,
                         struct renderer_pages pages, struct error *error)
{
    struct wire_request request = of_kind(WIRE_PAGES_ATTACH);
    request.of_resource.id = resource_id;
    request.of_resource.page_count = pages.count;
    put_guest_pages(renderer, pages, &request);
    return ask(renderer, &request, error);
}

static void pages_detach(void *renderer, uint32_t resource_id)
{
    struct wire_request request = of_kind(WIRE_PAGES_DETACH);
    request.of_resource.id = resource_id;
    tell(renderer, &request);
}

static uint64_t size_of(struct renderer_pages pages)
{
    uint64_t size = 0;
    for (unsigned i = 0; i < pages.count; i++)
        size += pages.vectors[i].iov_len;
    return size;
}

/* Between the file and the memory that it stands for. The process cannot cut the file. */
static bool copy(int fd, struct renderer_pages pages, enum renderer_direction direction)
{
    off_t offset = 0;
    for (unsigned i = 0; i < pages.count; i++) {
        uint8_t *host = pages.vectors[i].iov_base;
        size_t left = pages.vectors[i].iov_len;
        while (left > 0) {
            ssize_t done = direction == RENDERER_TO_HOST ? pwrite(fd, host, left, offset)
                                                         : pread(fd, host, left, offset);
            if (done <= 0)
                return false;
            host += done;
            offset += done;
            left -= (size_t)done;
        }
    }
    return true;
}

/* With memory of ours, for a screenshot: by way of a file. */
static bool transfer_own_memory(struct renderer_remote *remote,
                                const struct renderer_transfer *transfer,
                                struct wire_request *request, struct error *error)
{
    const struct renderer_pages pages = transfer->pages;
    const enum renderer_direction direction = transfer->direction;
    struct wire_answer answer;
    int fd = memfd_create("s2vmm-transfer", MFD_CLOEXEC);
    bool good = fd >= 0 && ftruncate(fd, (off_t)size_of(pages)) == 0 &&
                (direction == RENDERER_FROM_HOST || copy(fd, pages, direction));
    if (!good)
        error_set(error, ERROR_HOST_MEMORY, "memfd for the renderer process: %s",
                  strerror(errno));
    good = good && renderer_remote_ask(remote, request, fd, &answer, NULL, error);
    if (good && direction == RENDERER_FROM_HOST && !copy(fd, pages, direction))
        good = error_set(error, ERROR_HOST_RENDERER,
                         "renderer process: resource %u: its pixels are gone",
                         transfer->resource_id);
    if (fd >= 0)
        close(fd);
    return good;
}

static bool transfer(void *renderer, const struct renderer_transfer *transfer,
                     struct error *error)
{
    struct wire_request request = of_kind(WIRE_TRANSFER);
    request.transfer = *transfer;
    request.transfer.pages.vectors = NULL;
    return put_pages(renderer, transfer->pages, &request)
               ? ask(renderer, &request, error)
               : transfer_own_memory(renderer, transfer, &request, error);
}

/* --- polling --- */

static int poll_fd(void *renderer)
{
    const struct renderer_remote *remote = renderer;
    return remote->poll_fd;
}

const struct renderer_ops renderer_remote_ops = {
    .capset = capset,
    .capset_fill = capset_fill,
    .context_create = context_create,
    .context_destroy = context_destroy,
    .attach = attach,
    .detach = detach,
    .submit = submit,
    .fence = fence,
    .blob_create = blob_create,
    .resource_destroy = resource_destroy,
    .blob_export = blob_export,
    .blob_map = blob_map,
    .blob_unmap = blob_unmap,
    .blob_map_info = blob_map_info,
    .blob_import = blob_import,
    .resource_create = resource_create,
    .pages_attach = pages_attach,
    .pages_detach = pages_detach,
    .transfer = transfer,
    .poll_fd = poll_fd,
    .poll = renderer_remote_poll,
    .has_died = renderer_remote_has_died,
    .restart = renderer_remote_restart,
    .save = renderer_remote_save,
    .load = renderer_remote_load,
    .knows_context = renderer_remote_knows,
    .knows_resource = renderer_remote_knows,
};

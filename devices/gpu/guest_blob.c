/* SPDX-License-Identifier: MIT */
#include "devices/gpu/guest_blob.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/udmabuf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DEVICE     "/dev/udmabuf"
#define PARAMETERS "/sys/module/udmabuf/parameters"

/* --- the list --- */

static bool add_item(const struct guest_memory *memory, struct udmabuf_create_list *list,
                     struct gpa_range range, struct error *error)
{
    const uint64_t page_size = (uint64_t)sysconf(_SC_PAGESIZE);
    if (!is_aligned(range.start.value, page_size) || !is_aligned(range.size, page_size))
        return error_set(
            error, ERROR_HOST_BUFFER,
            "guest memory at %#llx, %#llx bytes, is not whole pages of the host",
            (unsigned long long)range.start.value, (unsigned long long)range.size);
    const struct guest_region *region = memory->regions;
    while (range.start.value - region->range.start.value >= region->range.size) {
        region++;
        BUG_ON(region == memory->regions + memory->region_count);
    }
    uint64_t offset =
        region->file_offset + (range.start.value - region->range.start.value);
    struct udmabuf_create_item *last = &list->list[list->count - 1];
    if (list->count > 0 && last->offset + last->size == offset)
        last->size += range.size;
    else
        list->list[list->count++] = (struct udmabuf_create_item){
            .memfd = (uint32_t)memory->fd, .offset = offset, .size = range.size};
    return true;
}

static bool fill_list(const struct guest_memory *memory, const struct guest_pages *pages,
                      uint64_t size, struct udmabuf_create_list *list,
                      struct error *error)
{
    bool good = true;
    uint64_t done = 0;
    for (unsigned i = 0; good && i < pages->count && done < size; i++) {
        struct gpa_range range = pages->ranges[i];
        if (range.size > size - done)
            range.size = size - done;
        good = add_item(memory, list, range, error);
        done += range.size;
    }
    return good;
}

/* A parameter of the module udmabuf, for the error's text; "?" if it does not say. */
static void read_limit(const char *name, char *value, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, PARAMETERS "/%s", name);
    snprintf(value, size, "?");
    FILE *file = fopen(path, "re");
    if (!file)
        return;
    if (!fgets(value, (int)size, file))
        snprintf(value, size, "?");
    value[strcspn(value, "\n")] = '\0';
    fclose(file);
}

/* More entries than list_limit, or more than size_limit_mb, are EINVAL
 * (drivers/dma-buf/udmabuf.c, udmabuf_ioctl_create_list() and udmabuf_create()). */
static bool refused_by_kernel(const struct udmabuf_create_list *list, uint64_t size,
                              struct error *error)
{
    int reason = errno;
    char entries[16];
    char megabytes[16];
    read_limit("list_limit", entries, sizeof entries);
    read_limit("size_limit_mb", megabytes, sizeof megabytes);
    return error_set(error, ERROR_HOST_BUFFER,
                     "UDMABUF_CREATE_LIST of %u entries, %llu bytes: %s; the module's "
                     "limits are list_limit=%s and size_limit_mb=%s, see " PARAMETERS,
                     list->count, (unsigned long long)size, strerror(reason), entries,
                     megabytes);
}

bool guest_blob_make_dmabuf(const struct guest_memory *memory,
                            const struct guest_pages *pages, uint64_t size, int *fd,
                            struct error *error)
{
    *fd = -1;
    if (memory->is_guest_memfd)
        return error_set(error, ERROR_CONFIG_HOST,
                         "guest RAM is a guest_memfd, which udmabuf does not take; "
                         "--memory-backend=memfd is what it takes");
    int device = open(DEVICE, O_RDWR | O_CLOEXEC);
    if (device < 0)
        return error_set(error, ERROR_CONFIG_HOST,
                         DEVICE ": %s; a kernel with CONFIG_UDMABUF has it",
                         strerror(errno));
    struct udmabuf_create_list *list =
        calloc(1, sizeof *list + pages->count * sizeof list->list[0]);
    bool good = list != NULL;
    if (!good)
        error_set(error, ERROR_HOST_MEMORY, "no memory for %u entries", pages->count);
    if (good) {
        list->flags = UDMABUF_FLAGS_CLOEXEC;
        good = fill_list(memory, pages, size, list, error);
    }
    if (good) {
        *fd = ioctl(device, UDMABUF_CREATE_LIST, list);
        good = *fd >= 0 || refused_by_kernel(list, size, error);
    }
    free(list);
    close(device);
    return good;
}

/* --- of a blob --- */

static bool make_dmabuf(struct gpu *gpu, struct resource *resource, struct error *error)
{
    struct loan *loan = lent_begin(gpu, resource->id, resource->size, error);
    if (!loan)
        return false;
    if (guest_blob_make_dmabuf(gpu->virtio.memory, &resource->pages, resource->size,
                               &loan->fd, error)) {
        resource->guest_dmabuf = loan->fd;
        resource->loan = loan;
        return true;
    }
    lent_cancel(gpu, loan);
    return false;
}

int guest_blob_dmabuf(struct gpu *gpu, struct resource *resource)
{
    struct error error;
    if (resource->guest_dmabuf_made)
        return resource->guest_dmabuf;
    resource->guest_dmabuf_made = true;
    if (make_dmabuf(gpu, resource, &error))
        trace_detail(gpu->trace, "gpu",
                     "blob %u: its guest memory is a dma-buf (fd %d, %u entries)",
                     resource->id, resource->guest_dmabuf, resource->pages.count);
    else if (!gpu->said_no_guest_dmabuf)
        trace_warning(gpu->trace, "gpu",
                      "blob %u: its guest memory is no dma-buf: %s; said once",
                      resource->id, error.text);
    else
        trace_detail(gpu->trace, "gpu", "blob %u: its guest memory is no dma-buf: %s",
                     resource->id, error.text);
    gpu->said_no_guest_dmabuf |= resource->guest_dmabuf < 0;
    return resource->guest_dmabuf;
}

void guest_blob_forget_dmabuf(struct gpu *gpu, struct resource *resource)
{
    if (resource->loan)
        lent_ask_back(gpu, resource->loan);
    resource->loan = NULL;
    resource->guest_dmabuf_made = false;
    resource->guest_dmabuf = -1;
}

bool gpu_renderer_knows(const struct gpu *gpu, const struct resource *resource)
{
    switch (resource->kind) {
    case RESOURCE_2D:
        return false;
    case RESOURCE_3D:
        return true;
    case RESOURCE_BLOB:
        break;
    }
    return resource->blob_memory != VIRTIO_GPU_BLOB_MEM_GUEST ||
           (gpu->renderer.ops->blob_import && resource->pages.count > 0);
}

bool guest_blob_import(struct gpu *gpu, struct resource *resource, struct error *error)
{
    struct error import_error;
    const struct renderer_ops *ops = gpu->renderer.ops;
    if (!ops->blob_import)
        return true;
    const struct renderer_blob blob = {
        .resource_id = resource->id,
        .context_id = resource->context_id,
        .memory = resource->blob_memory,
        .flags = resource->flags,
        .size = resource->size,
        .pages = {resource->pages.vectors, resource->pages.count},
    };
    int fd = guest_blob_dmabuf(gpu, resource);
    if (fd >= 0) {
        if (ops->blob_import(gpu->renderer.context, &blob, fd, &import_error))
            return true;
        trace_warning(gpu->trace, "gpu",
                      "blob %u: %s: the renderer gets the addresses of its pages",
                      resource->id, import_error.text);
    }
    return ops->blob_create(gpu->renderer.context, &blob, error);
}

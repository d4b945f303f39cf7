/* SPDX-License-Identifier: MIT */
#include "devices/gpu/witness.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/dma-buf.h>

#include "devices/gpu/witness_abi.h"
#include "vmm/touch.h"

/* A mapping made for one look, so that what is seen is what any other process of the host
 * would see; for memory that only the renderer can map, its mapping has to do. NULL when it
 * cannot be had. */
static uint8_t *open_view(const struct backing *backing, struct error *error)
{
    if (backing->kind == BACKING_POINTER)
        return backing->host;
    void *host =
        mmap(NULL, backing->size, PROT_READ | PROT_WRITE, MAP_SHARED, backing->fd, 0);
    if (host != MAP_FAILED)
        return host;
    error_set(error, ERROR_HOST_BUFFER, "mmap of %llu bytes: %s",
              (unsigned long long)backing->size, strerror(errno));
    return NULL;
}

static void close_view(const struct backing *backing, uint8_t *view)
{
    if (backing->kind != BACKING_POINTER)
        munmap(view, backing->size);
}

/* The rule for CPU access to a dma-buf (linux/dma-buf.h). Nothing happens for those that
 * need none; its errors are not ours to judge: the comparison will tell. */
static void sync_view(const struct backing *backing, uint64_t flags)
{
    struct dma_buf_sync sync = {.flags = flags};
    if (backing->kind == BACKING_DMABUF)
        ioctl(backing->fd, DMA_BUF_IOCTL_SYNC, &sync);
}

static void write_pattern(uint8_t *target, uint64_t words, uint64_t seed)
{
    for (uint64_t i = 0; i < words; i++) {
        uint64_t word = witness_pattern(seed, i);
        memcpy(target + 8 * i, &word, 8);
    }
}

static uint64_t count_differences(const uint8_t *source, uint64_t words, uint64_t seed)
{
    uint64_t differences = 0;
    for (uint64_t i = 0; i < words; i++) {
        uint64_t word;
        memcpy(&word, source + 8 * i, 8);
        differences += word != witness_pattern(seed, i);
    }
    return differences;
}

static uint32_t no_view(struct witness *witness, const struct resource *resource,
                        const struct error *error)
{
    trace_warning(witness->gpu->trace, "witness", "blob %u: %s", resource->id,
                  error->text);
    return WITNESS_NO_BLOB;
}

/* WITNESS_WRITE and WITNESS_CHECK. */
static uint32_t look(struct witness *witness, const struct resource *resource,
                     struct witness_request *request)
{
    const struct backing *backing = &resource->backing;
    struct error error;
    uint64_t end;
    if (!u64_add(request->offset, request->length, &end) || end > backing->size ||
        request->offset % 8 != 0 || request->length % 8 != 0)
        return WITNESS_BAD_REQUEST;
    uint8_t *view = open_view(backing, &error);
    if (!view)
        return no_view(witness, resource, &error);
    bool writes = request->operation == WITNESS_WRITE;
    uint64_t direction = writes ? DMA_BUF_SYNC_WRITE : DMA_BUF_SYNC_READ;
    uint64_t first = request->offset & ~((uint64_t)sysconf(_SC_PAGESIZE) - 1);
    sync_view(backing, DMA_BUF_SYNC_START | direction);
    /* The buffer may have lost its pages since it was mapped, with its device: to access
     * one would be a SIGBUS. */
    bool present = touch_pages(view + first, end - first, &error);
    if (present && writes)
        write_pattern(view + request->offset, request->length / 8, request->seed);
    else if (present)
        request->result =
            count_differences(view + request->offset, request->length / 8, request->seed);
    sync_view(backing, DMA_BUF_SYNC_END | direction);
    close_view(backing, view);
    return present ? WITNESS_OK : no_view(witness, resource, &error);
}

static uint32_t observe(struct witness *witness, const struct resource *resource,
                        const struct witness_request *request)
{
    if (request->s1_type >= MEMATTR_TYPE_COUNT)
        return WITNESS_BAD_REQUEST;
    const struct guest_observation observation = {
        .s1 = (enum memattr_type)request->s1_type,
        .guest_saw_host_write = request->observed & WITNESS_GUEST_SAW_HOST_WRITE,
        .host_saw_guest_write = request->observed & WITNESS_HOST_SAW_GUEST_WRITE,
    };
    recorder_observed(witness->gpu->recorder, resource, &observation);
    return WITNESS_OK;
}

static uint32_t serve(struct witness *witness, struct witness_request *request)
{
    struct gpu *gpu = witness->gpu;
    struct error error;
    uint32_t status = WITNESS_NO_BLOB;
    pthread_mutex_lock(&gpu->lock);
    const struct resource *resource =
        resource_find(&gpu->resources, request->resource_id, &error);
    if (resource && resource->mapping.mapped) {
        if (request->operation == WITNESS_WRITE || request->operation == WITNESS_CHECK)
            status = look(witness, resource, request);
        else if (request->operation == WITNESS_OBSERVE)
            status = observe(witness, resource, request);
        else
            status = WITNESS_BAD_REQUEST;
    }
    pthread_mutex_unlock(&gpu->lock);
    return status;
}

static uint64_t witness_read(void *device, uint64_t offset, unsigned size)
{
    (void)device;
    (void)size;
    return offset == WITNESS_REGISTER_MAGIC ? WITNESS_MAGIC : 0;
}

static void witness_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct witness *witness = device;
    struct error error;
    struct witness_request request;
    if (offset != WITNESS_REGISTER_REQUEST || size != 8)
        return;
    if (guest_memory_read(witness->memory, gpa(value), &request, sizeof request,
                          &error)) {
        request.result = 0;
        request.status = serve(witness, &request);
        if (guest_memory_write(witness->memory, gpa(value), &request, sizeof request,
                               &error))
            return;
    }
    trace_warning(witness->gpu->trace, "witness", "request at %#llx: %s",
                  (unsigned long long)value, error.text);
}

const struct bus_ops witness_bus_ops = {
    .read = witness_read,
    .write = witness_write,
};

/* SPDX-License-Identifier: MIT */
#include "devices/gpu/witness.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/dma-buf.h>

#include "devices/gpu/witness_abi.h"
#include "vmm/bounce.h"
#include "vmm/trace.h"

#define PIECE_WORDS 512u

/* A mapping made for one look, so that what is seen is what any other process of the host
 * would see; for memory that has no file, its own mapping has to do. NULL when it cannot be
 * had. */
static uint8_t *open_view(const struct witness_view *view, struct error *error)
{
    if (!view->has_file)
        return view->host;
    void *host = mmap(NULL, view->size, PROT_READ | PROT_WRITE, MAP_SHARED, view->fd,
                      (off_t)view->offset);
    if (host != MAP_FAILED)
        return host;
    error_set(error, ERROR_HOST_BUFFER, "mmap of %llu bytes: %s",
              (unsigned long long)view->size, strerror(errno));
    return NULL;
}

static void close_view(const struct witness_view *view, uint8_t *host)
{
    if (view->has_file)
        munmap(host, view->size);
}

/* The rule for CPU access to a dma-buf (linux/dma-buf.h). Nothing happens for those that
 * need none; its errors are not ours to judge: the comparison will tell. */
static void sync_view(const struct witness_view *view, uint64_t flags)
{
    struct dma_buf_sync sync = {.flags = flags};
    if (view->is_dmabuf)
        ioctl(view->fd, DMA_BUF_IOCTL_SYNC, &sync);
}

/* The memory of one look. */
struct sight {
    uint8_t *memory;
    bool is_bar;
    struct bounce bounce;
};

/* A BAR does not go, and takes only accesses of its own kind: of words. All else may lose its
 * pages at any time, so that the kernel copies. One of the two is the sight's memory. */
static bool copy_words(const struct sight *sight, void *to, const void *from,
                       uint64_t words, struct error *error)
{
    if (!sight->is_bar)
        return bounce_copy(&sight->bounce, to, from, 8 * words, error);
    for (uint64_t i = 0; i < words; i++)
        ((volatile uint64_t *)to)[i] = ((const volatile uint64_t *)from)[i];
    return true;
}

static bool write_pattern(const struct sight *sight,
                          const struct witness_request *request, struct error *error)
{
    uint64_t buffer[PIECE_WORDS];
    uint64_t words = request->length / 8;
    for (uint64_t done = 0; done < words; done += PIECE_WORDS) {
        uint64_t piece = words - done < PIECE_WORDS ? words - done : PIECE_WORDS;
        for (uint64_t i = 0; i < piece; i++)
            buffer[i] = witness_pattern(request->seed, done + i);
        if (!copy_words(sight, sight->memory + request->offset + 8 * done, buffer, piece,
                        error))
            return false;
    }
    return true;
}

static bool count_differences(const struct sight *sight, struct witness_request *request,
                              struct error *error)
{
    uint64_t buffer[PIECE_WORDS];
    uint64_t words = request->length / 8;
    for (uint64_t done = 0; done < words; done += PIECE_WORDS) {
        uint64_t piece = words - done < PIECE_WORDS ? words - done : PIECE_WORDS;
        if (!copy_words(sight, buffer, sight->memory + request->offset + 8 * done, piece,
                        error))
            return false;
        for (uint64_t i = 0; i < piece; i++)
            request->result += buffer[i] != witness_pattern(request->seed, done + i);
    }
    return true;
}

static uint32_t no_view(const struct witness *witness, uint32_t resource_id,
                        const struct error *error)
{
    trace_warning(witness->trace, "witness", "blob %u: %s", resource_id, error->text);
    return WITNESS_NO_BLOB;
}

/* WITNESS_WRITE and WITNESS_CHECK. */
static uint32_t look(const struct witness *witness, const struct witness_view *view,
                     struct witness_request *request)
{
    struct error error;
    uint64_t end;
    if (!u64_add(request->offset, request->length, &end) || end > view->size ||
        request->offset % 8 != 0 || request->length % 8 != 0)
        return WITNESS_BAD_REQUEST;
    struct sight sight = {.is_bar = view->is_bar};
    if (!bounce_open(&sight.bounce, &error))
        return no_view(witness, request->resource_id, &error);
    sight.memory = open_view(view, &error);
    bool good = sight.memory != NULL;
    if (good) {
        bool writes = request->operation == WITNESS_WRITE;
        uint64_t direction = writes ? DMA_BUF_SYNC_WRITE : DMA_BUF_SYNC_READ;
        sync_view(view, DMA_BUF_SYNC_START | direction);
        good = writes ? write_pattern(&sight, request, &error)
                      : count_differences(&sight, request, &error);
        sync_view(view, DMA_BUF_SYNC_END | direction);
        close_view(view, sight.memory);
    }
    bounce_close(&sight.bounce);
    return good ? WITNESS_OK : no_view(witness, request->resource_id, &error);
}

static uint32_t observe(const struct witness *witness,
                        const struct witness_request *request)
{
    if (request->s1_type >= MEMATTR_TYPE_COUNT ||
        !memattr_model_has(witness->model, (enum memattr_type)request->s1_type))
        return WITNESS_BAD_REQUEST;
    const struct guest_observation observation = {
        .s1 = (enum memattr_type)request->s1_type,
        .guest_saw_host_write = request->observed & WITNESS_GUEST_SAW_HOST_WRITE,
        .host_saw_guest_write = request->observed & WITNESS_HOST_SAW_GUEST_WRITE,
        .unaligned_works = request->observed & WITNESS_GUEST_UNALIGNED_WORKS,
        .unaligned_faulted = request->observed & WITNESS_GUEST_UNALIGNED_FAULTED,
        .par = request->par,
    };
    witness->ops->observed(witness->context, request->resource_id, &observation);
    return WITNESS_OK;
}

static uint32_t serve(const struct witness *witness, struct witness_request *request)
{
    struct witness_view view;
    uint32_t status = WITNESS_BAD_REQUEST;
    if (!witness->ops->acquire(witness->context, request->resource_id, &view))
        return WITNESS_NO_BLOB;
    if (request->operation == WITNESS_WRITE || request->operation == WITNESS_CHECK)
        status = look(witness, &view, request);
    else if (request->operation == WITNESS_OBSERVE)
        status = observe(witness, request);
    witness->ops->release(witness->context);
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
    trace_warning(witness->trace, "witness", "request at %#llx: %s",
                  (unsigned long long)value, error.text);
}

const struct bus_ops witness_bus_ops = {
    .read = witness_read,
    .write = witness_write,
};

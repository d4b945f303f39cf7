/* SPDX-License-Identifier: MIT */
/* Section numbers are those of virtio 1.2. */
#include "devices/virtio_blk.h"

#include <inttypes.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>

#define FEATURE(bit)     (UINT64_C(1) << (bit))
#define HEADER_SIZE      sizeof(struct virtio_blk_outhdr)
#define REQUESTS_AT_ONCE 32u

/* Of one DISCARD or WRITE_ZEROES; 1 GiB, so that none holds a worker for long. */
#define ERASE_SECTORS_MAX ((uint32_t)(GIB / DISK_IMAGE_SECTOR_SIZE))
#define ERASE_ALIGNMENT   ((uint32_t)(4 * KIB / DISK_IMAGE_SECTOR_SIZE))

/* --- a request, on the device's thread --- */

/* The host's addresses of `length` bytes behind the first `skip` of the segments; there are as
 * many. */
static bool gather(const struct virtio_blk *blk, const struct virtqueue_segment *segment,
                   uint64_t skip, struct virtio_blk_request *request, struct error *error)
{
    request->vector_count = 0;
    for (uint64_t left = request->length; left > 0; segment++) {
        if (skip >= segment->length) {
            skip -= segment->length;
            continue;
        }
        uint64_t here = segment->length - skip;
        if (here > left)
            here = left;
        struct iovec *vector = &request->vectors[request->vector_count++];
        vector->iov_len = here;
        if (!guest_memory_view(blk->virtio.memory, gpa(segment->address.value + skip),
                               here, &vector->iov_base, error))
            return false;
        left -= here;
        skip = 0;
    }
    return true;
}

static bool check_range(const struct virtio_blk *blk, struct virtio_blk_request *request,
                        uint64_t sector, uint64_t length, struct error *error)
{
    uint64_t sectors = blk->image.size / DISK_IMAGE_SECTOR_SIZE;
    if (sector > sectors || length > (sectors - sector) * DISK_IMAGE_SECTOR_SIZE)
        return error_set(error, ERROR_GUEST_PARAMETER,
                         "%" PRIu64 " bytes at sector %" PRIu64 ": the disk has %" PRIu64
                         " sectors",
                         length, sector, sectors);
    if (length % DISK_IMAGE_SECTOR_SIZE != 0)
        return error_set(error, ERROR_GUEST_PARAMETER,
                         "%" PRIu64 " bytes are not a multiple of %u", length,
                         DISK_IMAGE_SECTOR_SIZE);
    request->offset = sector * DISK_IMAGE_SECTOR_SIZE;
    request->length = length;
    return true;
}

/* Each of these says whether a worker is to go on; if not, the status is the answer, and the
 * error says why where it is the guest's mistake. */

static bool prepare_transfer(struct virtio_blk *blk, struct virtio_blk_request *request,
                             uint64_t sector, struct error *error)
{
    const struct virtqueue_chain *chain = &blk->chain;
    request->status = VIRTIO_BLK_S_IOERR;
    if (request->type == VIRTIO_BLK_T_IN)
        return check_range(blk, request, sector, chain->writable_size - 1, error) &&
               gather(blk, chain->segments + chain->readable_count, 0, request, error);
    if (blk->image.readonly)
        return error_set(error, ERROR_GUEST_STATE, "a write: the disk is read-only");
    return check_range(blk, request, sector, chain->readable_size - HEADER_SIZE, error) &&
           gather(blk, chain->segments, HEADER_SIZE, request, error);
}

static bool prepare_erase(struct virtio_blk *blk, struct virtio_blk_request *request,
                          struct error *error)
{
    const struct virtqueue_chain *chain = &blk->chain;
    struct virtio_blk_discard_write_zeroes range;
    request->status = VIRTIO_BLK_S_IOERR;
    if (blk->image.readonly)
        return error_set(error, ERROR_GUEST_STATE, "type %u: the disk is read-only",
                         request->type);
    if (chain->readable_size != HEADER_SIZE + sizeof range)
        return error_set(error, ERROR_GUEST_COMMAND,
                         "type %u with %" PRIu64 " bytes, one range of %zu is the limit",
                         request->type, chain->readable_size - HEADER_SIZE, sizeof range);
    if (!virtqueue_chain_read(&blk->virtio.queues[0], chain, HEADER_SIZE, &range,
                              sizeof range, error))
        return false;
    if (range.num_sectors > ERASE_SECTORS_MAX)
        return error_set(error, ERROR_GUEST_LIMIT,
                         "type %u of %u sectors, %u are the limit", request->type,
                         range.num_sectors, ERASE_SECTORS_MAX);
    /* 5.2.6.2: the flags that a device has to refuse. */
    uint32_t known =
        request->type == VIRTIO_BLK_T_DISCARD ? 0 : VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;
    if ((range.flags & ~known) != 0) {
        request->status = VIRTIO_BLK_S_UNSUPP;
        return error_set(error, ERROR_GUEST_PARAMETER, "type %u with flags 0x%x",
                         request->type, range.flags);
    }
    request->unmap = (range.flags & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP) != 0;
    return check_range(blk, request, range.sector,
                       (uint64_t)range.num_sectors * DISK_IMAGE_SECTOR_SIZE, error);
}

/* Not a worker's business: answered at once. */
static bool answer_id(struct virtio_blk *blk, struct virtio_blk_request *request,
                      struct error *error)
{
    request->status = VIRTIO_BLK_S_IOERR;
    if (blk->chain.writable_size != sizeof blk->id + 1)
        return error_set(error, ERROR_GUEST_COMMAND,
                         "GET_ID with room for %" PRIu64 " bytes, not %zu",
                         blk->chain.writable_size - 1, sizeof blk->id);
    if (virtqueue_chain_write(&blk->virtio.queues[0], &blk->chain, 0, blk->id,
                              sizeof blk->id, error))
        request->status = VIRTIO_BLK_S_OK;
    return false;
}

static bool prepare(struct virtio_blk *blk, struct virtio_blk_request *request,
                    struct error *error)
{
    struct virtio_blk_outhdr header;
    request->status = VIRTIO_BLK_S_IOERR;
    if (!virtqueue_chain_read(&blk->virtio.queues[0], &blk->chain, 0, &header,
                              sizeof header, error))
        return error_wrap(error, "header");
    request->type = header.type;
    switch (header.type) {
    case VIRTIO_BLK_T_IN:
    case VIRTIO_BLK_T_OUT:
        return prepare_transfer(blk, request, header.sector, error);
    case VIRTIO_BLK_T_FLUSH:
        return true;
    case VIRTIO_BLK_T_GET_ID:
        return answer_id(blk, request, error);
    case VIRTIO_BLK_T_DISCARD:
    case VIRTIO_BLK_T_WRITE_ZEROES:
        return prepare_erase(blk, request, error);
    default:
        request->status = VIRTIO_BLK_S_UNSUPP;
        return error_set(error, ERROR_GUEST_COMMAND, "unknown type %u", header.type);
    }
}

/* Gives the request back to the driver. What the used element promises is written from the chain's
 * first writable byte on (2.7.8.2). */
static bool answer(struct virtio_blk *blk, struct virtio_blk_request *request,
                   struct error *error)
{
    bool fills = request->type == VIRTIO_BLK_T_IN || request->type == VIRTIO_BLK_T_GET_ID;
    bool all =
        request->writable_size == 1 || (request->status == VIRTIO_BLK_S_OK && fills);
    virtio_blk_list_append(&blk->unused, request);
    if (!guest_memory_write(blk->virtio.memory, request->status_address, &request->status,
                            1, error) ||
        !virtqueue_push(&blk->virtio.queues[0], request->head,
                        all ? (uint32_t)request->writable_size : 0, error))
        return false;
    virtio_device_signal_queue(&blk->virtio, 0);
    return true;
}

static bool serve_chain(struct virtio_blk *blk, struct error *error)
{
    const struct virtqueue_chain *chain = &blk->chain;
    if (chain->writable_size == 0) {
        trace_warning(blk->trace, "blk", "disk %s: a request without room for its status",
                      blk->image.path);
        if (!virtqueue_push(&blk->virtio.queues[0], chain->head, 0, error))
            return false;
        virtio_device_signal_queue(&blk->virtio, 0);
        return true;
    }

    struct virtio_blk_request *request = virtio_blk_list_take(&blk->unused);
    if (request == NULL)
        return error_set(error, ERROR_GUEST_RING,
                         "more than %d requests in flight: the driver reuses chains",
                         VIRTQUEUE_SIZE_MAX);
    const struct virtqueue_segment *last = &chain->segments[chain->segment_count - 1];
    request->head = chain->head;
    request->writable_size = chain->writable_size;
    request->status_address = gpa(last->address.value + last->length - 1);
    struct error cause = {0};
    if (prepare(blk, request, &cause)) {
        virtio_blk_workers_give(&blk->workers, request);
        return true;
    }
    if (request->status != VIRTIO_BLK_S_OK)
        trace_warning(blk->trace, "blk", "disk %s: %s", blk->image.path, cause.text);
    return answer(blk, request, error);
}

/* --- ops --- */

static bool queue_kicked(void *context, unsigned index)
{
    struct virtio_blk *blk = context;
    struct virtqueue *queue = &blk->virtio.queues[index];
    struct error error;
    for (unsigned i = 0; i < REQUESTS_AT_ONCE; i++) {
        enum virtqueue_result result = virtqueue_pop(queue, &blk->chain, &error);
        if (result == VIRTQUEUE_EMPTY)
            return virtqueue_enable_notification(queue);
        if (result == VIRTQUEUE_BROKEN || !serve_chain(blk, &error)) {
            virtio_device_needs_reset(&blk->virtio, &error);
            return false;
        }
    }
    return true;
}

static void requests_done(void *context)
{
    struct virtio_blk *blk = context;
    struct virtio_blk_list done = virtio_blk_workers_take_done(&blk->workers);
    struct virtio_blk_request *request;
    struct error error;
    while ((request = virtio_blk_list_take(&done)) != NULL)
        if (!answer(blk, request, &error))
            virtio_device_needs_reset(&blk->virtio, &error);
}

static void start(void *context, uint64_t features)
{
    struct virtio_blk *blk = context;
    blk->workers.write_through = (features & FEATURE(VIRTIO_BLK_F_FLUSH)) == 0;
}

static void queue_stopped(void *context, unsigned index)
{
    struct virtio_blk *blk = context;
    (void)index;
    virtio_blk_workers_abandon(&blk->workers, &blk->unused);
}

static void reset(void *context)
{
    struct virtio_blk *blk = context;
    virtio_blk_workers_abandon(&blk->workers, &blk->unused);
}

/* A worker may still be at a chain of a queue that broke meanwhile. */
static bool quiet(void *context)
{
    struct virtio_blk *blk = context;
    return virtio_blk_workers_are_idle(&blk->workers);
}

static const struct virtio_device_ops device_ops = {
    .start = start,
    .queue_kicked = queue_kicked,
    .queue_stopped = queue_stopped,
    .reset = reset,
    .quiet = quiet,
};

/* --- life --- */

/* Features and configuration (5.2.3, 5.2.4). */
static void describe(struct virtio_blk *blk)
{
    blk->virtio.features = FEATURE(VIRTIO_BLK_F_SEG_MAX) |
                           FEATURE(VIRTIO_BLK_F_BLK_SIZE) | FEATURE(VIRTIO_BLK_F_FLUSH);
    blk->virtio.features |= blk->image.readonly ? FEATURE(VIRTIO_BLK_F_RO)
                                                : FEATURE(VIRTIO_BLK_F_DISCARD) |
                                                      FEATURE(VIRTIO_BLK_F_WRITE_ZEROES);
    blk->registers = (struct virtio_blk_config){
        .capacity = blk->image.size / DISK_IMAGE_SECTOR_SIZE,
        .seg_max = VIRTQUEUE_SEGMENTS_MAX - 2, /* the header and the status */
        .blk_size = DISK_IMAGE_SECTOR_SIZE,
        .max_discard_sectors = ERASE_SECTORS_MAX,
        .max_discard_seg = 1,
        .discard_sector_alignment = ERASE_ALIGNMENT,
        .max_write_zeroes_sectors = ERASE_SECTORS_MAX,
        .max_write_zeroes_seg = 1,
        .write_zeroes_may_unmap = 1,
    };
    const char *slash = strrchr(blk->image.path, '/');
    const char *name = slash != NULL ? slash + 1 : blk->image.path;
    memcpy(blk->id, name, strnlen(name, sizeof blk->id)); /* 5.2.6: padded with NUL */
}

static bool init_requests(struct virtio_blk *blk, struct error *error)
{
    blk->requests = calloc(VIRTQUEUE_SIZE_MAX, sizeof *blk->requests);
    if (blk->requests == NULL)
        return error_set(error, ERROR_HOST_MEMORY,
                         "no memory for the requests of disk %s", blk->image.path);
    for (unsigned i = 0; i < VIRTQUEUE_SIZE_MAX; i++)
        virtio_blk_list_append(&blk->unused, &blk->requests[i]);
    return true;
}

/* The image is open, or is to come. */
static bool init(struct virtio_blk *blk, const struct disk_image *image,
                 const struct guest_memory *memory, struct trace *trace,
                 struct error *error)
{
    *blk = (struct virtio_blk){
        .virtio =
            {
                .name = "blk",
                .device_id = VIRTIO_ID_BLOCK,
                .queue_count = 1,
                .ops = &device_ops,
                .context = blk,
                .config = (uint8_t *)&blk->registers,
                .config_size = sizeof blk->registers,
                .memory = memory,
                .trace = trace,
            },
        .image = *image,
        .trace = trace,
    };
    describe(blk);
    if (init_requests(blk, error) &&
        virtio_blk_workers_init(&blk->workers, &blk->image, trace, error) &&
        virtio_device_init(&blk->virtio, error)) {
        virtio_device_watch(&blk->virtio, blk->workers.done_fd, requests_done);
        return true;
    }
    virtio_blk_finish(blk);
    return false;
}

bool virtio_blk_init(struct virtio_blk *blk, const char *path, bool readonly,
                     const struct guest_memory *memory, struct trace *trace,
                     struct error *error)
{
    struct disk_image image;
    *blk = (struct virtio_blk){0};
    return disk_image_open(&image, path, readonly, error) &&
           init(blk, &image, memory, trace, error);
}

bool virtio_blk_init_to_load(struct virtio_blk *blk, const char *path, bool readonly,
                             const struct guest_memory *memory, struct trace *trace,
                             struct error *error)
{
    const struct disk_image image = {.path = path, .fd = -1, .readonly = readonly};
    return init(blk, &image, memory, trace, error);
}

bool virtio_blk_start(struct virtio_blk *blk, struct error *error)
{
    return virtio_blk_workers_start(&blk->workers, blk->virtio.sandbox, error) &&
           virtio_device_run(&blk->virtio, NULL, NULL, error);
}

void virtio_blk_finish(struct virtio_blk *blk)
{
    if (blk->trace == NULL)
        return;
    virtio_device_stop(&blk->virtio);
    virtio_blk_workers_finish(&blk->workers);
    virtio_device_finish(&blk->virtio);
    free(blk->requests);
    disk_image_close(&blk->image);
    *blk = (struct virtio_blk){0};
}

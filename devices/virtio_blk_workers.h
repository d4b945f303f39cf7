/* SPDX-License-Identifier: MIT */
/*
 * The threads that read and write the image of a virtio-blk device, and the requests on their way
 * through them:
 *
 *   virtio_blk_workers_give() -> waiting -> a worker -> done, done_fd -> virtio_blk_workers_take_done()
 *
 * A request belongs to the workers from give() until it is taken or abandoned.
 */
#ifndef S2VMM_DEVICES_VIRTIO_BLK_WORKERS_H
#define S2VMM_DEVICES_VIRTIO_BLK_WORKERS_H

#include <linux/virtio_blk.h>
#include <pthread.h>

#include "devices/disk_image.h"
#include "virtio/virtqueue.h"
#include "vmm/sandbox.h"
#include "vmm/trace.h"

#define VIRTIO_BLK_THREADS 4u

struct virtio_blk_request {
    struct virtio_blk_request *next;
    uint16_t head;   /* of its chain */
    uint32_t type;   /* VIRTIO_BLK_T_* */
    bool unmap;      /* of WRITE_ZEROES */
    uint64_t offset; /* of the range in the image, bytes; not for FLUSH */
    uint64_t length;
    uint64_t writable_size; /* of the chain, bytes: what IN fills, and the status */
    unsigned vector_count;
    struct iovec vectors[VIRTQUEUE_SEGMENTS_MAX]; /* guest memory, for IN and OUT */
    gpa_t status_address;                         /* the last byte of the chain */
    uint8_t status;                               /* VIRTIO_BLK_S_* */
};

/* First in, first out. */
struct virtio_blk_list {
    struct virtio_blk_request *first;
    struct virtio_blk_request *last;
};

void virtio_blk_list_append(struct virtio_blk_list *list,
                            struct virtio_blk_request *request);
/* The first one, or NULL. */
struct virtio_blk_request *virtio_blk_list_take(struct virtio_blk_list *list);

struct virtio_blk_workers {
    const struct disk_image *image; /* NULL: not initialised */
    struct trace *trace;
    bool write_through; /* set while no request is on its way */
    int done_fd;        /* eventfd */

    pthread_mutex_t lock; /* all that follows */
    pthread_cond_t wake;  /* something waits, or `quit` */
    pthread_cond_t idle;  /* running_count is 0 */
    struct virtio_blk_list waiting;
    struct virtio_blk_list done;
    unsigned running_count;
    bool warned; /* of a failure of the host */
    bool quit;

    unsigned thread_count;
    pthread_t threads[VIRTIO_BLK_THREADS];
};

/* Keeps the image and the trace. ERROR_HOST_SYSTEM. */
bool virtio_blk_workers_init(struct virtio_blk_workers *workers,
                             const struct disk_image *image, struct trace *trace,
                             struct error *error);
/* The sandbox is for the workers, or NULL. ERROR_HOST_SYSTEM. */
bool virtio_blk_workers_start(struct virtio_blk_workers *workers,
                              const struct sandbox *sandbox, struct error *error);
/* After the requests that they have begun; a zeroed object is fine. */
void virtio_blk_workers_finish(struct virtio_blk_workers *workers);

/* A request of type IN, OUT, FLUSH, DISCARD or WRITE_ZEROES whose range and vectors are checked. */
void virtio_blk_workers_give(struct virtio_blk_workers *workers,
                             struct virtio_blk_request *request);

/* Those that are done, with their status, in the order in which they became so; clears done_fd. */
struct virtio_blk_list virtio_blk_workers_take_done(struct virtio_blk_workers *workers);

/* Whether no request is on its way, done ones included. */
bool virtio_blk_workers_are_idle(struct virtio_blk_workers *workers);

/* Puts every request on `unused`, after waiting for those that a worker has begun: then nobody
 * touches the guest's memory or the image. */
void virtio_blk_workers_abandon(struct virtio_blk_workers *workers,
                                struct virtio_blk_list *unused);

#endif

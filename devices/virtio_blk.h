/* SPDX-License-Identifier: MIT */
/*
 * virtio-blk (virtio 1.2, 5.2): a raw disk image with one queue and several requests in flight.
 *
 *   device thread                       VIRTIO_BLK_THREADS workers
 *   pop, check ----> waiting ---------> preadv(), pwritev(), fdatasync(), fallocate()
 *   push, signal <-- done (done_fd) <-- in the order in which they are ready
 *
 * Data goes between the file and guest RAM, without a copy of ours; a request whose buffer is not
 * RAM fails (docs/foreign-buffers.md). The chain was checked and copied when it was taken; the data
 * may change under our hands, which is the guest's affair. A reset, or the stop of the queue, throws
 * away what waits, and lets what a worker has begun end before the driver is told: then nobody
 * writes the guest's memory or the image any more.
 *
 * Offered: SEG_MAX, BLK_SIZE, FLUSH, and RO, or DISCARD and WRITE_ZEROES. No SIZE_MAX: a chain is
 * bounded by 2^32 bytes, and costs us nothing for its size. A driver that does not accept FLUSH
 * has a write-through cache (5.2.6.2).
 */
#ifndef S2VMM_DEVICES_VIRTIO_BLK_H
#define S2VMM_DEVICES_VIRTIO_BLK_H

#include "devices/virtio_blk_workers.h"
#include "virtio/virtio_device.h"

struct virtio_blk {
    struct virtio_device virtio;
    struct virtio_blk_config registers;
    struct disk_image image;
    struct trace *trace;
    char id[VIRTIO_BLK_ID_BYTES]; /* the last part of the image's path */

    struct virtqueue_chain chain;        /* the one that is being served */
    struct virtio_blk_request *requests; /* VIRTQUEUE_SIZE_MAX of them */
    struct virtio_blk_list unused;
    struct virtio_blk_workers workers;
};

/* Opens and locks the image; the path, the memory and the trace are kept. ERROR_CONFIG_FILE,
 * ERROR_HOST_SYSTEM, ERROR_HOST_MEMORY. */
bool virtio_blk_init(struct virtio_blk *blk, const char *path, bool readonly,
                     const struct guest_memory *memory, struct trace *trace,
                     struct error *error);
/* The same without the image: virtio_blk_load() has it. */
bool virtio_blk_init_to_load(struct virtio_blk *blk, const char *path, bool readonly,
                             const struct guest_memory *memory, struct trace *trace,
                             struct error *error);
bool virtio_blk_start(struct virtio_blk *blk, struct error *error);
/* Stops the threads, after the requests that they have begun, and closes the image; a zeroed
 * object is fine. */
void virtio_blk_finish(struct virtio_blk *blk);

/* Section DISK: the image, open and locked as it is: a descriptor, while the device is paused. The lock
 * belongs to the open file, and ends when neither s2vmm has it any more (fcntl(2)). */
void virtio_blk_save(const struct virtio_blk *blk, struct state_writer *writer,
                     uint32_t instance);
/* After virtio_blk_init_to_load(), before virtio_blk_start(). ERROR_CONFIG_FILE. */
bool virtio_blk_load(struct virtio_blk *blk, struct state_reader *reader,
                     uint32_t instance, struct error *error);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The device side of a split virtqueue (virtio 1.2, 2.7), with indirect descriptors and
 * event index.
 *
 * The three parts of the ring are kept as guest addresses and translated at each access,
 * so nothing dangles when guest memory changes. virtqueue_pop() takes a snapshot of one
 * chain: every descriptor is read once, checked, and then only the copy is used. A chain
 * has at most VIRTQUEUE_SEGMENTS_MAX segments, whatever the guest says; a loop, an index
 * outside of the ring, a write-only segment before a read-only one, or a table outside
 * of guest RAM makes the queue *broken*: it is not served again until the driver
 * resets the device. A buffer outside of RAM, say in the GPU's window, is the matter of the one
 * request: docs/foreign-buffers.md.
 *
 *   free-running 16-bit indices, in the order in which they grow:
 *
 *        next_used          next_available         driver's available index
 *   ---------+---- taken, not --------+---- published, not ----+------------->
 *            |     yet returned       |     yet taken          |
 *            +------------------ at most `size` ---------------+
 */
#ifndef S2VMM_VIRTQUEUE_H
#define S2VMM_VIRTQUEUE_H

#include "vmm/error.h"
#include "vmm/guest_memory.h"
#include "vmm/types.h"

#define VIRTQUEUE_SIZE_MAX     256
#define VIRTQUEUE_SEGMENTS_MAX 256

struct virtqueue {
    const struct guest_memory *memory;
    gpa_t descriptors; /* the descriptor table */
    gpa_t driver;      /* the available ring */
    gpa_t device;      /* the used ring */
    uint16_t size;     /* entries, a power of two, 1 .. VIRTQUEUE_SIZE_MAX */
    bool event_index;  /* VIRTIO_RING_F_EVENT_IDX was negotiated */
    bool indirect;     /* VIRTIO_RING_F_INDIRECT_DESC was negotiated */
    bool broken;
    uint16_t next_available; /* free-running index of the next chain to take */
    uint16_t next_used;      /* free-running index of the next used element to write */
    uint16_t
        signalled_used; /* next_used when virtqueue_needs_interrupt() was last asked */
};

struct virtqueue_segment {
    gpa_t address;
    uint32_t length; /* bytes */
};

/* One chain, as it was when it was taken. Segments [0, readable_count) are for the device
 * to read, the rest for it to write. Every segment has at least one byte: a descriptor of
 * length 0 is legal, and is left out. A segment need not lie in guest RAM. */
struct virtqueue_chain {
    uint16_t head;
    uint16_t readable_count;
    uint16_t segment_count;
    uint64_t readable_size; /* bytes */
    uint64_t writable_size; /* bytes */
    struct virtqueue_segment segments[VIRTQUEUE_SEGMENTS_MAX];
};

enum virtqueue_result {
    VIRTQUEUE_EMPTY,
    VIRTQUEUE_CHAIN,
    VIRTQUEUE_BROKEN, /* the error says why; said once, later calls are silent EMPTY */
};

/* Starts a queue whose addresses, size and feature flags are filled in: checks that they
 * are aligned (16, 2, 4 bytes; virtio 1.2, 2.7) and in guest memory, and zeroes the
 * indices. Pop once before you wait for a notification: nobody says what avail_event is
 * at the start, and the driver may have published chains. ERROR_GUEST_RING or
 * ERROR_GUEST_ADDRESS. */
bool virtqueue_start(struct virtqueue *queue, struct error *error);

/* Takes the next chain. */
enum virtqueue_result virtqueue_pop(struct virtqueue *queue,
                                    struct virtqueue_chain *chain, struct error *error);

/* Copies `length` bytes from byte `offset` of the readable part. ERROR_GUEST_COMMAND when
 * the chain is shorter, ERROR_GUEST_ADDRESS when it is not all RAM there: a part of the bytes may
 * have been copied. */
bool virtqueue_chain_read(const struct virtqueue *queue,
                          const struct virtqueue_chain *chain, uint64_t offset,
                          void *buffer, uint64_t length, struct error *error);

/* Copies `length` bytes to byte `offset` of the writable part. */
bool virtqueue_chain_write(const struct virtqueue *queue,
                           const struct virtqueue_chain *chain, uint64_t offset,
                           const void *buffer, uint64_t length, struct error *error);

/* Returns a chain to the driver, `written` bytes of its writable part filled. The order
 * of pushes is free. Nothing happens when the queue is broken, or was stopped since the
 * chain was taken. ERROR_GUEST_ADDRESS breaks the queue. */
bool virtqueue_push(struct virtqueue *queue, uint16_t head, uint32_t written,
                    struct error *error);

/* True if the driver wants an interrupt for what was pushed since this was last asked.
 * Ask at least once for every 65535 pushes: the indices have 16 bits. */
bool virtqueue_needs_interrupt(struct virtqueue *queue);

/* Asks the driver to notify us again, and returns true if a chain arrived meanwhile (then
 * pop again). Call when virtqueue_pop() said EMPTY. */
bool virtqueue_enable_notification(struct virtqueue *queue);

#endif

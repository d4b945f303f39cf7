/* SPDX-License-Identifier: MIT */
/*
 * The driver's side of a split virtqueue (virtio 1.2, 2.7), by polling.
 *
 * Chain n always starts at descriptor n * VIRTQUEUE_CHAIN_MAX: its descriptors are linked
 * in order, and "free" is one bit for each chain. The parts of the ring are public, as
 * some scenarios break them on purpose.
 */
#ifndef S2VMM_GUEST_VIRTQUEUE_H
#define S2VMM_GUEST_VIRTQUEUE_H

#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stdint.h>

#define VIRTQUEUE_SIZE      64u /* descriptors */
#define VIRTQUEUE_CHAIN_MAX 4u  /* descriptors of one chain */
#define VIRTQUEUE_CHAINS    (VIRTQUEUE_SIZE / VIRTQUEUE_CHAIN_MAX)

struct guest;
struct virtio;

struct virtqueue {
    struct vring_desc *descriptors;
    struct vring_avail *available;
    struct vring_used *used;
    struct vring_desc *indirect_tables; /* VIRTQUEUE_CHAIN_MAX for each chain */
    const struct virtio *virtio;
    uint32_t index;
    bool indirect;
    bool event_index;
    uint32_t free_chains;    /* bit n: chain n is free */
    uint16_t next_available; /* free-running */
    uint16_t next_used;      /* free-running */
    uint16_t kicked;         /* next_available when the device was last told */
};

/* One part of a chain; those that the device writes come last. */
struct virtqueue_part {
    const void *data;
    uint32_t length;
    bool device_writes;
};

/* Allocates queue `index` and starts it with the features that `virtio` has negotiated.
 * The device is asked for no interrupts. */
bool virtqueue_create(struct virtqueue *queue, struct guest *guest,
                      const struct virtio *virtio, uint32_t index);

/* Writes a chain of at most VIRTQUEUE_CHAIN_MAX parts into the tables and its head into
 * the available ring; returns its number, or -1 when no chain is free. The device does
 * not see it before virtqueue_publish(). */
int virtqueue_prepare(struct virtqueue *queue, const struct virtqueue_part *parts,
                      unsigned count);
void virtqueue_publish(struct virtqueue *queue);

/* Both of them. The device is not told yet, but may look at any time. */
int virtqueue_add(struct virtqueue *queue, const struct virtqueue_part *parts,
                  unsigned count);

/* Tells the device about what was added, if it wants to know. */
void virtqueue_kick(struct virtqueue *queue);

/* Takes a chain back that the device is done with; returns its number, or -1 if there is
 * none. An element that names no chain in flight is answered with -1 too. */
int virtqueue_take_used(struct virtqueue *queue, uint32_t *written);

/* Asks for interrupts (or not) when buffers have been used. */
void virtqueue_want_interrupts(struct virtqueue *queue, bool wanted);

#endif

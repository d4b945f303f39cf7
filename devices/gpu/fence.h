/* SPDX-License-Identifier: MIT */
/*
 * Commands that wait for the GPU.
 *
 * A command with VIRTIO_GPU_FLAG_FENCE is answered when its timeline gets there
 * (virtio 1.2, 5.7.6.7): its response is written at once, and the chain is returned to
 * the driver later.
 *
 *   device thread: add() -> renderer fence ... any thread: signal() -> eventfd
 *                                              device thread: take() each, push the chain
 */
#ifndef S2VMM_GPU_FENCE_H
#define S2VMM_GPU_FENCE_H

#include <pthread.h>

#include "devices/gpu/renderer.h"
#include "virtio/virtqueue.h"

struct fence_wait {
    struct renderer_timeline timeline;
    uint32_t fence;
    uint16_t head;    /* the chain to return */
    uint32_t written; /* bytes of response in it */
    bool done;
};

struct fence_queue {
    pthread_mutex_t lock;
    int event_fd; /* readable when something may be done */
    uint32_t next_fence;
    unsigned count;
    struct fence_wait waits[VIRTQUEUE_SIZE_MAX]; /* in the order of add() */
};

bool fence_queue_init(struct fence_queue *queue, struct error *error);
void fence_queue_finish(struct fence_queue *queue);

/* Remembers a chain; *fence is the number to hand to the renderer. ERROR_GUEST_LIMIT when
 * more chains wait than a ring can hold, which only a driver that reuses chains in flight
 * can bring about. */
bool fence_queue_add(struct fence_queue *queue, struct renderer_timeline timeline,
                     uint16_t head, uint32_t written, uint32_t *fence,
                     struct error *error);

/* Everything on the timeline up to `fence` is done. Any thread. */
void fence_queue_signal(struct fence_queue *queue, struct renderer_timeline timeline,
                        uint32_t fence);

/* This one alone is done: the renderer does not know it. Any thread. */
void fence_queue_complete(struct fence_queue *queue, uint32_t fence);

/* Takes the oldest chain that is done; false if there is none. */
bool fence_queue_take(struct fence_queue *queue, uint16_t *head, uint32_t *written);

/* A context is gone and signals no more: its waits are done. Context 0 means all of them.
 */
void fence_queue_abandon(struct fence_queue *queue, uint32_t context_id);

/* Forgets everything: the driver has reset the device. */
void fence_queue_clear(struct fence_queue *queue);

#endif

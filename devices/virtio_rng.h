/* SPDX-License-Identifier: MIT */
/*
 * virtio-rng, the entropy device (virtio 1.2, 5.4): one queue, whose buffers are filled with what
 * getrandom() gives.
 */
#ifndef S2VMM_DEVICES_VIRTIO_RNG_H
#define S2VMM_DEVICES_VIRTIO_RNG_H

#include "virtio/virtio_device.h"

/* Bytes for one request; the device may give fewer than there is room for (5.4.6.2). */
#define VIRTIO_RNG_REQUEST_MAX 4096u

struct virtio_rng {
    struct virtio_device virtio;
    struct virtqueue_chain chain; /* the one that is being served */
};

/* ERROR_HOST_SYSTEM. The memory and the trace are kept. */
bool virtio_rng_init(struct virtio_rng *rng, const struct guest_memory *memory,
                     struct trace *trace, struct error *error);
bool virtio_rng_start(struct virtio_rng *rng, struct error *error);
/* Stops the thread; a zeroed object is fine. */
void virtio_rng_finish(struct virtio_rng *rng);

#endif

/* SPDX-License-Identifier: MIT */
#include "devices/virtio_rng.h"

#include <linux/virtio_ids.h>
#include <sys/random.h>

#define REQUESTS_AT_ONCE 32u

/* getrandom() gives up to 256 bytes without an interruption or a shortage (getrandom(2)). */
#define PIECE 256u

static bool fill(struct virtqueue *queue, const struct virtqueue_chain *chain,
                 uint32_t *filled, struct error *error)
{
    uint8_t bytes[PIECE];
    uint64_t size = chain->writable_size < VIRTIO_RNG_REQUEST_MAX
                        ? chain->writable_size
                        : VIRTIO_RNG_REQUEST_MAX;
    for (*filled = 0; *filled < size;) {
        uint32_t piece = size - *filled < PIECE ? (uint32_t)(size - *filled) : PIECE;
        BUG_ON(getrandom(bytes, piece, 0) != (ssize_t)piece);
        if (!virtqueue_chain_write(queue, chain, *filled, bytes, piece, error))
            return false;
        *filled += piece;
    }
    return true;
}

static bool queue_kicked(void *context, unsigned index)
{
    struct virtio_rng *rng = context;
    struct virtqueue *queue = &rng->virtio.queues[index];
    struct error error;
    for (unsigned i = 0; i < REQUESTS_AT_ONCE; i++) {
        uint32_t filled;
        enum virtqueue_result result = virtqueue_pop(queue, &rng->chain, &error);
        if (result == VIRTQUEUE_EMPTY)
            return virtqueue_enable_notification(queue);
        if (result == VIRTQUEUE_BROKEN || !fill(queue, &rng->chain, &filled, &error) ||
            !virtqueue_push(queue, rng->chain.head, filled, &error)) {
            virtio_device_needs_reset(&rng->virtio, &error);
            return false;
        }
        virtio_device_signal_queue(&rng->virtio, index);
    }
    return true;
}

static void start(void *context, uint64_t features)
{
    (void)context;
    (void)features;
}

/* No chain is kept between two calls. */
static void reset(void *context)
{
    (void)context;
}

static const struct virtio_device_ops device_ops = {
    .start = start,
    .queue_kicked = queue_kicked,
    .reset = reset,
};

bool virtio_rng_init(struct virtio_rng *rng, const struct guest_memory *memory,
                     struct trace *trace, struct error *error)
{
    *rng = (struct virtio_rng){
        .virtio =
            {
                .name = "rng",
                .device_id = VIRTIO_ID_RNG,
                .queue_count = 1,
                .ops = &device_ops,
                .context = rng,
                .memory = memory,
                .trace = trace,
            },
    };
    return virtio_device_init(&rng->virtio, error);
}

bool virtio_rng_start(struct virtio_rng *rng, struct error *error)
{
    return virtio_device_run(&rng->virtio, NULL, NULL, error);
}

void virtio_rng_finish(struct virtio_rng *rng)
{
    virtio_device_finish(&rng->virtio);
    *rng = (struct virtio_rng){0};
}

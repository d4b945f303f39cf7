/* SPDX-License-Identifier: MIT */
#include "guest/virtqueue.h"

#include "guest/arch.h"
#include "guest/guest.h"

/* The event index sits behind the ring of the other part (virtio 1.2, 2.7.6 and 2.7.8).
 */
static uint16_t *used_event(struct virtqueue *queue)
{
    return &queue->available->ring[VIRTQUEUE_SIZE];
}

static uint16_t available_event(const struct virtqueue *queue)
{
    return *(const volatile uint16_t *)&queue->used->ring[VIRTQUEUE_SIZE];
}

bool virtqueue_create(struct virtqueue *queue, struct guest *guest,
                      const struct virtio *virtio, uint32_t index)
{
    struct heap *heap = &guest->heap;
    *queue = (struct virtqueue){
        .descriptors = heap_allocate(heap, VIRTQUEUE_SIZE * sizeof(struct vring_desc)),
        .available = heap_allocate(heap, sizeof(struct vring_avail) +
                                             (VIRTQUEUE_SIZE + 1) * sizeof(uint16_t)),
        .used = heap_allocate(heap, sizeof(struct vring_used) +
                                        VIRTQUEUE_SIZE * sizeof(struct vring_used_elem) +
                                        sizeof(uint16_t)),
        .indirect_tables =
            heap_allocate(heap, VIRTQUEUE_SIZE * sizeof(struct vring_desc)),
        .virtio = virtio,
        .index = index,
        .indirect =
            (virtio->negotiated & VIRTIO_FEATURE(VIRTIO_RING_F_INDIRECT_DESC)) != 0,
        .event_index =
            (virtio->negotiated & VIRTIO_FEATURE(VIRTIO_RING_F_EVENT_IDX)) != 0,
        .free_chains = (1u << VIRTQUEUE_CHAINS) - 1,
    };
    virtqueue_want_interrupts(queue, false);
    return virtio_start_queue(virtio, index, queue);
}

int virtqueue_prepare(struct virtqueue *queue, const struct virtqueue_part *parts,
                      unsigned count)
{
    if (queue->free_chains == 0 || count == 0 || count > VIRTQUEUE_CHAIN_MAX)
        return -1;
    unsigned chain = (unsigned)__builtin_ctz(queue->free_chains);
    uint16_t head = (uint16_t)(chain * VIRTQUEUE_CHAIN_MAX);
    struct vring_desc *table =
        queue->indirect ? &queue->indirect_tables[head] : &queue->descriptors[head];
    uint16_t first =
        queue->indirect ? 0 : head; /* `next` counts from the table's start */

    for (unsigned i = 0; i < count; i++) {
        bool last = i + 1 == count;
        table[i] = (struct vring_desc){
            .addr = (uintptr_t)parts[i].data,
            .len = parts[i].length,
            .flags = (uint16_t)((parts[i].device_writes ? VRING_DESC_F_WRITE : 0) |
                                (last ? 0 : VRING_DESC_F_NEXT)),
            .next = (uint16_t)(last ? 0 : first + i + 1),
        };
    }
    if (queue->indirect)
        queue->descriptors[head] = (struct vring_desc){
            .addr = (uintptr_t)table,
            .len = (uint32_t)(count * sizeof *table),
            .flags = VRING_DESC_F_INDIRECT,
        };

    queue->free_chains &= ~(1u << chain);
    queue->available->ring[queue->next_available % VIRTQUEUE_SIZE] = head;
    return (int)chain;
}

void virtqueue_publish(struct virtqueue *queue)
{
    arch_barrier(); /* the chain is complete before the device sees it */
    queue->next_available++;
    *(volatile uint16_t *)&queue->available->idx = queue->next_available;
}

int virtqueue_add(struct virtqueue *queue, const struct virtqueue_part *parts,
                  unsigned count)
{
    int chain = virtqueue_prepare(queue, parts, count);
    if (chain >= 0)
        virtqueue_publish(queue);
    return chain;
}

void virtqueue_kick(struct virtqueue *queue)
{
    arch_barrier(); /* the index is published before we ask whether the device sleeps */
    bool wanted;
    if (queue->event_index)
        wanted = vring_need_event(available_event(queue), queue->next_available,
                                  queue->kicked);
    else
        wanted =
            (*(volatile uint16_t *)&queue->used->flags & VRING_USED_F_NO_NOTIFY) == 0;
    queue->kicked = queue->next_available;
    if (wanted)
        virtio_notify(queue->virtio, queue->index);
}

int virtqueue_take_used(struct virtqueue *queue, uint32_t *written)
{
    if (*(volatile uint16_t *)&queue->used->idx == queue->next_used)
        return -1;
    arch_barrier(); /* the element is read after the index that announced it */
    struct vring_used_elem element = queue->used->ring[queue->next_used % VIRTQUEUE_SIZE];
    queue->next_used++;
    uint32_t chain = element.id / VIRTQUEUE_CHAIN_MAX;
    if (element.id % VIRTQUEUE_CHAIN_MAX != 0 || chain >= VIRTQUEUE_CHAINS ||
        (queue->free_chains >> chain & 1) != 0)
        return -1;
    queue->free_chains |= 1u << chain;
    *written = element.len;
    return (int)chain;
}

void virtqueue_want_interrupts(struct virtqueue *queue, bool wanted)
{
    /* With the event index the flag is ignored (virtio 1.2, 2.7.7.1), and the farthest
     * index is as good as never. */
    *used_event(queue) = (uint16_t)(wanted ? queue->next_used : queue->next_used - 1);
    queue->available->flags = wanted ? 0 : VRING_AVAIL_F_NO_INTERRUPT;
    arch_barrier();
}

/* SPDX-License-Identifier: MIT */
/*
 * The split ring from the device's side. Section numbers are those of virtio 1.2.
 *
 * Who orders what:
 *
 *   driver                                device
 *   write descriptors, ring entry
 *   write available index (release)  -->  read available index (acquire)
 *                                         read ring entry, descriptors
 *                                         write buffers, used element
 *   read used index (acquire)        <--  write used index (release)
 *
 * Notification suppression is the other pattern: each side writes its own index and then
 * reads the other side's wish. A release store may still sit in the store buffer when the
 * later load is done; without a full barrier between the two, both sides can read the old
 * value, and both sleep (2.7.13.4.1 asks the driver for the same barrier).
 */
#include "virtio/virtqueue.h"

#include <inttypes.h>
#include <linux/virtio_ring.h>
#include <stdatomic.h>

#define CHAIN_BYTES_MAX (4 * GIB) /* 2.7.5.2: at most 2^32 bytes in total */

/* Addresses of the fields of the ring. They do not overflow: virtqueue_start() checked
 * that the parts lie in guest memory. */

static gpa_t available_flags(const struct virtqueue *queue)
{
    return gpa(queue->driver.value + offsetof(struct vring_avail, flags));
}

static gpa_t available_index(const struct virtqueue *queue)
{
    return gpa(queue->driver.value + offsetof(struct vring_avail, idx));
}

static gpa_t available_entry(const struct virtqueue *queue, uint16_t slot)
{
    return gpa(queue->driver.value + offsetof(struct vring_avail, ring) +
               slot * sizeof(uint16_t));
}

static gpa_t used_event(const struct virtqueue *queue)
{
    return available_entry(queue, queue->size); /* 2.7.6: behind the last entry */
}

static gpa_t used_index(const struct virtqueue *queue)
{
    return gpa(queue->device.value + offsetof(struct vring_used, idx));
}

static gpa_t used_entry(const struct virtqueue *queue, uint16_t slot)
{
    return gpa(queue->device.value + offsetof(struct vring_used, ring) +
               slot * sizeof(struct vring_used_elem));
}

static gpa_t available_event(const struct virtqueue *queue)
{
    return used_entry(queue, queue->size); /* 2.7.8: behind the last entry */
}

bool virtqueue_start(struct virtqueue *queue, struct error *error)
{
    uint64_t size = queue->size;
    /* 2.7: alignment and size of the parts. */
    const struct {
        const char *name;
        gpa_t start;
        uint64_t alignment;
        uint64_t size;
    } parts[] = {
        {"descriptor table", queue->descriptors, 16, 16 * size},
        {"available ring", queue->driver, 2, 6 + 2 * size},
        {"used ring", queue->device, 4, 6 + 8 * size},
    };

    if (size == 0 || size > VIRTQUEUE_SIZE_MAX || !is_aligned(size, size))
        return error_set(error, ERROR_GUEST_RING,
                         "queue size %u is not a power of two from 1 to %u", queue->size,
                         VIRTQUEUE_SIZE_MAX);
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        void *host;
        if (!is_aligned(parts[i].start.value, parts[i].alignment))
            return error_set(error, ERROR_GUEST_RING,
                             "%s at GPA 0x%" PRIx64 " is not aligned to %" PRIu64
                             " bytes",
                             parts[i].name, parts[i].start.value, parts[i].alignment);
        if (!guest_memory_view(queue->memory, parts[i].start, parts[i].size, &host,
                               error))
            return error_wrap(error, "%s", parts[i].name);
    }

    queue->broken = false;
    queue->next_available = 0;
    queue->next_used = 0;
    queue->signalled_used = 0;
    return true;
}

/* How many chains the driver published that were not taken yet. */
static bool count_available(const struct virtqueue *queue, uint16_t *count,
                            struct error *error)
{
    uint16_t index;
    if (!guest_memory_load16_acquire(queue->memory, available_index(queue), &index,
                                     error))
        return error_wrap(error, "available index");

    /* Each chain that the driver has not got back occupies at least one descriptor, so no
     * honest driver has more than `size` of them out (2.7.13). This also bounds what a
     * device keeps for chains that it completes later. An index that went backwards
     * (forbidden by 2.7.6.1) looks like a jump of nearly 65536. */
    uint16_t waiting = (uint16_t)(index - queue->next_available);
    uint16_t taken = (uint16_t)(queue->next_available - queue->next_used);
    if (waiting + taken > queue->size)
        return error_set(error, ERROR_GUEST_RING,
                         "available index went from %u to %u with %u chains in flight: "
                         "more than the queue's %u entries",
                         queue->next_available, index, taken, queue->size);
    *count = waiting;
    return true;
}

static bool add_segment(struct virtqueue_chain *chain,
                        const struct vring_desc *descriptor, struct error *error)
{
    struct virtqueue_segment segment = {gpa(descriptor->addr), descriptor->len};
    bool writable = (descriptor->flags & VRING_DESC_F_WRITE) != 0;

    /* A segment without bytes is never accessed: nothing to check, nothing to keep. */
    if (segment.length == 0)
        return true;
    if (!writable && chain->writable_size > 0)
        return error_set(
            error, ERROR_GUEST_RING,
            "a readable segment behind a writable one (virtio 1.2, 2.7.4.2)");
    if (chain->segment_count == VIRTQUEUE_SEGMENTS_MAX)
        return error_set(error, ERROR_GUEST_RING, "more than %u segments",
                         VIRTQUEUE_SEGMENTS_MAX);
    if (chain->readable_size + chain->writable_size + segment.length > CHAIN_BYTES_MAX)
        return error_set(error, ERROR_GUEST_RING, "more than 2^32 bytes");
    /* Whether it is RAM, each access finds out. What goes on at address 0 after the last one is
     * nowhere. */
    uint64_t end;
    if (!u64_add(descriptor->addr, descriptor->len, &end))
        return error_set(error, ERROR_GUEST_ADDRESS,
                         "%u bytes at GPA 0x%" PRIx64
                         " go beyond the end of the address space",
                         descriptor->len, (uint64_t)descriptor->addr);

    chain->segments[chain->segment_count++] = segment;
    if (writable) {
        chain->writable_size += segment.length;
    } else {
        chain->readable_size += segment.length;
        chain->readable_count++;
    }
    return true;
}

/* Checks a descriptor that refers to an indirect table. Its WRITE flag means nothing
 * (2.7.5.3.2), and descriptors in front of it are fine (same section); one behind it is
 * not, nor a table in a table (2.7.5.3.1). */
static bool check_indirect(const struct virtqueue *queue, bool in_table,
                           const struct vring_desc *descriptor, struct error *error)
{
    if (!queue->indirect)
        return error_set(error, ERROR_GUEST_RING,
                         "an indirect table, but VIRTIO_RING_F_INDIRECT_DESC was not "
                         "negotiated");
    if (in_table)
        return error_set(error, ERROR_GUEST_RING,
                         "an indirect table inside of an indirect table");
    if ((descriptor->flags & VRING_DESC_F_NEXT) != 0)
        return error_set(error, ERROR_GUEST_RING,
                         "both flags INDIRECT and NEXT (virtio 1.2, 2.7.5.3.1)");
    if (descriptor->len == 0 || !is_aligned(descriptor->len, sizeof(struct vring_desc)) ||
        descriptor->len / sizeof(struct vring_desc) > VIRTQUEUE_SEGMENTS_MAX)
        return error_set(error, ERROR_GUEST_RING,
                         "an indirect table of %u bytes is not 1 to %u descriptors of 16 "
                         "bytes",
                         descriptor->len, VIRTQUEUE_SEGMENTS_MAX);
    void *host;
    return guest_memory_view(queue->memory, gpa(descriptor->addr), descriptor->len, &host,
                             error);
}

/* Takes the snapshot. Every descriptor is copied once; only the copy is looked at. */
static bool read_chain(const struct virtqueue *queue, uint16_t head,
                       struct virtqueue_chain *chain, struct error *error)
{
    gpa_t table = queue->descriptors;
    uint32_t table_size = queue->size;
    bool in_table = false; /* the table is an indirect one */
    uint32_t visited = 0;
    uint16_t index = head;
    struct vring_desc descriptor;

    chain->head = head;
    chain->readable_count = 0;
    chain->segment_count = 0;
    chain->readable_size = 0;
    chain->writable_size = 0;
    for (;;) {
        if (index >= table_size)
            return error_set(error, ERROR_GUEST_RING,
                             "descriptor %u of chain %u is outside of %s of %u", index,
                             head, in_table ? "its indirect table" : "the table",
                             table_size);
        /* More steps than the table has entries: one was met twice. */
        if (visited++ == table_size)
            return error_set(error, ERROR_GUEST_RING, "chain %u is a loop", head);
        if (!guest_memory_read(queue->memory,
                               gpa(table.value + index * sizeof descriptor), &descriptor,
                               sizeof descriptor, error))
            return error_wrap(error, "descriptor %u of chain %u", index, head);

        if ((descriptor.flags & VRING_DESC_F_INDIRECT) != 0) {
            if (!check_indirect(queue, in_table, &descriptor, error))
                return error_wrap(error, "descriptor %u of chain %u", index, head);
            table = gpa(descriptor.addr);
            table_size = descriptor.len / (uint32_t)sizeof descriptor;
            in_table = true;
            visited = 0;
            index = 0;
            continue;
        }
        if (!add_segment(chain, &descriptor, error))
            return error_wrap(error, "descriptor %u of chain %u", index, head);
        if ((descriptor.flags & VRING_DESC_F_NEXT) == 0)
            return true;
        index = descriptor.next;
    }
}

static bool take_chain(struct virtqueue *queue, struct virtqueue_chain *chain,
                       bool *taken, struct error *error)
{
    uint16_t count = 0;
    if (!count_available(queue, &count, error))
        return false;
    *taken = count > 0;
    if (count == 0)
        return true;

    uint16_t head;
    uint16_t slot = queue->next_available % queue->size;
    if (!guest_memory_read(queue->memory, available_entry(queue, slot), &head,
                           sizeof head, error))
        return error_wrap(error, "entry %u of the available ring", slot);
    if (!read_chain(queue, head, chain, error))
        return false;
    queue->next_available++;
    return true;
}

enum virtqueue_result virtqueue_pop(struct virtqueue *queue,
                                    struct virtqueue_chain *chain, struct error *error)
{
    bool taken;
    if (queue->broken)
        return VIRTQUEUE_EMPTY;
    if (!take_chain(queue, chain, &taken, error)) {
        queue->broken = true;
        return VIRTQUEUE_BROKEN;
    }
    return taken ? VIRTQUEUE_CHAIN : VIRTQUEUE_EMPTY;
}

/* What is left of a copy from or to one half of a chain. */
struct cursor {
    const struct virtqueue_segment *segment;
    uint64_t skip; /* bytes of the segment that are behind us */
    uint64_t left; /* bytes still to copy; the segments have as many */
};

/* The next piece of the copy that lies in one segment; false at the end. */
static bool next_piece(struct cursor *cursor, gpa_t *address, uint64_t *length)
{
    if (cursor->left == 0)
        return false;
    for (; cursor->skip >= cursor->segment->length; cursor->segment++)
        cursor->skip -= cursor->segment->length;

    uint64_t here = cursor->segment->length - cursor->skip;
    *address = gpa(cursor->segment->address.value + cursor->skip);
    *length = here < cursor->left ? here : cursor->left;
    cursor->skip += *length;
    cursor->left -= *length;
    return true;
}

static bool check_part(const char *part, uint64_t size, uint64_t offset, uint64_t length,
                       struct error *error)
{
    if (offset <= size && length <= size - offset)
        return true;
    return error_set(error, ERROR_GUEST_COMMAND,
                     "%" PRIu64 " bytes at offset %" PRIu64 " of a %s part of %" PRIu64
                     " bytes",
                     length, offset, part, size);
}

bool virtqueue_chain_read(const struct virtqueue *queue,
                          const struct virtqueue_chain *chain, uint64_t offset,
                          void *buffer, uint64_t length, struct error *error)
{
    struct cursor cursor = {chain->segments, offset, length};
    uint8_t *to = buffer;
    gpa_t address;
    uint64_t piece;

    if (!check_part("readable", chain->readable_size, offset, length, error))
        return false;
    for (; next_piece(&cursor, &address, &piece); to += piece)
        if (!guest_memory_read(queue->memory, address, to, piece, error))
            return false;
    return true;
}

bool virtqueue_chain_write(const struct virtqueue *queue,
                           const struct virtqueue_chain *chain, uint64_t offset,
                           const void *buffer, uint64_t length, struct error *error)
{
    struct cursor cursor = {chain->segments + chain->readable_count, offset, length};
    const uint8_t *from = buffer;
    gpa_t address;
    uint64_t piece;

    if (!check_part("writable", chain->writable_size, offset, length, error))
        return false;
    for (; next_piece(&cursor, &address, &piece); from += piece)
        if (!guest_memory_write(queue->memory, address, from, piece, error))
            return false;
    return true;
}

bool virtqueue_push(struct virtqueue *queue, uint16_t head, uint32_t written,
                    struct error *error)
{
    /* When nothing is in flight, the chain was taken before the queue was stopped and
     * started again; its new owner must not see it. */
    if (queue->broken || queue->next_used == queue->next_available)
        return true;

    struct vring_used_elem element = {.id = head, .len = written};
    uint16_t slot = queue->next_used % queue->size;
    uint16_t next = (uint16_t)(queue->next_used + 1);
    /* 2.7.8.2: the element before the index; the release store sees to it. */
    if (!guest_memory_write(queue->memory, used_entry(queue, slot), &element,
                            sizeof element, error) ||
        !guest_memory_store16_release(queue->memory, used_index(queue), next, error)) {
        queue->broken = true;
        return error_wrap(error, "used ring");
    }
    queue->next_used = next;
    return true;
}

bool virtqueue_needs_interrupt(struct virtqueue *queue)
{
    uint16_t before = queue->signalled_used;
    uint16_t wish;
    struct error ignored;

    if (queue->broken || before == queue->next_used)
        return false;
    queue->signalled_used = queue->next_used;

    /* Our used index must be visible before we read what the driver wants (file head). */
    atomic_thread_fence(memory_order_seq_cst);
    /* 2.7.7.2; an interrupt too many is harmless (2.7.7.1), one too few is not. */
    if (!guest_memory_load16_acquire(queue->memory,
                                     queue->event_index ? used_event(queue)
                                                        : available_flags(queue),
                                     &wish, &ignored))
        return true;
    if (queue->event_index)
        return vring_need_event(wish, queue->next_used, before) != 0;
    return (wish & VRING_AVAIL_F_NO_INTERRUPT) == 0;
}

bool virtqueue_enable_notification(struct virtqueue *queue)
{
    uint16_t index;
    struct error ignored;

    if (queue->broken)
        return false;
    /* With event index, a driver is silent from its first notification until avail_event
     * moves on: nothing has to be disabled while we serve the queue. Without it, we leave
     * the used ring's flags at 0, and a notification too many finds an empty queue. */
    if (queue->event_index &&
        !guest_memory_store16_release(queue->memory, available_event(queue),
                                      queue->next_available, &ignored))
        return false;

    /* avail_event must be visible before we look for the last time (file head). */
    atomic_thread_fence(memory_order_seq_cst);
    /* When the index cannot be read, virtqueue_pop() is the one to say so. */
    return !guest_memory_load16_acquire(queue->memory, available_index(queue), &index,
                                        &ignored) ||
           index != queue->next_available;
}

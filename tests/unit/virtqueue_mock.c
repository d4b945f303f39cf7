/* SPDX-License-Identifier: MIT */
#include "tests/unit/virtqueue_mock.h"

#include <stdatomic.h>

#define PAGE 0x1000u

static void write_bytes(const struct virtqueue_mock *mock, gpa_t address,
                        const void *bytes, uint64_t size)
{
    struct error error;
    BUG_ON(!guest_memory_write(mock->memory, address, bytes, size, &error));
}

static uint16_t load(const struct virtqueue_mock *mock, uint64_t address)
{
    struct error error;
    uint16_t value = 0;
    BUG_ON(!guest_memory_load16_acquire(mock->memory, gpa(address), &value, &error));
    return value;
}

static void store(const struct virtqueue_mock *mock, uint64_t address, uint16_t value)
{
    struct error error;
    BUG_ON(!guest_memory_store16_release(mock->memory, gpa(address), value, &error));
}

static uint64_t available_entry(const struct virtqueue_mock *mock, uint16_t slot)
{
    return mock->driver.value + offsetof(struct vring_avail, ring) +
           slot * sizeof(uint16_t);
}

static uint64_t used_entry(const struct virtqueue_mock *mock, uint16_t slot)
{
    return mock->device.value + offsetof(struct vring_used, ring) +
           slot * sizeof(struct vring_used_elem);
}

void virtqueue_mock_init(struct virtqueue_mock *mock, const struct guest_memory *memory,
                         gpa_t base, uint16_t size, bool event_index)
{
    static const uint8_t zeroes[VIRTQUEUE_MOCK_SIZE];
    _Static_assert(PAGE >= 16 * VIRTQUEUE_SIZE_MAX, "the descriptor table fits a page");

    *mock = (struct virtqueue_mock){
        .memory = memory,
        .descriptors = base,
        .driver = gpa(base.value + PAGE),
        .device = gpa(base.value + 2 * PAGE),
        .size = size,
        .event_index = event_index,
    };
    write_bytes(mock, base, zeroes, sizeof zeroes);
}

struct virtqueue virtqueue_mock_queue(const struct virtqueue_mock *mock)
{
    return (struct virtqueue){
        .memory = mock->memory,
        .descriptors = mock->descriptors,
        .driver = mock->driver,
        .device = mock->device,
        .size = mock->size,
        .event_index = mock->event_index,
        .indirect = true,
    };
}

void virtqueue_mock_seek(struct virtqueue_mock *mock, struct virtqueue *queue,
                         uint16_t index)
{
    mock->next_available = index;
    mock->next_used = index;
    queue->next_available = index;
    queue->next_used = index;
    queue->signalled_used = index;
    store(mock, mock->driver.value + offsetof(struct vring_avail, idx), index);
    store(mock, mock->device.value + offsetof(struct vring_used, idx), index);
}

void virtqueue_mock_write_descriptor(const struct virtqueue_mock *mock, gpa_t table,
                                     uint16_t index, struct vring_desc descriptor)
{
    write_bytes(mock, gpa(table.value + index * sizeof descriptor), &descriptor,
                sizeof descriptor);
}

/* Writes descriptors [first, first + count) of a table of `size`, in a circle. */
static void write_chain(struct virtqueue_mock *mock, gpa_t table, unsigned size,
                        unsigned first, const struct virtqueue_mock_segment *segments,
                        unsigned count)
{
    BUG_ON(count == 0);
    for (unsigned i = 0; i < count; i++) {
        bool last = i == count - 1;
        struct vring_desc descriptor = {
            .addr = segments[i].address.value,
            .len = segments[i].length,
            .flags = (uint16_t)((segments[i].writable ? VRING_DESC_F_WRITE : 0) |
                                (last ? 0 : VRING_DESC_F_NEXT)),
            .next = (uint16_t)(last ? 0 : (first + i + 1) % size),
        };
        virtqueue_mock_write_descriptor(mock, table, (uint16_t)((first + i) % size),
                                        descriptor);
    }
}

static uint16_t allocate(struct virtqueue_mock *mock, unsigned count)
{
    uint16_t head = mock->next_descriptor;
    BUG_ON(count > mock->size);
    mock->next_descriptor = (uint16_t)((head + count) % mock->size);
    return head;
}

uint16_t virtqueue_mock_add(struct virtqueue_mock *mock,
                            const struct virtqueue_mock_segment *segments, unsigned count)
{
    uint16_t head = allocate(mock, count);
    write_chain(mock, mock->descriptors, mock->size, head, segments, count);
    virtqueue_mock_add_head(mock, head);
    return head;
}

uint16_t virtqueue_mock_add_indirect(struct virtqueue_mock *mock, gpa_t table,
                                     const struct virtqueue_mock_segment *segments,
                                     unsigned count)
{
    uint16_t head = allocate(mock, 1);
    struct vring_desc descriptor = {
        .addr = table.value,
        .len = (uint32_t)(count * sizeof descriptor),
        .flags = VRING_DESC_F_INDIRECT,
    };
    write_chain(mock, table, count, 0, segments, count);
    virtqueue_mock_write_descriptor(mock, mock->descriptors, head, descriptor);
    virtqueue_mock_add_head(mock, head);
    return head;
}

void virtqueue_mock_add_head(struct virtqueue_mock *mock, uint16_t head)
{
    uint16_t slot = mock->next_available % mock->size;
    write_bytes(mock, gpa(available_entry(mock, slot)), &head, sizeof head);
    mock->next_available++;
}

bool virtqueue_mock_publish(struct virtqueue_mock *mock)
{
    uint16_t before = load(mock, mock->driver.value + offsetof(struct vring_avail, idx));
    virtqueue_mock_set_available_index(mock, mock->next_available);
    /* virtio 1.2, 2.7.13.4.1: our index before what the device wants. */
    atomic_thread_fence(memory_order_seq_cst);
    if (mock->event_index)
        return vring_need_event(virtqueue_mock_available_event(mock),
                                mock->next_available, before) != 0;
    return (load(mock, mock->device.value + offsetof(struct vring_used, flags)) &
            VRING_USED_F_NO_NOTIFY) == 0;
}

void virtqueue_mock_set_available_index(struct virtqueue_mock *mock, uint16_t index)
{
    store(mock, mock->driver.value + offsetof(struct vring_avail, idx), index);
}

void virtqueue_mock_set_flags(struct virtqueue_mock *mock, uint16_t flags)
{
    store(mock, mock->driver.value + offsetof(struct vring_avail, flags), flags);
}

void virtqueue_mock_set_used_event(struct virtqueue_mock *mock, uint16_t index)
{
    store(mock, available_entry(mock, mock->size), index);
    /* The caller looks at the used index next: the same as in publish(). */
    atomic_thread_fence(memory_order_seq_cst);
}

uint16_t virtqueue_mock_available_event(const struct virtqueue_mock *mock)
{
    return load(mock, used_entry(mock, mock->size));
}

void virtqueue_mock_set_available_event(struct virtqueue_mock *mock, uint16_t index)
{
    store(mock, used_entry(mock, mock->size), index);
}

uint16_t virtqueue_mock_used_index(const struct virtqueue_mock *mock)
{
    return load(mock, mock->device.value + offsetof(struct vring_used, idx));
}

bool virtqueue_mock_take_used(struct virtqueue_mock *mock, uint16_t *head,
                              uint32_t *length)
{
    struct vring_used_elem element;
    struct error error;
    if (virtqueue_mock_used_index(mock) == mock->next_used)
        return false;
    uint16_t slot = mock->next_used % mock->size;
    BUG_ON(!guest_memory_read(mock->memory, gpa(used_entry(mock, slot)), &element,
                              sizeof element, &error));
    *head = (uint16_t)element.id;
    *length = element.len;
    mock->next_used++;
    return true;
}

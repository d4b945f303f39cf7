/* SPDX-License-Identifier: MIT */
/*
 * The device's side of a ring whose every byte the guest chose. After each step the guest may
 * write again: descriptors that it gave away, indices, tables.
 */
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/unit/virtqueue_mock.h"

#define RAM_SIZE    (1 * MIB)
#define RING        0x10000u
#define TABLE       0x20000u /* for an indirect table */
#define SIZE        8u
#define STEPS_MAX   64u
#define DESCRIPTORS 8u

/* What the guest does in one step: it writes one of the ring's parts. */
struct step {
    uint8_t part;
    uint8_t index;
    uint16_t value;
    struct vring_desc descriptor;
};

static void write_part(struct virtqueue_mock *mock, const struct step *step)
{
    uint16_t index = step->index % DESCRIPTORS;
    switch (step->part % 5) {
    case 0:
        virtqueue_mock_write_descriptor(mock, mock->descriptors, index, step->descriptor);
        break;
    case 1:
        virtqueue_mock_write_descriptor(mock, gpa(TABLE), index, step->descriptor);
        break;
    case 2:
        virtqueue_mock_add_head(mock, step->value);
        virtqueue_mock_publish(mock);
        break;
    case 3:
        virtqueue_mock_set_available_index(mock, step->value);
        break;
    case 4:
        virtqueue_mock_set_used_event(mock, step->value);
        break;
    }
}

static void serve(struct virtqueue *queue)
{
    static struct virtqueue_chain chain;
    struct error error;
    while (virtqueue_pop(queue, &chain, &error) == VIRTQUEUE_CHAIN) {
        uint64_t sizes[2] = {0};
        uint8_t byte = 1;
        FUZZ_CHECK(chain.segment_count <= VIRTQUEUE_SEGMENTS_MAX &&
                   chain.readable_count <= chain.segment_count && chain.head < SIZE);
        for (unsigned i = 0; i < chain.segment_count; i++) {
            FUZZ_CHECK(chain.segments[i].length > 0 &&
                       chain.segments[i].address.value <=
                           RAM_SIZE - chain.segments[i].length);
            sizes[i >= chain.readable_count] += chain.segments[i].length;
        }
        FUZZ_CHECK(sizes[0] == chain.readable_size && sizes[1] == chain.writable_size);
        FUZZ_CHECK(
            virtqueue_chain_read(queue, &chain, chain.readable_size, &byte, 0, &error));
        FUZZ_CHECK(
            !virtqueue_chain_read(queue, &chain, chain.readable_size, &byte, 1, &error));
        if (chain.readable_size > 0)
            FUZZ_CHECK(virtqueue_chain_read(queue, &chain, chain.readable_size - 1, &byte,
                                            1, &error));
        if (chain.writable_size > 0)
            FUZZ_CHECK(virtqueue_chain_write(queue, &chain, chain.writable_size - 1,
                                             &byte, 1, &error));
        virtqueue_push(queue, chain.head, 1, &error);
    }
    virtqueue_needs_interrupt(queue);
    virtqueue_enable_notification(queue);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error error;
    struct guest_memory *memory = fuzz_memory(0, RAM_SIZE);
    struct fuzz_input input = {data, size};
    struct virtqueue_mock mock;
    uint8_t flags = fuzz_take8(&input);
    virtqueue_mock_init(&mock, memory, gpa(RING), SIZE, flags & 1);
    struct virtqueue queue = virtqueue_mock_queue(&mock);
    queue.indirect = !(flags & 2);
    FUZZ_CHECK(virtqueue_start(&queue, &error));
    for (unsigned i = 0; i < STEPS_MAX && input.left > 0; i++) {
        struct step step;
        fuzz_take(&input, &step, sizeof step);
        write_part(&mock, &step);
        serve(&queue);
    }
    return 0;
}

#define DESCRIPTOR(part_, index_, address, length, flags, next)                          \
    {                                                                                    \
        .part = (part_), .index = (index_), .descriptor = {                              \
            address,                                                                     \
            length,                                                                      \
            flags,                                                                       \
            next                                                                         \
        }                                                                                \
    }

void fuzz_seeds(void)
{
    struct {
        struct step steps[4];
    } good = {{
        DESCRIPTOR(0, 0, 0x40000, 64, VRING_DESC_F_NEXT, 1),
        DESCRIPTOR(0, 1, 0x50000, 64, VRING_DESC_F_WRITE, 0),
        {.part = 2, .value = 0},
        {.part = 4, .value = 7},
    }};
    struct {
        struct step steps[4];
    } indirect = {{
        DESCRIPTOR(1, 0, 0x40000, 64, VRING_DESC_F_NEXT, 1),
        DESCRIPTOR(1, 1, 0x50000, 64, VRING_DESC_F_WRITE, 0),
        DESCRIPTOR(0, 3, TABLE, 32, VRING_DESC_F_INDIRECT, 0),
        {.part = 2, .value = 3},
    }};
    uint8_t bytes[1 + sizeof good];
    for (uint8_t flags = 0; flags < 2; flags++) {
        bytes[0] = flags;
        memcpy(bytes + 1, &good, sizeof good);
        fuzz_seed(flags ? "good-event-index" : "good", bytes, sizeof bytes);
        memcpy(bytes + 1, &indirect, sizeof indirect);
        fuzz_seed(flags ? "indirect-event-index" : "indirect", bytes, sizeof bytes);
    }
    good.steps[1].descriptor.flags = VRING_DESC_F_NEXT; /* a loop */
    memcpy(bytes + 1, &good, sizeof good);
    fuzz_seed("loop", bytes, sizeof bytes);
}

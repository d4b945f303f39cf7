/* SPDX-License-Identifier: MIT */
/*
 * The device's side of a ring whose every byte the guest chose. After each step the guest may
 * write again: descriptors that it gave away, indices, tables.
 */
#include <stdio.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/unit/virtqueue_mock.h"

#define RAM_SIZE    (32 * MIB) /* a chain may have 2^32 bytes, in 256 segments */
#define RING        0x10000u
#define TABLE       0x20000u /* for an indirect table */
#define SIZE        8u
#define TABLE_MAX   257u
#define STEPS_MAX   64u
#define DESCRIPTORS 8u

/* The first bytes of the input. `anywhere`: the parts of the ring lie where the input says, and
 * there are as many entries, which virtqueue_start() need not like. */
struct setup {
    uint8_t event_index : 1, no_indirect : 1, anywhere : 1, unused : 5;
    uint8_t unused_too;
    uint16_t size;
    uint32_t parts[3];
};

/* What the guest does in one step: it writes one of the ring's parts. */
struct step {
    uint8_t part;
    uint8_t index;
    uint16_t value;
    struct vring_desc descriptor;
};

/* An indirect table of so many descriptors, each the next one's predecessor. */
static void fill_table(struct virtqueue_mock *mock, const struct vring_desc *like,
                       uint16_t count)
{
    for (uint16_t i = 0; i < count; i++) {
        struct vring_desc descriptor = *like;
        if (i + 1 < count)
            descriptor.flags |= VRING_DESC_F_NEXT;
        descriptor.next = (uint16_t)(i + 1);
        virtqueue_mock_write_descriptor(mock, gpa(TABLE), i, descriptor);
    }
}

static void write_part(struct virtqueue_mock *mock, const struct step *step)
{
    uint16_t index = step->index % DESCRIPTORS;
    switch (step->part % 6) {
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
    case 5:
        fill_table(mock, &step->descriptor, step->value % TABLE_MAX);
        break;
    }
}

/* Whether the last byte of a segment is. */
static bool in_ram(const struct virtqueue_chain *chain, unsigned index)
{
    const struct virtqueue_segment *segment = &chain->segments[index];
    return segment->address.value + segment->length <= RAM_SIZE;
}

static void serve(struct virtqueue *queue)
{
    static struct virtqueue_chain chain;
    struct error error;
    while (virtqueue_pop(queue, &chain, &error) == VIRTQUEUE_CHAIN) {
        uint64_t sizes[2] = {0};
        uint8_t byte = 1;
        FUZZ_CHECK(chain.segment_count <= VIRTQUEUE_SEGMENTS_MAX &&
                   chain.readable_count <= chain.segment_count &&
                   chain.head < queue->size);
        for (unsigned i = 0; i < chain.segment_count; i++) {
            FUZZ_CHECK(chain.segments[i].length > 0 &&
                       chain.segments[i].address.value <=
                           UINT64_MAX - chain.segments[i].length);
            sizes[i >= chain.readable_count] += chain.segments[i].length;
        }
        FUZZ_CHECK(sizes[0] == chain.readable_size && sizes[1] == chain.writable_size &&
                   sizes[0] + sizes[1] <= 4 * GIB);
        FUZZ_CHECK(
            virtqueue_chain_read(queue, &chain, chain.readable_size, &byte, 0, &error));
        FUZZ_CHECK(
            !virtqueue_chain_read(queue, &chain, chain.readable_size, &byte, 1, &error));
        if (chain.readable_size > 0)
            FUZZ_CHECK(virtqueue_chain_read(queue, &chain, chain.readable_size - 1, &byte,
                                            1, &error) ==
                       in_ram(&chain, chain.readable_count - 1u));
        if (chain.writable_size > 0)
            FUZZ_CHECK(virtqueue_chain_write(queue, &chain, chain.writable_size - 1,
                                             &byte, 1, &error) ==
                       in_ram(&chain, chain.segment_count - 1u));
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
    struct setup setup;
    fuzz_take(&input, &setup, sizeof setup);
    virtqueue_mock_init(&mock, memory, gpa(RING), SIZE, setup.event_index);
    struct virtqueue queue = virtqueue_mock_queue(&mock);
    queue.indirect = !setup.no_indirect;
    if (setup.anywhere) {
        queue.size = setup.size;
        queue.descriptors = gpa(setup.parts[0]);
        queue.driver = gpa(setup.parts[1]);
        queue.device = gpa(setup.parts[2]);
    }
    if (!virtqueue_start(&queue, &error)) {
        FUZZ_CHECK(setup.anywhere);
        return 0;
    }
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

/* With both kinds of notification. */
static void seed(const char *name, const struct step steps[static 4])
{
    struct {
        struct setup setup;
        struct step steps[4];
    } bytes = {.setup.event_index = 0};
    char event_index[32];
    memcpy(bytes.steps, steps, sizeof bytes.steps);
    fuzz_seed(name, &bytes, sizeof bytes);
    bytes.setup.event_index = 1;
    snprintf(event_index, sizeof event_index, "%s-event-index", name);
    fuzz_seed(event_index, &bytes, sizeof bytes);
}

void fuzz_seeds(void)
{
    struct step good[4] = {
        DESCRIPTOR(0, 0, 0x40000, 64, VRING_DESC_F_NEXT, 1),
        DESCRIPTOR(0, 1, 0x50000, 64, VRING_DESC_F_WRITE, 0),
        {.part = 2, .value = 0},
        {.part = 4, .value = 7},
    };
    static const struct step indirect[4] = {
        DESCRIPTOR(1, 0, 0x40000, 64, VRING_DESC_F_NEXT, 1),
        DESCRIPTOR(1, 1, 0x50000, 64, VRING_DESC_F_WRITE, 0),
        DESCRIPTOR(0, 3, TABLE, 32, VRING_DESC_F_INDIRECT, 0),
        {.part = 2, .value = 3},
    };
    /* As many segments as a chain may have, and one more. */
    struct step long_chain[4] = {
        {.part = 5, .value = TABLE_MAX - 1, .descriptor = {.addr = 0x40000, .len = 16}},
        DESCRIPTOR(0, 0, 0x40000, 16, VRING_DESC_F_NEXT, 3),
        DESCRIPTOR(0, 3, TABLE, 16 * (TABLE_MAX - 1), VRING_DESC_F_INDIRECT, 0),
        {.part = 2, .value = 0},
    };
    static const struct {
        struct setup setup;
        struct step step;
    } elsewhere = {
        .setup = {.anywhere = 1,
                  .size = 16,
                  .parts = {RING, RING + 0x1000, RING + 0x2000}},
        .step = {.part = 2},
    };
    seed("good", good);
    seed("indirect", indirect);
    seed("long", long_chain);
    long_chain[0].descriptor.len = 17 * MIB; /* 2^32 bytes, and more */
    long_chain[3].value = 3;
    seed("large", long_chain);
    good[1].descriptor.flags = VRING_DESC_F_NEXT; /* a loop */
    seed("loop", good);
    fuzz_seed("elsewhere", &elsewhere, sizeof elsewhere);
}

/* SPDX-License-Identifier: MIT */
/* What the tests of the virtqueue start from: RAM, a mock driver, and a queue over its ring.
 * Each file that includes this has its own. */
#ifndef S2VMM_TESTS_UNIT_VIRTQUEUE_FIXTURE_H
#define S2VMM_TESTS_UNIT_VIRTQUEUE_FIXTURE_H

#include <check.h>
#include <linux/virtio_ring.h>

#include "tests/unit/virtqueue_mock.h"

#define RAM_SIZE (64 * MIB)
#define RING     gpa(0x10000)
#define TABLE    gpa(0x20000)
#define DATA     0x100000u
#define SIZE     8

static struct guest_memory memory;
static struct virtqueue_mock mock;
static struct virtqueue queue;
static struct virtqueue_chain chain;
static struct error error;

static inline void start(uint16_t size, bool event_index)
{
    virtqueue_mock_init(&mock, &memory, RING, size, event_index);
    queue = virtqueue_mock_queue(&mock);
    ck_assert_msg(virtqueue_start(&queue, &error), "%s", error.text);
}

static inline void setup(void)
{
    static const struct gpa_range ram = {{0}, RAM_SIZE};
    ck_assert(guest_memory_init(&memory, &ram, 1, &error));
    start(SIZE, true);
}

static inline void teardown(void)
{
    guest_memory_finish(&memory);
}

static inline void write_descriptor(gpa_t table, uint16_t index, uint64_t address,
                                    uint32_t length, unsigned flags, uint16_t next)
{
    virtqueue_mock_write_descriptor(
        &mock, table, index, (struct vring_desc){address, length, (uint16_t)flags, next});
}

static inline void pop(enum virtqueue_result expected)
{
    error.text[0] = '\0';
    ck_assert_msg(virtqueue_pop(&queue, &chain, &error) == expected, "%s", error.text);
}

/* One chain of one readable byte through the queue. */
static inline void pass_one_chain(void)
{
    const struct virtqueue_mock_segment segment = {gpa(DATA), 1, false};
    virtqueue_mock_add(&mock, &segment, 1);
    virtqueue_mock_publish(&mock);
    pop(VIRTQUEUE_CHAIN);
    ck_assert(virtqueue_push(&queue, chain.head, 0, &error));
}

#endif

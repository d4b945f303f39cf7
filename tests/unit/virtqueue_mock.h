/* SPDX-License-Identifier: MIT */
/*
 * The driver's side of a split virtqueue, for unit tests and fuzzers: an honest driver
 * when asked nicely, and every kind of liar by hand.
 *
 *   struct virtqueue_mock mock;
 *   virtqueue_mock_init(&mock, &memory, gpa(0x10000), 8, true);
 *   struct virtqueue queue = virtqueue_mock_queue(&mock);      the device's view of it
 *   uint16_t head = virtqueue_mock_add(&mock, segments, 2);    descriptors and ring entry
 *   virtqueue_mock_publish(&mock);                             the available index
 *   ... the device pops and pushes ...
 *   while (virtqueue_mock_take_used(&mock, &head, &length)) ...
 *
 * To lie: virtqueue_mock_write_descriptor(), _add_head(), _set_available_index().
 *
 * It never waits and never fails: the guest memory given to it must hold the ring
 * (VIRTQUEUE_MOCK_SIZE bytes). It orders its accesses as a driver has to, so it may run
 * on another thread than the device.
 */
#ifndef S2VMM_TESTS_UNIT_VIRTQUEUE_MOCK_H
#define S2VMM_TESTS_UNIT_VIRTQUEUE_MOCK_H

#include <linux/virtio_ring.h>

#include "virtio/virtqueue.h"

/* Bytes of guest memory for a ring of any size, its three parts each on pages of their
 * own. */
#define VIRTQUEUE_MOCK_SIZE 0x3000u

struct virtqueue_mock {
    const struct guest_memory *memory;
    gpa_t descriptors;
    gpa_t driver;
    gpa_t device;
    uint16_t size;
    bool event_index;
    uint16_t next_descriptor; /* handed out in a circle; nothing checks that it is free */
    uint16_t next_available;  /* where the next head goes; published by _publish() */
    uint16_t next_used;       /* the next used element to take */
};

/* One buffer of a chain. */
struct virtqueue_mock_segment {
    gpa_t address;
    uint32_t length; /* bytes */
    bool writable;   /* for the device */
};

/* Clears a ring of `size` entries at `base`, page-aligned. event_index: as negotiated. */
void virtqueue_mock_init(struct virtqueue_mock *mock, const struct guest_memory *memory,
                         gpa_t base, uint16_t size, bool event_index);

/* The device's side of this ring, before virtqueue_start(), with indirect tables. */
struct virtqueue virtqueue_mock_queue(const struct virtqueue_mock *mock);

/* Puts both sides of a started queue at one index, as if that many chains had passed. */
void virtqueue_mock_seek(struct virtqueue_mock *mock, struct virtqueue *queue,
                         uint16_t index);

/* Adds a chain of descriptors to the ring, not published yet. Returns its head. */
uint16_t virtqueue_mock_add(struct virtqueue_mock *mock,
                            const struct virtqueue_mock_segment *segments,
                            unsigned count);

/* The same with one descriptor and an indirect table, which is written to `table`. */
uint16_t virtqueue_mock_add_indirect(struct virtqueue_mock *mock, gpa_t table,
                                     const struct virtqueue_mock_segment *segments,
                                     unsigned count);

/* Writes descriptor `index` of a table: mock->descriptors or an indirect one. */
void virtqueue_mock_write_descriptor(const struct virtqueue_mock *mock, gpa_t table,
                                     uint16_t index, struct vring_desc descriptor);

/* Writes an entry of the available ring, for hand-made chains; any head. */
void virtqueue_mock_add_head(struct virtqueue_mock *mock, uint16_t head);

/* Makes everything that was added visible to the device. Returns true if the device wants
 * to be notified of it, by the rule for event index or for flags (virtio 1.2, 2.7.10). */
bool virtqueue_mock_publish(struct virtqueue_mock *mock);

/* Publishes any available index. */
void virtqueue_mock_set_available_index(struct virtqueue_mock *mock, uint16_t index);

/* When the driver wants interrupts: the available ring's flags, or used_event. After
 * setting used_event, look at the used ring once more before waiting. */
void virtqueue_mock_set_flags(struct virtqueue_mock *mock, uint16_t flags);
void virtqueue_mock_set_used_event(struct virtqueue_mock *mock, uint16_t index);

/* What the device asked for, and where it is. */
uint16_t virtqueue_mock_available_event(const struct virtqueue_mock *mock);
void virtqueue_mock_set_available_event(struct virtqueue_mock *mock, uint16_t index);
uint16_t virtqueue_mock_used_index(const struct virtqueue_mock *mock);

/* Takes the next element of the used ring; false when the device returned nothing new. */
bool virtqueue_mock_take_used(struct virtqueue_mock *mock, uint16_t *head,
                              uint32_t *length);

#endif

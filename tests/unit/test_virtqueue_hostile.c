/* SPDX-License-Identifier: MIT */
/* Every way to lie in a ring that we know of, and what the device says to it. */
#include <check.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include "tests/unit/suites.h"
#include "tests/unit/virtqueue_fixture.h"

static const struct {
    const char *name;
    uint64_t descriptors, driver, device;
    uint16_t size;
    enum error_code code; /* NONE: it starts */
    const char *text;
} starts[] = {
    // clang-format off
    {"size 1",           0x1000, 0x2000, 0x3000, 1,   ERROR_NONE, ""},
    {"largest size",     0x1000, 0x2000, 0x3000, 256, ERROR_NONE, ""},
    {"up to RAM's end",  0x1000, 0x2000, RAM_SIZE - 72, 8, ERROR_NONE, ""},
    {"size 0",           0x1000, 0x2000, 0x3000, 0,   ERROR_GUEST_RING, "queue size 0"},
    {"no power of two",  0x1000, 0x2000, 0x3000, 12,  ERROR_GUEST_RING, "queue size 12"},
    {"too large",        0x1000, 0x2000, 0x3000, 512, ERROR_GUEST_RING, "queue size 512"},
    {"table odd",  0x1008, 0x2000, 0x3000, 8,   ERROR_GUEST_RING, "descriptor table"},
    {"available odd",    0x1000, 0x2001, 0x3000, 8,   ERROR_GUEST_RING, "available ring"},
    {"used odd",         0x1000, 0x2000, 0x3002, 8,   ERROR_GUEST_RING, "used ring"},
    {"table out",  RAM_SIZE - 112, 0x2000, 0x3000, 8,
                                                 ERROR_GUEST_ADDRESS, "descriptor table"},
    {"available out",    0x1000, RAM_SIZE - 20, 0x3000, 8,
                                                 ERROR_GUEST_ADDRESS, "available ring"},
    {"used out",         0x1000, 0x2000, RAM_SIZE - 68, 8,
                                                 ERROR_GUEST_ADDRESS, "used ring"},
    {"address overflow", 0x1000, 0x2000, UINT64_MAX - 3, 8,
                                                 ERROR_GUEST_ADDRESS, "used ring"},
    // clang-format on
};

START_TEST(start_checks_size_and_addresses)
{
    struct virtqueue other = {
        .memory = &memory,
        .descriptors = gpa(starts[_i].descriptors),
        .driver = gpa(starts[_i].driver),
        .device = gpa(starts[_i].device),
        .size = starts[_i].size,
        .event_index = true,
    };
    bool ok = virtqueue_start(&other, &error);
    ck_assert_msg(ok == (starts[_i].code == ERROR_NONE), "%s", starts[_i].name);
    if (ok)
        return;
    ck_assert_msg(error.code == starts[_i].code, "%s: %s", starts[_i].name, error.text);
    ck_assert_msg(strstr(error.text, starts[_i].text) != NULL, "%s: %s", starts[_i].name,
                  error.text);
}
END_TEST

static void head_outside(void)
{
    virtqueue_mock_add_head(&mock, SIZE);
}

static void next_outside(void)
{
    write_descriptor(RING, 0, DATA, 1, VRING_DESC_F_NEXT, SIZE);
    virtqueue_mock_add_head(&mock, 0);
}

static void points_to_itself(void)
{
    write_descriptor(RING, 3, DATA, 1, VRING_DESC_F_NEXT, 3);
    virtqueue_mock_add_head(&mock, 3);
}

static void loop_of_two_without_bytes(void)
{
    write_descriptor(RING, 0, 0, 0, VRING_DESC_F_NEXT, 1);
    write_descriptor(RING, 1, 0, 0, VRING_DESC_F_NEXT, 0);
    virtqueue_mock_add_head(&mock, 0);
}

static void readable_behind_writable(void)
{
    write_descriptor(RING, 0, DATA, 1, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 1);
    write_descriptor(RING, 1, DATA, 1, 0, 0);
    virtqueue_mock_add_head(&mock, 0);
}

static void segment_overflows(void)
{
    write_descriptor(RING, 0, UINT64_MAX, 2, VRING_DESC_F_WRITE, 0);
    virtqueue_mock_add_head(&mock, 0);
}

static void table_not_negotiated(void)
{
    queue.indirect = false;
    write_descriptor(RING, 0, TABLE.value, 16, VRING_DESC_F_INDIRECT, 0);
    virtqueue_mock_add_head(&mock, 0);
}

static void table_with_next(void)
{
    write_descriptor(RING, 0, TABLE.value, 16, VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT,
                     1);
    virtqueue_mock_add_head(&mock, 0);
}

static void add_table(uint64_t address, uint32_t length)
{
    write_descriptor(RING, 0, address, length, VRING_DESC_F_INDIRECT, 0);
    virtqueue_mock_add_head(&mock, 0);
}

static void table_in_table(void)
{
    write_descriptor(TABLE, 0, TABLE.value, 16, VRING_DESC_F_INDIRECT, 0);
    add_table(TABLE.value, 16);
}

static void table_empty(void)
{
    add_table(TABLE.value, 0);
}

static void table_crooked(void)
{
    add_table(TABLE.value, 24);
}

static void table_too_long(void)
{
    add_table(TABLE.value, 16 * (VIRTQUEUE_SEGMENTS_MAX + 1));
}

static void table_outside_of_memory(void)
{
    add_table(RAM_SIZE - 16, 32);
}

static void table_overflows(void)
{
    add_table(UINT64_MAX - 15, 32);
}

static void table_next_outside(void)
{
    write_descriptor(TABLE, 0, DATA, 1, VRING_DESC_F_NEXT, 2);
    add_table(TABLE.value, 32);
}

static void table_loop(void)
{
    write_descriptor(TABLE, 0, DATA, 1, VRING_DESC_F_NEXT, 1);
    write_descriptor(TABLE, 1, DATA, 1, VRING_DESC_F_NEXT, 0);
    add_table(TABLE.value, 32);
}

static void too_many_segments(void)
{
    write_descriptor(RING, 1, DATA, 1, VRING_DESC_F_NEXT, 0);
    for (uint16_t i = 0; i < VIRTQUEUE_SEGMENTS_MAX; i++)
        write_descriptor(TABLE, i, DATA, 1,
                         i + 1 < VIRTQUEUE_SEGMENTS_MAX ? VRING_DESC_F_NEXT : 0,
                         (uint16_t)(i + 1));
    write_descriptor(RING, 0, TABLE.value, 16 * VIRTQUEUE_SEGMENTS_MAX,
                     VRING_DESC_F_INDIRECT, 0);
    virtqueue_mock_add_head(&mock, 1);
}

static void too_many_bytes(void)
{
    struct virtqueue_mock_segment segments[129];
    for (unsigned i = 0; i < 129; i++)
        segments[i] = (struct virtqueue_mock_segment){gpa(0), 32 * MIB, i >= 64};
    segments[128].length = 1;
    virtqueue_mock_add_indirect(&mock, TABLE, segments, 129);
}

static void index_jumps(void)
{
    mock.next_available = SIZE + 1;
}

static void index_goes_back(void)
{
    pass_one_chain();
    mock.next_available--;
}

/* Each of the two steps is small enough, but nothing was returned in between. */
static void more_in_flight_than_the_ring_holds(void)
{
    const struct virtqueue_mock_segment segment = {gpa(DATA), 1, false};
    for (unsigned i = 0; i < SIZE; i++)
        virtqueue_mock_add(&mock, &segment, 1);
    virtqueue_mock_publish(&mock);
    for (unsigned i = 0; i < SIZE; i++)
        pop(VIRTQUEUE_CHAIN);
    virtqueue_mock_add(&mock, &segment, 1);
}

/* Not the guest's doing: what if guest memory went away under a running queue. */
static void memory_is_gone(void)
{
    virtqueue_mock_add_head(&mock, 0);
    virtqueue_mock_publish(&mock);
    memory.regions[0].range.size = 0x100;
}

static void entries_are_gone(void)
{
    virtqueue_mock_add_head(&mock, 0);
    virtqueue_mock_publish(&mock);
    memory.regions[0].range.size = mock.driver.value + offsetof(struct vring_avail, ring);
}

static void descriptors_are_gone(void)
{
    queue.descriptors = gpa(RAM_SIZE);
    virtqueue_mock_add_head(&mock, 0);
}

static const struct {
    void (*arrange)(void);
    enum error_code code;
    const char *text;
} hostile[] = {
    // clang-format off
    {head_outside,              ERROR_GUEST_RING,    "8 of chain 8 is outside of the"},
    {next_outside,              ERROR_GUEST_RING,    "8 of chain 0 is outside of the"},
    {points_to_itself,          ERROR_GUEST_RING,    "chain 3 is a loop"},
    {loop_of_two_without_bytes, ERROR_GUEST_RING,    "chain 0 is a loop"},
    {readable_behind_writable,  ERROR_GUEST_RING,    "1 of chain 0: a readable"},
    {segment_overflows,         ERROR_GUEST_ADDRESS, "0 of chain 0: 2 bytes at"},
    {table_not_negotiated,      ERROR_GUEST_RING,    "not negotiated"},
    {table_with_next,           ERROR_GUEST_RING,    "INDIRECT and NEXT"},
    {table_in_table,            ERROR_GUEST_RING,    "inside of an indirect table"},
    {table_empty,               ERROR_GUEST_RING,    "an indirect table of 0 bytes"},
    {table_crooked,             ERROR_GUEST_RING,    "an indirect table of 24 bytes"},
    {table_too_long,            ERROR_GUEST_RING,    "an indirect table of 4112 bytes"},
    {table_outside_of_memory,   ERROR_GUEST_ADDRESS, "0 of chain 0: 32 bytes at"},
    {table_overflows,           ERROR_GUEST_ADDRESS, "0 of chain 0: 32 bytes at"},
    {table_next_outside,        ERROR_GUEST_RING,    "outside of its indirect table"},
    {table_loop,                ERROR_GUEST_RING,    "chain 0 is a loop"},
    {too_many_segments,         ERROR_GUEST_RING,    "more than 256 segments"},
    {too_many_bytes,            ERROR_GUEST_RING,    "more than 2^32 bytes"},
    {index_jumps,               ERROR_GUEST_RING,    "index went from 0 to 9 with 0"},
    {index_goes_back,           ERROR_GUEST_RING,    "index went from 1 to 0 with 0"},
    {more_in_flight_than_the_ring_holds,
                                ERROR_GUEST_RING,    "index went from 8 to 9 with 8"},
    {memory_is_gone,            ERROR_GUEST_ADDRESS, "available index: "},
    {entries_are_gone,          ERROR_GUEST_ADDRESS, "entry 0 of the available ring"},
    {descriptors_are_gone,      ERROR_GUEST_ADDRESS, "0 of chain 0: 16 bytes at"},
    // clang-format on
};

START_TEST(a_hostile_ring_is_broken_and_says_so_once)
{
    hostile[_i].arrange();
    if (memory.regions[0].range.size == RAM_SIZE)
        virtqueue_mock_publish(&mock);
    pop(VIRTQUEUE_BROKEN);
    ck_assert_msg(error.code == hostile[_i].code, "%s", error.text);
    ck_assert_msg(strstr(error.text, hostile[_i].text) != NULL, "%s", error.text);
    ck_assert(queue.broken);

    memory.regions[0].range.size = RAM_SIZE;
    uint16_t used = virtqueue_mock_used_index(&mock);
    pop(VIRTQUEUE_EMPTY);
    ck_assert(virtqueue_push(&queue, 0, 0, &error));
    ck_assert_uint_eq(virtqueue_mock_used_index(&mock), used);
    ck_assert(!virtqueue_needs_interrupt(&queue));
    ck_assert(!virtqueue_enable_notification(&queue));
}
END_TEST

/* _i: the element can still be written, but the index cannot. */
START_TEST(a_used_ring_that_is_gone_breaks_the_queue)
{
    const struct virtqueue_mock_segment segment = {gpa(DATA), 1, false};
    virtqueue_mock_add(&mock, &segment, 1);
    virtqueue_mock_publish(&mock);
    pop(VIRTQUEUE_CHAIN);
    if (_i == 0)
        memory.regions[0].range.size = queue.device.value;
    else
        memory.regions[0].range.start.value = queue.device.value + 4;
    ck_assert(!virtqueue_push(&queue, 0, 0, &error));
    ck_assert_int_eq(error.code, ERROR_GUEST_ADDRESS);
    ck_assert_msg(strstr(error.text, "used ring") != NULL, "%s", error.text);
    ck_assert(queue.broken);
    memory.regions[0].range = (struct gpa_range){gpa(0), RAM_SIZE};
}
END_TEST

Suite *virtqueue_hostile_suite(void)
{
    Suite *suite = suite_create("virtqueue_hostile");
    TCase *test_case = tcase_create("virtqueue_hostile");
    tcase_add_checked_fixture(test_case, setup, teardown);
    tcase_add_loop_test(test_case, start_checks_size_and_addresses, 0,
                        ARRAY_SIZE(starts));
    tcase_add_loop_test(test_case, a_hostile_ring_is_broken_and_says_so_once, 0,
                        ARRAY_SIZE(hostile));
    tcase_add_loop_test(test_case, a_used_ring_that_is_gone_breaks_the_queue, 0, 2);
    suite_add_tcase(suite, test_case);
    return suite;
}

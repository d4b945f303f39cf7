/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include "tests/unit/suites.h"
#include "tests/unit/virtqueue_fixture.h"

START_TEST(start_again_begins_at_0)
{
    pass_one_chain();
    mock.next_available = 99;
    virtqueue_mock_publish(&mock);
    pop(VIRTQUEUE_BROKEN);
    start(SIZE, true);
    pop(VIRTQUEUE_EMPTY);
    ck_assert(!virtqueue_needs_interrupt(&queue));
    pass_one_chain();
    ck_assert_uint_eq(virtqueue_mock_used_index(&mock), 1);
    ck_assert(virtqueue_needs_interrupt(&queue));
}
END_TEST

/* --- chains --- */

static const struct {
    const char *name;
    struct virtqueue_mock_segment segments[5];
    unsigned count;
    unsigned expected_readable, expected_segments;
    uint64_t readable_size, writable_size;
} chains[] = {
    {"readable", {{{DATA}, 16, false}}, 1, 1, 1, 16, 0},
    {"writable", {{{DATA}, 16, true}}, 1, 0, 1, 0, 16},
    {"both", {{{DATA}, 16, false}, {{DATA}, 8, true}}, 2, 1, 2, 16, 8},
    {"several",
     {{{DATA}, 1, false},
      {{DATA + 0x1000}, 2, false},
      {{DATA + 0x2000}, 4, true},
      {{DATA + 0x3000}, 8, true}},
     4,
     2,
     4,
     3,
     12},
    {"length 0 is left out",
     {{{UINT64_MAX}, 0, false}, {{DATA}, 2, false}, {{0}, 0, true}, {{DATA}, 4, true}},
     4,
     1,
     2,
     2,
     4},
    {"length 0 has no direction", {{{DATA}, 0, true}, {{DATA}, 2, false}}, 2, 1, 1, 2, 0},
    {"nothing at all", {{{DATA}, 0, false}}, 1, 0, 0, 0, 0},
    {"up to RAM's end", {{{RAM_SIZE - 4}, 4, true}}, 1, 0, 1, 0, 4},
};

static void check_chain(unsigned i)
{
    ck_assert_msg(chain.readable_count == chains[i].expected_readable, "%s",
                  chains[i].name);
    ck_assert_msg(chain.segment_count == chains[i].expected_segments, "%s",
                  chains[i].name);
    ck_assert_msg(chain.readable_size == chains[i].readable_size, "%s", chains[i].name);
    ck_assert_msg(chain.writable_size == chains[i].writable_size, "%s", chains[i].name);

    unsigned kept = 0;
    for (unsigned s = 0; s < chains[i].count; s++) {
        if (chains[i].segments[s].length == 0)
            continue;
        ck_assert_uint_eq(chain.segments[kept].address.value,
                          chains[i].segments[s].address.value);
        ck_assert_uint_eq(chain.segments[kept].length, chains[i].segments[s].length);
        kept++;
    }
}

START_TEST(a_chain_is_taken)
{
    mock.next_descriptor = 6; /* so that longer chains wrap around in the table */
    uint16_t head = virtqueue_mock_add(&mock, chains[_i].segments, chains[_i].count);
    pop(VIRTQUEUE_EMPTY); /* not published yet */
    virtqueue_mock_publish(&mock);
    pop(VIRTQUEUE_CHAIN);
    ck_assert_uint_eq(chain.head, head);
    check_chain((unsigned)_i);
    pop(VIRTQUEUE_EMPTY);

    virtqueue_mock_add_indirect(&mock, TABLE, chains[_i].segments, chains[_i].count);
    virtqueue_mock_publish(&mock);
    pop(VIRTQUEUE_CHAIN);
    check_chain((unsigned)_i);
}
END_TEST

/* virtio 1.2, 2.7.5.3.2: direct descriptors, then a table, whose WRITE flag means
 * nothing. */
START_TEST(a_table_may_follow_descriptors)
{
    write_descriptor(RING, 0, DATA, 4, VRING_DESC_F_NEXT, 1);
    write_descriptor(RING, 1, TABLE.value, 32, VRING_DESC_F_INDIRECT | VRING_DESC_F_WRITE,
                     0);
    write_descriptor(TABLE, 0, DATA, 8, VRING_DESC_F_NEXT, 1);
    write_descriptor(TABLE, 1, DATA, 16, VRING_DESC_F_WRITE, 0);
    virtqueue_mock_add_head(&mock, 0);
    virtqueue_mock_publish(&mock);
    pop(VIRTQUEUE_CHAIN);
    ck_assert_uint_eq(chain.readable_count, 2);
    ck_assert_uint_eq(chain.readable_size, 12);
    ck_assert_uint_eq(chain.writable_size, 16);
}
END_TEST

/* 256 segments, and exactly 2^32 bytes (2.7.5.2); _i: with an indirect table. */
START_TEST(the_largest_chains_are_taken)
{
    struct virtqueue_mock_segment segments[VIRTQUEUE_SEGMENTS_MAX];
    for (unsigned i = 0; i < VIRTQUEUE_SEGMENTS_MAX; i++)
        segments[i] = (struct virtqueue_mock_segment){gpa(0), 16 * MIB, i >= 100};
    start(VIRTQUEUE_SIZE_MAX, false);
    if (_i == 0)
        virtqueue_mock_add(&mock, segments, VIRTQUEUE_SEGMENTS_MAX);
    else
        virtqueue_mock_add_indirect(&mock, TABLE, segments, VIRTQUEUE_SEGMENTS_MAX);
    virtqueue_mock_publish(&mock);
    pop(VIRTQUEUE_CHAIN);
    ck_assert_uint_eq(chain.segment_count, VIRTQUEUE_SEGMENTS_MAX);
    ck_assert_uint_eq(chain.readable_count, 100);
    ck_assert_uint_eq(chain.readable_size + chain.writable_size, 4 * GIB);
}
END_TEST

/* The index of the ring and the driver's promises both go round. */
START_TEST(indices_wrap_around)
{
    virtqueue_mock_seek(&mock, &queue, (uint16_t)(UINT16_MAX - 3 * SIZE));
    for (unsigned i = 0; i < 6 * SIZE; i++) {
        uint16_t head;
        uint32_t length;
        pass_one_chain();
        ck_assert(virtqueue_mock_take_used(&mock, &head, &length));
        ck_assert_uint_eq(head, chain.head);
        ck_assert(!virtqueue_mock_take_used(&mock, &head, &length));
    }
    ck_assert_uint_eq(queue.next_used, 3 * SIZE - 1);
    ck_assert_uint_eq(virtqueue_mock_used_index(&mock), 3 * SIZE - 1);
}
END_TEST

START_TEST(a_full_ring_is_served_and_returned_in_any_order)
{
    uint16_t heads[SIZE];
    const struct virtqueue_mock_segment segment = {gpa(DATA), 1, true};
    virtqueue_mock_seek(&mock, &queue, UINT16_MAX - 2);
    for (unsigned i = 0; i < SIZE; i++)
        virtqueue_mock_add(&mock, &segment, 1);
    virtqueue_mock_publish(&mock);
    for (unsigned i = 0; i < SIZE; i++) {
        pop(VIRTQUEUE_CHAIN);
        heads[i] = chain.head;
    }
    pop(VIRTQUEUE_EMPTY);
    for (unsigned i = SIZE; i-- > 0;)
        ck_assert(virtqueue_push(&queue, heads[i], i, &error));
    for (unsigned i = SIZE; i-- > 0;) {
        uint16_t head;
        uint32_t length;
        ck_assert(virtqueue_mock_take_used(&mock, &head, &length));
        ck_assert_uint_eq(head, heads[i]);
        ck_assert_uint_eq(length, i);
    }
}
END_TEST

/* --- copies --- */

/* Readable: 3 + 5 bytes; writable: 4 + 4 bytes. */
static void take_both_ways(void)
{
    static const struct virtqueue_mock_segment segments[] = {
        {{DATA}, 3, false},
        {{DATA + 0x100}, 5, false},
        {{DATA + 0x200}, 4, true},
        {{DATA + 0x300}, 4, true},
    };
    ck_assert(guest_memory_write(&memory, gpa(DATA), "abc", 3, &error));
    ck_assert(guest_memory_write(&memory, gpa(DATA + 0x100), "defgh", 5, &error));
    virtqueue_mock_add(&mock, segments, 4);
    virtqueue_mock_publish(&mock);
    pop(VIRTQUEUE_CHAIN);
}

START_TEST(read_gathers_every_offset_and_length)
{
    take_both_ways();
    for (uint64_t offset = 0; offset <= 8; offset++) {
        for (uint64_t length = 0; offset + length <= 8; length++) {
            char buffer[9] = "........";
            char expected[9] = "........";
            memcpy(expected, &"abcdefgh"[offset], length);
            ck_assert(
                virtqueue_chain_read(&queue, &chain, offset, buffer, length, &error));
            ck_assert_str_eq(buffer, expected);
        }
    }
}
END_TEST

START_TEST(write_scatters_every_offset_and_length)
{
    take_both_ways();
    for (uint64_t offset = 0; offset <= 8; offset++) {
        for (uint64_t length = 0; offset + length <= 8; length++) {
            char expected[9] = "........";
            char buffer[9] = "";
            memcpy(&expected[offset], &"ABCDEFGH"[offset], length);
            ck_assert(virtqueue_chain_write(&queue, &chain, 0, "........", 8, &error));
            ck_assert(virtqueue_chain_write(&queue, &chain, offset, &"ABCDEFGH"[offset],
                                            length, &error));
            ck_assert(guest_memory_read(&memory, gpa(DATA + 0x200), buffer, 4, &error));
            ck_assert(
                guest_memory_read(&memory, gpa(DATA + 0x300), buffer + 4, 4, &error));
            ck_assert_str_eq(buffer, expected);
        }
    }
    /* Not a byte beside the buffers. */
    uint8_t beside = 0xff;
    ck_assert(guest_memory_read(&memory, gpa(DATA + 0x204), &beside, 1, &error));
    ck_assert_uint_eq(beside, 0);
}
END_TEST

START_TEST(a_copy_beyond_the_chain_is_refused)
{
    static const struct {
        uint64_t offset, length;
    } copies[] = {{0, 9}, {8, 1}, {9, 0}, {4, UINT64_MAX}, {UINT64_MAX, 2}};
    char buffer[16] = "";
    take_both_ways();
    for (size_t i = 0; i < ARRAY_SIZE(copies); i++) {
        ck_assert(!virtqueue_chain_read(&queue, &chain, copies[i].offset, buffer,
                                        copies[i].length, &error));
        ck_assert_int_eq(error.code, ERROR_GUEST_COMMAND);
        ck_assert(!virtqueue_chain_write(&queue, &chain, copies[i].offset, buffer,
                                         copies[i].length, &error));
        ck_assert_int_eq(error.code, ERROR_GUEST_COMMAND);
    }
    memory.regions[0].range.size = DATA;
    ck_assert(!virtqueue_chain_read(&queue, &chain, 0, buffer, 4, &error));
    ck_assert(!virtqueue_chain_write(&queue, &chain, 0, buffer, 4, &error));
    ck_assert_int_eq(error.code, ERROR_GUEST_ADDRESS);
    memory.regions[0].range.size = RAM_SIZE;
}
END_TEST

/* An address in the GPU's window, say: the chain comes, an access to these bytes alone fails, and
 * the chain goes back as any other. */
START_TEST(a_segment_outside_of_ram_is_an_error_of_its_access)
{
    const struct virtqueue_mock_segment segments[] = {
        {gpa(DATA), 4, false},
        {gpa(_i ? 4 * GIB : RAM_SIZE - 3), 4, false},
        {gpa(DATA + 0x100), 4, true},
        {gpa(_i ? UINT64_MAX - 4 : RAM_SIZE - 3), 4, true},
    };
    char buffer[8] = "";
    virtqueue_mock_add(&mock, segments, ARRAY_SIZE(segments));
    virtqueue_mock_publish(&mock);
    pop(VIRTQUEUE_CHAIN);
    ck_assert_uint_eq(chain.readable_size, 8);
    ck_assert_uint_eq(chain.writable_size, 8);
    ck_assert(virtqueue_chain_read(&queue, &chain, 0, buffer, 4, &error));
    ck_assert(!virtqueue_chain_read(&queue, &chain, 2, buffer, 6, &error));
    ck_assert_int_eq(error.code, ERROR_GUEST_ADDRESS);
    ck_assert(virtqueue_chain_write(&queue, &chain, 0, buffer, 4, &error));
    ck_assert(!virtqueue_chain_write(&queue, &chain, 4, buffer, 4, &error));
    ck_assert_int_eq(error.code, ERROR_GUEST_ADDRESS);
    ck_assert(virtqueue_push(&queue, chain.head, 0, &error));
    pass_one_chain();
}
END_TEST

/* The snapshot does not follow what the guest writes later. */
START_TEST(a_chain_is_a_snapshot)
{
    take_both_ways();
    write_descriptor(RING, 0, UINT64_MAX, UINT32_MAX, VRING_DESC_F_WRITE, 99);
    char buffer[8];
    ck_assert(virtqueue_chain_read(&queue, &chain, 0, buffer, 8, &error));
    ck_assert(memcmp(buffer, "abcdefgh", 8) == 0);
}
END_TEST

START_TEST(a_chain_of_a_stopped_queue_is_dropped)
{
    take_both_ways();
    uint16_t head = chain.head;
    ck_assert(virtqueue_start(&queue, &error));
    ck_assert(virtqueue_push(&queue, head, 0, &error));
    ck_assert_uint_eq(virtqueue_mock_used_index(&mock), 0);
}
END_TEST

/* --- interrupts and notifications --- */

/* virtio 1.2, 2.7.7.2: an interrupt when the element at used_event was written, that is,
 * when used_event is in [before, after). */
static const struct {
    uint16_t before, after, used_event;
    bool interrupt;
} events[] = {
    // clang-format off
    {0,      1,      0,      true},
    {0,      1,      1,      false},
    {0,      1,      65535,  false},
    {0,      8,      0,      true},
    {0,      8,      7,      true},
    {0,      8,      8,      false},
    {5,      8,      4,      false},
    {5,      8,      5,      true},
    {65535,  0,      65535,  true},
    {65535,  0,      65534,  false},
    {65535,  0,      0,      false},
    {65533,  2,      65532,  false},
    {65533,  2,      65533,  true},
    {65533,  2,      65535,  true},
    {65533,  2,      0,      true},
    {65533,  2,      1,      true},
    {65533,  2,      2,      false},
    {32767,  32768,  32767,  true},
    {32767,  32768,  32768,  false},
    // clang-format on
};

START_TEST(event_index_decides_on_interrupts)
{
    virtqueue_mock_seek(&mock, &queue, events[_i].before);
    virtqueue_mock_set_used_event(&mock, events[_i].used_event);
    virtqueue_mock_set_flags(&mock, VRING_AVAIL_F_NO_INTERRUPT); /* 2.7.7.2: ignored */
    ck_assert(!virtqueue_needs_interrupt(&queue));
    while (queue.next_used != events[_i].after)
        pass_one_chain();
    ck_assert_msg(virtqueue_needs_interrupt(&queue) == events[_i].interrupt,
                  "%u -> %u, used_event %u", events[_i].before, events[_i].after,
                  events[_i].used_event);
    /* Said once: nothing was pushed since. */
    ck_assert(!virtqueue_needs_interrupt(&queue));
}
END_TEST

START_TEST(flags_decide_on_interrupts_without_event_index)
{
    start(SIZE, false);
    virtqueue_mock_set_used_event(&mock, 99); /* 2.7.7.2: ignored */
    ck_assert(!virtqueue_needs_interrupt(&queue));
    pass_one_chain();
    ck_assert(virtqueue_needs_interrupt(&queue));
    ck_assert(!virtqueue_needs_interrupt(&queue));
    virtqueue_mock_set_flags(&mock, VRING_AVAIL_F_NO_INTERRUPT);
    pass_one_chain();
    ck_assert(!virtqueue_needs_interrupt(&queue));
}
END_TEST

/* An interrupt too many is harmless. */
START_TEST(an_unreadable_wish_means_interrupt)
{
    pass_one_chain();
    virtqueue_mock_set_used_event(&mock, 1);
    memory.regions[0].range.size = 0x100;
    ck_assert(virtqueue_needs_interrupt(&queue));
    memory.regions[0].range.size = RAM_SIZE;
}
END_TEST

/* The whole protocol from both sides, around the wrap: the driver is asked to notify
 * exactly when the device went to sleep. */
START_TEST(notifications_follow_the_event_index)
{
    const struct virtqueue_mock_segment segment = {gpa(DATA), 1, false};
    virtqueue_mock_seek(&mock, &queue, (uint16_t)_i);
    ck_assert(!virtqueue_enable_notification(&queue));
    ck_assert_uint_eq(virtqueue_mock_available_event(&mock), (uint16_t)_i);

    virtqueue_mock_add(&mock, &segment, 1);
    ck_assert(virtqueue_mock_publish(&mock)); /* it slept */
    virtqueue_mock_add(&mock, &segment, 1);
    ck_assert(!virtqueue_mock_publish(&mock)); /* it was woken already */
    pop(VIRTQUEUE_CHAIN);
    /* It goes to sleep too early: there is one more. */
    ck_assert(virtqueue_enable_notification(&queue));
    pop(VIRTQUEUE_CHAIN);
    pop(VIRTQUEUE_EMPTY);
    ck_assert(!virtqueue_enable_notification(&queue));
    ck_assert_uint_eq(virtqueue_mock_available_event(&mock), (uint16_t)(_i + 2));
    virtqueue_mock_add(&mock, &segment, 1);
    ck_assert(virtqueue_mock_publish(&mock));
}
END_TEST

START_TEST(without_event_index_every_chain_is_notified)
{
    const struct virtqueue_mock_segment segment = {gpa(DATA), 1, false};
    start(SIZE, false);
    virtqueue_mock_set_available_event(&mock, 99);
    for (unsigned i = 0; i < 3; i++) {
        virtqueue_mock_add(&mock, &segment, 1);
        ck_assert(virtqueue_mock_publish(&mock));
        ck_assert(virtqueue_enable_notification(&queue));
        pop(VIRTQUEUE_CHAIN);
        ck_assert(!virtqueue_enable_notification(&queue));
    }
    ck_assert_uint_eq(virtqueue_mock_available_event(&mock), 99);
}
END_TEST

START_TEST(notification_with_a_ring_that_is_gone)
{
    /* Neither part, or only the used ring, which lies behind the available ring. */
    memory.regions[0].range.size = _i == 0 ? 0x100 : mock.device.value;
    queue.event_index = _i == 1;
    ck_assert_int_eq(virtqueue_enable_notification(&queue), _i == 0);
    memory.regions[0].range.size = RAM_SIZE;
}
END_TEST

Suite *virtqueue_suite(void)
{
    Suite *suite = suite_create("virtqueue");
    TCase *test_case = tcase_create("virtqueue");
    tcase_add_checked_fixture(test_case, setup, teardown);
    tcase_add_test(test_case, start_again_begins_at_0);
    tcase_add_loop_test(test_case, a_chain_is_taken, 0, ARRAY_SIZE(chains));
    tcase_add_test(test_case, a_table_may_follow_descriptors);
    tcase_add_loop_test(test_case, the_largest_chains_are_taken, 0, 2);
    tcase_add_test(test_case, indices_wrap_around);
    tcase_add_test(test_case, a_full_ring_is_served_and_returned_in_any_order);
    tcase_add_test(test_case, read_gathers_every_offset_and_length);
    tcase_add_test(test_case, write_scatters_every_offset_and_length);
    tcase_add_test(test_case, a_copy_beyond_the_chain_is_refused);
    tcase_add_loop_test(test_case, a_segment_outside_of_ram_is_an_error_of_its_access, 0,
                        2);
    tcase_add_test(test_case, a_chain_is_a_snapshot);
    tcase_add_test(test_case, a_chain_of_a_stopped_queue_is_dropped);
    tcase_add_loop_test(test_case, event_index_decides_on_interrupts, 0,
                        ARRAY_SIZE(events));
    tcase_add_test(test_case, flags_decide_on_interrupts_without_event_index);
    tcase_add_test(test_case, an_unreadable_wish_means_interrupt);
    tcase_add_loop_test(test_case, notifications_follow_the_event_index, 65530, 65536);
    tcase_add_loop_test(test_case, notifications_follow_the_event_index, 0, 3);
    tcase_add_test(test_case, without_event_index_every_chain_is_notified);
    tcase_add_loop_test(test_case, notification_with_a_ring_that_is_gone, 0, 2);
    suite_add_tcase(suite, test_case);
    return suite;
}

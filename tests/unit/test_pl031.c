/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <time.h>

#include "devices/pl031.h"
#include "tests/unit/suites.h"

/* Registers, by the names of the manual (DDI 0224). */
enum {
    DR = 0x00,
    MR = 0x04,
    LR = 0x08,
    CR = 0x0c,
    IMSC = 0x10,
    RIS = 0x14,
    MIS = 0x18,
    ICR = 0x1c,
};

#define START 1800000000u /* 2027 */

static struct pl031 pl031;
static uint64_t now;

static uint64_t clock_of_test(void *context)
{
    return *(uint64_t *)context;
}

static void set_up(void)
{
    now = START;
    pl031_init(&pl031, clock_of_test, &now);
}

static void tear_down(void)
{
    pl031_finish(&pl031);
}

static unsigned in(unsigned offset)
{
    return (unsigned)pl031_bus_ops.read(&pl031, offset, 4);
}

static void out(unsigned offset, unsigned value)
{
    pl031_bus_ops.write(&pl031, offset, 4, value);
}

START_TEST(it_has_the_hosts_time)
{
    ck_assert_uint_eq(in(DR), START);
    now += 5;
    ck_assert_uint_eq(in(DR), START + 5);
    ck_assert_uint_eq(in(CR), 1);
    ck_assert_uint_eq(in(RIS), 0);
}
END_TEST

START_TEST(the_guest_can_set_it)
{
    out(LR, 1000);
    ck_assert_uint_eq(in(LR), 1000);
    ck_assert_uint_eq(in(DR), 1000);
    now += 7;
    ck_assert_uint_eq(in(DR), 1007);
    out(LR, UINT32_MAX);
    ck_assert_uint_eq(in(DR), UINT32_MAX);
    now++;
    ck_assert_uint_eq(in(DR), 0);
}
END_TEST

START_TEST(it_cannot_be_stopped)
{
    out(CR, 0);
    ck_assert_uint_eq(in(CR), 1);
    out(DR, 77);
    ck_assert_uint_eq(in(DR), START);
}
END_TEST

START_TEST(a_match_is_seen_until_it_is_cleared)
{
    out(MR, START + 3);
    ck_assert_uint_eq(in(MR), START + 3);
    now += 2;
    ck_assert_uint_eq(in(RIS), 0);
    now += 1;
    ck_assert_uint_eq(in(RIS), 1);
    ck_assert_uint_eq(in(MIS), 0);
    out(IMSC, UINT32_MAX);
    ck_assert_uint_eq(in(IMSC), 1);
    ck_assert_uint_eq(in(MIS), 1);
    now += 100;
    ck_assert_uint_eq(in(RIS), 1);
    out(ICR, 0);
    ck_assert_uint_eq(in(RIS), 1);
    out(ICR, 1);
    ck_assert_uint_eq(in(RIS), 0);
}
END_TEST

/* The clearing in the very second of the match, too. */
START_TEST(a_cleared_match_comes_again_after_a_round)
{
    out(MR, START);
    ck_assert_uint_eq(in(RIS), 1);
    out(ICR, 1);
    ck_assert_uint_eq(in(RIS), 0);
    now += UINT32_MAX;
    ck_assert_uint_eq(in(RIS), 0);
    now += 1;
    ck_assert_uint_eq(in(RIS), 1);
}
END_TEST

START_TEST(clearing_nothing_does_not_move_a_match)
{
    out(MR, START + 3);
    out(ICR, 1);
    now += 3;
    ck_assert_uint_eq(in(RIS), 1);
}
END_TEST

START_TEST(a_match_is_by_the_guests_time)
{
    out(MR, 1010);
    out(LR, 1000);
    now += 9;
    ck_assert_uint_eq(in(RIS), 0);
    now += 1;
    ck_assert_uint_eq(in(RIS), 1);
}
END_TEST

START_TEST(a_driver_finds_a_pl031)
{
    unsigned peripheral = 0, cell = 0;
    for (unsigned i = 0; i < 4; i++) {
        peripheral |= in(0xfe0 + 4 * i) << 8 * i;
        cell |= in(0xff0 + 4 * i) << 8 * i;
    }
    ck_assert_uint_eq(peripheral, 0x00041031);
    ck_assert_uint_eq(cell, 0xb105f00d);
}
END_TEST

START_TEST(every_offset_has_an_answer)
{
    for (unsigned size = 1; size <= 8; size *= 2) {
        for (unsigned offset = 0; offset + size <= 0x1000; offset++) {
            pl031_bus_ops.write(&pl031, offset, size, 0x5a);
            uint64_t value = pl031_bus_ops.read(&pl031, offset, size);
            if (offset % 4 != 0)
                ck_assert_uint_eq(value, 0);
            ck_assert_uint_le(value, size < 4 ? (1u << 8 * size) - 1 : UINT32_MAX);
        }
    }
}
END_TEST

START_TEST(the_hosts_clock)
{
    uint64_t before = (uint64_t)time(NULL);
    uint64_t seconds = pl031_host_clock(NULL);
    ck_assert_uint_ge(seconds, before);
    ck_assert_uint_le(seconds, (uint64_t)time(NULL));
}
END_TEST

START_TEST(finish_takes_a_zeroed_object)
{
    struct pl031 zeroed = {0};
    pl031_finish(&zeroed);
}
END_TEST

Suite *pl031_suite(void)
{
    Suite *suite = suite_create("pl031");
    TCase *test_case = tcase_create("pl031");
    tcase_add_checked_fixture(test_case, set_up, tear_down);
    tcase_add_test(test_case, it_has_the_hosts_time);
    tcase_add_test(test_case, the_guest_can_set_it);
    tcase_add_test(test_case, it_cannot_be_stopped);
    tcase_add_test(test_case, a_match_is_seen_until_it_is_cleared);
    tcase_add_test(test_case, a_cleared_match_comes_again_after_a_round);
    tcase_add_test(test_case, clearing_nothing_does_not_move_a_match);
    tcase_add_test(test_case, a_match_is_by_the_guests_time);
    tcase_add_test(test_case, a_driver_finds_a_pl031);
    tcase_add_test(test_case, every_offset_has_an_answer);
    tcase_add_test(test_case, the_hosts_clock);
    tcase_add_test(test_case, finish_takes_a_zeroed_object);
    suite_add_tcase(suite, test_case);
    return suite;
}

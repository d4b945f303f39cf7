/* SPDX-License-Identifier: MIT */
#include <check.h>

#include "tests/unit/suites.h"
#include "vmm/types.h"

#define TOP UINT64_MAX

START_TEST(add_tells_when_the_sum_does_not_fit)
{
    static const struct {
        uint64_t a, b, sum;
        bool fits;
    } cases[] = {
        {0, 0, 0, true},
        {1, 2, 3, true},
        {TOP, 0, TOP, true},
        {TOP, 1, 0, false},
        {TOP - 1, 1, TOP, true},
        {TOP, TOP, 0, false},
        {1ull << 63, 1ull << 63, 0, false},
    };
    uint64_t sum = 0;
    ck_assert(u64_add(cases[_i].a, cases[_i].b, &sum) == cases[_i].fits);
    if (cases[_i].fits)
        ck_assert_uint_eq(sum, cases[_i].sum);
}
END_TEST

START_TEST(a_valid_range_is_not_empty_and_ends)
{
    static const struct {
        uint64_t start, size;
        bool valid;
    } cases[] = {
        {0, 0, false},  {0, 1, true},    {TOP, 1, false},      {TOP - 1, 1, true},
        {0, TOP, true}, {1, TOP, false}, {0x1000, TOP, false},
    };
    ck_assert(gpa_range_is_valid((struct gpa_range){gpa(cases[_i].start),
                                                    cases[_i].size}) == cases[_i].valid);
}
END_TEST

START_TEST(ranges_overlap_when_they_share_a_byte)
{
    static const struct {
        uint64_t start, size;
        bool overlaps; /* with [0x1000, 0x3000) */
    } cases[] = {
        {0, 0x1000, false},     {0, 0x1001, true},    {0x2fff, 1, true},
        {0x3000, 1, false},     {0x1800, 0x10, true}, {0, TOP, true},
        {0x1000, 0x2000, true},
    };
    struct gpa_range fixed = {gpa(0x1000), 0x2000};
    struct gpa_range other = {gpa(cases[_i].start), cases[_i].size};
    ck_assert(gpa_range_overlaps(fixed, other) == cases[_i].overlaps);
    ck_assert(gpa_range_overlaps(other, fixed) == cases[_i].overlaps);
}
END_TEST

START_TEST(contains_refuses_an_overflow)
{
    static const struct {
        uint64_t start, size;
        bool inside; /* of [0x1000, 0x3000) */
    } cases[] = {
        {0x1000, 0x2000, true},
        {0x1000, 0x2001, false},
        {0xfff, 1, false},
        {0x2fff, 1, true},
        {0x3000, 1, false},
        {0x3000, 0, true},
        {0x2000, TOP, false},
        {TOP, 1, false},
        {0x1000, TOP - 0xfff, false},
        {0x1800, TOP - 0x17ff, false},
    };
    struct gpa_range fixed = {gpa(0x1000), 0x2000};
    ck_assert(gpa_range_contains(fixed, gpa(cases[_i].start), cases[_i].size) ==
              cases[_i].inside);
}
END_TEST

START_TEST(alignment)
{
    ck_assert(is_aligned(0, 4096));
    ck_assert(is_aligned(8192, 4096));
    ck_assert(!is_aligned(8193, 4096));
    ck_assert_uint_eq(align_up(0, 4096), 0);
    ck_assert_uint_eq(align_up(1, 4096), 4096);
    ck_assert_uint_eq(align_up(4096, 4096), 4096);
}
END_TEST

Suite *types_suite(void)
{
    Suite *suite = suite_create("types");
    TCase *test_case = tcase_create("types");
    tcase_add_loop_test(test_case, add_tells_when_the_sum_does_not_fit, 0, 7);
    tcase_add_loop_test(test_case, a_valid_range_is_not_empty_and_ends, 0, 7);
    tcase_add_loop_test(test_case, ranges_overlap_when_they_share_a_byte, 0, 7);
    tcase_add_loop_test(test_case, contains_refuses_an_overflow, 0, 10);
    tcase_add_test(test_case, alignment);
    suite_add_tcase(suite, test_case);
    return suite;
}

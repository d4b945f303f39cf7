/* SPDX-License-Identifier: MIT */
#include <check.h>

#include "tests/unit/suites.h"
#include "vmm/fault_retry.h"

static struct fault_retry retry;

static void start(void)
{
    retry = (struct fault_retry){0};
}

START_TEST(so_many_times_in_a_row)
{
    for (unsigned i = 0; i < FAULT_RETRY_MAX; i++)
        ck_assert(fault_retry(&retry, 5000));
    ck_assert(!fault_retry(&retry, 5000));
    ck_assert(!fault_retry(&retry, 5000 + FAULT_RETRY_FORGETS - 1));
}
END_TEST

START_TEST(an_ordinary_exit_ends_the_row)
{
    for (unsigned i = 0; i < FAULT_RETRY_MAX; i++)
        ck_assert(fault_retry(&retry, 5000));
    fault_retry_reset(&retry);
    ck_assert(fault_retry(&retry, 5000));
}
END_TEST

/* A guest that never leaves KVM_RUN but for these. */
START_TEST(time_ends_the_row)
{
    for (unsigned i = 0; i < 3 * FAULT_RETRY_MAX; i++)
        ck_assert(fault_retry(&retry, i * FAULT_RETRY_FORGETS));
}
END_TEST

Suite *fault_retry_suite(void)
{
    Suite *suite = suite_create("fault_retry");
    TCase *test_case = tcase_create("fault_retry");
    tcase_add_checked_fixture(test_case, start, NULL);
    tcase_add_test(test_case, so_many_times_in_a_row);
    tcase_add_test(test_case, an_ordinary_exit_ends_the_row);
    tcase_add_test(test_case, time_ends_the_row);
    suite_add_tcase(suite, test_case);
    return suite;
}

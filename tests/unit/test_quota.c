/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/unit/suites.h"
#include "vmm/quota.h"
#include "vmm/trace.h"
#include "vmm/types.h"

static struct trace trace;
static char *said;
static size_t said_size;
static struct quota quota;
static struct quota_share share;
static struct quota_share other;

/* Ten of everything. */
static void set_up(void)
{
    struct quota_limits limits = {.command_milliseconds = 50};
    for (unsigned i = 0; i < QUOTA_KIND_COUNT; i++)
        limits.of[i] = 10;
    trace_init(&trace, open_memstream(&said, &said_size), false);
    quota_init(&quota, &limits, &limits, &trace);
}

static void tear_down(void)
{
    fclose(trace.out);
    free(said);
}

static void take(struct quota_share *who, uint64_t amount)
{
    struct error error;
    ck_assert_msg(quota_take(&quota, who, QUOTA_WINDOW, amount, &error), "%s",
                  error.text);
}

static void has(uint64_t now, uint64_t peak, uint64_t refused)
{
    ck_assert_uint_eq(quota.use[QUOTA_WINDOW].now, now);
    ck_assert_uint_eq(quota.use[QUOTA_WINDOW].peak, peak);
    ck_assert_uint_eq(quota.use[QUOTA_WINDOW].refused, refused);
}

START_TEST(what_is_taken_comes_back)
{
    take(&share, 4);
    take(&other, 5);
    take(&share, 1);
    has(10, 10, 0);
    quota_give(&quota, &share, QUOTA_WINDOW, 3);
    has(7, 10, 0);
    quota_give_all(&quota, &other);
    quota_give_all(&quota, &other);
    has(2, 10, 0);
    ck_assert_uint_eq(share.of[QUOTA_WINDOW], 2);
}
END_TEST

START_TEST(beyond_the_limit_nothing_is_taken)
{
    static const uint64_t amounts[] = {4, 11, UINT64_MAX, UINT64_MAX - 6};
    struct error error;
    take(&share, 7);
    ck_assert(!quota_take(&quota, &share, QUOTA_WINDOW, amounts[_i], &error));
    ck_assert_int_eq(error.code, ERROR_GUEST_LIMIT);
    ck_assert_ptr_nonnull(strstr(error.text,
                                 "bytes of the window: the guest has 7, and "
                                 "the limit is 10; --quota window=N"));
    has(7, 7, 1);
    take(&share, 3);
    take(&share, 0);
    has(10, 10, 1);
}
END_TEST

/* A kind that is full says nothing about another one. */
START_TEST(kinds_are_apart)
{
    struct error error;
    take(&share, 10);
    for (unsigned i = 0; i < QUOTA_KIND_COUNT; i++)
        ck_assert_int_eq(quota_take(&quota, &share, (enum quota_kind)i, 1, &error),
                         i != QUOTA_WINDOW);
}
END_TEST

START_TEST(more_than_was_taken_cannot_come_back)
{
    take(&other, 5);
    take(&share, 1);
    quota_give(&quota, &share, QUOTA_WINDOW, 2); /* aborts */
}
END_TEST

START_TEST(what_is_asked_for_counts_more)
{
    struct quota_limits defaults;
    const struct quota_limits asked = {.of = {[QUOTA_CONTEXTS] = 3}};
    quota_defaults(&defaults, 32764);
    quota_init(&quota, &asked, &defaults, &trace);
    ck_assert_uint_eq(quota.limits.of[QUOTA_CONTEXTS], 3);
    ck_assert_uint_eq(quota.limits.of[QUOTA_WINDOW], UINT64_MAX);
    ck_assert_uint_lt(quota.limits.of[QUOTA_MEMSLOTS], 32764);
    ck_assert_uint_gt(quota.limits.of[QUOTA_MEMSLOTS], 32000);
    ck_assert_uint_eq(quota.limits.of[QUOTA_HOST_MEMORY] / 1024,
                      (uint64_t)sysconf(_SC_PHYS_PAGES) *
                          (uint64_t)sysconf(_SC_PAGESIZE) / 2048);
    ck_assert_uint_gt(quota.limits.command_milliseconds, 0);
}
END_TEST

/* The process must be able to have what the guest may have. */
START_TEST(descriptors_are_fewer_than_the_process_may_have)
{
    static const rlim_t limits[] = {1, 100, 512, 513, 1024, 1000000};
    struct quota_limits defaults;
    struct rlimit before;
    getrlimit(RLIMIT_NOFILE, &before);
    struct rlimit limit = before;
    limit.rlim_cur = limits[_i] < limit.rlim_max ? limits[_i] : limit.rlim_max;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    quota_defaults(&defaults, 3);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0); /* the sanitizers' end */
    ck_assert_uint_le(defaults.of[QUOTA_DESCRIPTORS], limit.rlim_cur);
    ck_assert_uint_gt(defaults.of[QUOTA_DESCRIPTORS], 0);
    if (limit.rlim_cur > 512)
        ck_assert_uint_eq(defaults.of[QUOTA_DESCRIPTORS], limit.rlim_cur - 256);
    ck_assert_uint_eq(defaults.of[QUOTA_MEMSLOTS], 2);
}
END_TEST

START_TEST(a_slow_command_is_said)
{
    quota_command_took(&quota, "QUICK", 49999);
    quota_command_took(&quota, "SLOW", 50000);
    fflush(trace.out);
    ck_assert_ptr_null(strstr(said, "QUICK"));
    ck_assert_ptr_nonnull(strstr(said, "SLOW took 50 ms"));
    ck_assert_ptr_nonnull(strstr(said, "command-time"));
    ck_assert_uint_eq(quota.commands, 2);
    ck_assert_uint_eq(quota.slow_commands, 1);
    ck_assert_uint_eq(quota.slowest, 50000);
}
END_TEST

START_TEST(the_counters_are_an_object)
{
    char *text;
    size_t size;
    struct error error;
    FILE *out = open_memstream(&text, &size);
    take(&share, 7);
    quota_give(&quota, &share, QUOTA_WINDOW, 2);
    quota_take(&quota, &share, QUOTA_WINDOW, 9, &error);
    quota_command_took(&quota, "MAP", 1234);
    quota_write(&quota, "gpu", out);
    fclose(out);
    ck_assert_str_eq(text,
                     "{\"statistics\":\"gpu\",\"commands\":1,\"slow_commands\":0,"
                     "\"slowest_us\":1234,\"quotas\":{"
                     "\"resources\":{\"limit\":10,\"now\":0,\"peak\":0,\"refused\":0},"
                     "\"contexts\":{\"limit\":10,\"now\":0,\"peak\":0,\"refused\":0},"
                     "\"host-memory\":{\"limit\":10,\"now\":0,\"peak\":0,\"refused\":0},"
                     "\"window\":{\"limit\":10,\"now\":5,\"peak\":7,\"refused\":1},"
                     "\"fds\":{\"limit\":10,\"now\":0,\"peak\":0,\"refused\":0},"
                     "\"memslots\":{\"limit\":10,\"now\":0,\"peak\":0,\"refused\":0},"
                     "\"lent\":{\"limit\":10,\"now\":0,\"peak\":0,\"refused\":0}}}\n");
    free(text);
}
END_TEST

Suite *quota_suite(void)
{
    Suite *suite = suite_create("quota");
    TCase *test_case = tcase_create("quota");
    tcase_add_checked_fixture(test_case, set_up, tear_down);
    tcase_add_test(test_case, what_is_taken_comes_back);
    tcase_add_loop_test(test_case, beyond_the_limit_nothing_is_taken, 0, 4);
    tcase_add_test(test_case, kinds_are_apart);
    tcase_add_test_raise_signal(test_case, more_than_was_taken_cannot_come_back, SIGABRT);
    tcase_add_test(test_case, what_is_asked_for_counts_more);
    tcase_add_loop_test(test_case, descriptors_are_fewer_than_the_process_may_have, 0, 6);
    tcase_add_test(test_case, a_slow_command_is_said);
    tcase_add_test(test_case, the_counters_are_an_object);
    suite_add_tcase(suite, test_case);
    return suite;
}

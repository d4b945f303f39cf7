/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/suites.h"
#include "vmm/trace.h"

static struct trace trace;
static FILE *out;
static char *text;
static size_t size;

static void set_up(void)
{
    out = open_memstream(&text, &size);
    trace_init(&trace, out, false);
}

static void tear_down(void)
{
    fclose(out);
    free(text);
}

static unsigned lines(void)
{
    unsigned count = 0;
    fflush(out);
    for (const char *c = text; *c; c++)
        count += *c == '\n';
    return count;
}

START_TEST(a_warning_is_a_line)
{
    trace_warning(&trace, "gpu", "blob %u: %s", 3u, "no");
    fflush(out);
    ck_assert_str_eq(text, "s2vmm: gpu: blob 3: no\n");
}
END_TEST

START_TEST(details_are_shown_when_asked_for)
{
    trace_detail(&trace, "gpu", "reset");
    ck_assert_uint_eq(lines(), 0);
    trace.details = true;
    trace_detail(&trace, "gpu", "reset");
    fflush(out);
    ck_assert_str_eq(text, "s2vmm: gpu: reset\n");
    ck_assert_uint_eq(atomic_load(&trace.warnings), 0);
}
END_TEST

START_TEST(a_guest_cannot_flood_the_terminal)
{
    for (unsigned i = 0; i < TRACE_WARNINGS_MAX; i++)
        trace_warning(&trace, "gpu", "%u", i);
    ck_assert_uint_eq(lines(), TRACE_WARNINGS_MAX);
    for (unsigned i = 0; i < 1000; i++)
        trace_warning(&trace, "gpu", "%u", i);
    ck_assert_uint_eq(lines(), TRACE_WARNINGS_MAX);
    trace_finish(&trace);
    ck_assert_uint_eq(lines(), TRACE_WARNINGS_MAX + 1);
    ck_assert_ptr_nonnull(strstr(text, "s2vmm: 1000 more warnings were not shown\n"));
}
END_TEST

START_TEST(the_end_is_silent_when_all_were_shown)
{
    for (unsigned i = 0; i < TRACE_WARNINGS_MAX; i++)
        trace_warning(&trace, "gpu", "%u", i);
    trace_finish(&trace);
    ck_assert_uint_eq(lines(), TRACE_WARNINGS_MAX);
}
END_TEST

START_TEST(a_long_text_is_cut)
{
    char longest[2000];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    trace_warning(&trace, "gpu", "%s", longest);
    ck_assert_uint_eq(lines(), 1);
    ck_assert_uint_lt(strlen(text), 600);
}
END_TEST

static void *warn_often(void *argument)
{
    for (unsigned i = 0; i < 100; i++)
        trace_warning(&trace, argument, "0123456789");
    return NULL;
}

START_TEST(threads_do_not_mix_lines)
{
    pthread_t threads[4];
    char topic[] = "gpu";
    for (unsigned i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, warn_often, topic);
    for (unsigned i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(lines(), TRACE_WARNINGS_MAX);
    ck_assert_uint_eq(atomic_load(&trace.warnings), 400);
    static const char line[] = "s2vmm: gpu: 0123456789\n";
    for (unsigned i = 0; i < TRACE_WARNINGS_MAX; i++)
        ck_assert(strncmp(text + i * strlen(line), line, strlen(line)) == 0);
}
END_TEST

Suite *trace_suite(void)
{
    Suite *suite = suite_create("trace");
    TCase *test_case = tcase_create("trace");
    tcase_add_checked_fixture(test_case, set_up, tear_down);
    tcase_add_test(test_case, a_warning_is_a_line);
    tcase_add_test(test_case, details_are_shown_when_asked_for);
    tcase_add_test(test_case, a_guest_cannot_flood_the_terminal);
    tcase_add_test(test_case, the_end_is_silent_when_all_were_shown);
    tcase_add_test(test_case, a_long_text_is_cut);
    tcase_add_test(test_case, threads_do_not_mix_lines);
    suite_add_tcase(suite, test_case);
    return suite;
}

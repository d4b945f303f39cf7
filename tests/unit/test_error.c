/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <string.h>

#include "tests/unit/suites.h"
#include "vmm/error.h"

START_TEST(set_fills_in_code_and_text)
{
    struct error error = {0};
    ck_assert(!error_set(&error, ERROR_GUEST_STATE, "resource %u", 7));
    ck_assert_int_eq(error.code, ERROR_GUEST_STATE);
    ck_assert_str_eq(error.text, "resource 7");
}
END_TEST

START_TEST(wrap_puts_context_in_front)
{
    struct error error = {0};
    error_set(&error, ERROR_HOST_KVM, "inner");
    ck_assert(!error_wrap(&error, "outer %d", 1));
    ck_assert_str_eq(error.text, "outer 1: inner");
    ck_assert_int_eq(error.code, ERROR_HOST_KVM);
}
END_TEST

START_TEST(a_long_text_is_cut)
{
    struct error error = {0};
    char text[2 * sizeof error.text];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    error_set(&error, ERROR_HOST_KVM, "%s", text);
    ck_assert_uint_eq(strlen(error.text), sizeof error.text - 1);
    error_wrap(&error, "%s", text);
    ck_assert_uint_eq(strlen(error.text), sizeof error.text - 1);
}
END_TEST

/* _i runs over all codes. */
START_TEST(every_code_has_a_name_and_a_group)
{
    enum error_code code = (enum error_code)_i;
    ck_assert_str_ne(error_code_name(code), "unknown");
    ck_assert(code == ERROR_NONE || error_code_group(code) != ERROR_GROUP_NONE);
}
END_TEST

Suite *error_suite(void)
{
    Suite *suite = suite_create("error");
    TCase *test_case = tcase_create("error");
    tcase_add_test(test_case, set_fills_in_code_and_text);
    tcase_add_test(test_case, wrap_puts_context_in_front);
    tcase_add_test(test_case, a_long_text_is_cut);
    tcase_add_loop_test(test_case, every_code_has_a_name_and_a_group, 0,
                        ERROR_CODE_COUNT);
    suite_add_tcase(suite, test_case);
    return suite;
}

/* SPDX-License-Identifier: MIT */
/*
 * The model's tests against the library (libs2memattr.a), and nothing else of s2vmm: built with
 * both compilers, for both architectures.
 */
#include <check.h>
#include <stdlib.h>

#include "tests/unit/suites.h"

int main(void)
{
    SRunner *runner = srunner_create(memattr_suite());
    srunner_add_suite(runner, memattr_names_suite());
    srunner_add_suite(runner, memattr_arm64_suite());
    srunner_add_suite(runner, memattr_arm64_advice_suite());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <string.h>

#include "tests/unit/suites.h"
#include "vmm/platform_names.h"

START_TEST(each_name_is_found_and_says_what_it_is)
{
    for (size_t i = 0; i < platform_name_count; i++) {
        const struct platform_name *platform = &platform_names[i];
        ck_assert_ptr_eq(platform_name_find(platform->name), platform);
        ck_assert_uint_gt(strlen(platform->text), 20);
        /* The capability tells of FWB, and of a kernel that knows it. */
        if (platform->memattr.cacheable_pfnmap) {
            ck_assert_int_eq(platform->memattr.model, MEMATTR_ARM64_FWB);
            ck_assert_int_eq(platform->memattr.rules, MEMATTR_RULES_6_17);
        }
        ck_assert_int_eq(strncmp(platform->name, "arm64", 5) == 0,
                         memattr_model_has(platform->memattr.model, MEMATTR_NC));
    }
    ck_assert_ptr_null(platform_name_find("arm64-"));
    ck_assert_ptr_null(platform_name_find(""));
}
END_TEST

START_TEST(names_stand_for_what_they_say)
{
    const struct memattr_platform *fwb = &platform_name_find("arm64-fwb")->memattr;
    ck_assert_int_eq(fwb->model, MEMATTR_ARM64_FWB);
    ck_assert(!fwb->cacheable_pfnmap);
    const struct memattr_platform *old = &platform_name_find("arm64-nofwb-6.1")->memattr;
    ck_assert_int_eq(old->model, MEMATTR_ARM64);
    ck_assert_int_eq(old->rules, MEMATTR_RULES_FIRST);
    ck_assert_int_eq(platform_name_find("arm64-fwb-6.12")->memattr.rules,
                     MEMATTR_RULES_6_9);
    ck_assert(platform_name_find("arm64-fwb-dic")->memattr.cacheable_pfnmap);
    ck_assert(platform_name_find("intel-ept")->memattr.ignores_guest_pat);
    ck_assert(!platform_name_find("intel-ept-honor-pat")->memattr.ignores_guest_pat);
    ck_assert_int_eq(platform_name_find("amd-npt")->memattr.model, MEMATTR_NPT);
    ck_assert_int_eq(platform_name_find("x86-shadow")->memattr.model, MEMATTR_SHADOW);
}
END_TEST

Suite *platform_names_suite(void)
{
    Suite *suite = suite_create("platform_names");
    TCase *test_case = tcase_create("platform_names");
    tcase_add_test(test_case, each_name_is_found_and_says_what_it_is);
    tcase_add_test(test_case, names_stand_for_what_they_say);
    suite_add_tcase(suite, test_case);
    return suite;
}

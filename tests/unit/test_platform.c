/* SPDX-License-Identifier: MIT */
/*
 * platform_probe(): what is the same on every architecture. Fake hosts of one are in
 * tests/unit/x86/test_platform_x86.c and tests/unit/test_arm64_host.c.
 */
#include <check.h>
#include <string.h>

#include "tests/unit/fake_tree.h"
#include "tests/unit/find_fact.h"
#include "tests/unit/suites.h"
#include "vmm/platform.h"

static int no_capability(void *context, unsigned long capability)
{
    (void)context;
    (void)capability;
    return 0;
}

/* Without /sys every host would look like shadow paging. */
START_TEST(a_host_that_cannot_be_read_is_an_error)
{
    const struct platform_sources sources = {.root = fake_tree_root,
                                             .check = no_capability};
    static struct platform platform;
    struct error error = {0};
    ck_assert(!platform_probe(&platform, &sources, &error));
    ck_assert_int_eq(error.code, ERROR_CONFIG_HOST);
    ck_assert(strstr(error.text, "mount -t proc") != NULL);

    fake_tree_write("/proc/sys/kernel/osrelease", "6.1\n");
    ck_assert(!platform_probe(&platform, &sources, &error));
    ck_assert(strstr(error.text, "mount -t sysfs") != NULL);
}
END_TEST

START_TEST(facts_that_do_not_fit_are_mentioned)
{
    static struct platform platform;
    char text[400];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    for (unsigned i = 0; i < PLATFORM_FACTS_MAX; i++)
        platform_add_fact(&platform, text, text, text);
    const struct platform_fact *last = &platform.facts[PLATFORM_FACTS_MAX - 1];
    ck_assert_uint_eq(strlen(last->name), sizeof last->name - 1);
    ck_assert_uint_eq(strlen(last->value), sizeof last->value - 1);
    platform_add_fact(&platform, "one", "too", "many");
    ck_assert_uint_eq(platform.fact_count, PLATFORM_FACTS_MAX);
    ck_assert_str_eq(last->name, "more");
}
END_TEST

/* Whatever this machine is, the probe works, also without /dev/kvm. */
START_TEST(this_host_can_be_probed)
{
    static struct platform platform;
    struct error error = {0};
    ck_assert_msg(platform_probe(&platform, NULL, &error), "%s", error.text);
    ck_assert_ptr_nonnull(find_fact(&platform, "architecture"));
    ck_assert_ptr_nonnull(find_fact(&platform, "KVM"));
    ck_assert_uint_lt(platform.memattr.model, MEMATTR_MODEL_COUNT);
}
END_TEST

Suite *platform_suite(void)
{
    Suite *suite = suite_create("platform");
    TCase *fakes = tcase_create("fake hosts");
    tcase_add_checked_fixture(fakes, fake_tree_make, fake_tree_remove);
    tcase_add_test(fakes, a_host_that_cannot_be_read_is_an_error);
    suite_add_tcase(suite, fakes);
    TCase *real = tcase_create("this host");
    tcase_add_test(real, facts_that_do_not_fit_are_mentioned);
    tcase_add_test(real, this_host_can_be_probed);
    suite_add_tcase(suite, real);
    return suite;
}

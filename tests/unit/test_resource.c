/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <signal.h>
#include <string.h>

#include "devices/gpu/resource.h"
#include "tests/unit/suites.h"

static struct resource_table table;

static struct resource *add(uint32_t id)
{
    struct error error;
    struct resource *resource = resource_add(&table, id, &error);
    ck_assert_msg(resource != NULL, "%s", error.text);
    return resource;
}

static void add_fails(uint32_t id, enum error_code code, const char *text)
{
    struct error error;
    uint32_t count = table.count;
    ck_assert_ptr_null(resource_add(&table, id, &error));
    ck_assert_int_eq(error.code, code);
    ck_assert_msg(strstr(error.text, text) != NULL, "%s", error.text);
    ck_assert_uint_eq(table.count, count);
}

static void empty(void)
{
    struct resource *resource;
    while ((resource = resource_next(&table, NULL)) != NULL)
        resource_remove(&table, resource);
    ck_assert_uint_eq(table.count, 0);
}

START_TEST(a_resource_is_found_until_it_is_removed)
{
    struct error error;
    static const uint32_t ids[] = {1, UINT32_MAX, 0x80000000u, 5};
    for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
        struct resource *resource = add(ids[i]);
        ck_assert_uint_eq(resource->id, ids[i]);
        ck_assert(!resource->mapping.mapped);
        ck_assert_ptr_null(resource->backing.host);
        ck_assert_ptr_eq(resource_find(&table, ids[i], &error), resource);
    }
    resource_remove(&table, resource_find(&table, 5, &error));
    ck_assert_ptr_null(resource_find(&table, 5, &error));
    ck_assert_int_eq(error.code, ERROR_GUEST_RESOURCE);
    ck_assert_str_eq(error.text, "there is no resource 5");
    ck_assert_uint_eq(table.count, 3);
    empty();
}
END_TEST

START_TEST(zero_and_what_is_taken_are_refused)
{
    add(9);
    add_fails(0, ERROR_GUEST_RESOURCE, "resource id 0");
    add_fails(9, ERROR_GUEST_RESOURCE, "resource 9 exists already");
    empty();
    add(9);
    empty();
}
END_TEST

/* A guest may choose its ids so that all fall into one bucket. */
START_TEST(ids_of_one_bucket_are_kept_apart)
{
    struct error error;
    struct resource *resources[5];
    for (uint32_t i = 0; i < 5; i++)
        resources[i] = add(3 + i * RESOURCE_BUCKETS);
    /* The middle, the last and the first of the list. */
    static const unsigned order[] = {2, 0, 4, 1, 3};
    for (size_t removed = 0; removed < ARRAY_SIZE(order); removed++) {
        resource_remove(&table, resources[order[removed]]);
        resources[order[removed]] = NULL;
        for (uint32_t i = 0; i < 5; i++)
            ck_assert_ptr_eq(resource_find(&table, 3 + i * RESOURCE_BUCKETS, &error),
                             resources[i]);
    }
    ck_assert_uint_eq(table.count, 0);
    ck_assert_ptr_null(resource_next(&table, NULL));
}
END_TEST

START_TEST(one_guest_gets_so_many)
{
    struct error error;
    for (uint32_t id = 1; id <= RESOURCE_COUNT_MAX; id++)
        add(id);
    add_fails(RESOURCE_COUNT_MAX + 1, ERROR_GUEST_LIMIT, "16384");
    resource_remove(&table, resource_find(&table, 77, &error));
    add(RESOURCE_COUNT_MAX + 1);
    add_fails(77, ERROR_GUEST_LIMIT, "16384");
    empty();
}
END_TEST

START_TEST(a_mapped_one_must_not_be_forgotten)
{
    add(1)->mapping.mapped = true;
    resource_remove(&table, resource_next(&table, NULL)); /* aborts */
}
END_TEST

Suite *resource_suite(void)
{
    Suite *suite = suite_create("resource");
    TCase *test_case = tcase_create("resource");
    tcase_add_test(test_case, a_resource_is_found_until_it_is_removed);
    tcase_add_test(test_case, zero_and_what_is_taken_are_refused);
    tcase_add_test(test_case, ids_of_one_bucket_are_kept_apart);
    tcase_add_test(test_case, one_guest_gets_so_many);
    tcase_add_test_raise_signal(test_case, a_mapped_one_must_not_be_forgotten, SIGABRT);
    suite_add_tcase(suite, test_case);
    return suite;
}

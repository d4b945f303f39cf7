/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "devices/gpu/resource.h"
#include "tests/unit/suites.h"

#define LIMIT 1000u

static struct quota quota = {
    .limits.of = {[QUOTA_RESOURCES] = LIMIT, [QUOTA_HOST_MEMORY] = GIB}};
static struct resource_table table = {.quota = &quota};

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
    ck_assert_uint_eq(quota.use[QUOTA_RESOURCES].now, 0);
    ck_assert_uint_eq(quota.use[QUOTA_HOST_MEMORY].now, 0);
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
    for (uint32_t id = 1; id <= LIMIT; id++)
        add(id);
    add_fails(LIMIT + 1, ERROR_GUEST_LIMIT, "the limit is 1000");
    resource_remove(&table, resource_find(&table, 77, &error));
    add(LIMIT + 1);
    add_fails(77, ERROR_GUEST_LIMIT, "--quota resources");
    ck_assert_uint_eq(quota.use[QUOTA_RESOURCES].refused, 2);
    empty();
}
END_TEST

/* --- states --- */

/* One resource of each state. */
static struct resource in_state(enum resource_state state)
{
    return (struct resource){
        .pages.count = state == RESOURCE_ATTACHED,
        .backing.size = state >= RESOURCE_HALFWAY ? 4096 : 0,
        .mapping.mapped = state == RESOURCE_MAPPED,
        .lost = state == RESOURCE_LOST,
    };
}

#define REFUSED RESOURCE_STATE_COUNT

/* What the specification, or our definition where it is silent, says. */
static const struct {
    enum resource_state state;
    enum resource_event event;
    enum resource_state next; /* or REFUSED */
} transitions[] = {
    {RESOURCE_CREATED, RESOURCE_ATTACH, RESOURCE_ATTACHED},
    {RESOURCE_CREATED, RESOURCE_DETACH, REFUSED},
    {RESOURCE_CREATED, RESOURCE_MAP, RESOURCE_MAPPED},
    {RESOURCE_CREATED, RESOURCE_UNMAP, REFUSED},
    {RESOURCE_CREATED, RESOURCE_END, RESOURCE_NONE},
    {RESOURCE_ATTACHED, RESOURCE_ATTACH, REFUSED},
    {RESOURCE_ATTACHED, RESOURCE_DETACH, RESOURCE_CREATED},
    {RESOURCE_ATTACHED, RESOURCE_UNMAP, REFUSED},
    {RESOURCE_ATTACHED, RESOURCE_END, RESOURCE_NONE},
    {RESOURCE_MAPPED, RESOURCE_DETACH, REFUSED},
    {RESOURCE_MAPPED, RESOURCE_MAP, REFUSED},
    {RESOURCE_MAPPED, RESOURCE_UNMAP, RESOURCE_CREATED},
    {RESOURCE_MAPPED, RESOURCE_DROP, RESOURCE_LOST},
    {RESOURCE_MAPPED, RESOURCE_END, RESOURCE_NONE},
    {RESOURCE_LOST, RESOURCE_DETACH, REFUSED},
    {RESOURCE_LOST, RESOURCE_MAP, REFUSED},
    {RESOURCE_LOST, RESOURCE_UNMAP, RESOURCE_CREATED},
    {RESOURCE_LOST, RESOURCE_END, RESOURCE_NONE},
};

START_TEST(every_transition_is_as_it_is_drawn)
{
    struct error error;
    enum resource_state next = REFUSED;
    const struct resource resource = in_state(transitions[_i].state);
    ck_assert_int_eq(resource_state(&resource), transitions[_i].state);
    bool may = resource_may(&resource, transitions[_i].event, &next, &error);
    ck_assert_int_eq(may, transitions[_i].next != REFUSED);
    if (may)
        ck_assert_int_eq(next, transitions[_i].next);
    else
        ck_assert_int_eq(error.code, ERROR_GUEST_STATE);
}
END_TEST

/* What is not drawn is a bug of ours. */
START_TEST(nothing_else_can_happen)
{
    struct error error;
    enum resource_state next;
    enum resource_state state = (enum resource_state)(_i / RESOURCE_EVENT_COUNT);
    enum resource_event event = (enum resource_event)(_i % RESOURCE_EVENT_COUNT);
    const struct resource resource = in_state(state);
    bool drawn = state == RESOURCE_NONE;
    for (size_t i = 0; i < ARRAY_SIZE(transitions); i++)
        drawn |= transitions[i].state == state && transitions[i].event == event;
    if (drawn)
        abort(); /* nothing to look at */
    resource_may(&resource, event, &next, &error);
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
    tcase_add_loop_test(test_case, every_transition_is_as_it_is_drawn, 0,
                        (int)ARRAY_SIZE(transitions));
    tcase_add_loop_test_raise_signal(test_case, nothing_else_can_happen, SIGABRT, 0,
                                     RESOURCE_STATE_COUNT * RESOURCE_EVENT_COUNT);
    tcase_add_test_raise_signal(test_case, a_mapped_one_must_not_be_forgotten, SIGABRT);
    suite_add_tcase(suite, test_case);
    return suite;
}

/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/suites.h"
#include "vmm/memslot.h"

/* KVM as the table sees it: one size for each id, and an ioctl that can be told to fail.
 */
#define LIMIT 200
struct fake_kvm {
    uint64_t sizes[LIMIT];
    unsigned calls;
    bool fails;
};

static struct fake_kvm kvm;
static struct memslot_table table;
static _Alignas(4096) uint8_t host[4096];

static bool fake_set(void *context, uint32_t id, gpa_t address, uint64_t size,
                     void *memory, struct error *error)
{
    struct fake_kvm *fake = context;
    (void)address;
    ck_assert_ptr_eq(memory, host);
    ck_assert_uint_lt(id, LIMIT);
    fake->calls++;
    if (fake->fails)
        return error_set(error, ERROR_HOST_KVM, "the ioctl failed");
    ck_assert((fake->sizes[id] == 0) != (size == 0)); /* never twice */
    fake->sizes[id] = size;
    return true;
}

static void set_up(void)
{
    memset(&kvm, 0, sizeof kvm);
    memslot_table_init(&table, fake_set, &kvm, LIMIT);
}

static void tear_down(void)
{
    memslot_table_finish(&table);
    for (unsigned i = 0; i < LIMIT; i++)
        ck_assert_uint_eq(kvm.sizes[i], 0);
}

static uint32_t add(const char *name, uint64_t address, uint64_t size)
{
    struct error error;
    uint32_t id = UINT32_MAX;
    ck_assert_msg(memslot_add(&table, name, gpa(address), size, host, &id, &error), "%s",
                  error.text);
    return id;
}

static enum error_code add_fails(uint64_t address, uint64_t size, void *memory,
                                 struct error *error)
{
    uint32_t id = 12345;
    uint32_t count = table.count;
    ck_assert(!memslot_add(&table, "new", gpa(address), size, memory, &id, error));
    ck_assert_uint_eq(id, 12345);
    ck_assert_uint_eq(table.count, count);
    return error->code;
}

START_TEST(slots_are_kept_in_order_of_address)
{
    add("c", 0x30000, 0x1000);
    add("a", 0x10000, 0x1000);
    add("b", 0x20000, 0x1000);
    ck_assert_str_eq(table.slots[table.by_address[0]].name, "a");
    ck_assert_str_eq(table.slots[table.by_address[1]].name, "b");
    ck_assert_str_eq(table.slots[table.by_address[2]].name, "c");
}
END_TEST

START_TEST(an_overlap_names_both_ranges)
{
    static const struct {
        uint64_t start, size;
        bool overlaps;
    } cases[] = {
        {0x10000, 0x1000, true},   {0x0f000, 0x1000, false}, {0x0f000, 0x2000, true},
        {0x11000, 0x1000, true},   {0x12000, 0x1000, false}, {0x12000, 0x8f000, true},
        {0x12000, 0x8e000, false}, {0, 0x200000, true},      {0xa0000, 0x1000, true},
        {0xa1000, 0x1000, false},
    };
    struct error error;
    uint32_t id = add("ram", 0x10000, 0x2000);
    add("window", 0xa0000, 0x1000);
    if (cases[_i].overlaps) {
        ck_assert_int_eq(add_fails(cases[_i].start, cases[_i].size, host, &error),
                         ERROR_CONFIG_USAGE);
        ck_assert_ptr_nonnull(strstr(error.text, "\"new\""));
        ck_assert_uint_eq(kvm.calls, 2); /* KVM was not asked */
    } else {
        add("new", cases[_i].start, cases[_i].size);
    }
    (void)id;
}
END_TEST

START_TEST(the_text_of_an_overlap)
{
    struct error error;
    add("ram", 0x10000, 0x2000);
    add_fails(0x11000, 0x1000, host, &error);
    ck_assert_str_eq(
        error.text,
        "slot \"new\" [0x11000, 0x12000) overlaps slot 0 \"ram\" [0x10000, 0x12000)");
}
END_TEST

START_TEST(alignment_and_size_are_checked)
{
    static const struct {
        uint64_t start, size, host_offset;
    } cases[] = {
        {0x1001, 0x1000, 0},
        {0x1000, 0x1001, 0},
        {0x1000, 0x1000, 8},
        {0x1000, 0, 0},
        {UINT64_MAX - 0xfff, 0x2000, 0},
        {0x1000, UINT64_MAX - 0xfff, 0},
    };
    struct error error;
    ck_assert_int_eq(
        add_fails(cases[_i].start, cases[_i].size, host + cases[_i].host_offset, &error),
        ERROR_CONFIG_USAGE);
    ck_assert_uint_eq(kvm.calls, 0);
}
END_TEST

START_TEST(ids_are_reused_lowest_first)
{
    struct error error;
    for (uint32_t i = 0; i < 100; i++)
        ck_assert_uint_eq(add("x", 0x100000 - 0x1000 * (uint64_t)i, 0x1000), i);
    ck_assert(memslot_remove(&table, 70, &error));
    ck_assert(memslot_remove(&table, 3, &error));
    ck_assert_uint_eq(kvm.sizes[70], 0);
    ck_assert_uint_eq(add("y", 0x200000, 0x1000), 3);
    ck_assert_uint_eq(add("y", 0x300000, 0x1000), 70);
    ck_assert_uint_eq(add("y", 0x400000, 0x1000), 100);
}
END_TEST

START_TEST(the_limit_of_kvm_is_kept)
{
    struct error error;
    for (uint32_t i = 0; i < LIMIT; i++)
        add("x", 0x1000 * (uint64_t)i, 0x1000);
    ck_assert_int_eq(add_fails(0x1000 * (uint64_t)LIMIT, 0x1000, host, &error),
                     ERROR_GUEST_LIMIT);
    ck_assert(memslot_remove(&table, 17, &error));
    ck_assert_uint_eq(add("y", 0x1000 * (uint64_t)LIMIT, 0x1000), 17);
}
END_TEST

START_TEST(a_slot_that_does_not_exist_is_not_removed)
{
    struct error error;
    ck_assert(!memslot_remove(&table, 0, &error));
    uint32_t id = add("x", 0, 0x1000);
    ck_assert(memslot_remove(&table, id, &error));
    ck_assert(!memslot_remove(&table, id, &error));
    ck_assert_int_eq(error.code, ERROR_CONFIG_USAGE);
    ck_assert_uint_eq(kvm.calls, 2);
}
END_TEST

START_TEST(when_kvm_refuses_the_table_is_as_before)
{
    struct error error;
    uint32_t id = add("x", 0x10000, 0x1000);
    kvm.fails = true;
    ck_assert_int_eq(add_fails(0x20000, 0x1000, host, &error), ERROR_HOST_KVM);
    ck_assert_str_eq(error.text, "slot \"new\": the ioctl failed");
    ck_assert(!memslot_remove(&table, id, &error));
    ck_assert_uint_eq(table.count, 1);

    kvm.fails = false;
    ck_assert_uint_eq(add("new", 0x20000, 0x1000), 1);
    ck_assert(memslot_remove(&table, id, &error));
}
END_TEST

START_TEST(find_gives_the_slot_of_an_address)
{
    add("low", 0x10000, 0x2000);
    add("high", 0x40000, 0x1000);
    static const struct {
        uint64_t address;
        const char *name;
    } cases[] = {
        {0, NULL},         {0xffff, NULL},  {0x10000, "low"},
        {0x11fff, "low"},  {0x12000, NULL}, {0x40000, "high"},
        {0x40fff, "high"}, {0x41000, NULL}, {UINT64_MAX, NULL},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        struct memslot slot;
        ck_assert(memslot_find(&table, gpa(cases[i].address), &slot) ==
                  (cases[i].name != NULL));
        if (cases[i].name != NULL)
            ck_assert_str_eq(slot.name, cases[i].name);
    }
}
END_TEST

/* Against a model that is just a list: random adds and removes. */
START_TEST(random_operations_agree_with_a_simple_model)
{
    struct gpa_range model[LIMIT] = {0};
    struct error error;
    unsigned seed = (unsigned)_i;
    for (unsigned step = 0; step < 3000; step++) {
        uint32_t victim = (uint32_t)rand_r(&seed) % LIMIT;
        if (rand_r(&seed) % 3 == 0) {
            ck_assert(memslot_remove(&table, victim, &error) ==
                      (model[victim].size != 0));
            model[victim].size = 0;
            continue;
        }
        struct gpa_range range = {gpa((uint64_t)(rand_r(&seed) % 500) * 0x1000),
                                  (uint64_t)(1 + rand_r(&seed) % 4) * 0x1000};
        bool free_range = true;
        for (unsigned i = 0; i < LIMIT; i++)
            if (model[i].size != 0 && gpa_range_overlaps(model[i], range))
                free_range = false;
        uint32_t id;
        bool added = memslot_add(&table, "x", range.start, range.size, host, &id, &error);
        ck_assert(added == (free_range && table.count <= LIMIT));
        if (added) {
            ck_assert_uint_eq(model[id].size, 0);
            model[id] = range;
        }
    }
    for (unsigned i = 0; i < LIMIT; i++)
        ck_assert_uint_eq(model[i].size, kvm.sizes[i]);
}
END_TEST

START_TEST(finish_takes_a_zeroed_object)
{
    struct memslot_table zeroed = {0};
    memslot_table_finish(&zeroed);
}
END_TEST

Suite *memslot_suite(void)
{
    Suite *suite = suite_create("memslot");
    TCase *test_case = tcase_create("memslot");
    tcase_add_checked_fixture(test_case, set_up, tear_down);
    tcase_add_test(test_case, slots_are_kept_in_order_of_address);
    tcase_add_loop_test(test_case, an_overlap_names_both_ranges, 0, 10);
    tcase_add_test(test_case, the_text_of_an_overlap);
    tcase_add_loop_test(test_case, alignment_and_size_are_checked, 0, 6);
    tcase_add_test(test_case, ids_are_reused_lowest_first);
    tcase_add_test(test_case, the_limit_of_kvm_is_kept);
    tcase_add_test(test_case, a_slot_that_does_not_exist_is_not_removed);
    tcase_add_test(test_case, when_kvm_refuses_the_table_is_as_before);
    tcase_add_test(test_case, find_gives_the_slot_of_an_address);
    tcase_add_loop_test(test_case, random_operations_agree_with_a_simple_model, 0, 8);
    tcase_add_test(test_case, finish_takes_a_zeroed_object);
    suite_add_tcase(suite, test_case);
    return suite;
}

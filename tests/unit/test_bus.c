/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <string.h>

#include "tests/unit/suites.h"
#include "vmm/bus.h"

struct device {
    uint64_t offset;
    unsigned size;
    uint64_t value;
    unsigned calls;
};

static uint64_t device_read(void *context, uint64_t offset, unsigned size)
{
    struct device *device = context;
    device->offset = offset;
    device->size = size;
    device->calls++;
    return device->value;
}

static void device_write(void *context, uint64_t offset, unsigned size, uint64_t value)
{
    struct device *device = context;
    device->offset = offset;
    device->size = size;
    device->value = value;
    device->calls++;
}

static const struct bus_ops ops = {.read = device_read, .write = device_write};

static struct device first;
static struct device second;
static struct bus bus;

static void set_up(void)
{
    struct error error;
    memset(&bus, 0, sizeof bus);
    memset(&first, 0, sizeof first);
    memset(&second, 0, sizeof second);
    ck_assert(
        bus_add(&bus, (struct bus_entry){"first", 0x1000, 0x100, &ops, &first}, &error));
    ck_assert(
        bus_add(&bus, (struct bus_entry){"second", 0x1100, 8, &ops, &second}, &error));
}

START_TEST(an_access_reaches_its_device)
{
    uint64_t value;
    first.value = 0x42;
    ck_assert(bus_read(&bus, 0x1010, 4, &value));
    ck_assert_uint_eq(value, 0x42);
    ck_assert_uint_eq(first.offset, 0x10);
    ck_assert_uint_eq(first.size, 4);
    ck_assert(bus_write(&bus, 0x1107, 1, 0x99));
    ck_assert_uint_eq(second.offset, 7);
    ck_assert_uint_eq(second.value, 0x99);
}
END_TEST

START_TEST(only_the_owner_of_all_bytes_is_asked)
{
    static const struct {
        uint64_t address;
        unsigned size;
        bool found;
    } cases[] = {
        {0xfff, 1, false},      {0xfff, 2, false},      {0x10ff, 1, true},
        {0x10ff, 2, false},     {0x10fc, 4, true},      {0x10fd, 4, false},
        {0x1100, 8, true},      {0x1101, 8, false},     {0x1108, 1, false},
        {0x1000, 3, false},     {0x1000, 0, false},     {0x1000, 16, false},
        {UINT64_MAX, 1, false}, {UINT64_MAX, 8, false},
    };
    uint64_t value = 0;
    ck_assert(bus_read(&bus, cases[_i].address, cases[_i].size, &value) ==
              cases[_i].found);
    if (!cases[_i].found)
        ck_assert_uint_eq(value, UINT64_MAX);
    ck_assert(bus_write(&bus, cases[_i].address, cases[_i].size, 1) == cases[_i].found);
    ck_assert_uint_eq(first.calls + second.calls, cases[_i].found ? 2 : 0);
}
END_TEST

START_TEST(an_overlap_names_both_devices)
{
    struct error error;
    ck_assert(
        !bus_add(&bus, (struct bus_entry){"third", 0x1107, 1, &ops, &first}, &error));
    ck_assert_int_eq(error.code, ERROR_CONFIG_USAGE);
    ck_assert_str_eq(
        error.text,
        "device \"third\" [0x1107, 0x1108) overlaps \"second\" [0x1100, 0x1108)");
    ck_assert(
        bus_add(&bus, (struct bus_entry){"third", 0x1108, 1, &ops, &first}, &error));
}
END_TEST

START_TEST(a_full_bus_is_an_error)
{
    struct error error;
    for (uint64_t i = 2; i < BUS_DEVICES_MAX; i++)
        ck_assert(
            bus_add(&bus, (struct bus_entry){"x", i << 16, 1, &ops, &first}, &error));
    ck_assert(
        !bus_add(&bus, (struct bus_entry){"last", 1 << 28, 1, &ops, &first}, &error));
    ck_assert_int_eq(error.code, ERROR_CONFIG_USAGE);
    ck_assert_ptr_nonnull(strstr(error.text, "\"last\""));
}
END_TEST

Suite *bus_suite(void)
{
    Suite *suite = suite_create("bus");
    TCase *test_case = tcase_create("bus");
    tcase_add_checked_fixture(test_case, set_up, NULL);
    tcase_add_test(test_case, an_access_reaches_its_device);
    tcase_add_loop_test(test_case, only_the_owner_of_all_bytes_is_asked, 0, 14);
    tcase_add_test(test_case, an_overlap_names_both_devices);
    tcase_add_test(test_case, a_full_bus_is_an_error);
    suite_add_tcase(suite, test_case);
    return suite;
}

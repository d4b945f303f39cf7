/* SPDX-License-Identifier: MIT */
/* The ways in which an x86 guest ends its run, register by register. */
#include <check.h>
#include <pthread.h>
#include <string.h>

#include "devices/power.h"
#include "devices/pvpanic.h"
#include "tests/unit/suites.h"

static struct trace trace;
static struct vm vm;

/* As much of a VM as vm_end_with() needs. */
static void set_up(void)
{
    struct error error;
    vm = (struct vm){.fd = -1, .trace = &trace};
    trace_init(&trace, stderr, false);
    pthread_mutex_init(&vm.lock, NULL);
    pthread_cond_init(&vm.ended, NULL);
    ck_assert(power_add(&vm, &error));
    ck_assert(pvpanic_add(&vm, &error));
}

static const struct {
    uint16_t port;
    unsigned size;
    uint64_t value;
    enum vm_end end;
    const char *text;
} writes[] = {
    {0x600, 1, 0x34, VM_END_POWER_OFF, "S5"},
    {0x600, 1, 0x14, VM_END_NONE, ""}, /* the type without SLP_EN */
    {0x601, 1, 0xff, VM_END_NONE, ""},
    {0x602, 1, 1, VM_END_RESET, "reset register"},
    {0xcf9, 1, 0x06, VM_END_RESET, "0xcf9"},
    {0xcf9, 1, 0x02, VM_END_NONE, ""},
    {0xcf8, 4, 0x80000604, VM_END_NONE, ""}, /* PCI's, not 0xcf9 */
    {0xcf8, 1, 0x06, VM_END_NONE, ""},
    {0xcfc, 4, 0x0600, VM_END_NONE, ""},
    {0x64, 1, 0xfe, VM_END_RESET, "0x64"},
    {0x64, 1, 0xaa, VM_END_NONE, ""},
};

START_TEST(a_write_ends_the_run_or_does_not)
{
    ck_assert(bus_write(&vm.ports, writes[_i].port, writes[_i].size, writes[_i].value));
    ck_assert_int_eq(vm.outcome.end, writes[_i].end);
    ck_assert_msg(strstr(vm.outcome.error.text, writes[_i].text) != NULL, "%s",
                  vm.outcome.error.text);
}
END_TEST

START_TEST(reads_say_that_there_is_nothing)
{
    uint64_t value;
    ck_assert(bus_read(&vm.ports, 0x601, 1, &value));
    ck_assert_uint_eq(value, 0);
    ck_assert(bus_read(&vm.ports, 0xcfc, 4, &value));
    ck_assert_uint_eq((uint32_t)value, UINT32_MAX);
    ck_assert(bus_read(&vm.ports, 0x64, 1, &value));
    ck_assert_uint_eq(value, 0);
    ck_assert_int_eq(vm.outcome.end, VM_END_NONE);
}
END_TEST

START_TEST(a_panic_is_a_crash)
{
    static const enum vm_end ends[] = {VM_END_NONE, VM_END_CRASH, VM_END_NONE,
                                       VM_END_CRASH};
    const struct bus_entry *device = &vm.mmio.entries[0];
    ck_assert_uint_eq(device->ops->read(device->device, 0, 1), 3);
    device->ops->write(device->device, 0, 1, (uint64_t)_i);
    ck_assert_int_eq(vm.outcome.end, ends[_i]);
}
END_TEST

Suite *power_suite(void)
{
    Suite *suite = suite_create("power");
    TCase *test_case = tcase_create("power");
    tcase_add_checked_fixture(test_case, set_up, NULL);
    tcase_add_loop_test(test_case, a_write_ends_the_run_or_does_not, 0,
                        (int)ARRAY_SIZE(writes));
    tcase_add_test(test_case, reads_say_that_there_is_nothing);
    tcase_add_loop_test(test_case, a_panic_is_a_crash, 0, 4);
    suite_add_tcase(suite, test_case);
    return suite;
}

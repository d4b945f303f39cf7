/* SPDX-License-Identifier: MIT */
/* The host bridge, when the machine is put together: windows and slots. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/fake_events.h"
#include "tests/unit/suites.h"
#include "vmm/pci.h"

#define ECAM 0xe0000000u
#define LOW  0xd0200000u

static struct fake_events fake;
static struct pci_host host;
static struct bus bus;
static struct trace trace;
static struct error error;

static bool interrupt_pending(void *context)
{
    (void)context;
    return false;
}

static const struct pci_function_ops no_ops = {.interrupt_pending = interrupt_pending};

static void set_up(void)
{
    fake_events_init(&fake);
    trace_init(&trace, stderr, false);
    bus = (struct bus){0};
    const struct pci_host_config config = {
        .ecam = {gpa(ECAM), MIB},
        .memory32 = {gpa(LOW), 2 * MIB},
        .intx_irq = 16,
        .events = &fake.events,
        .trace = &trace,
    };
    ck_assert_msg(pci_host_init(&host, &config, &error), "%s", error.text);
    ck_assert(pci_host_add_to_bus(&host, &bus, &error));
}

static void tear_down(void)
{
    pci_host_finish(&host);
}

static uint32_t read_vendor(unsigned slot)
{
    uint64_t value;
    ck_assert(bus_read(&bus, ECAM + slot * 0x8000, 4, &value));
    return (uint32_t)value;
}

START_TEST(a_slot_is_for_one_function)
{
    struct pci_function first = {.name = "first", .ops = &no_ops};
    struct pci_function other = {.name = "other", .ops = &no_ops};
    ck_assert(pci_host_add(&host, &first, 1, &error));
    ck_assert(pci_function_start(&first, &error));
    ck_assert(!pci_host_add(&host, &other, 1, &error));
    ck_assert_int_eq(error.code, ERROR_CONFIG_USAGE);
    ck_assert(!pci_host_add(&host, &other, PCI_SLOTS, &error));
}
END_TEST

START_TEST(windows_can_be_full)
{
    struct pci_function other = {
        .name = "other", .bars[0] = {.size = 4 * MIB}, .ops = &no_ops};
    ck_assert(pci_host_add(&host, &other, 9, &error));
    ck_assert(!pci_function_start(&other, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "other: BAR 0"));
    ck_assert_uint_eq(read_vendor(9), UINT32_MAX);
}
END_TEST

START_TEST(windows_have_to_be_possible)
{
    struct pci_host other;
    struct pci_host_config config = host.config;
    config.memory32.size = 4 * GIB;
    ck_assert(!pci_host_init(&other, &config, &error));
    config = host.config;
    config.ecam.size = 0x1000;
    ck_assert(!pci_host_init(&other, &config, &error));
    config = host.config;
    config.memory64 = (struct gpa_range){gpa(UINT64_MAX), MIB};
    ck_assert(!pci_host_init(&other, &config, &error));
    ck_assert_int_eq(error.code, ERROR_CONFIG_USAGE);
}
END_TEST

START_TEST(a_64_bit_bar_goes_below_4_gib_if_there_is_no_window_above)
{
    struct pci_function other = {
        .name = "other", .bars[0] = {.size = MIB, .is_64 = true}, .ops = &no_ops};
    struct gpa_range range;
    ck_assert(pci_host_add(&host, &other, 2, &error));
    ck_assert(pci_function_start(&other, &error));
    ck_assert(pci_config_bar(&other, 0, &range));
    ck_assert(gpa_range_contains(host.config.memory32, range.start, range.size));
}
END_TEST

Suite *pci_host_suite(void)
{
    Suite *suite = suite_create("pci_host");
    TCase *test_case = tcase_create("pci_host");
    tcase_add_checked_fixture(test_case, set_up, tear_down);
    tcase_add_test(test_case, a_slot_is_for_one_function);
    tcase_add_test(test_case, windows_can_be_full);
    tcase_add_test(test_case, windows_have_to_be_possible);
    tcase_add_test(test_case, a_64_bit_bar_goes_below_4_gib_if_there_is_no_window_above);
    suite_add_tcase(suite, test_case);
    return suite;
}

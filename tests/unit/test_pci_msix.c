/* SPDX-License-Identifier: MIT */
/* Messages: routes, masks and pending bits. */
#include <check.h>
#include <stdio.h>
#include <sys/eventfd.h>

#include "tests/unit/fake_events.h"
#include "tests/unit/suites.h"
#include "vmm/pci_msix.h"

#define VECTORS   3u
#define REQUESTER 0x18u
#define ADDRESS   0xfee01000u
#define CONTROL   12u /* offset in an entry */

static struct fake_events fake;
static struct irq_routes routes;
static struct pci_msix msix;
static struct trace trace;
static struct error error;

static void set_up(void)
{
    fake_events_init(&fake);
    trace_init(&trace, stderr, false);
    ck_assert(irq_routes_init(&routes, &fake.events, &error));
    ck_assert(pci_msix_init(&msix, &routes, "toy", REQUESTER, VECTORS, &trace, &error));
}

static void tear_down(void)
{
    pci_msix_finish(&msix);
    irq_routes_finish(&routes);
}

static bool was_sent(unsigned vector)
{
    eventfd_t count;
    return eventfd_read(msix.vectors[vector].event_fd, &count) == 0;
}

static bool is_pending(unsigned vector)
{
    return (pci_msix_read_pending(&msix, 0, 8) >> vector & 1) != 0;
}

static void write_entry(unsigned vector, uint32_t data)
{
    pci_msix_write_table(&msix, vector * 16, 4, ADDRESS);
    pci_msix_write_table(&msix, vector * 16 + 4, 4, 1);
    pci_msix_write_table(&msix, vector * 16 + 8, 4, data);
}

static void mask(unsigned vector, bool masked)
{
    pci_msix_write_table(&msix, vector * 16 + CONTROL, 4, masked);
}

START_TEST(after_init_everything_is_masked_and_off)
{
    ck_assert_uint_eq(fake.attached, VECTORS);
    ck_assert(!pci_msix_is_enabled(&msix));
    for (unsigned i = 0; i < VECTORS; i++)
        ck_assert_uint_eq(pci_msix_read_table(&msix, i * 16 + CONTROL, 4), 1);
    pci_msix_raise(&msix, 0);
    ck_assert(!was_sent(0));
    ck_assert(!is_pending(0));
    ck_assert_uint_eq(fake.routings, 0);
}
END_TEST

START_TEST(a_message_is_routed_when_it_is_unmasked)
{
    pci_msix_control(&msix, true, false);
    write_entry(1, 0x41);
    ck_assert_uint_eq(fake.routings, 0);
    mask(1, false);
    ck_assert_uint_eq(fake.routings, 1);
    const struct kvm_irq_routing_entry *route =
        fake_events_route(&fake, msix.vectors[1].gsi);
    ck_assert_ptr_nonnull(route);
    ck_assert_uint_eq(route->u.msi.address_lo, ADDRESS);
    ck_assert_uint_eq(route->u.msi.address_hi, 1);
    ck_assert_uint_eq(route->u.msi.data, 0x41);
    ck_assert_uint_eq(fake.message_count, 1);
    pci_msix_raise(&msix, 1);
    ck_assert(was_sent(1));
    ck_assert(!is_pending(1));
}
END_TEST

START_TEST(routes_are_set_only_when_a_message_changes)
{
    pci_msix_control(&msix, true, false);
    write_entry(0, 0x40);
    mask(0, false);
    mask(0, true);
    mask(0, false);
    pci_msix_control(&msix, true, true);
    pci_msix_control(&msix, true, false);
    ck_assert_uint_eq(fake.routings, 1);
    pci_msix_write_table(&msix, 8, 4, 0x50);
    ck_assert_uint_eq(fake.routings, 2);
}
END_TEST

START_TEST(what_comes_while_masked_waits)
{
    pci_msix_control(&msix, true, false);
    write_entry(2, 0x42);
    pci_msix_raise(&msix, 2);
    ck_assert(!was_sent(2));
    ck_assert(is_pending(2));
    mask(2, false);
    ck_assert(was_sent(2));
    ck_assert(!is_pending(2));
}
END_TEST

START_TEST(the_function_mask_masks_all)
{
    write_entry(0, 0x40);
    mask(0, false);
    pci_msix_control(&msix, true, true);
    pci_msix_raise(&msix, 0);
    ck_assert(!was_sent(0));
    ck_assert(is_pending(0));
    ck_assert_uint_eq(pci_msix_read_pending(&msix, 0, 1), 1);
    ck_assert_uint_eq(pci_msix_read_pending(&msix, 1, 1), 0);
    pci_msix_control(&msix, true, false);
    ck_assert(was_sent(0));
}
END_TEST

START_TEST(a_vector_that_does_not_exist_is_ignored)
{
    pci_msix_control(&msix, true, false);
    pci_msix_raise(&msix, VECTORS);
    pci_msix_raise(&msix, 0xffff);
    pci_msix_raise(&msix, UINT32_MAX);
    ck_assert_uint_eq(pci_msix_read_pending(&msix, 0, 8), 0);
}
END_TEST

START_TEST(the_table_takes_accesses_of_any_size)
{
    pci_msix_write_table(&msix, 16, 8, 0x1122334455667788);
    ck_assert_uint_eq(pci_msix_read_table(&msix, 16, 4), 0x55667788);
    ck_assert_uint_eq(pci_msix_read_table(&msix, 20, 4), 0x11223344);
    ck_assert_uint_eq(pci_msix_read_table(&msix, 19, 2), 0x4455);
    pci_msix_write_table(&msix, 19, 2, 0xabcd);
    ck_assert_uint_eq(pci_msix_read_table(&msix, 16, 8), 0x112233abcd667788);
    pci_msix_write_table(&msix, 25, 1, 0x99);
    ck_assert_uint_eq(pci_msix_read_table(&msix, 24, 4), 0x9900);
    /* Only the mask bit of the control word. */
    pci_msix_write_table(&msix, 28, 4, UINT32_MAX);
    ck_assert_uint_eq(pci_msix_read_table(&msix, 28, 4), 1);
    /* Across the end. */
    pci_msix_write_table(&msix, VECTORS * 16 - 4, 8, UINT64_MAX);
    ck_assert_uint_eq(pci_msix_read_table(&msix, VECTORS * 16 - 4, 8), 1);
    ck_assert_uint_eq(pci_msix_read_table(&msix, VECTORS * 16, 8), 0);
    ck_assert_uint_eq(pci_msix_read_table(&msix, UINT64_MAX, 8), 0);
}
END_TEST

START_TEST(a_message_that_kvm_refuses_is_said_once)
{
    pci_msix_control(&msix, true, false);
    fake.fail = true;
    write_entry(0, 0x40);
    mask(0, false);
    write_entry(0, 0x41);
    ck_assert_uint_eq(atomic_load(&trace.warnings), 1);
    fake.fail = false;
    write_entry(0, 0x42);
    ck_assert_ptr_nonnull(fake_events_route(&fake, msix.vectors[0].gsi));
}
END_TEST

START_TEST(a_reset_masks_and_forgets)
{
    pci_msix_control(&msix, true, false);
    write_entry(0, 0x40);
    pci_msix_raise(&msix, 0);
    pci_msix_reset(&msix);
    ck_assert(!pci_msix_is_enabled(&msix));
    ck_assert_uint_eq(pci_msix_read_pending(&msix, 0, 8), 0);
    ck_assert_uint_eq(pci_msix_read_table(&msix, 0, 8), 0);
    pci_msix_control(&msix, true, false);
    mask(0, false);
    ck_assert(!was_sent(0));
}
END_TEST

START_TEST(the_pins_are_in_every_table)
{
    struct kvm_irq_routing_entry pins[ARCH_IRQ_PIN_ROUTES_MAX];
    pci_msix_control(&msix, true, false);
    write_entry(0, 0x40);
    mask(0, false);
    write_entry(1, 0x41);
    mask(1, false);
    ck_assert_uint_eq(fake.pin_routes, arch_irq_pin_routes(pins));
    ck_assert_uint_eq(fake.message_count, 2);
    ck_assert_uint_ge(msix.vectors[0].gsi, arch_irq_pin_count());
}
END_TEST

START_TEST(there_is_a_limit)
{
    uint32_t gsi;
    unsigned more = 0;
    while (irq_routes_add(&routes, 0, &gsi, &error))
        more++;
    ck_assert_uint_eq(VECTORS + more, IRQ_ROUTES_MAX);
    ck_assert_int_eq(error.code, ERROR_CONFIG_USAGE);
}
END_TEST

START_TEST(init_fails_when_kvm_does)
{
    struct pci_msix other;
    fake.fail = true;
    ck_assert(!pci_msix_init(&other, &routes, "other", 0, 2, &trace, &error));
    ck_assert_int_eq(error.code, ERROR_HOST_KVM);
    pci_msix_finish(&other);
}
END_TEST

Suite *pci_msix_suite(void)
{
    Suite *suite = suite_create("pci_msix");
    TCase *test_case = tcase_create("pci_msix");
    tcase_add_checked_fixture(test_case, set_up, tear_down);
    tcase_add_test(test_case, after_init_everything_is_masked_and_off);
    tcase_add_test(test_case, a_message_is_routed_when_it_is_unmasked);
    tcase_add_test(test_case, routes_are_set_only_when_a_message_changes);
    tcase_add_test(test_case, what_comes_while_masked_waits);
    tcase_add_test(test_case, the_function_mask_masks_all);
    tcase_add_test(test_case, a_vector_that_does_not_exist_is_ignored);
    tcase_add_test(test_case, the_table_takes_accesses_of_any_size);
    tcase_add_test(test_case, a_message_that_kvm_refuses_is_said_once);
    tcase_add_test(test_case, a_reset_masks_and_forgets);
    tcase_add_test(test_case, the_pins_are_in_every_table);
    tcase_add_test(test_case, there_is_a_limit);
    tcase_add_test(test_case, init_fails_when_kvm_does);
    suite_add_tcase(suite, test_case);
    return suite;
}

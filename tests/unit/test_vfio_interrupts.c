/* SPDX-License-Identifier: MIT */
/*
 * The interrupts of a passed-through device: which kind is on, what message becomes of each, and what
 * waits behind a mask.
 */
#include <check.h>
#include <linux/pci_regs.h>
#include <sys/eventfd.h>

#include "tests/unit/suites.h"
#include "tests/unit/vfio_machine.h"

static struct vfio_machine *const m = &vfio_machine;

/* The data of the message that becomes of a device's interrupt; 0: nobody gets it. */
static uint32_t data_of(const struct fake_irqs *irqs, unsigned index)
{
    for (unsigned i = 0; i < m->irqfd_count; i++)
        if (m->irqfds[i].fd == irqs->fds[index])
            return fake_events_route(&m->events, m->irqfds[i].gsi)->u.msi.data;
    return 0;
}

/* --- interrupts --- */

START_TEST(the_pin_is_a_level)
{
    vfio_machine_start_well();
    ck_assert_uint_eq(INTX_IRQS->active, 1);
    ck_assert_uint_eq(m->irqfd_count, 1);
    ck_assert_uint_eq(m->irqfds[0].gsi, VFIO_MACHINE_PIN);
    ck_assert_int_eq(m->irqfds[0].fd, INTX_IRQS->fds[0]);
    ck_assert_int_eq(m->irqfds[0].unmask_fd, INTX_IRQS->unmask_fd);
    m->fake.config[PCI_STATUS] |= PCI_STATUS_INTERRUPT;
    ck_assert(guest_config(PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
    m->fake.config[PCI_STATUS] ^= PCI_STATUS_INTERRUPT;
    ck_assert(!(guest_config(PCI_STATUS, 2) & PCI_STATUS_INTERRUPT));
    guest_set_config(PCI_COMMAND, 2, PCI_COMMAND_INTX_DISABLE);
    ck_assert_uint_eq(INTX_IRQS->active, 0);
    ck_assert_uint_eq(m->irqfd_count, 0);
    guest_set_config(PCI_COMMAND, 2, 0);
    ck_assert_uint_eq(INTX_IRQS->active, 1);
}
END_TEST

START_TEST(msi_takes_the_pins_place)
{
    vfio_machine_start_well();
    guest_enable_msi(1);
    ck_assert_uint_eq(INTX_IRQS->active, 0);
    ck_assert_uint_eq(MSI_IRQS->active, 2);
    ck_assert_uint_eq(m->irqfd_count, 2);
    ck_assert_uint_eq(data_of(MSI_IRQS, 0), 0x4040);
    ck_assert_uint_eq(data_of(MSI_IRQS, 1), 0x4041);
    guest_enable_msi(7); /* more than it has: as many as it has */
    ck_assert_uint_eq(MSI_IRQS->active, 4);
    guest_set_config(guest_capability(PCI_CAP_ID_MSI) + PCI_MSI_FLAGS, 2, 0);
    ck_assert_uint_eq(MSI_IRQS->active, 0);
    ck_assert_uint_eq(INTX_IRQS->active, 1);
    ck_assert_uint_eq(m->irqfds[0].gsi, VFIO_MACHINE_PIN);
}
END_TEST

START_TEST(a_masked_message_waits)
{
    vfio_machine_start_well();
    guest_enable_msi(1);
    unsigned msi = guest_capability(PCI_CAP_ID_MSI);
    guest_set_config(msi + PCI_MSI_MASK_64, 4, 2);
    ck_assert_uint_eq(data_of(MSI_IRQS, 1), 0);
    ck_assert_uint_eq(MSI_IRQS->sets, 1); /* the device is not asked again */
    ck_assert_uint_eq(guest_config(msi + PCI_MSI_PENDING_64, 4), 0);
    eventfd_write(MSI_IRQS->fds[1], 1);
    ck_assert_uint_eq(guest_config(msi + PCI_MSI_PENDING_64, 4), 2);
    guest_set_config(msi + PCI_MSI_MASK_64, 4, 0);
    ck_assert_uint_eq(data_of(MSI_IRQS, 1), 0x4041);
    ck_assert_uint_eq(guest_config(msi + PCI_MSI_PENDING_64, 4), 0);
}
END_TEST

START_TEST(msix_has_a_table_of_its_own)
{
    vfio_machine_start_well();
    unsigned msix = guest_capability(PCI_CAP_ID_MSIX);
    ck_assert_uint_eq(guest_get(VFIO_MACHINE_LOW + 0x200c, 4),
                      PCI_MSIX_ENTRY_CTRL_MASKBIT);
    guest_write_entry(3, 0x77, false);
    guest_set_config(msix + PCI_MSIX_FLAGS, 2,
                     PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
    ck_assert_uint_eq(MSIX_IRQS->active, VFIO_VECTORS_MAX);
    ck_assert_uint_eq(data_of(MSIX_IRQS, 3), 0);
    eventfd_write(MSIX_IRQS->fds[3], 1);
    ck_assert_uint_eq(guest_get(VFIO_MACHINE_LOW + 0x3000, 4), 8);
    ck_assert_uint_eq(guest_get(VFIO_MACHINE_LOW + 0x3001, 1), 0);
    guest_set_config(msix + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
    ck_assert_uint_eq(data_of(MSIX_IRQS, 3), 0x77);
    ck_assert_uint_eq(data_of(MSIX_IRQS, 4), 0);
    guest_write_entry(4, 0x99, false);
    ck_assert_uint_eq(data_of(MSIX_IRQS, 4), 0x99);
    guest_write_entry(4, 0xaa, true);
    ck_assert_uint_eq(data_of(MSIX_IRQS, 4), 0);
    ck_assert_uint_eq(guest_get(VFIO_MACHINE_LOW + 0x2048, 4), 0xaa);
    ck_assert_uint_eq(MSIX_IRQS->sets, 1);
    ck_assert_uint_eq(m->fake.bar_writes, 0);
    /* behind the entries that there are: nothing */
    guest_put(VFIO_MACHINE_LOW + 0x2000 + 17 * 16, 4, 5);
    ck_assert_uint_eq(guest_get(VFIO_MACHINE_LOW + 0x2000 + 17 * 16, 4), 0);
    guest_put(VFIO_MACHINE_LOW + 0x3000, 4, UINT32_MAX);
    ck_assert_uint_eq(guest_get(VFIO_MACHINE_LOW + 0x3000, 4),
                      0); /* the third one has an irqfd now */
    ck_assert_uint_eq(m->fake.bar_reads + m->fake.bar_writes, 0);
}
END_TEST

START_TEST(a_device_without_a_pin)
{
    INTX_IRQS->count = 0;
    vfio_machine_start_well();
    ck_assert_uint_eq(guest_config(PCI_INTERRUPT_PIN, 1), 0);
    ck_assert_uint_eq(m->irqfd_count, 0);
    guest_enable_msi(0);
    ck_assert_uint_eq(MSI_IRQS->active, 1);
}
END_TEST

START_TEST(more_interrupts_than_there_can_be)
{
    MSI_IRQS->count = UINT32_MAX;
    MSIX_IRQS->count = UINT32_MAX;
    vfio_machine_start_well();
    unsigned msi = guest_capability(PCI_CAP_ID_MSI);
    ck_assert_uint_eq((guest_config(msi + PCI_MSI_FLAGS, 2) & PCI_MSI_FLAGS_QMASK) >> 1,
                      4);
    guest_enable_msi(7);
    ck_assert_uint_eq(MSI_IRQS->active, 16);
}
END_TEST

START_TEST(a_kernel_that_refuses_interrupts)
{
    vfio_machine_start_well();
    m->fake.irqs_error = 22;
    guest_enable_msi(1); /* a warning, and no interrupts */
    ck_assert_uint_eq(m->irqfd_count, 0);
    m->fake.irqs_error = 0;
    INTX_IRQS->active = 0;
    m->kvm_fails = true;
    guest_set_config(guest_capability(PCI_CAP_ID_MSI) + PCI_MSI_FLAGS, 2, 0);
    guest_enable_msi(1);
}
END_TEST

Suite *vfio_interrupts_suite(void)
{
    Suite *suite = suite_create("vfio_interrupts");
    TCase *test_case = tcase_create("vfio_interrupts");
    tcase_add_checked_fixture(test_case, vfio_machine_set_up, vfio_machine_tear_down);
    tcase_add_test(test_case, the_pin_is_a_level);
    tcase_add_test(test_case, msi_takes_the_pins_place);
    tcase_add_test(test_case, a_masked_message_waits);
    tcase_add_test(test_case, msix_has_a_table_of_its_own);
    tcase_add_test(test_case, a_device_without_a_pin);
    tcase_add_test(test_case, more_interrupts_than_there_can_be);
    tcase_add_test(test_case, a_kernel_that_refuses_interrupts);
    suite_add_tcase(suite, test_case);
    return suite;
}

/* SPDX-License-Identifier: MIT */
/*
 * A passed-through device is given to another program: nothing that the guest or the device
 * has is lost, the device is told nothing, and whatever is wrong leaves the first program with it.
 */
#include <check.h>
#include <errno.h>
#include <linux/pci_regs.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>

#include "tests/unit/suites.h"
#include "tests/unit/vfio_transfer.h"

#define MOVED (VFIO_MACHINE_LOW + 4 * MIB)

static struct vfio_machine *const m = &vfio_machine;
static struct vfio_transfer *const t = &vfio_transfer;

static void resume(void)
{
    ck_assert_msg(vfio_pci_resume(&m->pci, &m->error), "%s", m->error.text);
}

static uint64_t mapped_address(void)
{
    return m->fake.has_no_address[0] ? 0 : m->fake.map[0].vaddr;
}

/* The data of the message of a vector; 0: it has no irqfd. */
static uint32_t data_of(unsigned vector)
{
    for (unsigned i = 0; i < m->irqfd_count; i++)
        if (m->irqfds[i].fd == m->pci.interrupts.vectors[vector].event_fd)
            return fake_events_route(&m->events, m->irqfds[i].gsi)->u.msi.data;
    return 0;
}

static bool has_event(int fd)
{
    struct pollfd event = {.fd = fd, .events = POLLIN};
    return poll(&event, 1, 0) == 1;
}

static bool waits(unsigned vector)
{
    return has_event(m->pci.interrupts.vectors[vector].event_fd);
}

/* Entry 3 is open, 4 is masked, and an interrupt of each came; 5 is open. */
static void enable_msix(void)
{
    guest_write_entry(3, 0x33, false);
    guest_write_entry(4, 0x44, true);
    guest_write_entry(5, 0x55, false);
    guest_set_config(guest_capability(PCI_CAP_ID_MSIX) + PCI_MSIX_FLAGS, 2,
                     PCI_MSIX_FLAGS_ENABLE);
}

static void interrupt(unsigned vector)
{
    ck_assert_int_eq(eventfd_write(MSIX_IRQS->fds[vector], 1), 0);
}

/* --- what stays --- */

START_TEST(the_device_is_told_nothing)
{
    vfio_machine_start_well();
    enable_msix();
    guest_set_config(PCI_COMMAND, 2, PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY);
    const unsigned sets = MSIX_IRQS->sets;
    const unsigned command_writes = m->fake.command_writes;
    vfio_transfer_save();
    vfio_transfer_take_over();
    resume();
    ck_assert_uint_eq(m->fake.resets, 1);
    ck_assert_uint_eq(m->fake.joins, 1);
    ck_assert_uint_eq(m->fake.iommus, 1);
    ck_assert_uint_eq(m->fake.maps, 1);
    ck_assert_uint_eq(m->fake.command_writes, command_writes);
    ck_assert_uint_eq(m->fake.config_writes, 0);
    ck_assert_uint_eq(m->fake.bar_reads + m->fake.bar_writes, 0);
    ck_assert_uint_eq(MSIX_IRQS->sets, sets);
    ck_assert_uint_eq(MSIX_IRQS->active, VFIO_VECTORS_MAX);
    ck_assert(m->fake.config[PCI_COMMAND] & PCI_COMMAND_MASTER);
    guest_set_config(PCI_INTERRUPT_LINE, 1, 5);
    ck_assert_uint_eq(m->fake.command_writes, command_writes);
    /* and the guest goes on telling it */
    guest_set_config(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
    ck_assert(!(m->fake.config[PCI_COMMAND] & PCI_COMMAND_MASTER));
}
END_TEST

START_TEST(ram_has_its_new_address)
{
    vfio_machine_start_well();
    ck_assert_uint_eq(mapped_address(), (uintptr_t)m->memory.regions[0].host);
    vfio_transfer_save();
    ck_assert_uint_eq(mapped_address(), 0);
    vfio_transfer_take_over();
    ck_assert_uint_eq(mapped_address(), (uintptr_t)t->memory.regions[0].host);
}
END_TEST

START_TEST(the_guest_sees_the_same_device)
{
    uint8_t before[PCI_CONFIG_SIZE];
    vfio_machine_start_well();
    enable_msix();
    guest_enable_msi(1);
    guest_set_config(PCI_COMMAND, 2, 0);
    guest_set_config(PCI_BASE_ADDRESS_0, 4, MOVED);
    guest_set_config(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    for (unsigned i = 0; i < PCI_CONFIG_SIZE; i++)
        before[i] = (uint8_t)guest_config(i, 1);
    const unsigned slots = m->slot_count;
    vfio_transfer_save();
    vfio_transfer_take_over();
    for (unsigned i = 0; i < PCI_CONFIG_SIZE; i++)
        ck_assert_uint_eq(before[i], guest_config(i, 1));
    ck_assert_uint_eq(m->slot_count, slots);
    ck_assert_uint_eq(m->slots[1].start.value, MOVED);
    ck_assert_uint_eq(guest_get(MOVED + 0x2038, 4), 0x33);
    ck_assert_uint_eq(guest_get(MOVED + 0x203c, 4), 0);
    ck_assert_uint_eq(guest_get(MOVED + 0x204c, 4), PCI_MSIX_ENTRY_CTRL_MASKBIT);
}
END_TEST

/* They change by themselves. */
START_TEST(status_and_pending_bits_are_no_part)
{
    vfio_machine_start_well();
    guest_enable_msi(1);
    unsigned msi = guest_capability(PCI_CAP_ID_MSI);
    guest_set_config(msi + PCI_MSI_MASK_64, 4, 2);
    eventfd_write(MSI_IRQS->fds[1], 1);
    m->fake.config[PCI_STATUS] |= PCI_STATUS_INTERRUPT;
    ck_assert_uint_eq(guest_config(msi + PCI_MSI_PENDING_64, 4), 2);
    ck_assert(guest_config(PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
    vfio_transfer_save();
    vfio_transfer_take_over();
    resume();
    ck_assert_uint_eq(guest_config(msi + PCI_MSI_PENDING_64, 4), 2);
    ck_assert_uint_eq(data_of(0), 0x4040);
    ck_assert_uint_eq(data_of(1), 0);
}
END_TEST

START_TEST(no_interrupt_is_lost)
{
    vfio_machine_start_well();
    enable_msix();
    ck_assert_uint_eq(data_of(3), 0x33);
    vfio_transfer_save();
    interrupt(3);
    interrupt(4);
    vfio_transfer_take_over();
    ck_assert_uint_eq(m->irqfd_count, 0);
    ck_assert(waits(3) && waits(4));
    resume();
    ck_assert_uint_eq(data_of(3), 0x33);
    ck_assert_uint_eq(data_of(4), 0);
    ck_assert_uint_eq(data_of(5), 0x55);
    ck_assert(irq_routes_pause(&m->routes, &m->error)); /* theirs are other ones */
    ck_assert(irq_routes_resume(&m->routes, &m->error));
    ck_assert_uint_eq(m->events.attached, 0);
    ck_assert(waits(3) && waits(4) && !waits(5)); /* this KVM takes nothing out */
    ck_assert_uint_eq(guest_get(VFIO_MACHINE_LOW + 0x3000, 4), 0x10);
    guest_write_entry(4, 0x46, false);
    ck_assert_uint_eq(data_of(4), 0x46);
}
END_TEST

/* VFIO has masked it when it was up, and KVM has let it go with the irqfd. */
START_TEST(the_pin_is_looked_at_again)
{
    vfio_machine_start_well();
    ck_assert_uint_eq(INTX_IRQS->active, 1);
    vfio_transfer_save();
    vfio_transfer_take_over();
    ck_assert(!has_event(m->pci.interrupts.pin.unmask_fd));
    resume();
    ck_assert_uint_eq(m->irqfd_count, 1);
    ck_assert_uint_eq(m->irqfds[0].gsi, VFIO_MACHINE_PIN);
    ck_assert_int_eq(m->irqfds[0].fd, m->pci.interrupts.pin.event_fd);
    ck_assert_int_eq(m->irqfds[0].unmask_fd, m->pci.interrupts.pin.unmask_fd);
    ck_assert(has_event(m->pci.interrupts.pin.unmask_fd));
    ck_assert_uint_eq(INTX_IRQS->sets, 1);
}
END_TEST

START_TEST(three_times)
{
    vfio_machine_start_well();
    enable_msix();
    for (unsigned i = 0; i < 3; i++) {
        vfio_transfer_save();
        vfio_transfer_take_over();
        resume();
        ck_assert_uint_eq(data_of(3), 0x33);
        state_reader_finish(&t->reader);
        state_writer_finish(&t->writer);
    }
    ck_assert_uint_eq(MSIX_IRQS->sets, 1);
}
END_TEST

/* --- nobody takes over --- */

/* What another program's KVM took comes again; what is masked is still pending or not. */
START_TEST(all_is_taken_back)
{
    vfio_machine_start_well();
    enable_msix();
    vfio_transfer_save();
    interrupt(4);
    ck_assert(vfio_container_take_back(&m->container, &m->error));
    resume();
    ck_assert_uint_eq(mapped_address(), (uintptr_t)m->memory.regions[0].host);
    ck_assert_uint_eq(data_of(3), 0x33);
    ck_assert_uint_eq(data_of(5), 0x55);
    ck_assert(waits(3) && waits(4) && waits(5) && !waits(6));
    ck_assert_uint_eq(MSIX_IRQS->sets, 1);
    ck_assert_uint_eq(guest_get(VFIO_MACHINE_LOW + 0x3000, 4), 0x10);
}
END_TEST

START_TEST(the_other_program_ends_early)
{
    struct vfio_container other;
    vfio_machine_start_well();
    vfio_transfer_save();
    vfio_transfer_send();
    ck_assert(
        vfio_container_load(&other, &m->fake.calls, &t->memory, &t->reader, &m->error));
    ck_assert_uint_eq(mapped_address(), (uintptr_t)t->memory.regions[0].host);
    vfio_container_finish(&other);
    m->fake.thefts = 2; /* it is not dead yet */
    ck_assert(vfio_container_take_back(&m->container, &m->error));
    ck_assert_uint_eq(mapped_address(), (uintptr_t)m->memory.regions[0].host);
    resume();
    ck_assert_uint_eq(m->irqfd_count, 1);
    ck_assert_uint_eq(INTX_IRQS->active, 1);
}
END_TEST

/* --- what goes wrong --- */

START_TEST(too_little_may_be_locked)
{
    vfio_machine_start_well();
    vfio_transfer_save();
    m->fake.map_error = ENOMEM;
    vfio_transfer_hand_over();
    ck_assert(!vfio_machine_start());
    ck_assert_ptr_nonnull(strstr(m->error.text, "RLIMIT_MEMLOCK"));
    ck_assert_uint_eq(m->fake.resets, 1);
}
END_TEST

START_TEST(a_kvm_that_refuses)
{
    vfio_machine_start_well();
    enable_msix();
    m->kvm_fails = true;
    ck_assert(!vfio_pci_pause(&m->pci, &m->error));
    ck_assert_ptr_nonnull(strstr(m->error.text, FAKE_VFIO_ADDRESS ": KVM says no"));
    m->kvm_fails = false;
    resume();
    ck_assert_uint_eq(data_of(3), 0x33);
    vfio_transfer_save();
    vfio_transfer_take_over();
    m->kvm_fails = true;
    ck_assert(!vfio_pci_resume(&m->pci, &m->error));
    m->kvm_fails = false;
    resume();
    ck_assert_uint_eq(data_of(3), 0x33);
}
END_TEST

Suite *vfio_state_suite(void)
{
    Suite *suite = suite_create("vfio_state");
    TCase *test_case = tcase_create("vfio_state");
    tcase_add_checked_fixture(test_case, vfio_transfer_set_up, vfio_transfer_tear_down);
    tcase_add_test(test_case, the_device_is_told_nothing);
    tcase_add_test(test_case, ram_has_its_new_address);
    tcase_add_test(test_case, the_guest_sees_the_same_device);
    tcase_add_test(test_case, status_and_pending_bits_are_no_part);
    tcase_add_test(test_case, no_interrupt_is_lost);
    tcase_add_test(test_case, the_pin_is_looked_at_again);
    tcase_add_test(test_case, three_times);
    tcase_add_test(test_case, all_is_taken_back);
    tcase_add_test(test_case, the_other_program_ends_early);
    tcase_add_test(test_case, too_little_may_be_locked);
    tcase_add_test(test_case, a_kvm_that_refuses);
    suite_add_tcase(suite, test_case);
    return suite;
}

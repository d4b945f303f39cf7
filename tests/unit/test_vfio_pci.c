/* SPDX-License-Identifier: MIT */
/*
 * A passed-through device on the guest's bus: its configuration space, its BARs and its reset, with
 * a VFIO that tells the truth, or does not, and a guest that writes anything anywhere.
 */
#include <check.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/suites.h"
#include "tests/unit/vfio_machine.h"

static struct vfio_machine *const m = &vfio_machine;

/* --- configuration space --- */

START_TEST(identity_is_the_devices)
{
    vfio_machine_start_well();
    ck_assert_uint_eq(guest_config(PCI_VENDOR_ID, 4), 0x11e81234);
    ck_assert_uint_eq(guest_config(PCI_CLASS_REVISION, 4), 0x00ff0010);
    ck_assert_uint_eq(guest_config(PCI_SUBSYSTEM_VENDOR_ID, 2), 0x34);
    ck_assert_uint_eq(guest_config(PCI_INTERRUPT_PIN, 1), 1);
}
END_TEST

START_TEST(capabilities_are_those_that_are_virtualised)
{
    vfio_machine_start_well();
    ck_assert_uint_ne(guest_capability(PCI_CAP_ID_EXP), 0);
    ck_assert_uint_ne(guest_capability(PCI_CAP_ID_MSI), 0);
    ck_assert_uint_ne(guest_capability(PCI_CAP_ID_MSIX), 0);
    ck_assert_uint_eq(guest_capability(PCI_CAP_ID_VNDR), 0);
    ck_assert_uint_eq(guest_config(guest_capability(PCI_CAP_ID_PM) + PCI_PM_PMC, 2),
                      0x0603 & 0x7ff);
    ck_assert_uint_eq(guest_config(guest_capability(PCI_CAP_ID_PM) + PCI_PM_CTRL, 2),
                      PCI_PM_CTRL_NO_SOFT_RESET);
    /* 16 messages of the 20 that the device has; table and bits where it has them */
    unsigned msix = guest_capability(PCI_CAP_ID_MSIX);
    ck_assert_uint_eq(guest_config(msix + PCI_MSIX_FLAGS, 2), VFIO_VECTORS_MAX - 1);
    ck_assert_uint_eq(guest_config(msix + PCI_MSIX_TABLE, 4), 0x2000);
    ck_assert_uint_eq(guest_config(msix + PCI_MSIX_PBA, 4), 0x3000);
}
END_TEST

START_TEST(without_anybody_who_takes_messages_there_are_none)
{
    m->has_routes = false;
    vfio_machine_start_well();
    ck_assert_uint_eq(guest_capability(PCI_CAP_ID_MSI), 0);
    ck_assert_uint_eq(guest_capability(PCI_CAP_ID_MSIX), 0);
    ck_assert_uint_eq(INTX_IRQS->active, 1);
}
END_TEST

START_TEST(a_list_of_capabilities_that_is_a_loop)
{
    m->fake.config[0x49] = 0x40;
    vfio_machine_start_well();
    ck_assert_uint_ne(guest_capability(PCI_CAP_ID_PM), 0);
    ck_assert_uint_eq(guest_capability(PCI_CAP_ID_MSIX), 0); /* it is behind the loop */
}
END_TEST

START_TEST(only_bus_master_reaches_the_device)
{
    vfio_machine_start_well();
    uint16_t *command = (uint16_t *)(void *)(m->fake.config + PCI_COMMAND);
    ck_assert_uint_eq(*command, PCI_COMMAND_MEMORY);
    guest_set_config(PCI_COMMAND, 2, 0xffff);
    ck_assert_uint_eq(*command, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    guest_set_config(PCI_COMMAND, 2, 0);
    ck_assert_uint_eq(*command, PCI_COMMAND_MEMORY);
    guest_set_config(guest_capability(PCI_CAP_ID_PM) + PCI_PM_CTRL, 2, 3);
    ck_assert_uint_eq(guest_config(guest_capability(PCI_CAP_ID_PM) + PCI_PM_CTRL, 2),
                      PCI_PM_CTRL_NO_SOFT_RESET | 3);
    ck_assert_uint_eq(m->fake.config_writes, 0);
}
END_TEST

/* Every byte, with many values, in every width: the device's own configuration stays, no slot is
 * outside of the bridge's windows, and what is not to be written stays. */
START_TEST(a_guest_that_writes_everywhere)
{
    static const uint32_t lies[] = {0, UINT32_MAX, 0x55555555, 0xaaaaaaaa,
                                    7, 0x80000000, 1};
    vfio_machine_start_well();
    uint8_t before[sizeof m->fake.config];
    memcpy(before, m->fake.config, sizeof before);
    srand(1);
    for (unsigned i = 0; i < 20000; i++) {
        unsigned size = 1u << rand() % 4;
        uint64_t offset = (uint64_t)(rand() % 256) & ~(uint64_t)(size - 1);
        uint32_t value = rand() % 2 ? lies[rand() % 7] : (uint32_t)rand();
        guest_set_config((unsigned)offset, size, (uint64_t)value << 32 | value);
        for (unsigned slot = 1; slot < 32; slot++)
            ck_assert(m->slots[slot].size == 0 ||
                      gpa_range_contains(m->host.config.memory32, m->slots[slot].start,
                                         m->slots[slot].size) ||
                      gpa_range_contains(m->host.config.memory64, m->slots[slot].start,
                                         m->slots[slot].size));
    }
    ck_assert_uint_eq(guest_config(PCI_VENDOR_ID, 4), 0x11e81234);
    ck_assert_uint_ne(guest_capability(PCI_CAP_ID_MSIX), 0);
    before[PCI_COMMAND] = m->fake.config[PCI_COMMAND];
    ck_assert_uint_eq(m->fake.config[PCI_COMMAND] & (0xffu ^ PCI_COMMAND_MASTER),
                      PCI_COMMAND_MEMORY);
    ck_assert_mem_eq(before, m->fake.config, sizeof before);
    ck_assert_uint_eq(m->fake.config_writes, 0);
}
END_TEST

/* --- BARs --- */

START_TEST(bars_are_memslots_but_for_the_msix_pages)
{
    vfio_machine_start_well();
    /* BAR 0: before the table, and behind the pending bits; BAR 2: all */
    ck_assert_uint_eq(m->fake.map_calls, 3);
    ck_assert_uint_eq(m->fake.mapped_offset[0], 0);
    ck_assert_uint_eq(m->fake.mapped_size[0], 0x2000);
    ck_assert_uint_eq(m->fake.mapped_offset[1], 0x4000);
    ck_assert_uint_eq(m->fake.mapped_size[1], 0xc000);
    ck_assert_uint_eq(m->fake.mapped_size[2], 0x4000);
    ck_assert_uint_eq(m->slot_count, 1 + 3);
    ck_assert_uint_eq(m->slots[1].start.value, VFIO_MACHINE_LOW);
    ck_assert_uint_eq(m->slots[2].start.value, VFIO_MACHINE_LOW + 0x4000);
    ck_assert_uint_eq(m->slots[3].start.value, VFIO_MACHINE_HIGH);
}
END_TEST

START_TEST(ports_are_no_bar_and_kinds_are_the_devices)
{
    vfio_machine_start_well();
    ck_assert_uint_eq(guest_config(PCI_BASE_ADDRESS_1, 4), 0);
    ck_assert_uint_eq(guest_config(PCI_BASE_ADDRESS_0, 4), VFIO_MACHINE_LOW);
    ck_assert_uint_eq(guest_config(PCI_BASE_ADDRESS_2, 4), PCI_BASE_ADDRESS_MEM_TYPE_64);
    ck_assert_uint_eq(guest_config(PCI_BASE_ADDRESS_3, 4), VFIO_MACHINE_HIGH >> 32);
    guest_set_config(PCI_BASE_ADDRESS_0, 4, UINT32_MAX);
    ck_assert_uint_eq(guest_config(PCI_BASE_ADDRESS_0, 4), 0xffff0000);
}
END_TEST

START_TEST(memslots_follow_the_bar)
{
    vfio_machine_start_well();
    guest_set_config(PCI_BASE_ADDRESS_0, 4, VFIO_MACHINE_LOW + MIB);
    ck_assert_uint_eq(m->slots[1].start.value, VFIO_MACHINE_LOW + MIB);
    guest_set_config(PCI_COMMAND, 2, 0);
    ck_assert_uint_eq(m->slot_count, 1);
    guest_set_config(PCI_BASE_ADDRESS_0, 4, 0); /* over RAM */
    guest_set_config(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
    ck_assert_uint_eq(m->slot_count, 1 + 1); /* BAR 2 */
    guest_set_config(PCI_BASE_ADDRESS_0, 4, VFIO_MACHINE_LOW);
    ck_assert_uint_eq(m->slot_count, 1 + 3);
}
END_TEST

START_TEST(what_cannot_be_mapped_is_trapped)
{
    m->fake.cannot_map = true;
    vfio_machine_start_well();
    ck_assert_uint_eq(m->slot_count, 1);
    guest_put(VFIO_MACHINE_LOW + 8, 4, 0x12345678);
    ck_assert_mem_eq(m->fake.bars[0] + 8, "\x78\x56\x34\x12", 4);
    ck_assert_uint_eq(guest_get(VFIO_MACHINE_LOW + 9, 1), 0x56);
    ck_assert_uint_eq(guest_get(VFIO_MACHINE_LOW + 8, 2), 0x5678);
    m->fake.access_fails = true;
    guest_put(VFIO_MACHINE_LOW + 8, 4, 1);
    ck_assert_uint_eq(guest_get(VFIO_MACHINE_LOW + 8, 4), UINT32_MAX);
}
END_TEST

START_TEST(all_is_trapped_if_that_is_wanted)
{
    m->traps_all = true;
    vfio_machine_start_well();
    ck_assert_uint_eq(m->fake.map_calls, 0);
    guest_put(VFIO_MACHINE_LOW + 0x5000, 4, 7);
    ck_assert_uint_eq(guest_get(VFIO_MACHINE_LOW + 0x5000, 4), 7);
}
END_TEST

START_TEST(only_the_parts_that_vfio_names_are_mapped)
{
    m->fake.sparse[0] = 0x5000;
    m->fake.sparse[1] = 0x3000;
    vfio_machine_start_well();
    ck_assert_uint_eq(m->fake.mapped_offset[0], 0x5000);
    ck_assert_uint_eq(m->fake.mapped_size[0], 0x3000);
    ck_assert_uint_eq(m->slots[1].start.value, VFIO_MACHINE_LOW + 0x5000);
}
END_TEST

/* Parts beyond the BAR, lists that are loops, sizes that are none: it works, with less. */
START_TEST(a_vfio_that_lies_about_regions)
{
    m->fake.sparse[0] = 0xf000;
    m->fake.sparse[1] = 0x2000;
    vfio_machine_start_well();
    ck_assert_uint_eq(m->slot_count, 1 + 1);

    static const uint64_t sizes[] = {3,      15, 0x18000, UINT64_MAX, UINT64_C(1) << 62,
                                     4 * GIB};
    for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
        vfio_machine_tear_down();
        vfio_machine_set_up();
        m->fake.loops = true;
        m->fake.argsz = i % 2 ? UINT32_MAX : 1;
        m->fake.bar_sizes[0] = sizes[i];
        vfio_machine_start_well();
        ck_assert_uint_eq(guest_config(PCI_BASE_ADDRESS_0, 4), 0);
        ck_assert_uint_eq(guest_capability(PCI_CAP_ID_MSIX),
                          0); /* its table would be nowhere */
    }
}
END_TEST

START_TEST(no_pci_device)
{
    m->fake.device_flags = VFIO_DEVICE_FLAGS_PLATFORM;
    ck_assert(!vfio_machine_start());
    ck_assert_int_eq(m->error.code, ERROR_CONFIG_HOST);
    ck_assert_ptr_nonnull(strstr(m->error.text, FAKE_VFIO_ADDRESS ": "));
}
END_TEST

/* --- reset --- */

static void ask_for_reset(void)
{
    guest_set_config(guest_capability(PCI_CAP_ID_EXP) + PCI_EXP_DEVCTL, 2,
                     PCI_EXP_DEVCTL_BCR_FLR);
}

START_TEST(a_reset_is_the_devices)
{
    vfio_machine_start_well();
    ck_assert_uint_eq(m->fake.resets, 1); /* at the start */
    ck_assert(guest_config(guest_capability(PCI_CAP_ID_EXP) + PCI_EXP_DEVCAP, 4) &
              PCI_EXP_DEVCAP_FLR);
    guest_write_entry(3, 0x77, false);
    guest_enable_msi(1);
    guest_set_config(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    ask_for_reset();
    ck_assert_uint_eq(m->fake.resets, 2);
    ck_assert_uint_eq(m->fake.config[PCI_COMMAND], PCI_COMMAND_MEMORY);
    ck_assert_uint_eq(guest_config(PCI_COMMAND, 2), 0);
    ck_assert_uint_eq(m->slot_count, 1);
    ck_assert_uint_eq(MSI_IRQS->active, 0);
    ck_assert_uint_eq(INTX_IRQS->active, 1);
    guest_set_config(PCI_BASE_ADDRESS_0, 4, VFIO_MACHINE_LOW);
    guest_set_config(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
    ck_assert_uint_eq(guest_get(VFIO_MACHINE_LOW + 0x203c, 4),
                      PCI_MSIX_ENTRY_CTRL_MASKBIT);
    ck_assert_uint_eq(guest_get(VFIO_MACHINE_LOW + 0x2038, 4), 0);
}
END_TEST

START_TEST(a_device_that_cannot_be_reset_does_not_say_so)
{
    m->fake.can_reset = false;
    vfio_machine_start_well();
    ck_assert(!(guest_config(guest_capability(PCI_CAP_ID_EXP) + PCI_EXP_DEVCAP, 4) &
                PCI_EXP_DEVCAP_FLR));
    ask_for_reset();
    ck_assert_uint_eq(m->fake.resets, 0);
}
END_TEST

Suite *vfio_pci_suite(void)
{
    Suite *suite = suite_create("vfio_pci");
    TCase *test_case = tcase_create("vfio_pci");
    tcase_add_checked_fixture(test_case, vfio_machine_set_up, vfio_machine_tear_down);
    tcase_add_test(test_case, identity_is_the_devices);
    tcase_add_test(test_case, capabilities_are_those_that_are_virtualised);
    tcase_add_test(test_case, without_anybody_who_takes_messages_there_are_none);
    tcase_add_test(test_case, a_list_of_capabilities_that_is_a_loop);
    tcase_add_test(test_case, only_bus_master_reaches_the_device);
    tcase_add_test(test_case, a_guest_that_writes_everywhere);
    tcase_add_test(test_case, bars_are_memslots_but_for_the_msix_pages);
    tcase_add_test(test_case, ports_are_no_bar_and_kinds_are_the_devices);
    tcase_add_test(test_case, memslots_follow_the_bar);
    tcase_add_test(test_case, what_cannot_be_mapped_is_trapped);
    tcase_add_test(test_case, all_is_trapped_if_that_is_wanted);
    tcase_add_test(test_case, only_the_parts_that_vfio_names_are_mapped);
    tcase_add_test(test_case, a_vfio_that_lies_about_regions);
    tcase_add_test(test_case, no_pci_device);
    tcase_add_test(test_case, a_reset_is_the_devices);
    tcase_add_test(test_case, a_device_that_cannot_be_reset_does_not_say_so);
    suite_add_tcase(suite, test_case);
    return suite;
}

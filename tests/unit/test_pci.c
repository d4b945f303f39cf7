/* SPDX-License-Identifier: MIT */
/* The host bridge: configuration space under a driver that lies, and BARs that move. */
#include <check.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/fake_events.h"
#include "tests/unit/suites.h"
#include "vmm/pci.h"

#define ECAM     0xe0000000u
#define LOW      0xd0200000u
#define LOW_SIZE 0x200000u
#define HIGH     (8 * GIB)
#define BAR_SIZE 0x8000u
#define BAR_64   0x40000u
#define PIN      16u
#define DATA     0x5au /* what a BAR reads, in each byte */

struct toy {
    struct pci_function function;
    struct pci_msix msix;
    bool placed[PCI_BARS];
    struct gpa_range places[PCI_BARS];
    unsigned moves;
    unsigned resets;
    uint64_t last_offset, last_value;
    unsigned last_bar;
    bool interrupts;
};

static struct fake_events fake;
static struct irq_routes routes;
static struct pci_host host;
static struct toy toys[2];
static struct bus bus;
static struct trace trace;
static struct error error;

static uint64_t bar_read(void *context, unsigned bar, uint64_t offset, unsigned size)
{
    struct toy *toy = context;
    ck_assert_uint_le(offset + size, toy->function.bars[bar].size);
    toy->last_bar = bar;
    toy->last_offset = offset;
    return 0x5a5a5a5a5a5a5a5a;
}

static void bar_write(void *context, unsigned bar, uint64_t offset, unsigned size,
                      uint64_t value)
{
    struct toy *toy = context;
    ck_assert_uint_le(offset + size, toy->function.bars[bar].size);
    toy->last_bar = bar;
    toy->last_offset = offset;
    toy->last_value = value;
}

/* No two BARs are at one place, not even for a moment. */
static void bar_moved(void *context, unsigned bar, const struct gpa_range *range)
{
    struct toy *toy = context;
    toy->moves++;
    ck_assert(toy->placed[bar] || range != NULL);
    toy->placed[bar] = false;
    if (range == NULL)
        return;
    for (unsigned i = 0; i < ARRAY_SIZE(toys); i++)
        for (unsigned other = 0; other < PCI_BARS; other++)
            ck_assert(!toys[i].placed[other] ||
                      !gpa_range_overlaps(toys[i].places[other], *range));
    toy->placed[bar] = true;
    toy->places[bar] = *range;
}

static bool interrupt_pending(void *context)
{
    const struct toy *toy = context;
    return toy->interrupts;
}

static void reset(void *context)
{
    struct toy *toy = context;
    toy->resets++;
}

static const struct pci_function_ops toy_ops = {
    .bar_read = bar_read,
    .bar_write = bar_write,
    .bar_moved = bar_moved,
    .interrupt_pending = interrupt_pending,
    .reset = reset,
};

static void add_toy(unsigned index)
{
    struct toy *toy = &toys[index];
    *toy = (struct toy){.function = {.name = index == 0 ? "first" : "second",
                                     .identity = {.vendor = 0x1af4,
                                                  .device = (uint16_t)(0x1050 + index),
                                                  .revision = 1,
                                                  .class_code = 0x038000},
                                     .bars[0] = {.size = BAR_SIZE},
                                     .bars[2] = {.size = BAR_64, .is_64 = true},
                                     .ops = &toy_ops,
                                     .context = toy,
                                     .msix = &toy->msix,
                                     .msix_table = 0x4000,
                                     .msix_pending = 0x4800}};
    ck_assert(
        pci_msix_init(&toy->msix, &routes, "toy", 8 * (index + 1), 2, &trace, &error));
    ck_assert_msg(pci_host_add(&host, &toy->function, index + 1, &error), "%s",
                  error.text);
    ck_assert_msg(pci_function_start(&toy->function, &error), "%s", error.text);
}

static void set_up(void)
{
    fake_events_init(&fake);
    trace_init(&trace, stderr, false);
    bus = (struct bus){0};
    const struct pci_host_config config = {
        .ecam = {gpa(ECAM), MIB},
        .memory32 = {gpa(LOW), LOW_SIZE},
        .memory64 = {gpa(HIGH), 4 * BAR_64},
        .intx_irq = PIN,
        .events = &fake.events,
        .trace = &trace,
    };
    ck_assert(irq_routes_init(&routes, &fake.events, &error));
    ck_assert_msg(pci_host_init(&host, &config, &error), "%s", error.text);
    ck_assert(pci_host_add_to_bus(&host, &bus, &error));
    for (unsigned i = 0; i < ARRAY_SIZE(toys); i++)
        add_toy(i);
}

static void tear_down(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(toys); i++)
        pci_msix_finish(&toys[i].msix);
    pci_host_finish(&host);
    irq_routes_finish(&routes);
}

/* --- what the guest does; toy 0 is in slot 1 --- */

static uint64_t read_at(uint64_t address, unsigned size)
{
    uint64_t value;
    ck_assert(bus_read(&bus, address, size, &value));
    return size == 8 ? value : value & ((UINT64_C(1) << 8 * size) - 1);
}

static uint64_t config_address(unsigned toy, unsigned offset)
{
    return ECAM + (toy + 1) * 0x8000 + offset;
}

static uint32_t config_read(unsigned toy, unsigned offset, unsigned size)
{
    return (uint32_t)read_at(config_address(toy, offset), size);
}

static void config_write(unsigned toy, unsigned offset, unsigned size, uint64_t value)
{
    ck_assert(bus_write(&bus, config_address(toy, offset), size, value));
}

static void set_bar(unsigned toy, unsigned bar, uint64_t address)
{
    config_write(toy, PCI_BASE_ADDRESS_0 + 4 * bar, 4, (uint32_t)address);
    if (bar == 2)
        config_write(toy, PCI_BASE_ADDRESS_0 + 12, 4, address >> 32);
}

static bool is_at(uint64_t address)
{
    return read_at(address, 1) == DATA;
}

static unsigned warnings(void)
{
    return atomic_load(&trace.warnings);
}

static unsigned capability(unsigned toy, uint8_t id)
{
    unsigned offset = config_read(toy, PCI_CAPABILITY_LIST, 1);
    while (offset != 0 && config_read(toy, offset, 1) != id)
        offset = config_read(toy, offset + 1, 1);
    ck_assert_uint_ne(offset, 0);
    return offset;
}

static uint64_t place(unsigned toy, unsigned bar)
{
    return toys[toy].places[bar].start.value;
}

/* --- the tests --- */

START_TEST(bars_are_assigned_and_decoded)
{
    for (unsigned i = 0; i < ARRAY_SIZE(toys); i++) {
        ck_assert(toys[i].placed[0]);
        ck_assert(toys[i].placed[2]);
        ck_assert(is_at(place(i, 0)));
        ck_assert(is_at(place(i, 2) + BAR_64 - 1));
        ck_assert_uint_eq(config_read(i, PCI_BASE_ADDRESS_0, 4), place(i, 0));
        ck_assert_uint_eq(config_read(i, PCI_BASE_ADDRESS_2, 4),
                          (uint32_t)place(i, 2) | 0xc);
        ck_assert_uint_eq(config_read(i, PCI_BASE_ADDRESS_3, 4), place(i, 2) >> 32);
        ck_assert_uint_eq(config_read(i, PCI_COMMAND, 2) & PCI_COMMAND_MEMORY,
                          PCI_COMMAND_MEMORY);
    }
    ck_assert_uint_eq(place(0, 2), HIGH);
    ck_assert_uint_eq(warnings(), 0);
    ck_assert(!is_at(LOW + LOW_SIZE - 8));
    ck_assert_uint_eq(warnings(), 1);
}
END_TEST

START_TEST(where_nobody_is)
{
    ck_assert_uint_eq(read_at(ECAM, 4), UINT32_MAX);                      /* slot 0 */
    ck_assert_uint_eq(read_at(config_address(0, 0x1000), 4), UINT32_MAX); /* function 1 */
    ck_assert_uint_eq(read_at(ECAM + MIB - 8, 8), UINT64_MAX);
    bus_write(&bus, ECAM + MIB - 8, 8, 0);
    /* Across the end of a function. */
    ck_assert_uint_eq(read_at(config_address(0, 0xfff), 2), UINT16_MAX);
    config_write(0, 0xffd, 8, UINT64_MAX);
    ck_assert_uint_eq(config_read(0, 0x100, 4), 0);
    ck_assert_uint_eq(config_read(0, 0xfe, 4), config_read(0, 0xfe, 2));
}
END_TEST

START_TEST(no_write_changes_what_a_function_is)
{
    static const uint64_t lies[] = {UINT64_MAX, 0, 0x5555555555555555,
                                    0xaaaaaaaaaaaaaaaa};
    const unsigned express = capability(0, PCI_CAP_ID_EXP);
    for (unsigned lie = 0; lie < ARRAY_SIZE(lies); lie++)
        for (unsigned size = 1; size <= 8; size *= 2)
            for (unsigned offset = 0; offset + size <= 260; offset++) {
                config_write(0, offset, size, lies[lie]);
                ck_assert_uint_eq(config_read(0, 0, 4), 0x10501af4);
                ck_assert_uint_eq(config_read(0, PCI_CLASS_REVISION, 4), 0x03800001);
                ck_assert_uint_eq(config_read(0, PCI_HEADER_TYPE, 1), 0);
                ck_assert_uint_eq(config_read(0, PCI_BASE_ADDRESS_0, 4) % BAR_SIZE, 0);
                ck_assert_uint_eq(config_read(0, PCI_BASE_ADDRESS_2, 4) % BAR_64, 0xc);
                ck_assert_uint_eq(config_read(0, PCI_BASE_ADDRESS_1, 4), 0);
                ck_assert_uint_eq(capability(0, PCI_CAP_ID_EXP), express);
                ck_assert_uint_eq(config_read(0, PCI_STATUS, 2), PCI_STATUS_CAP_LIST);
            }
    ck_assert(is_at(place(1, 0))); /* the neighbour */
}
END_TEST

START_TEST(a_bar_tells_its_size)
{
    uint32_t before = config_read(0, PCI_BASE_ADDRESS_0, 4);
    set_bar(0, 0, UINT32_MAX);
    ck_assert_uint_eq(config_read(0, PCI_BASE_ADDRESS_0, 4), ~(BAR_SIZE - 1));
    set_bar(0, 2, UINT64_MAX);
    ck_assert_uint_eq(config_read(0, PCI_BASE_ADDRESS_2, 4), ~(BAR_64 - 1) | 0xc);
    ck_assert_uint_eq(config_read(0, PCI_BASE_ADDRESS_3, 4), UINT32_MAX);
    ck_assert(!toys[0].placed[0]);
    ck_assert(!toys[0].placed[2]);
    set_bar(0, 0, before);
    ck_assert(toys[0].placed[0]);
}
END_TEST

START_TEST(a_bar_moves)
{
    uint64_t before = place(0, 0);
    set_bar(0, 0, LOW + MIB);
    ck_assert(!is_at(before));
    ck_assert(is_at(LOW + MIB));
    ck_assert_uint_eq(place(0, 0), LOW + MIB);
    ck_assert(bus_write(&bus, LOW + MIB + 0x10, 4, 0x77));
    ck_assert_uint_eq(toys[0].last_offset, 0x10);
    ck_assert_uint_eq(toys[0].last_value, 0x77);
    /* A 64-bit BAR may be below 4 GiB, too. */
    set_bar(0, 2, LOW + MIB + BAR_64);
    ck_assert(is_at(LOW + MIB + BAR_64));
    ck_assert_uint_eq(toys[0].last_bar, 2);
}
END_TEST

START_TEST(writing_the_same_address_moves_nothing)
{
    unsigned moves = toys[0].moves;
    set_bar(0, 0, place(0, 0));
    config_write(0, PCI_COMMAND, 2, config_read(0, PCI_COMMAND, 2));
    ck_assert_uint_eq(toys[0].moves, moves);
}
END_TEST

START_TEST(without_memory_decoding_nothing_is_there)
{
    config_write(0, PCI_COMMAND, 2, 0);
    ck_assert(!is_at(place(0, 0)));
    ck_assert(!is_at(place(0, 2)));
    ck_assert(is_at(place(1, 0)));
    config_write(0, PCI_COMMAND, 1, PCI_COMMAND_MEMORY);
    ck_assert(is_at(place(0, 0)));
    ck_assert(is_at(place(0, 2)));
    ck_assert_uint_eq(warnings(), 2); /* of what was not there */
}
END_TEST

/* RAM, the ECAM, half in the window, beyond all, around the end of the address space. */
static const uint64_t bad_places[] = {
    0,
    0x100000,
    ECAM,
    LOW - BAR_64,
    LOW + LOW_SIZE,
    HIGH - BAR_64,
    HIGH + 4 * BAR_64,
    UINT64_MAX - BAR_64 + 1,
};

START_TEST(a_bar_outside_of_the_windows_is_nowhere)
{
    uint64_t before = place(0, 2);
    set_bar(0, 2, bad_places[_i]);
    ck_assert(!toys[0].placed[2]);
    ck_assert(!is_at(before));
    unsigned said = warnings();
    ck_assert_uint_ge(said, 1);
    ck_assert_uint_le(said, 2); /* the first half may be wrong in another way */
    config_write(0, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
    ck_assert_uint_eq(warnings(), said);
    set_bar(0, 2, before);
    ck_assert(is_at(before));
}
END_TEST

START_TEST(of_two_bars_at_one_place_the_lower_slot_is_there)
{
    uint64_t second = place(1, 0);
    set_bar(0, 0, second);
    ck_assert(toys[0].placed[0]);
    ck_assert(!toys[1].placed[0]);
    ck_assert(bus_write(&bus, second, 4, 1));
    ck_assert_uint_eq(toys[0].last_value, 1);
    ck_assert_uint_eq(warnings(), 1);
    /* It comes back when the place is free. */
    set_bar(0, 0, LOW + MIB);
    ck_assert(toys[1].placed[0]);
    ck_assert(bus_write(&bus, second, 4, 2));
    ck_assert_uint_eq(toys[1].last_value, 2);
}
END_TEST

START_TEST(two_bars_change_places)
{
    uint64_t first = place(0, 2), second = place(1, 2);
    set_bar(0, 2, second);
    set_bar(1, 2, first);
    ck_assert_uint_eq(place(0, 2), second);
    ck_assert_uint_eq(place(1, 2), first);
    ck_assert(toys[0].placed[2] && toys[1].placed[2]);
}
END_TEST

START_TEST(an_access_across_the_end_of_a_bar_is_nowhere)
{
    toys[0].last_offset = 0;
    ck_assert_uint_eq(read_at(place(0, 0) + BAR_SIZE - 2, 4), UINT32_MAX);
    bus_write(&bus, place(0, 0) + BAR_SIZE - 1, 8, 0);
    ck_assert_uint_eq(toys[0].last_offset, 0);
    ck_assert_uint_eq(pci_function_bar_read(&toys[0].function, 7, 0, 4), UINT64_MAX);
    ck_assert_uint_eq(pci_function_bar_read(&toys[0].function, 0, UINT64_MAX, 4),
                      UINT64_MAX);
    pci_function_bar_write(&toys[0].function, 1, 0, 4, 0);
}
END_TEST

START_TEST(msix_is_in_bar_0)
{
    unsigned msix = capability(0, PCI_CAP_ID_MSIX);
    ck_assert_uint_eq(config_read(0, msix + PCI_MSIX_FLAGS, 2), 1); /* 2 vectors */
    ck_assert_uint_eq(config_read(0, msix + PCI_MSIX_TABLE, 4), 0x4000);
    ck_assert_uint_eq(config_read(0, msix + PCI_MSIX_PBA, 4), 0x4800);
    bus_write(&bus, place(0, 0) + 0x4010, 4, 0x1234);
    ck_assert_uint_eq(pci_msix_read_table(&toys[0].msix, 16, 4), 0x1234);
    ck_assert_uint_eq(read_at(place(0, 0) + 0x4010, 4), 0x1234);
    config_write(0, msix + PCI_MSIX_FLAGS, 2, 0xffff);
    ck_assert_uint_eq(config_read(0, msix + PCI_MSIX_FLAGS, 2), 0xc001);
    ck_assert(pci_msix_is_enabled(&toys[0].msix));
    pci_msix_raise(&toys[0].msix, 1);
    ck_assert_uint_eq(read_at(place(0, 0) + 0x4800, 8), 2);
    config_write(0, msix + PCI_MSIX_FLAGS + 1, 1, 0);
    ck_assert(!pci_msix_is_enabled(&toys[0].msix));
}
END_TEST

START_TEST(a_function_level_reset)
{
    unsigned express = capability(0, PCI_CAP_ID_EXP);
    ck_assert_uint_ne(config_read(0, express + PCI_EXP_DEVCAP, 4) & PCI_EXP_DEVCAP_FLR,
                      0);
    config_write(0, capability(0, PCI_CAP_ID_MSIX) + PCI_MSIX_FLAGS, 2, 0x8000);
    config_write(0, PCI_INTERRUPT_LINE, 1, 9);
    config_write(0, express + PCI_EXP_DEVCTL, 2, PCI_EXP_DEVCTL_BCR_FLR);
    ck_assert_uint_eq(toys[0].resets, 1);
    ck_assert_uint_eq(config_read(0, express + PCI_EXP_DEVCTL, 2), 0);
    ck_assert_uint_eq(config_read(0, PCI_COMMAND, 2), 0);
    ck_assert_uint_eq(config_read(0, PCI_BASE_ADDRESS_0, 4), 0);
    ck_assert_uint_eq(config_read(0, PCI_BASE_ADDRESS_2, 4), 0xc);
    ck_assert_uint_eq(config_read(0, PCI_INTERRUPT_LINE, 1), 0);
    ck_assert(!pci_msix_is_enabled(&toys[0].msix));
    ck_assert(!toys[0].placed[0] && !toys[0].placed[2]);
    ck_assert_uint_eq(config_read(0, PCI_VENDOR_ID, 2), 0x1af4);
    ck_assert_uint_eq(toys[1].resets, 0);
    /* Other bits of the register do not reset. */
    config_write(0, express + PCI_EXP_DEVCTL, 2, 0x7fff);
    ck_assert_uint_eq(toys[0].resets, 1);
}
END_TEST

static void raise_pin(unsigned toy, bool on)
{
    toys[toy].interrupts = on;
    pci_function_update_intx(&toys[toy].function);
}

START_TEST(the_pin_is_shared)
{
    ck_assert_uint_eq(config_read(0, PCI_INTERRUPT_PIN, 1), 1);
    raise_pin(0, true);
    ck_assert_uint_eq(fake.line, PIN);
    ck_assert(fake.level);
    ck_assert_uint_eq(config_read(0, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT,
                      PCI_STATUS_INTERRUPT);
    ck_assert_uint_eq(config_read(1, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT, 0);
    raise_pin(1, true);
    raise_pin(0, false);
    ck_assert(fake.level);
    ck_assert_uint_eq(fake.line_changes, 1);
    raise_pin(1, false);
    ck_assert(!fake.level);
    ck_assert_uint_eq(fake.line_changes, 2);
}
END_TEST

START_TEST(the_pin_can_be_disabled)
{
    raise_pin(0, true);
    config_write(0, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_INTX_DISABLE);
    ck_assert(!fake.level);
    config_write(0, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
    ck_assert(fake.level);
    config_write(0, capability(0, PCI_CAP_ID_MSIX) + PCI_MSIX_FLAGS, 2, 0x8000);
    ck_assert(!fake.level);
    ck_assert_uint_eq(config_read(0, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT, 0);
}
END_TEST

Suite *pci_suite(void)
{
    Suite *suite = suite_create("pci");
    TCase *test_case = tcase_create("pci");
    tcase_add_checked_fixture(test_case, set_up, tear_down);
    tcase_add_test(test_case, bars_are_assigned_and_decoded);
    tcase_add_test(test_case, where_nobody_is);
    tcase_add_test(test_case, no_write_changes_what_a_function_is);
    tcase_add_test(test_case, a_bar_tells_its_size);
    tcase_add_test(test_case, a_bar_moves);
    tcase_add_test(test_case, writing_the_same_address_moves_nothing);
    tcase_add_test(test_case, without_memory_decoding_nothing_is_there);
    tcase_add_loop_test(test_case, a_bar_outside_of_the_windows_is_nowhere, 0,
                        ARRAY_SIZE(bad_places));
    tcase_add_test(test_case, of_two_bars_at_one_place_the_lower_slot_is_there);
    tcase_add_test(test_case, two_bars_change_places);
    tcase_add_test(test_case, an_access_across_the_end_of_a_bar_is_nowhere);
    tcase_add_test(test_case, msix_is_in_bar_0);
    tcase_add_test(test_case, a_function_level_reset);
    tcase_add_test(test_case, the_pin_is_shared);
    tcase_add_test(test_case, the_pin_can_be_disabled);
    suite_add_tcase(suite, test_case);
    return suite;
}

/* SPDX-License-Identifier: MIT */
/*
 * A passed-through device on the guest's bus: its configuration space, its BARs, its interrupts,
 * with a VFIO that tells the truth, or does not, and a guest that writes anything anywhere.
 */
#include <check.h>
#include <linux/pci_regs.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "tests/unit/fake_events.h"
#include "tests/unit/fake_tree.h"
#include "tests/unit/fake_vfio.h"
#include "tests/unit/suites.h"

#define ECAM     0xe0000000u
#define LOW      0xd0200000u
#define HIGH     0x200000000u
#define SLOT     3u
#define CONFIG   (ECAM + SLOT * 0x8000u)
#define PIN      16u
#define RAM_SIZE (16 * MIB)
#define PINS     24u /* at least; the first GSI of a message is not below */
#define IRQFDS   32u

#define INTX_IRQS (&fake.irqs[VFIO_PCI_INTX_IRQ_INDEX])
#define MSI_IRQS  (&fake.irqs[VFIO_PCI_MSI_IRQ_INDEX])
#define MSIX_IRQS (&fake.irqs[VFIO_PCI_MSIX_IRQ_INDEX])

/* KVM, as far as it is asked for irqfds and slots. */
static struct {
    unsigned irqfd_count;
    struct {
        uint32_t gsi;
        int fd;
        int unmask_fd;
    } irqfds[IRQFDS];
    unsigned slot_count;
    struct gpa_range slots[32];
    bool fails;
} kvm;

static struct fake_vfio fake;
static struct fake_events events;
static struct trace trace;
static struct irq_routes routes;
static struct pci_host host;
static struct bus bus;
static struct memslot_table memslots;
static struct vfio_container container;
static struct guest_memory memory;
static struct vfio_pci pci;
static struct error error;
static bool traps_all;
static bool has_routes;

static bool connect_irqfd(void *context, uint32_t gsi, int event_fd, int unmask_fd,
                          bool on, struct error *why)
{
    unsigned i = 0;
    (void)context;
    if (kvm.fails)
        return error_set(why, ERROR_HOST_KVM, "KVM says no");
    while (i < kvm.irqfd_count && kvm.irqfds[i].gsi != gsi)
        i++;
    if (!on && gsi < PINS)
        ck_assert_uint_lt(i, kvm.irqfd_count);
    if (on) {
        ck_assert_uint_eq(i, kvm.irqfd_count);
        kvm.irqfds[kvm.irqfd_count].gsi = gsi;
        kvm.irqfds[kvm.irqfd_count].fd = event_fd;
        kvm.irqfds[kvm.irqfd_count++].unmask_fd = unmask_fd;
    } else if (i < kvm.irqfd_count) {
        kvm.irqfds[i] = kvm.irqfds[--kvm.irqfd_count];
    }
    return true;
}

static const struct vfio_irqfds irqfds = {.connect = connect_irqfd};

static bool set_slot(void *context, uint32_t id, gpa_t address, uint64_t size,
                     void *memory_at, struct error *why)
{
    (void)context;
    (void)memory_at;
    (void)why;
    kvm.slots[id] = (struct gpa_range){address, size};
    kvm.slot_count += size > 0 ? 1u : -1u;
    return true;
}

static void set_up(void)
{
    static uint8_t page[1] __attribute__((aligned(4096)));
    uint32_t id;
    memset(&kvm, 0, sizeof kvm);
    fake_tree_make();
    fake_vfio_init(&fake);
    fake_events_init(&events);
    trace_init(&trace, stderr, false);
    trace.warnings = TRACE_WARNINGS_MAX; /* no one wants to read them */
    traps_all = false;
    has_routes = true;
    bus = (struct bus){0};
    memory =
        (struct guest_memory){.fd = -1,
                              .region_count = 1,
                              .regions = {{.range = {gpa(0), RAM_SIZE}, .host = page}}};
    const struct pci_host_config config = {
        .ecam = {gpa(ECAM), MIB},
        .memory32 = {gpa(LOW), 16 * MIB},
        .memory64 = {gpa(HIGH), GIB},
        .intx_irq = PIN,
        .events = &events.events,
        .trace = &trace,
    };
    ck_assert(irq_routes_init(&routes, &events.events, &error));
    ck_assert(pci_host_init(&host, &config, &error));
    ck_assert(pci_host_add_to_bus(&host, &bus, &error));
    memslot_table_init(&memslots, set_slot, NULL, 32);
    ck_assert(memslot_add(&memslots, "ram", gpa(0), RAM_SIZE, page, &id, &error));
}

static bool start(void)
{
    const struct vfio_pci_config config = {
        .container = &container,
        .address = FAKE_VFIO_ADDRESS,
        .traps_all = traps_all,
        .host = &host,
        .slot = SLOT,
        .routes = has_routes ? &routes : NULL,
        .irqfds = &irqfds,
        .memslots = &memslots,
        .trace = &trace,
    };
    return (container.calls ||
            vfio_container_init(&container, &fake.calls, &memory, &error)) &&
           vfio_pci_init(&pci, &config, &error);
}

static void start_well(void)
{
    ck_assert_msg(start(), "%s", error.text);
}

static void tear_down(void)
{
    kvm.fails = false;
    vfio_pci_finish(&pci);
    ck_assert_uint_eq(fake.mapped, 0);
    ck_assert_uint_eq(kvm.slot_count, 1);
    ck_assert_uint_eq(INTX_IRQS->active + MSI_IRQS->active + MSIX_IRQS->active, 0);
    vfio_container_finish(&container);
    ck_assert_int_eq(fake.open_count, 0);
    memslot_table_finish(&memslots);
    pci_host_finish(&host);
    irq_routes_finish(&routes);
    fake_tree_remove();
}

/* --- the guest --- */

static uint32_t get(uint64_t address, unsigned size)
{
    uint64_t value;
    ck_assert(bus_read(&bus, address, size, &value));
    return (uint32_t)(size == 4 ? value : value & ((UINT64_C(1) << 8 * size) - 1));
}

static void put(uint64_t address, unsigned size, uint64_t value)
{
    ck_assert(bus_write(&bus, address, size, value));
}

static uint32_t config(unsigned offset, unsigned size)
{
    return get(CONFIG + offset, size);
}

static void set_config(unsigned offset, unsigned size, uint32_t value)
{
    put(CONFIG + offset, size, value);
}

static unsigned capability(uint8_t id)
{
    unsigned offset = config(PCI_CAPABILITY_LIST, 1);
    for (unsigned i = 0; i < 64 && offset != 0; i++) {
        if (config(offset, 1) == id)
            return offset;
        offset = config(offset + 1, 1);
    }
    return 0;
}

static int irqfd_of(uint32_t gsi)
{
    for (unsigned i = 0; i < kvm.irqfd_count; i++)
        if (kvm.irqfds[i].gsi == gsi)
            return kvm.irqfds[i].fd;
    return -1;
}

/* The route and the irqfd of an interrupt that the device sends; 0: nobody gets it. */
static uint32_t data_of(const struct fake_irqs *irqs, unsigned index)
{
    for (unsigned i = 0; i < kvm.irqfd_count; i++)
        if (kvm.irqfds[i].fd == irqs->fds[index])
            return fake_events_route(&events, kvm.irqfds[i].gsi)->u.msi.data;
    return 0;
}

/* --- configuration space --- */

START_TEST(identity_is_the_devices)
{
    start_well();
    ck_assert_uint_eq(config(PCI_VENDOR_ID, 4), 0x11e81234);
    ck_assert_uint_eq(config(PCI_CLASS_REVISION, 4), 0x00ff0010);
    ck_assert_uint_eq(config(PCI_SUBSYSTEM_VENDOR_ID, 2), 0x34);
    ck_assert_uint_eq(config(PCI_INTERRUPT_PIN, 1), 1);
}
END_TEST

START_TEST(capabilities_are_those_that_are_virtualised)
{
    start_well();
    ck_assert_uint_ne(capability(PCI_CAP_ID_EXP), 0);
    ck_assert_uint_ne(capability(PCI_CAP_ID_MSI), 0);
    ck_assert_uint_ne(capability(PCI_CAP_ID_MSIX), 0);
    ck_assert_uint_eq(capability(PCI_CAP_ID_VNDR), 0);
    ck_assert_uint_eq(config(capability(PCI_CAP_ID_PM) + PCI_PM_PMC, 2), 0x0603 & 0x7ff);
    ck_assert_uint_eq(config(capability(PCI_CAP_ID_PM) + PCI_PM_CTRL, 2),
                      PCI_PM_CTRL_NO_SOFT_RESET);
    /* 16 messages of the 20 that the device has; table and bits where it has them */
    unsigned msix = capability(PCI_CAP_ID_MSIX);
    ck_assert_uint_eq(config(msix + PCI_MSIX_FLAGS, 2), VFIO_VECTORS_MAX - 1);
    ck_assert_uint_eq(config(msix + PCI_MSIX_TABLE, 4), 0x2000);
    ck_assert_uint_eq(config(msix + PCI_MSIX_PBA, 4), 0x3000);
}
END_TEST

START_TEST(without_anybody_who_takes_messages_there_are_none)
{
    has_routes = false;
    start_well();
    ck_assert_uint_eq(capability(PCI_CAP_ID_MSI), 0);
    ck_assert_uint_eq(capability(PCI_CAP_ID_MSIX), 0);
    ck_assert_uint_eq(INTX_IRQS->active, 1);
}
END_TEST

START_TEST(a_list_of_capabilities_that_is_a_loop)
{
    fake.config[0x49] = 0x40;
    start_well();
    ck_assert_uint_ne(capability(PCI_CAP_ID_PM), 0);
    ck_assert_uint_eq(capability(PCI_CAP_ID_MSIX), 0); /* it is behind the loop */
}
END_TEST

START_TEST(only_bus_master_reaches_the_device)
{
    start_well();
    uint16_t *command = (uint16_t *)(void *)(fake.config + PCI_COMMAND);
    ck_assert_uint_eq(*command, PCI_COMMAND_MEMORY);
    set_config(PCI_COMMAND, 2, 0xffff);
    ck_assert_uint_eq(*command, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    set_config(PCI_COMMAND, 2, 0);
    ck_assert_uint_eq(*command, PCI_COMMAND_MEMORY);
    set_config(capability(PCI_CAP_ID_PM) + PCI_PM_CTRL, 2, 3);
    ck_assert_uint_eq(config(capability(PCI_CAP_ID_PM) + PCI_PM_CTRL, 2),
                      PCI_PM_CTRL_NO_SOFT_RESET | 3);
    ck_assert_uint_eq(fake.config_writes, 0);
}
END_TEST

/* Every byte, with many values, in every width: the device's own configuration stays, no slot is
 * outside of the bridge's windows, and what is not to be written stays. */
START_TEST(a_guest_that_writes_everywhere)
{
    static const uint32_t lies[] = {0, UINT32_MAX, 0x55555555, 0xaaaaaaaa,
                                    7, 0x80000000, 1};
    start_well();
    uint8_t before[sizeof fake.config];
    memcpy(before, fake.config, sizeof before);
    srand(1);
    for (unsigned i = 0; i < 20000; i++) {
        unsigned size = 1u << rand() % 4;
        uint64_t offset = (uint64_t)(rand() % 256) & ~(uint64_t)(size - 1);
        uint32_t value = rand() % 2 ? lies[rand() % 7] : (uint32_t)rand();
        put(CONFIG + offset, size, (uint64_t)value << 32 | value);
        for (unsigned slot = 1; slot < 32; slot++)
            ck_assert(kvm.slots[slot].size == 0 ||
                      gpa_range_contains(host.config.memory32, kvm.slots[slot].start,
                                         kvm.slots[slot].size) ||
                      gpa_range_contains(host.config.memory64, kvm.slots[slot].start,
                                         kvm.slots[slot].size));
    }
    ck_assert_uint_eq(config(PCI_VENDOR_ID, 4), 0x11e81234);
    ck_assert_uint_ne(capability(PCI_CAP_ID_MSIX), 0);
    before[PCI_COMMAND] = fake.config[PCI_COMMAND];
    ck_assert_uint_eq(fake.config[PCI_COMMAND] & (0xffu ^ PCI_COMMAND_MASTER),
                      PCI_COMMAND_MEMORY);
    ck_assert_mem_eq(before, fake.config, sizeof before);
    ck_assert_uint_eq(fake.config_writes, 0);
}
END_TEST

/* --- BARs --- */

START_TEST(bars_are_memslots_but_for_the_msix_pages)
{
    start_well();
    /* BAR 0: before the table, and behind the pending bits; BAR 2: all */
    ck_assert_uint_eq(fake.map_calls, 3);
    ck_assert_uint_eq(fake.mapped_offset[0], 0);
    ck_assert_uint_eq(fake.mapped_size[0], 0x2000);
    ck_assert_uint_eq(fake.mapped_offset[1], 0x4000);
    ck_assert_uint_eq(fake.mapped_size[1], 0xc000);
    ck_assert_uint_eq(fake.mapped_size[2], 0x4000);
    ck_assert_uint_eq(kvm.slot_count, 1 + 3);
    ck_assert_uint_eq(kvm.slots[1].start.value, LOW);
    ck_assert_uint_eq(kvm.slots[2].start.value, LOW + 0x4000);
    ck_assert_uint_eq(kvm.slots[3].start.value, HIGH);
}
END_TEST

START_TEST(ports_are_no_bar_and_kinds_are_the_devices)
{
    start_well();
    ck_assert_uint_eq(config(PCI_BASE_ADDRESS_1, 4), 0);
    ck_assert_uint_eq(config(PCI_BASE_ADDRESS_0, 4), LOW);
    ck_assert_uint_eq(config(PCI_BASE_ADDRESS_2, 4), PCI_BASE_ADDRESS_MEM_TYPE_64);
    ck_assert_uint_eq(config(PCI_BASE_ADDRESS_3, 4), HIGH >> 32);
    set_config(PCI_BASE_ADDRESS_0, 4, UINT32_MAX);
    ck_assert_uint_eq(config(PCI_BASE_ADDRESS_0, 4), 0xffff0000);
}
END_TEST

START_TEST(memslots_follow_the_bar)
{
    start_well();
    set_config(PCI_BASE_ADDRESS_0, 4, LOW + MIB);
    ck_assert_uint_eq(kvm.slots[1].start.value, LOW + MIB);
    set_config(PCI_COMMAND, 2, 0);
    ck_assert_uint_eq(kvm.slot_count, 1);
    set_config(PCI_BASE_ADDRESS_0, 4, 0); /* over RAM */
    set_config(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
    ck_assert_uint_eq(kvm.slot_count, 1 + 1); /* BAR 2 */
    set_config(PCI_BASE_ADDRESS_0, 4, LOW);
    ck_assert_uint_eq(kvm.slot_count, 1 + 3);
}
END_TEST

START_TEST(what_cannot_be_mapped_is_trapped)
{
    fake.cannot_map = true;
    start_well();
    ck_assert_uint_eq(kvm.slot_count, 1);
    put(LOW + 8, 4, 0x12345678);
    ck_assert_mem_eq(fake.bars[0] + 8, "\x78\x56\x34\x12", 4);
    ck_assert_uint_eq(get(LOW + 9, 1), 0x56);
    ck_assert_uint_eq(get(LOW + 8, 2), 0x5678);
    fake.access_fails = true;
    put(LOW + 8, 4, 1);
    ck_assert_uint_eq(get(LOW + 8, 4), UINT32_MAX);
}
END_TEST

START_TEST(all_is_trapped_if_that_is_wanted)
{
    traps_all = true;
    start_well();
    ck_assert_uint_eq(fake.map_calls, 0);
    put(LOW + 0x5000, 4, 7);
    ck_assert_uint_eq(get(LOW + 0x5000, 4), 7);
}
END_TEST

START_TEST(only_the_parts_that_vfio_names_are_mapped)
{
    fake.sparse[0] = 0x5000;
    fake.sparse[1] = 0x3000;
    start_well();
    ck_assert_uint_eq(fake.mapped_offset[0], 0x5000);
    ck_assert_uint_eq(fake.mapped_size[0], 0x3000);
    ck_assert_uint_eq(kvm.slots[1].start.value, LOW + 0x5000);
}
END_TEST

/* Parts beyond the BAR, lists that are loops, sizes that are none: it works, with less. */
START_TEST(a_vfio_that_lies_about_regions)
{
    fake.sparse[0] = 0xf000;
    fake.sparse[1] = 0x2000;
    start_well();
    ck_assert_uint_eq(kvm.slot_count, 1 + 1);

    static const uint64_t sizes[] = {3,      15, 0x18000, UINT64_MAX, UINT64_C(1) << 62,
                                     4 * GIB};
    for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
        tear_down();
        set_up();
        fake.loops = true;
        fake.argsz = i % 2 ? UINT32_MAX : 1;
        fake.bar_sizes[0] = sizes[i];
        start_well();
        ck_assert_uint_eq(config(PCI_BASE_ADDRESS_0, 4), 0);
        ck_assert_uint_eq(capability(PCI_CAP_ID_MSIX),
                          0); /* its table would be nowhere */
    }
}
END_TEST

START_TEST(no_pci_device)
{
    fake.device_flags = VFIO_DEVICE_FLAGS_PLATFORM;
    ck_assert(!start());
    ck_assert_int_eq(error.code, ERROR_CONFIG_HOST);
    ck_assert_ptr_nonnull(strstr(error.text, FAKE_VFIO_ADDRESS ": "));
}
END_TEST

/* --- interrupts --- */

START_TEST(the_pin_is_a_level)
{
    start_well();
    ck_assert_uint_eq(INTX_IRQS->active, 1);
    ck_assert_uint_eq(kvm.irqfd_count, 1);
    ck_assert_uint_eq(kvm.irqfds[0].gsi, PIN);
    ck_assert_int_eq(kvm.irqfds[0].fd, INTX_IRQS->fds[0]);
    ck_assert_int_eq(kvm.irqfds[0].unmask_fd, INTX_IRQS->unmask_fd);
    fake.config[PCI_STATUS] |= PCI_STATUS_INTERRUPT;
    ck_assert(config(PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
    fake.config[PCI_STATUS] ^= PCI_STATUS_INTERRUPT;
    ck_assert(!(config(PCI_STATUS, 2) & PCI_STATUS_INTERRUPT));
    set_config(PCI_COMMAND, 2, PCI_COMMAND_INTX_DISABLE);
    ck_assert_uint_eq(INTX_IRQS->active, 0);
    ck_assert_uint_eq(kvm.irqfd_count, 0);
    set_config(PCI_COMMAND, 2, 0);
    ck_assert_uint_eq(INTX_IRQS->active, 1);
}
END_TEST

static void enable_msi(unsigned order)
{
    unsigned msi = capability(PCI_CAP_ID_MSI);
    set_config(msi + PCI_MSI_ADDRESS_LO, 4, 0xfee00000);
    set_config(msi + PCI_MSI_ADDRESS_HI, 4, 0);
    set_config(msi + PCI_MSI_DATA_64, 2, 0x4040);
    set_config(msi + PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_ENABLE | order << 4);
}

START_TEST(msi_takes_the_pins_place)
{
    start_well();
    enable_msi(1);
    ck_assert_uint_eq(INTX_IRQS->active, 0);
    ck_assert_uint_eq(MSI_IRQS->active, 2);
    ck_assert_uint_eq(kvm.irqfd_count, 2);
    ck_assert_uint_eq(data_of(MSI_IRQS, 0), 0x4040);
    ck_assert_uint_eq(data_of(MSI_IRQS, 1), 0x4041);
    enable_msi(7); /* more than it has: as many as it has */
    ck_assert_uint_eq(MSI_IRQS->active, 4);
    set_config(capability(PCI_CAP_ID_MSI) + PCI_MSI_FLAGS, 2, 0);
    ck_assert_uint_eq(MSI_IRQS->active, 0);
    ck_assert_uint_eq(INTX_IRQS->active, 1);
    ck_assert_int_ge(irqfd_of(PIN), 0);
}
END_TEST

START_TEST(a_masked_message_waits)
{
    start_well();
    enable_msi(1);
    unsigned msi = capability(PCI_CAP_ID_MSI);
    set_config(msi + PCI_MSI_MASK_64, 4, 2);
    ck_assert_uint_eq(data_of(MSI_IRQS, 1), 0);
    ck_assert_uint_eq(MSI_IRQS->sets, 1); /* the device is not asked again */
    ck_assert_uint_eq(config(msi + PCI_MSI_PENDING_64, 4), 0);
    eventfd_write(MSI_IRQS->fds[1], 1);
    ck_assert_uint_eq(config(msi + PCI_MSI_PENDING_64, 4), 2);
    set_config(msi + PCI_MSI_MASK_64, 4, 0);
    ck_assert_uint_eq(data_of(MSI_IRQS, 1), 0x4041);
    ck_assert_uint_eq(config(msi + PCI_MSI_PENDING_64, 4), 0);
}
END_TEST

static void write_entry(unsigned index, uint32_t data, bool masked)
{
    uint64_t entry = LOW + 0x2000 + index * 16;
    put(entry, 8, 0xfee00000);
    put(entry + 8, 4, data);
    put(entry + 12, 4, masked);
}

START_TEST(msix_has_a_table_of_its_own)
{
    start_well();
    unsigned msix = capability(PCI_CAP_ID_MSIX);
    ck_assert_uint_eq(get(LOW + 0x200c, 4), PCI_MSIX_ENTRY_CTRL_MASKBIT);
    write_entry(3, 0x77, false);
    set_config(msix + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
    ck_assert_uint_eq(MSIX_IRQS->active, VFIO_VECTORS_MAX);
    ck_assert_uint_eq(data_of(MSIX_IRQS, 3), 0);
    eventfd_write(MSIX_IRQS->fds[3], 1);
    ck_assert_uint_eq(get(LOW + 0x3000, 4), 8);
    ck_assert_uint_eq(get(LOW + 0x3001, 1), 0);
    set_config(msix + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
    ck_assert_uint_eq(data_of(MSIX_IRQS, 3), 0x77);
    ck_assert_uint_eq(data_of(MSIX_IRQS, 4), 0);
    write_entry(4, 0x99, false);
    ck_assert_uint_eq(data_of(MSIX_IRQS, 4), 0x99);
    write_entry(4, 0xaa, true);
    ck_assert_uint_eq(data_of(MSIX_IRQS, 4), 0);
    ck_assert_uint_eq(get(LOW + 0x2048, 4), 0xaa);
    ck_assert_uint_eq(MSIX_IRQS->sets, 1);
    ck_assert_uint_eq(fake.bar_writes, 0);
    /* behind the entries that there are: nothing */
    put(LOW + 0x2000 + 17 * 16, 4, 5);
    ck_assert_uint_eq(get(LOW + 0x2000 + 17 * 16, 4), 0);
    put(LOW + 0x3000, 4, UINT32_MAX);
    ck_assert_uint_eq(get(LOW + 0x3000, 4), 0); /* the third one has an irqfd now */
    ck_assert_uint_eq(fake.bar_reads + fake.bar_writes, 0);
}
END_TEST

START_TEST(a_device_without_a_pin)
{
    INTX_IRQS->count = 0;
    start_well();
    ck_assert_uint_eq(config(PCI_INTERRUPT_PIN, 1), 0);
    ck_assert_uint_eq(kvm.irqfd_count, 0);
    enable_msi(0);
    ck_assert_uint_eq(MSI_IRQS->active, 1);
}
END_TEST

START_TEST(more_interrupts_than_there_can_be)
{
    MSI_IRQS->count = UINT32_MAX;
    MSIX_IRQS->count = UINT32_MAX;
    start_well();
    unsigned msi = capability(PCI_CAP_ID_MSI);
    ck_assert_uint_eq((config(msi + PCI_MSI_FLAGS, 2) & PCI_MSI_FLAGS_QMASK) >> 1, 4);
    enable_msi(7);
    ck_assert_uint_eq(MSI_IRQS->active, 16);
}
END_TEST

START_TEST(a_kernel_that_refuses_interrupts)
{
    start_well();
    fake.irqs_error = 22;
    enable_msi(1); /* a warning, and no interrupts */
    ck_assert_uint_eq(kvm.irqfd_count, 0);
    fake.irqs_error = 0;
    INTX_IRQS->active = 0;
    kvm.fails = true;
    set_config(capability(PCI_CAP_ID_MSI) + PCI_MSI_FLAGS, 2, 0);
    enable_msi(1);
}
END_TEST

/* --- reset --- */

static void ask_for_reset(void)
{
    set_config(capability(PCI_CAP_ID_EXP) + PCI_EXP_DEVCTL, 2, PCI_EXP_DEVCTL_BCR_FLR);
}

START_TEST(a_reset_is_the_devices)
{
    start_well();
    ck_assert_uint_eq(fake.resets, 1); /* at the start */
    ck_assert(config(capability(PCI_CAP_ID_EXP) + PCI_EXP_DEVCAP, 4) &
              PCI_EXP_DEVCAP_FLR);
    write_entry(3, 0x77, false);
    enable_msi(1);
    set_config(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    ask_for_reset();
    ck_assert_uint_eq(fake.resets, 2);
    ck_assert_uint_eq(fake.config[PCI_COMMAND], PCI_COMMAND_MEMORY);
    ck_assert_uint_eq(config(PCI_COMMAND, 2), 0);
    ck_assert_uint_eq(kvm.slot_count, 1);
    ck_assert_uint_eq(MSI_IRQS->active, 0);
    ck_assert_uint_eq(INTX_IRQS->active, 1);
    set_config(PCI_BASE_ADDRESS_0, 4, LOW);
    set_config(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
    ck_assert_uint_eq(get(LOW + 0x203c, 4), PCI_MSIX_ENTRY_CTRL_MASKBIT);
    ck_assert_uint_eq(get(LOW + 0x2038, 4), 0);
}
END_TEST

START_TEST(a_device_that_cannot_be_reset_does_not_say_so)
{
    fake.can_reset = false;
    start_well();
    ck_assert(
        !(config(capability(PCI_CAP_ID_EXP) + PCI_EXP_DEVCAP, 4) & PCI_EXP_DEVCAP_FLR));
    ask_for_reset();
    ck_assert_uint_eq(fake.resets, 0);
}
END_TEST

Suite *vfio_pci_suite(void)
{
    Suite *suite = suite_create("vfio_pci");
    TCase *test_case = tcase_create("vfio_pci");
    tcase_add_checked_fixture(test_case, set_up, tear_down);
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
    tcase_add_test(test_case, the_pin_is_a_level);
    tcase_add_test(test_case, msi_takes_the_pins_place);
    tcase_add_test(test_case, a_masked_message_waits);
    tcase_add_test(test_case, msix_has_a_table_of_its_own);
    tcase_add_test(test_case, a_device_without_a_pin);
    tcase_add_test(test_case, more_interrupts_than_there_can_be);
    tcase_add_test(test_case, a_kernel_that_refuses_interrupts);
    tcase_add_test(test_case, a_reset_is_the_devices);
    tcase_add_test(test_case, a_device_that_cannot_be_reset_does_not_say_so);
    suite_add_tcase(suite, test_case);
    return suite;
}

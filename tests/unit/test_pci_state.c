/* SPDX-License-Identifier: MIT */
/* A virtio-pci device is replaced, bridge, messages and all: the guest finds what it had set up. */
#include <check.h>
#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>

#include "tests/unit/fake_events.h"
#include "tests/unit/server_device.h"
#include "tests/unit/state_damage.h"
#include "tests/unit/suites.h"
#include "tests/unit/toy_device.h"
#include "virtio/pci.h"
#include "vmm/vm_state.h"

#define ECAM     0xe0000000u
#define LOW      0xd0200000u
#define HIGH     (8 * GIB)
#define SHM_SIZE (64 * KIB)
#define SLOT     3u
#define PIN      16u
#define ISR      0x1000u
#define NOTIFY   0x3000u
#define TABLE    0x4000u
#define PENDING  0x4800u
#define VECTOR   1u /* of queue 0 */
#define MESSAGE  0xfee00000u

/* What is replaced. */
struct side {
    struct fake_events fake;
    struct irq_routes routes;
    struct pci_host host;
    struct virtio_pci pci;
    struct bus bus;
    struct server server;
};

static struct server_driver driver;
static struct side sides[2];
static struct side *side;
static struct gpa_range shm_place;
static struct error error;

static void shm_moved(void *context, uint8_t id, const struct gpa_range *range)
{
    (void)context;
    ck_assert_uint_eq(id, 1);
    shm_place = range != NULL ? *range : (struct gpa_range){gpa(0), 0};
}

static void init_side(struct side *new, bool has_messages)
{
    const struct pci_host_config config = {
        .ecam = {gpa(ECAM), MIB},
        .memory32 = {gpa(LOW), MIB},
        .memory64 = {gpa(HIGH), MIB},
        .intx_irq = PIN,
        .events = &new->fake.events,
        .trace = &driver.virtio.trace,
    };
    new->bus = (struct bus){0};
    fake_events_init(&new->fake);
    server_init(&new->server, &driver);
    new->server.device.shm_moved = shm_moved;
    virtio_device_add_shm(&new->server.device, 1, (struct gpa_range){gpa(0), SHM_SIZE});
    ck_assert(irq_routes_init(&new->routes, &new->fake.events, &error));
    ck_assert(pci_host_init(&new->host, &config, &error));
    ck_assert(pci_host_add_to_bus(&new->host, &new->bus, &error));
    ck_assert(virtio_pci_init(&new->pci, &new->host, SLOT, &new->server.device,
                              has_messages ? &new->routes : NULL, &error));
}

static void finish_side(struct side *old)
{
    virtio_device_stop(&old->server.device);
    virtio_pci_finish(&old->pci);
    pci_host_finish(&old->host);
    irq_routes_finish(&old->routes);
    server_finish(&old->server);
}

static void set_up_with(bool has_messages)
{
    server_driver_init(&driver);
    side = &sides[0];
    init_side(side, has_messages);
    server_run(&side->server);
    virtio_driver_start(&driver.virtio, &side->server.device, 0);
}

static void set_up(void)
{
    set_up_with(true);
}

static void set_up_without_messages(void)
{
    set_up_with(false);
}

static void tear_down(void)
{
    finish_side(side);
    server_driver_finish(&driver);
}

/* --- the driver --- */

static uint64_t read_at(uint64_t address, unsigned size)
{
    uint64_t value;
    ck_assert(bus_read(&side->bus, address, size, &value));
    return size == 8 ? value : value & ((UINT64_C(1) << 8 * size) - 1);
}

static uint32_t config(unsigned offset, unsigned size)
{
    return (uint32_t)read_at(ECAM + SLOT * 0x8000 + offset, size);
}

static void set_config(unsigned offset, unsigned size, uint64_t value)
{
    ck_assert(bus_write(&side->bus, ECAM + SLOT * 0x8000 + offset, size, value));
}

static uint32_t get(uint64_t offset, unsigned size)
{
    return (uint32_t)read_at(config(PCI_BASE_ADDRESS_0, 4) + offset, size);
}

static void set(uint64_t offset, unsigned size, uint64_t value)
{
    ck_assert(bus_write(&side->bus, config(PCI_BASE_ADDRESS_0, 4) + offset, size, value));
}

static void mask(unsigned vector, bool masked)
{
    set(TABLE + vector * 16 + 12, 4, masked);
}

static void enable_msix(void)
{
    for (unsigned vector = 0; vector < 3; vector++) {
        set(TABLE + vector * 16, 4, MESSAGE);
        set(TABLE + vector * 16 + 8, 4, 0x40 + vector);
        mask(vector, false);
    }
    set(VIRTIO_PCI_COMMON_MSIX, 2, 0);
    set(VIRTIO_PCI_COMMON_Q_SELECT, 2, 0);
    set(VIRTIO_PCI_COMMON_Q_MSIX, 2, VECTOR);
    set_config(config(PCI_CAPABILITY_LIST, 1) + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
}

static int vector_fd(void)
{
    return side->pci.msix.vectors[VECTOR].event_fd;
}

static bool is_raised(int fd)
{
    struct pollfd event = {fd, POLLIN, 0};
    return poll(&event, 1, 0) == 1;
}

/* A request whose answer the driver wants to be told of. */
static void send_one(void)
{
    struct virtqueue_mock *mock = &driver.virtio.mocks[0];
    virtqueue_mock_set_used_event(mock, mock->next_used);
    server_send(&driver, 1);
    eventually(virtqueue_mock_used_index(mock) == mock->next_available);
}

/* --- the update --- */

static void save(struct state_writer *writer)
{
    ck_assert_msg(virtio_device_pause(&side->server.device, TOY_PATIENCE, &error), "%s",
                  error.text);
    ck_assert(irq_routes_pause(&side->routes, &error));
    ck_assert_uint_eq(side->fake.attached, 0);
    state_writer_init(writer);
    irq_routes_save(&side->routes, writer);
    pci_host_save(&side->host, writer);
    virtio_device_save(&side->server.device, writer, 0);
    virtio_pci_save(&side->pci, writer, 0);
}

static bool load(struct side *new, struct state_reader *reader, struct error *cause)
{
    return irq_routes_load(&new->routes, reader, cause) &&
           pci_host_load(&new->host, reader, cause) &&
           virtio_device_load(&new->server.device, reader, 0, cause) &&
           virtio_pci_load(&new->pci, reader, 0, cause) &&
           state_reader_check(reader, cause);
}

static void replace(void)
{
    struct state_writer writer;
    struct state_reader reader;
    struct side *new = side == &sides[0] ? &sides[1] : &sides[0];
    bool has_messages = side->pci.function.msix != NULL;
    save(&writer);
    state_damage_read(&writer, &reader);
    finish_side(side);
    side = new;
    init_side(side, has_messages);
    ck_assert_msg(load(side, &reader, &error), "%s", error.text);
    state_reader_finish(&reader);
    state_writer_finish(&writer);
    driver.virtio.device = &side->server.device;
    server_run(&side->server);
}

/* --- the tests --- */

START_TEST(the_guest_reads_what_it_read)
{
    static uint8_t before[0x1000];
    static uint8_t after[0x1000];
    enable_msix();
    set_config(PCI_BASE_ADDRESS_0, 4, LOW + 0x48000);
    set_config(PCI_BASE_ADDRESS_2, 4, (uint32_t)HIGH + 0x80000);
    set_config(PCI_INTERRUPT_LINE, 1, 11);
    set(VIRTIO_PCI_COMMON_Q_SELECT, 2, 1);
    set(VIRTIO_PCI_COMMON_GFSELECT, 4, 1);
    set(TABLE + 2 * 16 + 4, 4, 1); /* the upper half of an address */
    for (unsigned i = 0; i < sizeof before; i++)
        before[i] = (uint8_t)config(i, 1);
    replace();
    for (unsigned i = 0; i < sizeof after; i++)
        after[i] = (uint8_t)config(i, 1);
    ck_assert_int_eq(memcmp(before, after, sizeof before), 0);
    ck_assert_uint_eq(get(VIRTIO_PCI_COMMON_Q_SELECT, 2), 1);
    ck_assert_uint_eq(get(VIRTIO_PCI_COMMON_GFSELECT, 4), 1);
    ck_assert_uint_eq(get(VIRTIO_PCI_COMMON_MSIX, 2), 0);
    ck_assert_uint_eq(get(VIRTIO_PCI_COMMON_STATUS, 1), RUNNING);
    ck_assert_uint_eq(get(TABLE + 2 * 16 + 4, 4), 1);
    ck_assert_uint_eq(shm_place.start.value, HIGH + 0x80000);
    ck_assert_int_eq(fake_events_doorbell(&side->fake, LOW + 0x48000 + NOTIFY),
                     side->server.device.kick_fds[0]);
    ck_assert_uint_eq(side->fake.doorbell_count, 2);
    const struct kvm_irq_routing_entry *route =
        fake_events_route(&side->fake, side->pci.msix.vectors[VECTOR].gsi);
    ck_assert_ptr_nonnull(route);
    ck_assert_uint_eq(route->u.msi.address_lo, MESSAGE);
    ck_assert_uint_eq(route->u.msi.data, 0x40 + VECTOR);
}
END_TEST

START_TEST(memory_that_was_switched_off_stays_off)
{
    set_config(PCI_COMMAND, 2, 0);
    replace();
    ck_assert_uint_eq(shm_place.size, 0);
    ck_assert_uint_eq(side->fake.doorbell_count, 0);
    set_config(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
    ck_assert_uint_eq(side->fake.doorbell_count, 2);
}
END_TEST

START_TEST(requests_and_messages_go_on)
{
    enable_msix();
    for (unsigned i = 0; i < 40; i++) {
        server_send(&driver, 1 + i % SERVER_INFLIGHT);
        replace();
        server_wait(&driver, vector_fd());
    }
    ck_assert_uint_eq(side->fake.line_changes, 0);
}
END_TEST

START_TEST(a_masked_vector_keeps_its_pending_bit)
{
    enable_msix();
    mask(VECTOR, true);
    send_one();
    eventually(get(PENDING, 4) == 1u << VECTOR);
    for (unsigned i = 0; i < 3; i++)
        replace();
    ck_assert_uint_eq(get(PENDING, 4), 1u << VECTOR);
    ck_assert(!is_raised(vector_fd()));
    mask(VECTOR, false);
    ck_assert(is_raised(vector_fd()));
    ck_assert_uint_eq(get(PENDING, 4), 0);
    server_wait(&driver, vector_fd());
}
END_TEST

START_TEST(a_message_that_was_not_sent_is_sent)
{
    enable_msix();
    send_one();
    eventually(is_raised(vector_fd()));
    for (unsigned i = 0; i < 3; i++)
        replace();
    ck_assert(is_raised(vector_fd()));
    ck_assert(!is_raised(side->pci.msix.vectors[0].event_fd));
    server_wait(&driver, vector_fd());
}
END_TEST

START_TEST(the_pin_is_asserted_again)
{
    send_one();
    eventually(side->fake.level);
    replace();
    ck_assert(side->fake.level);
    ck_assert_uint_eq(side->fake.line, PIN);
    ck_assert_uint_eq(config(PCI_STATUS, 2) & PCI_STATUS_INTERRUPT, PCI_STATUS_INTERRUPT);
    ck_assert_uint_eq(get(ISR, 1), VIRTIO_MMIO_INT_VRING);
    ck_assert(!side->fake.level);
    replace();
    ck_assert(!side->fake.level);
    server_take(&driver);
    send_one();
    eventually(side->fake.level);
    set_config(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_INTX_DISABLE);
    replace();
    ck_assert(!side->fake.level);
    set_config(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
    ck_assert(side->fake.level);
    server_take(&driver);
}
END_TEST

START_TEST(the_old_one_goes_on_when_nobody_took_over)
{
    struct state_writer writer;
    enable_msix();
    send_one();
    save(&writer);
    server_send(&driver, 2);
    ck_assert(irq_routes_resume(&side->routes, &error));
    ck_assert_uint_eq(side->fake.attached, 3);
    virtio_device_resume(&side->server.device);
    server_wait(&driver, vector_fd());
    state_writer_finish(&writer);
}
END_TEST

/* --- damage --- */

static bool load_alone(struct state_reader *reader, struct error *cause)
{
    static struct side other;
    init_side(&other, side->pci.function.msix != NULL);
    bool ok = load(&other, reader, cause);
    for (unsigned offset = 0; offset < 64; offset += 2)
        virtio_pci_read_common(&other.pci, offset, 2);
    pci_function_bar_write(&other.pci.function, 0, TABLE + 12, 4, 0);
    finish_side(&other);
    return ok;
}

START_TEST(a_damaged_state_is_refused)
{
    struct state_writer writer;
    if (side->pci.function.msix != NULL)
        enable_msix();
    save(&writer);
    state_damage_everything(&writer, load_alone);
    state_writer_finish(&writer);
}
END_TEST

START_TEST(what_cannot_be_is_refused)
{
    static const struct {
        const char *section;
        size_t offset;
        uint64_t value;
        size_t size;
        const char *text;
    } cases[] = {
        // clang-format off
        {"PCIF", PCI_DEVICE_ID, 0x1050, 2, "0x50 at 0x02"},
        {"PCIF", PCI_CAPABILITY_LIST, 0, 1, "0x00 at 0x34"},
        {"PCIF", PCI_BASE_ADDRESS_0, 1, 1, "0x01 at 0x10"},
        {"PCIF", PCI_CONFIG_SIZE, 2, 4, "2 MSI-X vectors"},
        {"PCIF", PCI_CONFIG_SIZE + 4 + 12, 2, 4, "control 0x2"},
        {"PCIF", PCI_CONFIG_SIZE + 4 + 16, 2, 4, "pending 2"},
        {"PCIF", PCI_CONFIG_SIZE + 4 + 20, 3, 4, "3 for whether"},
        {"VPCI", 8, 0x10000, 4, "queue 65536"},
        {"VPCI", 12, 3, 4, "vector 3 of 3"},
        {"VPCI", 16, 0x10000, 4, "vector 65536"},
        {"ROUT", 0, 2, 4, "2 message-signalled"},
        // clang-format on
    };
    struct state_writer writer;
    enable_msix();
    save(&writer);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        state_damage_refused(&writer, load_alone, cases[i].section, cases[i].offset,
                             cases[i].value, cases[i].size, cases[i].text);
    state_writer_finish(&writer);
}
END_TEST

Suite *pci_state_suite(void)
{
    Suite *suite = suite_create("pci_state");
    TCase *messages = tcase_create("messages");
    tcase_add_checked_fixture(messages, set_up, tear_down);
    tcase_set_timeout(messages, 120);
    tcase_add_test(messages, the_guest_reads_what_it_read);
    tcase_add_test(messages, memory_that_was_switched_off_stays_off);
    tcase_add_test(messages, requests_and_messages_go_on);
    tcase_add_test(messages, a_masked_vector_keeps_its_pending_bit);
    tcase_add_test(messages, a_message_that_was_not_sent_is_sent);
    tcase_add_test(messages, the_old_one_goes_on_when_nobody_took_over);
    tcase_add_test(messages, a_damaged_state_is_refused);
    tcase_add_test(messages, what_cannot_be_is_refused);
    suite_add_tcase(suite, messages);
    TCase *pin = tcase_create("pin");
    tcase_add_checked_fixture(pin, set_up_without_messages, tear_down);
    tcase_set_timeout(pin, 120);
    tcase_add_test(pin, the_pin_is_asserted_again);
    tcase_add_test(pin, a_damaged_state_is_refused);
    suite_add_tcase(suite, pin);
    return suite;
}

/* SPDX-License-Identifier: MIT */
/* The transport on the toy device: registers, notifications, interrupts, and what a hostile
 * driver does to them. */
#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>

#include "tests/unit/fake_events.h"
#include "tests/unit/suites.h"
#include "tests/unit/toy_device.h"
#include "virtio/pci.h"

#define ECAM      0xe0000000u
#define LOW       0xd0200000u
#define HIGH      (8 * GIB)
#define SHM_SIZE  (96 * KIB)
#define SHM_BAR   (128 * KIB)
#define SLOT      3u
#define PIN       16u
#define NO_VECTOR VIRTIO_MSI_NO_VECTOR
#define ISR       0x1000u
#define DEVICE    0x2000u
#define NOTIFY    0x3000u
#define TABLE     0x4000u

static struct toy toy;
static struct fake_events fake;
static struct irq_routes routes;
static struct pci_host host;
static struct virtio_pci pci;
static struct bus bus;
static struct error error;
static struct gpa_range shm_place;
static bool shm_is_placed;

static void shm_moved(void *context, uint8_t id, const struct gpa_range *range)
{
    (void)context;
    ck_assert_uint_eq(id, 1);
    shm_is_placed = range != NULL;
    if (range)
        shm_place = *range;
}

static void set_up_with(struct irq_routes *messages)
{
    fake_events_init(&fake);
    toy_init(&toy);
    bus = (struct bus){0};
    shm_is_placed = false;
    const struct pci_host_config config = {
        .ecam = {gpa(ECAM), MIB},
        .memory32 = {gpa(LOW), MIB},
        .memory64 = {gpa(HIGH), MIB},
        .intx_irq = PIN,
        .events = &fake.events,
        .trace = &toy.trace,
    };
    toy.device.shm_moved = shm_moved;
    virtio_device_add_shm(&toy.device, 1, (struct gpa_range){gpa(0), SHM_SIZE});
    ck_assert(irq_routes_init(&routes, &fake.events, &error));
    ck_assert(pci_host_init(&host, &config, &error));
    ck_assert(pci_host_add_to_bus(&host, &bus, &error));
    ck_assert_msg(virtio_pci_init(&pci, &host, SLOT, &toy.device, messages, &error), "%s",
                  error.text);
    toy_run(&toy);
}

static void set_up(void)
{
    set_up_with(&routes);
}

static void set_up_without_messages(void)
{
    set_up_with(NULL);
}

static void tear_down(void)
{
    virtio_device_stop(&toy.device);
    virtio_pci_finish(&pci);
    pci_host_finish(&host);
    irq_routes_finish(&routes);
    toy_finish(&toy);
}

/* --- the driver --- */

static uint64_t read_at(uint64_t address, unsigned size)
{
    uint64_t value;
    ck_assert(bus_read(&bus, address, size, &value));
    return size == 8 ? value : value & ((UINT64_C(1) << 8 * size) - 1);
}

static uint32_t config(unsigned offset, unsigned size)
{
    return (uint32_t)read_at(ECAM + SLOT * 0x8000 + offset, size);
}

static void set_config(unsigned offset, unsigned size, uint64_t value)
{
    ck_assert(bus_write(&bus, ECAM + SLOT * 0x8000 + offset, size, value));
}

static uint64_t bar(void)
{
    return config(PCI_BASE_ADDRESS_0, 4);
}

static uint32_t get(uint64_t offset, unsigned size)
{
    return (uint32_t)read_at(bar() + offset, size);
}

static void set(uint64_t offset, unsigned size, uint64_t value)
{
    ck_assert(bus_write(&bus, bar() + offset, size, value));
}

/* A virtio capability of this type; they are in the list once. */
static unsigned capability(uint8_t type)
{
    unsigned offset = config(PCI_CAPABILITY_LIST, 1);
    while (offset != 0 && (config(offset, 1) != PCI_CAP_ID_VNDR ||
                           config(offset + VIRTIO_PCI_CAP_CFG_TYPE, 1) != type))
        offset = config(offset + 1, 1);
    ck_assert_uint_ne(offset, 0);
    return offset;
}

static void set_queue(unsigned index, uint16_t vector)
{
    struct virtqueue_mock *mock = &toy.mocks[index];
    virtqueue_mock_init(mock, &toy.memory, gpa(0x10000 + index * 0x10000u),
                        TOY_QUEUE_SIZE, true);
    set(VIRTIO_PCI_COMMON_Q_SELECT, 2, index);
    ck_assert_uint_eq(get(VIRTIO_PCI_COMMON_Q_SIZE, 2), VIRTQUEUE_SIZE_MAX);
    set(VIRTIO_PCI_COMMON_Q_SIZE, 2, TOY_QUEUE_SIZE);
    set(VIRTIO_PCI_COMMON_Q_MSIX, 2, vector);
    set(VIRTIO_PCI_COMMON_Q_DESCLO, 4, mock->descriptors.value);
    set(VIRTIO_PCI_COMMON_Q_DESCHI, 4, 0);
    set(VIRTIO_PCI_COMMON_Q_AVAILLO, 8, mock->driver.value);
    set(VIRTIO_PCI_COMMON_Q_USEDLO, 8, mock->device.value);
    set(VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
    ck_assert_uint_eq(get(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 1);
}

static void drive(void)
{
    set(VIRTIO_PCI_COMMON_STATUS, 1, 0);
    eventually(get(VIRTIO_PCI_COMMON_STATUS, 1) == 0);
    set(VIRTIO_PCI_COMMON_STATUS, 1, ACKNOWLEDGE);
    set(VIRTIO_PCI_COMMON_STATUS, 1, ACKNOWLEDGE | DRIVER);
    for (uint32_t half = 0; half < 2; half++) {
        set(VIRTIO_PCI_COMMON_DFSELECT, 4, half);
        set(VIRTIO_PCI_COMMON_GFSELECT, 4, half);
        set(VIRTIO_PCI_COMMON_GF, 4, get(VIRTIO_PCI_COMMON_DF, 4));
    }
    set(VIRTIO_PCI_COMMON_STATUS, 1, READY);
    ck_assert_uint_eq(get(VIRTIO_PCI_COMMON_STATUS, 1), READY);
    set_queue(0, 1);
    set_queue(1, 2);
    set(VIRTIO_PCI_COMMON_MSIX, 2, 0);
    set(VIRTIO_PCI_COMMON_STATUS, 1, RUNNING);
}

static void enable_msix(void)
{
    unsigned offset = config(PCI_CAPABILITY_LIST, 1);
    ck_assert_uint_eq(config(offset, 1), PCI_CAP_ID_MSIX);
    for (unsigned vector = 0; vector < 3; vector++) {
        set(TABLE + vector * 16, 4, 0xfee00000);
        set(TABLE + vector * 16 + 8, 4, 0x40 + vector);
        set(TABLE + vector * 16 + 12, 4, 0);
    }
    set_config(offset + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
}

static void wait_for_vector(unsigned vector)
{
    struct pollfd fd = {pci.msix.vectors[vector].event_fd, POLLIN, 0};
    eventfd_t count;
    ck_assert_int_eq(poll(&fd, 1, TOY_PATIENCE), 1);
    ck_assert_int_eq(eventfd_read(fd.fd, &count), 0);
}

/* One chain there and back, notified by a write that KVM does not take. */
static void echo(void)
{
    struct virtqueue_mock *mock = &toy.mocks[0];
    uint16_t head;
    uint32_t length;
    toy_add(&toy, 0, "hello");
    virtqueue_mock_set_used_event(mock, mock->next_used);
    virtqueue_mock_publish(mock);
    set(NOTIFY, 4, 0);
    eventually(virtqueue_mock_take_used(mock, &head, &length));
    ck_assert_uint_eq(length, 5);
}

/* --- the tests --- */

START_TEST(the_function_is_a_modern_virtio_device)
{
    ck_assert_uint_eq(config(PCI_VENDOR_ID, 2), 0x1af4);
    ck_assert_uint_eq(config(PCI_DEVICE_ID, 2), 0x1040 + toy.device.device_id);
    ck_assert_uint_eq(config(PCI_REVISION_ID, 1), 1);
    ck_assert_uint_eq(config(PCI_INTERRUPT_PIN, 1), 1);
    ck_assert_uint_eq(get(VIRTIO_PCI_COMMON_NUMQ, 2), 2);
}
END_TEST

START_TEST(the_capabilities_describe_the_bar)
{
    static const struct {
        uint8_t type;
        uint32_t offset, length;
    } want[] = {
        {VIRTIO_PCI_CAP_COMMON_CFG, 0, sizeof(struct virtio_pci_common_cfg)},
        {VIRTIO_PCI_CAP_ISR_CFG, ISR, 1},
        {VIRTIO_PCI_CAP_DEVICE_CFG, DEVICE, 8},
        {VIRTIO_PCI_CAP_NOTIFY_CFG, NOTIFY, 8},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(want); i++) {
        unsigned offset = capability(want[i].type);
        ck_assert_uint_eq(config(offset + VIRTIO_PCI_CAP_BAR, 1), 0);
        ck_assert_uint_eq(config(offset + VIRTIO_PCI_CAP_OFFSET, 4), want[i].offset);
        ck_assert_uint_eq(config(offset + VIRTIO_PCI_CAP_LENGTH, 4), want[i].length);
    }
    unsigned notify = capability(VIRTIO_PCI_CAP_NOTIFY_CFG);
    ck_assert_uint_eq(config(notify + VIRTIO_PCI_NOTIFY_CAP_MULT, 4), 4);
}
END_TEST

START_TEST(shared_memory_is_in_a_bar_of_the_next_power_of_two)
{
    unsigned offset = capability(VIRTIO_PCI_CAP_SHARED_MEMORY_CFG);
    ck_assert_uint_eq(config(offset + VIRTIO_PCI_CAP_LEN, 1), 24);
    ck_assert_uint_eq(config(offset + VIRTIO_PCI_CAP_BAR, 1), VIRTIO_PCI_SHM_BAR);
    ck_assert_uint_eq(config(offset + 5, 1), 1);
    ck_assert_uint_eq(config(offset + VIRTIO_PCI_CAP_LENGTH, 4), SHM_SIZE);
    ck_assert_uint_eq(config(offset + 20, 4), 0);
    ck_assert(shm_is_placed);
    ck_assert_uint_eq(shm_place.start.value, HIGH);
    ck_assert_uint_eq(shm_place.size, SHM_SIZE);
    set_config(PCI_BASE_ADDRESS_2, 4, UINT32_MAX);
    ck_assert(!shm_is_placed);
    ck_assert_uint_eq(config(PCI_BASE_ADDRESS_2, 4), ~(uint32_t)(SHM_BAR - 1) | 0xc);
    set_config(PCI_BASE_ADDRESS_2, 4, SHM_BAR);
    ck_assert(shm_is_placed);
    ck_assert_uint_eq(shm_place.start.value, HIGH + SHM_BAR);
    ck_assert_uint_eq(read_at(HIGH + SHM_BAR, 8), UINT64_MAX); /* a hole */
    ck_assert_uint_eq(virtio_pci_shm_bar_size(1), 64 * KIB);
    ck_assert_uint_eq(virtio_pci_shm_bar_size(GIB), GIB);
    ck_assert_uint_eq(virtio_pci_shm_bar_size(GIB + 1), 2 * GIB);
}
END_TEST

START_TEST(a_driver_gets_its_answer)
{
    drive();
    ck_assert_uint_eq(get(VIRTIO_PCI_COMMON_STATUS, 1), RUNNING);
    echo();
}
END_TEST

START_TEST(queues_and_configuration_have_their_own_vectors)
{
    uint8_t byte = 0x55;
    enable_msix();
    drive();
    echo();
    wait_for_vector(1);
    virtio_device_change_config(&toy.device, 2, &byte, 1);
    wait_for_vector(0);
    ck_assert_uint_eq(get(VIRTIO_PCI_COMMON_CFGGENERATION, 1), 1);
    ck_assert_uint_eq(get(DEVICE + 2, 1), 0x55);
    ck_assert_uint_eq(fake.line_changes, 0); /* the pin is not used */
    ck_assert_uint_eq(fake.message_count, 3);
}
END_TEST

START_TEST(a_vector_that_does_not_exist_reads_back_as_none)
{
    set(VIRTIO_PCI_COMMON_MSIX, 2, 3);
    ck_assert_uint_eq(get(VIRTIO_PCI_COMMON_MSIX, 2), NO_VECTOR);
    set(VIRTIO_PCI_COMMON_MSIX, 2, 2);
    ck_assert_uint_eq(get(VIRTIO_PCI_COMMON_MSIX, 2), 2);
    set(VIRTIO_PCI_COMMON_Q_SELECT, 2, 1);
    set(VIRTIO_PCI_COMMON_Q_MSIX, 2, 0xfffe);
    ck_assert_uint_eq(get(VIRTIO_PCI_COMMON_Q_MSIX, 2), NO_VECTOR);
    set(VIRTIO_PCI_COMMON_Q_MSIX, 2, 1);
    set(VIRTIO_PCI_COMMON_STATUS, 1, 0);
    ck_assert_uint_eq(get(VIRTIO_PCI_COMMON_MSIX, 2), NO_VECTOR);
    ck_assert_uint_eq(get(VIRTIO_PCI_COMMON_Q_SELECT, 2), 0);
    set(VIRTIO_PCI_COMMON_Q_SELECT, 2, 1);
    ck_assert_uint_eq(get(VIRTIO_PCI_COMMON_Q_MSIX, 2), NO_VECTOR);
}
END_TEST

START_TEST(without_messages_there_is_the_pin)
{
    unsigned first = config(PCI_CAPABILITY_LIST, 1);
    ck_assert_uint_ne(config(first, 1), PCI_CAP_ID_MSIX);
    drive();
    ck_assert_uint_eq(get(VIRTIO_PCI_COMMON_MSIX, 2), NO_VECTOR);
    echo();
    eventually(atomic_load(&toy.device.interrupt_status) != 0);
    eventually(fake.level);
    ck_assert_uint_eq(fake.line, PIN);
    ck_assert_uint_eq(get(ISR, 1), VIRTIO_MMIO_INT_VRING);
    ck_assert(!fake.level);
    ck_assert_uint_eq(get(ISR, 1), 0);
    /* A reset takes the pin back as well. */
    echo();
    eventually(fake.level);
    set(VIRTIO_PCI_COMMON_STATUS, 1, 0);
    eventually(get(VIRTIO_PCI_COMMON_STATUS, 1) == 0);
    ck_assert(!fake.level);
}
END_TEST

START_TEST(doorbells_follow_the_bar)
{
    uint64_t first = bar();
    ck_assert_uint_eq(fake.doorbell_count, 2);
    ck_assert_int_eq(fake_events_doorbell(&fake, first + NOTIFY), toy.device.kick_fds[0]);
    ck_assert_int_eq(fake_events_doorbell(&fake, first + NOTIFY + 4),
                     toy.device.kick_fds[1]);
    set_config(PCI_BASE_ADDRESS_0, 4, first + 0x40000);
    ck_assert_int_eq(fake_events_doorbell(&fake, first + NOTIFY), -1);
    ck_assert_int_eq(fake_events_doorbell(&fake, first + 0x40000 + NOTIFY),
                     toy.device.kick_fds[0]);
    set_config(PCI_COMMAND, 2, 0);
    ck_assert_uint_eq(fake.doorbell_count, 0);
    set_config(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
    ck_assert_uint_eq(fake.doorbell_count, 2);
    drive();
    echo();
}
END_TEST

START_TEST(a_function_level_reset_resets_the_device)
{
    uint64_t before = bar();
    unsigned express = config(PCI_CAPABILITY_LIST, 1);
    while (config(express, 1) != PCI_CAP_ID_EXP)
        express = config(express + 1, 1);
    drive();
    echo();
    set_config(express + PCI_EXP_DEVCTL, 2, PCI_EXP_DEVCTL_BCR_FLR);
    eventually(virtio_device_read_status(&toy.device) == 0);
    ck_assert_uint_eq(atomic_load(&toy.resets), 1);
    ck_assert_uint_eq(fake.doorbell_count, 0);
    ck_assert(!shm_is_placed);
    set_config(PCI_BASE_ADDRESS_0, 4, before);
    set_config(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
    drive();
    echo();
}
END_TEST

/* Reads and writes through configuration space, 4.1.4.9. */
static uint32_t through(uint8_t which, uint32_t offset, uint32_t length)
{
    unsigned access = capability(VIRTIO_PCI_CAP_PCI_CFG);
    set_config(access + VIRTIO_PCI_CAP_BAR, 1, which);
    set_config(access + VIRTIO_PCI_CAP_OFFSET, 4, offset);
    set_config(access + VIRTIO_PCI_CAP_LENGTH, 4, length);
    return config(access + 16, 4);
}

START_TEST(bars_can_be_accessed_through_configuration_space)
{
    unsigned data = capability(VIRTIO_PCI_CAP_PCI_CFG) + 16;
    ck_assert_uint_eq(through(0, VIRTIO_PCI_COMMON_NUMQ, 2) & 0xffff, 2);
    through(0, VIRTIO_PCI_COMMON_STATUS, 1);
    set_config(data, 4, ACKNOWLEDGE);
    ck_assert_uint_eq(virtio_device_read_status(&toy.device), ACKNOWLEDGE);
    ck_assert_uint_eq(through(0, TABLE + 12, 4), 1);
    /* Lies: nothing, or all ones. */
    ck_assert_uint_eq(through(1, 0, 4), UINT32_MAX);
    ck_assert_uint_eq(through(VIRTIO_PCI_SHM_BAR, 0, 4), UINT32_MAX);
    ck_assert_uint_eq(through(255, 0, 4), UINT32_MAX);
    ck_assert_uint_eq(through(0, 0x8000, 4), UINT32_MAX);
    ck_assert_uint_eq(through(0, UINT32_MAX - 3, 4), UINT32_MAX);
    through(0, 2, 4);
    through(0, 0, 3);
    through(0, 0, 0);
    through(0, 0, UINT32_MAX);
    set_config(data, 4, UINT32_MAX);
    ck_assert_uint_eq(virtio_device_read_status(&toy.device), ACKNOWLEDGE);
}
END_TEST

/* Every offset of the BAR, every size, both ways: defined answers, and the device can be used
 * afterwards. */
START_TEST(lies_everywhere_in_the_bar)
{
    static const uint64_t lies[] = {UINT64_MAX, 0, 0x5555555555555555};
    drive();
    for (unsigned lie = 0; lie < ARRAY_SIZE(lies); lie++)
        for (unsigned size = 1; size <= 8; size *= 2)
            for (uint64_t offset = 0; offset + size <= 0x8000; offset++) {
                if (offset == 0x80)
                    offset = 0xff0; /* nothing is between the structures */
                if (offset % 0x1000 == 0x80)
                    offset += 0x700;
                if (offset % 0x1000 == 0x880)
                    offset += 0x770;
                if (offset + size > 0x8000)
                    break;
                set(offset, size, lies[lie]);
                (void)read_at(bar() + offset, size);
            }
    ck_assert_uint_gt(toy_warnings(&toy), 0);
    drive();
    echo();
}
END_TEST

START_TEST(a_queue_is_settled_once_it_is_enabled)
{
    drive();
    set(VIRTIO_PCI_COMMON_Q_SELECT, 2, 0);
    unsigned before = toy_warnings(&toy);
    set(VIRTIO_PCI_COMMON_Q_SIZE, 2, 16);
    set(VIRTIO_PCI_COMMON_Q_DESCLO, 4, 0x1000);
    set(VIRTIO_PCI_COMMON_Q_ENABLE, 2, 0);
    ck_assert_uint_eq(toy_warnings(&toy), before + 3);
    ck_assert_uint_eq(get(VIRTIO_PCI_COMMON_Q_SIZE, 2), TOY_QUEUE_SIZE);
    ck_assert_uint_eq(get(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 1);
    /* A queue that does not exist has no size. */
    set(VIRTIO_PCI_COMMON_Q_SELECT, 2, 2);
    ck_assert_uint_eq(get(VIRTIO_PCI_COMMON_Q_SIZE, 2), 0);
    set(VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
    set(VIRTIO_PCI_COMMON_Q_SIZE, 2, 8);
    ck_assert_uint_eq(toy_warnings(&toy), before + 5);
    echo();
}
END_TEST

START_TEST(init_fails_when_the_slot_is_taken)
{
    struct virtio_pci other;
    ck_assert(!virtio_pci_init(&other, &host, SLOT, &toy.device, &routes, &error));
    ck_assert_int_eq(error.code, ERROR_CONFIG_USAGE);
    ck_assert_ptr_eq(toy.device.interrupt_context, &pci);
    ck_assert_ptr_nonnull(toy.device.interrupt_ops);
}
END_TEST

Suite *virtio_pci_suite(void)
{
    Suite *suite = suite_create("virtio_pci");
    TCase *test_case = tcase_create("virtio_pci");
    tcase_set_timeout(test_case, 60);
    tcase_add_checked_fixture(test_case, set_up, tear_down);
    tcase_add_test(test_case, the_function_is_a_modern_virtio_device);
    tcase_add_test(test_case, the_capabilities_describe_the_bar);
    tcase_add_test(test_case, shared_memory_is_in_a_bar_of_the_next_power_of_two);
    tcase_add_test(test_case, a_driver_gets_its_answer);
    tcase_add_test(test_case, queues_and_configuration_have_their_own_vectors);
    tcase_add_test(test_case, a_vector_that_does_not_exist_reads_back_as_none);
    tcase_add_test(test_case, doorbells_follow_the_bar);
    tcase_add_test(test_case, a_function_level_reset_resets_the_device);
    tcase_add_test(test_case, bars_can_be_accessed_through_configuration_space);
    tcase_add_test(test_case, lies_everywhere_in_the_bar);
    tcase_add_test(test_case, a_queue_is_settled_once_it_is_enabled);
    tcase_add_test(test_case, init_fails_when_the_slot_is_taken);
    suite_add_tcase(suite, test_case);
    TCase *pin_case = tcase_create("pin");
    tcase_add_checked_fixture(pin_case, set_up_without_messages, tear_down);
    tcase_add_test(pin_case, without_messages_there_is_the_pin);
    suite_add_tcase(suite, pin_case);
    return suite;
}

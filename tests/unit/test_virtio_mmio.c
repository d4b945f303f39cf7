/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <string.h>
#include <sys/eventfd.h>

#include "tests/unit/suites.h"
#include "virtio/mmio.h"

#define RUNNING                                                                          \
    (VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |                              \
     VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK)
#define FEATURES_LOW                                                                     \
    (1u << VIRTIO_RING_F_INDIRECT_DESC | 1u << VIRTIO_RING_F_EVENT_IDX | 5u)
#define FEATURES_HIGH (1u << (VIRTIO_F_VERSION_1 - 32) | 1u << 31)
#define BASE          0xfe000000u

static struct virtio_device device;
static struct virtio_mmio mmio;
static struct bus bus;
static struct guest_memory memory;
static struct trace trace;
static struct error error;
static uint8_t config[12];
static uint32_t written_offset, written_size;

static void ignore_start(void *context, uint64_t features)
{
    (void)context;
    (void)features;
}

static bool ignore_kick(void *context, unsigned index)
{
    (void)context;
    (void)index;
    return false;
}

static void ignore_reset(void *context)
{
    (void)context;
}

static const struct virtio_device_ops no_ops = {
    .start = ignore_start,
    .queue_kicked = ignore_kick,
    .reset = ignore_reset,
};

/* The first byte is read-only. */
static void config_written(void *context, uint32_t offset, uint32_t size)
{
    (void)context;
    config[0] = 'a';
    written_offset = offset;
    written_size = size;
}

static void setup(void)
{
    static const struct gpa_range ram = {{0}, 2 * MIB};
    trace_init(&trace, fopen("/dev/null", "w"), false);
    ck_assert(guest_memory_init(&memory, &ram, 1, &error));
    memcpy(config, "abcdefghijkl", sizeof config);
    device = (struct virtio_device){
        .name = "toy",
        .device_id = VIRTIO_ID_GPU,
        .features = 5 | (uint64_t)1 << 63,
        .queue_count = 2,
        .ops = &no_ops,
        .config = config,
        .config_size = sizeof config,
        .config_written = config_written,
        .memory = &memory,
        .trace = &trace,
    };
    ck_assert(virtio_device_init(&device, &error));
    virtio_device_add_shm(&device, 1,
                          (struct gpa_range){gpa(0x123400000000), 0x5600000000});
    virtio_mmio_init(&mmio, &device);
    bus = (struct bus){0};
    ck_assert(bus_add(&bus,
                      (struct bus_entry){
                          .name = "toy",
                          .start = BASE,
                          .size = VIRTIO_MMIO_SIZE,
                          .ops = &virtio_mmio_bus_ops,
                          .device = &mmio,
                      },
                      &error));
}

static void teardown(void)
{
    virtio_device_finish(&device);
    guest_memory_finish(&memory);
    fclose(trace.out);
}

static uint64_t read_bytes(uint64_t offset, unsigned size)
{
    uint64_t value;
    ck_assert(bus_read(&bus, BASE + offset, size, &value));
    return value;
}

static void write_bytes(uint64_t offset, unsigned size, uint64_t value)
{
    ck_assert(bus_write(&bus, BASE + offset, size, value));
}

static uint32_t get(uint64_t offset)
{
    return (uint32_t)read_bytes(offset, 4);
}

static void set(uint64_t offset, uint32_t value)
{
    write_bytes(offset, 4, value);
}

static unsigned warnings(void)
{
    return atomic_exchange(&trace.warnings, 0);
}

/* --- what can be read --- */

static const struct {
    uint64_t select; /* a selector, and what is written to it first; 0: none */
    uint32_t selected;
    uint64_t offset;
    uint32_t expected;
} values[] = {
    // clang-format off
    {0, 0, VIRTIO_MMIO_MAGIC_VALUE,       0x74726976},
    {0, 0, VIRTIO_MMIO_VERSION,           2},
    {0, 0, VIRTIO_MMIO_DEVICE_ID,         16},
    {0, 0, VIRTIO_MMIO_VENDOR_ID,         0x4d563253},
    {0, 0, VIRTIO_MMIO_DEVICE_FEATURES,   FEATURES_LOW},
    {VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0, VIRTIO_MMIO_DEVICE_FEATURES, FEATURES_LOW},
    {VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1, VIRTIO_MMIO_DEVICE_FEATURES, FEATURES_HIGH},
    {VIRTIO_MMIO_DEVICE_FEATURES_SEL, 2, VIRTIO_MMIO_DEVICE_FEATURES, 0},
    {VIRTIO_MMIO_DEVICE_FEATURES_SEL, UINT32_MAX, VIRTIO_MMIO_DEVICE_FEATURES, 0},
    {VIRTIO_MMIO_QUEUE_SEL, 0, VIRTIO_MMIO_QUEUE_NUM_MAX, 256},
    {VIRTIO_MMIO_QUEUE_SEL, 1, VIRTIO_MMIO_QUEUE_NUM_MAX, 256},
    {VIRTIO_MMIO_QUEUE_SEL, 2, VIRTIO_MMIO_QUEUE_NUM_MAX, 0},
    {VIRTIO_MMIO_QUEUE_SEL, 0, VIRTIO_MMIO_QUEUE_READY,   0},
    {VIRTIO_MMIO_QUEUE_SEL, UINT32_MAX, VIRTIO_MMIO_QUEUE_READY, 0},
    {0, 0, VIRTIO_MMIO_INTERRUPT_STATUS,  0},
    {0, 0, VIRTIO_MMIO_STATUS,            0},
    {VIRTIO_MMIO_SHM_SEL, 1, VIRTIO_MMIO_SHM_LEN_LOW,   0x00000000},
    {VIRTIO_MMIO_SHM_SEL, 1, VIRTIO_MMIO_SHM_LEN_HIGH,  0x56},
    {VIRTIO_MMIO_SHM_SEL, 1, VIRTIO_MMIO_SHM_BASE_LOW,  0x00000000},
    {VIRTIO_MMIO_SHM_SEL, 1, VIRTIO_MMIO_SHM_BASE_HIGH, 0x1234},
    {VIRTIO_MMIO_SHM_SEL, 0, VIRTIO_MMIO_SHM_LEN_LOW,   UINT32_MAX},
    {VIRTIO_MMIO_SHM_SEL, 0, VIRTIO_MMIO_SHM_LEN_HIGH,  UINT32_MAX},
    {VIRTIO_MMIO_SHM_SEL, 2, VIRTIO_MMIO_SHM_BASE_LOW,  UINT32_MAX},
    {VIRTIO_MMIO_SHM_SEL, 2, VIRTIO_MMIO_SHM_BASE_HIGH, UINT32_MAX},
    {VIRTIO_MMIO_SHM_SEL, 0x101, VIRTIO_MMIO_SHM_LEN_HIGH, UINT32_MAX},
    {0, 0, VIRTIO_MMIO_CONFIG_GENERATION, 0},
    // clang-format on
};

START_TEST(registers_read)
{
    if (values[_i].select != 0)
        set(values[_i].select, values[_i].selected);
    ck_assert_msg(get(values[_i].offset) == values[_i].expected, "0x%03x reads 0x%x",
                  (unsigned)values[_i].offset, get(values[_i].offset));
    ck_assert_uint_eq(warnings(), 0);
}
END_TEST

/* --- what can be written --- */

static void negotiate(uint32_t low, uint32_t high)
{
    set(VIRTIO_MMIO_STATUS, 1);
    set(VIRTIO_MMIO_STATUS, 3);
    set(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
    set(VIRTIO_MMIO_DRIVER_FEATURES, high);
    set(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
    set(VIRTIO_MMIO_DRIVER_FEATURES, low);
    set(VIRTIO_MMIO_STATUS, 3 | VIRTIO_CONFIG_S_FEATURES_OK);
}

START_TEST(features_are_negotiated)
{
    negotiate(4, 1);
    ck_assert_uint_eq(get(VIRTIO_MMIO_STATUS), 11);
    ck_assert_uint_eq(device.driver_features, (uint64_t)1 << VIRTIO_F_VERSION_1 | 4);
    ck_assert_uint_eq(warnings(), 0);
    /* Settled. */
    set(VIRTIO_MMIO_DRIVER_FEATURES, 5);
    ck_assert_uint_eq(device.driver_features, (uint64_t)1 << VIRTIO_F_VERSION_1 | 4);
    ck_assert_uint_eq(warnings(), 1);

    set(VIRTIO_MMIO_STATUS, 0);
    ck_assert_uint_eq(get(VIRTIO_MMIO_STATUS), 0);
    negotiate(4, 3);
    ck_assert_uint_eq(get(VIRTIO_MMIO_STATUS), 3);
    ck_assert_uint_eq(warnings(), 1);
}
END_TEST

START_TEST(features_above_63_do_not_exist)
{
    set(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 2);
    set(VIRTIO_MMIO_DRIVER_FEATURES, 0);
    ck_assert_uint_eq(warnings(), 0);
    set(VIRTIO_MMIO_DRIVER_FEATURES, 1);
    ck_assert_uint_eq(warnings(), 1);
    ck_assert_uint_eq(device.driver_features, 0);
}
END_TEST

static const struct {
    uint64_t offset;
    uint32_t value;
} queue_writes[] = {
    {VIRTIO_MMIO_QUEUE_NUM, 64},          {VIRTIO_MMIO_QUEUE_DESC_LOW, 0x11111110},
    {VIRTIO_MMIO_QUEUE_DESC_HIGH, 0x11},  {VIRTIO_MMIO_QUEUE_AVAIL_LOW, 0x22222222},
    {VIRTIO_MMIO_QUEUE_AVAIL_HIGH, 0x22}, {VIRTIO_MMIO_QUEUE_USED_LOW, 0x33333333},
    {VIRTIO_MMIO_QUEUE_USED_HIGH, 0x33},
};

static void write_queue(uint32_t difference)
{
    for (size_t i = 0; i < ARRAY_SIZE(queue_writes); i++)
        set(queue_writes[i].offset, queue_writes[i].value ^ difference);
}

static void check_queue(unsigned index)
{
    const struct virtio_queue_registers *queue = &device.queue_registers[index];
    ck_assert_uint_eq(queue->size, 64);
    ck_assert_uint_eq(queue->descriptors, 0x1111111110);
    ck_assert_uint_eq(queue->driver, 0x2222222222);
    ck_assert_uint_eq(queue->device, 0x3333333333);
}

START_TEST(a_queue_is_described_and_made_ready)
{
    static const struct virtio_queue_registers untouched;
    set(VIRTIO_MMIO_QUEUE_SEL, 1);
    write_queue(0);
    check_queue(1);
    ck_assert_mem_eq(&device.queue_registers[0], &untouched, sizeof untouched);
    set(VIRTIO_MMIO_QUEUE_READY, 1);
    ck_assert_uint_eq(get(VIRTIO_MMIO_QUEUE_READY), 1);
    ck_assert_uint_eq(warnings(), 0);

    write_queue(3);
    check_queue(1);
    ck_assert_uint_eq(warnings(), ARRAY_SIZE(queue_writes));
    set(VIRTIO_MMIO_QUEUE_READY, 2);
    ck_assert_uint_eq(get(VIRTIO_MMIO_QUEUE_READY), 1);
    ck_assert_uint_eq(warnings(), 1);

    set(VIRTIO_MMIO_QUEUE_SEL, 0);
    ck_assert_uint_eq(get(VIRTIO_MMIO_QUEUE_READY), 0);
    set(VIRTIO_MMIO_QUEUE_SEL, 1);
    set(VIRTIO_MMIO_QUEUE_READY, 0);
    ck_assert_uint_eq(get(VIRTIO_MMIO_QUEUE_READY), 0);
    set(VIRTIO_MMIO_QUEUE_NUM, 32);
    ck_assert_uint_eq(device.queue_registers[1].size, 32);
    ck_assert_uint_eq(warnings(), 0);
}
END_TEST

START_TEST(a_queue_that_is_too_large_is_refused)
{
    set(VIRTIO_MMIO_QUEUE_NUM, 256);
    ck_assert_uint_eq(device.queue_registers[0].size, 256);
    ck_assert_uint_eq(warnings(), 0);
    set(VIRTIO_MMIO_QUEUE_NUM, 257);
    set(VIRTIO_MMIO_QUEUE_NUM, 0x10000 + 16);
    ck_assert_uint_eq(device.queue_registers[0].size, 256);
    ck_assert_uint_eq(warnings(), 2);
}
END_TEST

START_TEST(a_queue_that_does_not_exist_is_ignored)
{
    struct virtio_queue_registers before[VIRTIO_QUEUES_MAX];
    memcpy(before, device.queue_registers, sizeof before);
    set(VIRTIO_MMIO_QUEUE_SEL, 2);
    write_queue(0);
    set(VIRTIO_MMIO_QUEUE_READY, 1);
    ck_assert_uint_eq(warnings(), ARRAY_SIZE(queue_writes) + 1);
    ck_assert_mem_eq(before, device.queue_registers, sizeof before);
}
END_TEST

START_TEST(a_notification_kicks_its_queue)
{
    eventfd_t count;
    set(VIRTIO_MMIO_QUEUE_NOTIFY, 1);
    ck_assert_int_ne(eventfd_read(device.kick_fds[0], &count), 0);
    ck_assert_int_eq(eventfd_read(device.kick_fds[1], &count), 0);
    ck_assert_uint_eq(warnings(), 0);
    set(VIRTIO_MMIO_QUEUE_NOTIFY, 2);
    set(VIRTIO_MMIO_QUEUE_NOTIFY, UINT32_MAX);
    ck_assert_uint_eq(warnings(), 2);
}
END_TEST

START_TEST(interrupts_are_acknowledged)
{
    atomic_store(&device.interrupt_status, 3);
    ck_assert_uint_eq(get(VIRTIO_MMIO_INTERRUPT_STATUS), 3);
    set(VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_VRING);
    ck_assert_uint_eq(get(VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_CONFIG);
    set(VIRTIO_MMIO_INTERRUPT_ACK, UINT32_MAX);
    ck_assert_uint_eq(get(VIRTIO_MMIO_INTERRUPT_STATUS), 0);
}
END_TEST

/* With the device's thread: DRIVER_OK, a queue that stops, reset. */
START_TEST(a_driver_starts_and_resets_the_device)
{
    ck_assert(virtio_device_run(&device, NULL, NULL, &error));
    negotiate(4, 1);
    set(VIRTIO_MMIO_QUEUE_SEL, 1);
    set(VIRTIO_MMIO_QUEUE_NUM, 16);
    set(VIRTIO_MMIO_QUEUE_DESC_LOW, 0x10000);
    set(VIRTIO_MMIO_QUEUE_AVAIL_LOW, 0x11000);
    set(VIRTIO_MMIO_QUEUE_USED_LOW, 0x12000);
    set(VIRTIO_MMIO_QUEUE_READY, 1);
    set(VIRTIO_MMIO_STATUS, RUNNING);
    ck_assert_uint_eq(get(VIRTIO_MMIO_STATUS), RUNNING);
    set(VIRTIO_MMIO_QUEUE_READY, 0);
    while (get(VIRTIO_MMIO_QUEUE_READY) != 0)
        ;
    set(VIRTIO_MMIO_QUEUE_READY, 1);
    ck_assert_uint_eq(get(VIRTIO_MMIO_QUEUE_READY), 1);
    set(VIRTIO_MMIO_STATUS, 0);
    while (get(VIRTIO_MMIO_STATUS) != 0)
        ;
    ck_assert_uint_eq(get(VIRTIO_MMIO_QUEUE_READY), 0);
    ck_assert_uint_eq(warnings(), 0);
}
END_TEST

/* --- configuration --- */

START_TEST(configuration_is_read_in_any_size)
{
    ck_assert_uint_eq(read_bytes(0x100, 1), 'a');
    ck_assert_uint_eq(read_bytes(0x10b, 1), 'l');
    ck_assert_uint_eq(read_bytes(0x102, 2), 0x6463);
    ck_assert_uint_eq(read_bytes(0x104, 4), 0x68676665);
    ck_assert_uint_eq(read_bytes(0x103, 4), 0x67666564);
    ck_assert_uint_eq(read_bytes(0x104, 8), 0x6c6b6a6968676665);
    ck_assert_uint_eq(warnings(), 0);
    ck_assert_uint_eq(read_bytes(0x108, 8), 0);
    ck_assert_uint_eq(read_bytes(0x10c, 1), 0);
    ck_assert_uint_eq(read_bytes(0xfff, 1), 0);
    ck_assert_uint_eq(warnings(), 3);
}
END_TEST

START_TEST(configuration_is_written_through_the_device)
{
    write_bytes(0x102, 2, 0x5958);
    ck_assert_mem_eq(config, "abXYefghijkl", sizeof config);
    ck_assert_uint_eq(written_offset, 2);
    ck_assert_uint_eq(written_size, 2);
    write_bytes(0x100, 4, 0x34333231);
    ck_assert_mem_eq(config, "a234efghijkl", sizeof config);
    write_bytes(0x104, 8, 0x3030303030303030);
    ck_assert_mem_eq(config, "a23400000000", sizeof config);
    ck_assert_uint_eq(warnings(), 0);

    write_bytes(0x10a, 4, 0);
    write_bytes(0x800, 1, 0);
    ck_assert_uint_eq(warnings(), 2);
    device.config_written = NULL;
    write_bytes(0x104, 1, 0);
    ck_assert_uint_eq(warnings(), 1);
    ck_assert_mem_eq(config, "a23400000000", sizeof config);
}
END_TEST

START_TEST(generation_follows_the_configuration)
{
    virtio_device_change_config(&device, 0, "z", 1);
    ck_assert_uint_eq(get(VIRTIO_MMIO_CONFIG_GENERATION), 1);
    ck_assert_uint_eq(read_bytes(0x100, 1), 'z');
}
END_TEST

/* --- what must not be done --- */

static const struct {
    uint64_t offset;
    unsigned size;
} bad_accesses[] = {
    {VIRTIO_MMIO_MAGIC_VALUE, 1}, {VIRTIO_MMIO_MAGIC_VALUE, 2},
    {VIRTIO_MMIO_MAGIC_VALUE, 8}, {VIRTIO_MMIO_STATUS, 1},
    {VIRTIO_MMIO_STATUS, 2},      {VIRTIO_MMIO_STATUS, 8},
    {VIRTIO_MMIO_STATUS + 1, 4},  {VIRTIO_MMIO_STATUS + 2, 4},
    {VIRTIO_MMIO_STATUS - 4, 8},  {VIRTIO_MMIO_QUEUE_READY, 1},
    {VIRTIO_MMIO_QUEUE_SEL, 2},   {0x0fe, 4},
};

START_TEST(registers_have_32_bits)
{
    struct virtio_mmio before = mmio;
    ck_assert_uint_eq(read_bytes(bad_accesses[_i].offset, bad_accesses[_i].size), 0);
    ck_assert_uint_eq(warnings(), 1);
    write_bytes(bad_accesses[_i].offset, bad_accesses[_i].size, 0x0101010101010101);
    ck_assert_uint_eq(warnings(), 1);
    ck_assert_uint_eq(device.status, 0);
    ck_assert_mem_eq(&before, &mmio, sizeof before);
}
END_TEST

static const uint64_t write_only[] = {
    VIRTIO_MMIO_DEVICE_FEATURES_SEL,
    VIRTIO_MMIO_DRIVER_FEATURES,
    VIRTIO_MMIO_DRIVER_FEATURES_SEL,
    VIRTIO_MMIO_QUEUE_SEL,
    VIRTIO_MMIO_QUEUE_NUM,
    VIRTIO_MMIO_QUEUE_NOTIFY,
    VIRTIO_MMIO_INTERRUPT_ACK,
    VIRTIO_MMIO_QUEUE_DESC_LOW,
    VIRTIO_MMIO_QUEUE_USED_HIGH,
    VIRTIO_MMIO_SHM_SEL,
    VIRTIO_MMIO_GUEST_PAGE_SIZE, /* of version 1 */
    0x0c0,                       /* QueueReset: the feature is not offered */
    0x0f8,
};

START_TEST(unknown_and_write_only_registers_read_0)
{
    ck_assert_uint_eq(get(write_only[_i]), 0);
    ck_assert_uint_eq(warnings(), 1);
}
END_TEST

static const uint64_t read_only[] = {
    VIRTIO_MMIO_MAGIC_VALUE,
    VIRTIO_MMIO_VERSION,
    VIRTIO_MMIO_DEVICE_ID,
    VIRTIO_MMIO_VENDOR_ID,
    VIRTIO_MMIO_DEVICE_FEATURES,
    VIRTIO_MMIO_QUEUE_NUM_MAX,
    VIRTIO_MMIO_INTERRUPT_STATUS,
    VIRTIO_MMIO_SHM_LEN_LOW,
    VIRTIO_MMIO_SHM_BASE_HIGH,
    VIRTIO_MMIO_CONFIG_GENERATION,
    VIRTIO_MMIO_GUEST_PAGE_SIZE,
    VIRTIO_MMIO_QUEUE_PFN,
    0x0c0,
};

START_TEST(unknown_and_read_only_registers_ignore_writes)
{
    uint32_t before = get(read_only[_i]);
    (void)warnings();
    set(read_only[_i], ~before);
    ck_assert_uint_eq(warnings(), 1);
    ck_assert_uint_eq(get(read_only[_i]), before);
}
END_TEST

Suite *virtio_mmio_suite(void)
{
    Suite *suite = suite_create("virtio_mmio");
    TCase *test_case = tcase_create("virtio_mmio");
    tcase_add_checked_fixture(test_case, setup, teardown);
    tcase_add_loop_test(test_case, registers_read, 0, ARRAY_SIZE(values));
    tcase_add_test(test_case, features_are_negotiated);
    tcase_add_test(test_case, features_above_63_do_not_exist);
    tcase_add_test(test_case, a_queue_is_described_and_made_ready);
    tcase_add_test(test_case, a_queue_that_is_too_large_is_refused);
    tcase_add_test(test_case, a_queue_that_does_not_exist_is_ignored);
    tcase_add_test(test_case, a_notification_kicks_its_queue);
    tcase_add_test(test_case, interrupts_are_acknowledged);
    tcase_add_test(test_case, a_driver_starts_and_resets_the_device);
    tcase_add_test(test_case, configuration_is_read_in_any_size);
    tcase_add_test(test_case, configuration_is_written_through_the_device);
    tcase_add_test(test_case, generation_follows_the_configuration);
    tcase_add_loop_test(test_case, registers_have_32_bits, 0, ARRAY_SIZE(bad_accesses));
    tcase_add_loop_test(test_case, unknown_and_write_only_registers_read_0, 0,
                        ARRAY_SIZE(write_only));
    tcase_add_loop_test(test_case, unknown_and_read_only_registers_ignore_writes, 0,
                        ARRAY_SIZE(read_only));
    suite_add_tcase(suite, test_case);
    return suite;
}

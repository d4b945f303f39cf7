/* SPDX-License-Identifier: MIT */
/* The registers and their rules, with no thread. */
#include <check.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/unit/suites.h"
#include "tests/unit/toy_device.h"

static struct toy toy;

static void setup(void)
{
    toy_init(&toy);
}

static void teardown(void)
{
    toy_finish(&toy);
}

static uint32_t status(void)
{
    return virtio_device_read_status(&toy.device);
}

static void write_status(uint32_t value)
{
    virtio_device_write_status(&toy.device, value);
}

/* What the status reads after these writes, of a driver that accepted good features. */
static const struct {
    const char *name;
    uint32_t writes[5]; /* up to the first 0 */
    uint32_t expected;
    bool warns;
} walks[] = {
    // clang-format off
    {"acknowledge",        {1},                            1,       false},
    {"step by step",       {1, 3, READY, RUNNING},         RUNNING, false},
    {"the same again",     {1, 1, 3, 3, READY},            READY,   false},
    {"all in one write",   {RUNNING},                      RUNNING, false},
    {"driver first",       {DRIVER},                       0,       true},
    {"features first",     {1, 1 | FEATURES_OK},           1,       true},
    {"DRIVER_OK early",    {1, 3, 3 | DRIVER_OK},          3,       true},
    {"clears a bit",       {1, 3, 1},                      3,       true},
    {"clears two",         {1, 3, READY, FEATURES_OK},     READY,   true},
    {"replaces a bit",     {1, 3, 1 | FEATURES_OK},        3,       true},
    {"failed",             {1, 3, 3 | FAILED},             3 | FAILED, false},
    {"failed at once",     {FAILED},                       FAILED,  false},
    {"needs reset",        {1, 1 | NEEDS_RESET},           1,       false},
    {"unknown bit",        {1, 0x11},                      1,       true},
    {"more than a byte",   {1, 0x101},                     1,       true},
    // clang-format on
};

START_TEST(status_takes_legal_steps_only)
{
    toy.device.driver_features = VERSION_1;
    for (unsigned i = 0; i < 5 && walks[_i].writes[i] != 0; i++)
        write_status(walks[_i].writes[i]);
    ck_assert_msg(status() == walks[_i].expected, "%s: 0x%x", walks[_i].name, status());
    ck_assert_msg((toy_warnings(&toy) > 0) == walks[_i].warns, "%s", walks[_i].name);
    ck_assert_int_eq(toy.device.start_asked, (walks[_i].expected & DRIVER_OK) != 0);
    write_status(0);
    ck_assert_uint_eq(status(), 0);
    ck_assert(!toy.device.start_asked);
}
END_TEST

static const struct {
    uint64_t features;
    bool accepted;
} negotiations[] = {
    // clang-format off
    {VERSION_1,                                                   true},
    {VERSION_1 | EVENT_IDX | INDIRECT,                            true},
    {VERSION_1 | FEATURE(0) | FEATURE(3) | EVENT_IDX | INDIRECT,  true},
    {0,                                                           false},
    {EVENT_IDX | INDIRECT | FEATURE(0),                           false},
    {VERSION_1 | FEATURE(1),                                      false},
    {VERSION_1 | FEATURE(VIRTIO_F_RING_PACKED),                   false},
    {VERSION_1 | FEATURE(63),                                     false},
    {UINT64_MAX,                                                  false},
    // clang-format on
};

START_TEST(features_are_negotiated)
{
    write_status(ACKNOWLEDGE | DRIVER);
    toy.device.driver_features = negotiations[_i].features;
    write_status(READY);
    ck_assert_int_eq((status() & FEATURES_OK) != 0, negotiations[_i].accepted);
    ck_assert_int_eq(toy_warnings(&toy) == 0, negotiations[_i].accepted);
    write_status(status() | DRIVER_OK);
    ck_assert_int_eq((status() & DRIVER_OK) != 0, negotiations[_i].accepted);
}
END_TEST

START_TEST(a_refused_driver_may_try_again)
{
    write_status(ACKNOWLEDGE | DRIVER);
    write_status(READY);
    ck_assert_uint_eq(status(), ACKNOWLEDGE | DRIVER);
    toy.device.driver_features = VERSION_1;
    write_status(READY);
    ck_assert_uint_eq(status(), READY);
}
END_TEST

START_TEST(core_features_are_offered)
{
    ck_assert_uint_eq(toy.device.features,
                      FEATURE(0) | FEATURE(3) | VERSION_1 | EVENT_IDX | INDIRECT);
}
END_TEST

START_TEST(a_reset_clears_the_registers)
{
    toy_drive(&toy);
    atomic_store(&toy.device.interrupt_status, 3);
    write_status(0);
    ck_assert_uint_eq(status(), 0);
    ck_assert_uint_eq(toy.device.driver_features, 0);
    ck_assert_uint_eq(atomic_load(&toy.device.interrupt_status), 0);
    ck_assert(!toy_queue_is_ready(&toy, 0));
    ck_assert_uint_eq(toy.device.queue_registers[0].size, 0);
}
END_TEST

START_TEST(a_queue_that_never_ran_stops_at_once)
{
    toy_initialise(&toy);
    ck_assert(toy_queue_is_ready(&toy, 1));
    virtio_device_write_queue_ready(&toy.device, 1, false);
    ck_assert(!toy_queue_is_ready(&toy, 1));
    virtio_device_write_queue_ready(&toy.device, 1, false);
    ck_assert(!toy_queue_is_ready(&toy, 1));
    ck_assert_uint_eq(toy_warnings(&toy), 0);
}
END_TEST

START_TEST(a_change_of_the_configuration_is_announced)
{
    uint32_t before = toy.device.config_generation;
    virtio_device_change_config(&toy.device, 6, "xy", 2);
    ck_assert_uint_ne(toy.device.config_generation, before);
    ck_assert_mem_eq(toy.config, "\0\0\0\0\0\0xy", 8);
    /* virtio 1.2, 2.1.2: no notification before DRIVER_OK. */
    ck_assert_uint_eq(atomic_load(&toy.device.interrupt_status), 0);
    toy_drive(&toy);
    virtio_device_change_config(&toy.device, 0, "z", 1);
    toy_wait_for_interrupt(&toy, VIRTIO_MMIO_INT_CONFIG);
    ck_assert_uint_eq(toy.device.config_generation, before + 2);
}
END_TEST

/* _i: so many fds are still to be had; four are needed. */
START_TEST(init_fails_without_fds_and_leaves_nothing)
{
    struct virtio_device other = {.name = "other", .queue_count = 2};
    struct rlimit limit, before;
    struct error error;
    int first_free = dup(0);
    close(first_free);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    limit = before;
    limit.rlim_cur = (rlim_t)(first_free + _i);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    bool ok = virtio_device_init(&other, &error);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    ck_assert_int_eq(ok, _i == 4);
    virtio_device_finish(&other);
    if (!ok)
        ck_assert_int_eq(error.code, ERROR_HOST_SYSTEM);
    int still_free = dup(0);
    close(still_free);
    ck_assert_int_eq(still_free, first_free);
}
END_TEST

Suite *virtio_device_suite(void)
{
    Suite *suite = suite_create("virtio_device");
    TCase *test_case = tcase_create("registers");
    tcase_add_checked_fixture(test_case, setup, teardown);
    tcase_add_loop_test(test_case, status_takes_legal_steps_only, 0, ARRAY_SIZE(walks));
    tcase_add_loop_test(test_case, features_are_negotiated, 0, ARRAY_SIZE(negotiations));
    tcase_add_test(test_case, a_refused_driver_may_try_again);
    tcase_add_test(test_case, core_features_are_offered);
    tcase_add_test(test_case, a_reset_clears_the_registers);
    tcase_add_test(test_case, a_queue_that_never_ran_stops_at_once);
    tcase_add_test(test_case, a_change_of_the_configuration_is_announced);
    tcase_add_loop_test(test_case, init_fails_without_fds_and_leaves_nothing, 0, 5);
    suite_add_tcase(suite, test_case);
    return suite;
}

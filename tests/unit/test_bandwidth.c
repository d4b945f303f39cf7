/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <sys/mman.h>
#include <unistd.h>

#include "devices/gpu/bandwidth.h"
#include "tests/unit/suites.h"
#include "vmm/types.h"

#define SIZE (64u * 1024)

/* A machine whose reads take as long as it is told: after a flush, of the buffer, or not. */
struct machine {
    const uint8_t *buffer;
    uint64_t clock; /* nanoseconds */
    uint64_t warm;
    uint64_t cold;
    uint64_t of_buffer;
    uint64_t noise; /* added to every 100th read */
    unsigned reads;
    bool flushed;
};

static uint64_t fake_now(void *context)
{
    struct machine *machine = context;
    return machine->clock;
}

static void fake_read(void *context, const uint8_t *line)
{
    struct machine *machine = context;
    bool is_buffer = line >= machine->buffer && line < machine->buffer + SIZE;
    machine->clock += is_buffer          ? machine->of_buffer
                      : machine->flushed ? machine->cold
                                         : machine->warm;
    if (++machine->reads % 4096 < 100)
        machine->clock += machine->noise;
}

static void fake_flush(void *context, const uint8_t *start, size_t size)
{
    struct machine *machine = context;
    (void)start;
    (void)size;
    machine->flushed = true;
}

static const struct {
    uint64_t warm;
    uint64_t cold;
    uint64_t of_buffer;
    uint64_t noise;
    enum bandwidth_verdict verdict;
} rows[] = {
    {12, 100, 12, 0, BANDWIDTH_CACHED},
    {12, 100, 30, 0, BANDWIDTH_CACHED}, /* below the geometric mean, 34.6 */
    {12, 100, 40, 0, BANDWIDTH_NOT_CACHED},
    {12, 100, 100, 0, BANDWIDTH_NOT_CACHED},
    {12, 100, 1000, 0, BANDWIDTH_NOT_CACHED},
    {12, 100, 5, 0, BANDWIDTH_CACHED},
    {12, 100, 12, 1000, BANDWIDTH_CACHED}, /* some passes are disturbed */
    {25, 25, 25, 0, BANDWIDTH_NO_DIFFERENCE},
    {25, 25, 900, 0, BANDWIDTH_NO_DIFFERENCE}, /* an emulator's device memory */
    {25, 74, 900, 0, BANDWIDTH_NO_DIFFERENCE},
    {25, 75, 900, 0, BANDWIDTH_NOT_CACHED},
    {0, 0, 0, 0, BANDWIDTH_NO_DIFFERENCE}, /* a clock that stands still */
};

START_TEST(the_buffer_is_compared_with_both)
{
    static uint8_t buffer[SIZE];
    struct machine machine = {
        .buffer = buffer,
        .warm = rows[_i].warm,
        .cold = rows[_i].cold,
        .of_buffer = rows[_i].of_buffer,
        .noise = rows[_i].noise,
    };
    const struct bandwidth_machine fake = {.context = &machine,
                                           .now = fake_now,
                                           .read_line = fake_read,
                                           .flush = fake_flush};
    struct bandwidth bandwidth;
    bandwidth_measure(&fake, buffer, sizeof buffer, &bandwidth);
    ck_assert_int_eq(bandwidth.verdict, rows[_i].verdict);
    ck_assert_uint_eq(bandwidth.warm, rows[_i].warm * 10);
    ck_assert_uint_eq(bandwidth.cold, rows[_i].cold * 10);
    ck_assert_uint_eq(bandwidth.buffer, rows[_i].of_buffer * 10);
    ck_assert_uint_le(machine.clock, BANDWIDTH_NS_MAX + 100000);
}
END_TEST

/* Reads of a device that takes 100 us for each: the measurement ends in time. */
START_TEST(slow_memory_does_not_take_long)
{
    static uint8_t buffer[SIZE];
    struct machine machine = {
        .buffer = buffer, .warm = 5, .cold = 80, .of_buffer = 100000};
    const struct bandwidth_machine fake = {.context = &machine,
                                           .now = fake_now,
                                           .read_line = fake_read,
                                           .flush = fake_flush};
    struct bandwidth bandwidth;
    bandwidth_measure(&fake, buffer, sizeof buffer, &bandwidth);
    ck_assert_int_eq(bandwidth.verdict, BANDWIDTH_NOT_CACHED);
    ck_assert_uint_le(machine.clock, BANDWIDTH_NS_MAX + 4000000);
}
END_TEST

START_TEST(a_memfd_never_looks_uncached)
{
    int fd = memfd_create("bandwidth", MFD_CLOEXEC);
    ck_assert_int_eq(ftruncate(fd, SIZE), 0);
    uint8_t *memory =
        mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    ck_assert_ptr_ne(memory, MAP_FAILED);
    struct bandwidth bandwidth;
    /* A busy machine may disturb one measurement, not three. */
    for (unsigned i = 0; i < 3; i++) {
        bandwidth_measure(NULL, memory, SIZE, &bandwidth);
        if (bandwidth.verdict != BANDWIDTH_NOT_CACHED)
            break;
    }
    ck_assert_int_ne(bandwidth.verdict, BANDWIDTH_NOT_CACHED);
    ck_assert_uint_gt(bandwidth.warm, 0);
    munmap(memory, SIZE);
    close(fd);
}
END_TEST

START_TEST(names)
{
    char line[160];
    const struct bandwidth bandwidth = {BANDWIDTH_NOT_CACHED, 121, 546, 1002};
    bandwidth_describe(&bandwidth, line, sizeof line);
    ck_assert_str_eq(line, "not cached: 100.2 ns a line; cached 12.1, flushed 54.6");
    ck_assert_str_eq(bandwidth_verdict_name(BANDWIDTH_NO_DIFFERENCE),
                     "no difference to see");
    ck_assert_str_eq(bandwidth_verdict_name(BANDWIDTH_CACHED), "cached");
    ck_assert_str_eq(bandwidth_verdict_name(BANDWIDTH_NOT_CACHED), "not cached");
}
END_TEST

Suite *bandwidth_suite(void)
{
    Suite *suite = suite_create("bandwidth");
    TCase *test_case = tcase_create("bandwidth");
    tcase_add_loop_test(test_case, the_buffer_is_compared_with_both, 0,
                        (int)ARRAY_SIZE(rows));
    tcase_add_test(test_case, slow_memory_does_not_take_long);
    tcase_add_test(test_case, a_memfd_never_looks_uncached);
    tcase_add_test(test_case, names);
    suite_add_tcase(suite, test_case);
    return suite;
}

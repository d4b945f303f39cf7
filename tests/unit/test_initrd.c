/* SPDX-License-Identifier: MIT */
/* Where an initial RAM disk goes, and what is said when it goes nowhere. */
#include <check.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "firmware/initrd.h"
#include "tests/unit/suites.h"

#define LOW_START  MIB
#define LOW_SIZE   (15 * MIB)
#define HIGH_START (4 * GIB)
#define HIGH_SIZE  (8 * MIB)

static struct guest_memory memory;
static struct error error;
static struct gpa_range initrd;

static void set_up(void)
{
    const struct gpa_range ranges[] = {{gpa(LOW_START), LOW_SIZE},
                                       {gpa(HIGH_START), HIGH_SIZE}};
    ck_assert(guest_memory_init(&memory, ranges, 2, &error));
    initrd = (struct gpa_range){0};
}

static void tear_down(void)
{
    guest_memory_finish(&memory);
}

static bool load(size_t size, uint64_t lowest, uint64_t limit)
{
    int fd = memfd_create("initrd", MFD_CLOEXEC);
    ck_assert_int_eq(ftruncate(fd, (off_t)size), 0);
    ck_assert_int_eq(pwrite(fd, "070701", size < 6 ? size : 6, 0),
                     (ssize_t)(size < 6 ? size : 6));
    bool loaded =
        initrd_load_fd(fd, "initrd", &memory, gpa(lowest), limit, &initrd, &error);
    close(fd);
    return loaded;
}

START_TEST(it_is_behind_the_kernel)
{
    ck_assert_msg(load(5000, 4 * MIB + 1, UINT64_MAX), "%s", error.text);
    ck_assert_uint_eq(initrd.start.value, 6 * MIB);
    ck_assert_uint_eq(initrd.size, 5000);
    const uint8_t *low = memory.regions[0].host;
    static const uint8_t zeroes[64];
    ck_assert_mem_eq(low + (6 * MIB - LOW_START), "070701", 6);
    ck_assert_mem_eq(low + (6 * MIB - LOW_START) - sizeof zeroes, zeroes, sizeof zeroes);
}
END_TEST

START_TEST(it_may_end_where_ram_or_the_limit_does)
{
    ck_assert_msg(load(2 * MIB, 14 * MIB, UINT64_MAX), "%s", error.text);
    ck_assert_uint_eq(initrd.start.value, 14 * MIB);
    ck_assert_msg(load(2 * MIB, 4 * MIB, 6 * MIB), "%s", error.text);
    ck_assert_uint_eq(initrd.start.value, 4 * MIB);
}
END_TEST

START_TEST(above_4_gib_where_the_kernel_can_take_it)
{
    ck_assert_msg(load(2 * MIB + 1, 14 * MIB, UINT64_MAX), "%s", error.text);
    ck_assert_uint_eq(initrd.start.value, HIGH_START);
    ck_assert_mem_eq(memory.regions[1].host, "070701", 6);
}
END_TEST

/* What is short, and how much it takes: 23 MiB of RAM, of which all but 2 or 8 are used. */
static const struct {
    size_t size;
    uint64_t lowest;
    uint64_t limit;
    const char *text;
} too_big[] = {
    {2 * MIB + 1, 14 * MIB, 4 * GIB,
     "room for 2 MiB in one piece: give the guest --memory 25M"},
    {2 * MIB + 1, 4 * MIB, 6 * MIB, "room for 2 MiB in one piece"},
    {8 * MIB + 1, 14 * MIB, UINT64_MAX,
     "initrd: has 9 MiB, and behind the kernel there is room for 8 MiB in one piece: "
     "give the guest --memory 25M or more (it has 23M)"},
    {1, 16 * MIB, 4 * GIB, "room for 0 MiB"},
    {1, UINT64_MAX, UINT64_MAX, "room for 0 MiB"},
};

START_TEST(what_does_not_fit_is_refused)
{
    ck_assert(!load(too_big[_i].size, too_big[_i].lowest, too_big[_i].limit));
    ck_assert_int_eq(error.code, ERROR_CONFIG_FILE);
    ck_assert_msg(strstr(error.text, too_big[_i].text) != NULL, "%s", error.text);
    ck_assert_uint_eq(initrd.size, 0);
}
END_TEST

START_TEST(an_empty_or_missing_file_is_refused)
{
    ck_assert(!load(0, 4 * MIB, UINT64_MAX));
    ck_assert_msg(strstr(error.text, "is empty") != NULL, "%s", error.text);
    ck_assert(!initrd_load("/nonexistent", &memory, gpa(0), UINT64_MAX, &initrd, &error));
    ck_assert_int_eq(error.code, ERROR_CONFIG_FILE);
    ck_assert_msg(strncmp(error.text, "/nonexistent: ", 14) == 0, "%s", error.text);
}
END_TEST

Suite *initrd_suite(void)
{
    Suite *suite = suite_create("initrd");
    TCase *test_case = tcase_create("initrd");
    tcase_add_checked_fixture(test_case, set_up, tear_down);
    tcase_add_test(test_case, it_is_behind_the_kernel);
    tcase_add_test(test_case, it_may_end_where_ram_or_the_limit_does);
    tcase_add_test(test_case, above_4_gib_where_the_kernel_can_take_it);
    tcase_add_loop_test(test_case, what_does_not_fit_is_refused, 0,
                        (int)ARRAY_SIZE(too_big));
    tcase_add_test(test_case, an_empty_or_missing_file_is_refused);
    suite_add_tcase(suite, test_case);
    return suite;
}

/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "devices/gpu/guest_pages.h"
#include "tests/unit/suites.h"

#define RAM  (64 * KIB)
#define HIGH (1 * GIB) /* a second region */

static struct guest_memory memory;

static void set_up(void)
{
    struct error error;
    const struct gpa_range ranges[] = {{gpa(0), RAM}, {gpa(HIGH), RAM}};
    ck_assert(guest_memory_init(&memory, ranges, 2, &error));
}

static void tear_down(void)
{
    guest_memory_finish(&memory);
}

/* On the heap, exactly as long as `available`, so that a look behind it is found. */
static bool take(struct guest_pages *pages, const struct virtio_gpu_mem_entry *entries,
                 uint32_t count, uint64_t available, struct error *error)
{
    struct virtio_gpu_mem_entry *copy = malloc(available ? available : 1);
    memcpy(copy, entries, available);
    memset(pages, 0xdd, sizeof *pages);
    bool good = guest_pages_init(pages, &memory, copy, count, available, error);
    free(copy);
    return good;
}

static void refused(const struct virtio_gpu_mem_entry *entries, uint32_t count,
                    uint64_t available, enum error_code code, const char *text)
{
    struct guest_pages pages;
    struct error error;
    ck_assert(!take(&pages, entries, count, available, &error));
    ck_assert_int_eq(error.code, code);
    ck_assert_msg(strstr(error.text, text) != NULL, "%s", error.text);
    /* A zeroed object is left. */
    ck_assert_uint_eq(pages.count, 0);
    ck_assert_ptr_null(pages.ranges);
    ck_assert_ptr_null(pages.vectors);
    ck_assert_ptr_null(pages.starts);
    guest_pages_finish(&pages);
}

#define ENTRY(address, bytes)                                                            \
    {                                                                                    \
        .addr = (address), .length = (bytes)                                             \
    }

/* Not in order, of odd sizes, one after another, and one page twice. */
static const struct virtio_gpu_mem_entry scattered[] = {
    ENTRY(0x3000, 0x1000), ENTRY(HIGH + 0x800, 1), ENTRY(0x1001, 0x7fe),
    ENTRY(0x4000, 0x2000), ENTRY(HIGH, 0x10),
};
#define SCATTERED_SIZE (0x1000u + 1 + 0x7fe + 0x2000 + 0x10)

/* What byte i of the run is; the period has no common factor with any size above. */
static uint8_t pattern(uint64_t i)
{
    return (uint8_t)(i % 251);
}

static void fill_run(void)
{
    struct error error;
    uint64_t i = 0;
    for (size_t entry = 0; entry < ARRAY_SIZE(scattered); entry++)
        for (uint32_t j = 0; j < scattered[entry].length; j++) {
            uint8_t byte = pattern(i++);
            ck_assert(guest_memory_write(&memory, gpa(scattered[entry].addr + j), &byte,
                                         1, &error));
        }
    ck_assert_uint_eq(i, SCATTERED_SIZE);
}

START_TEST(entries_become_one_run)
{
    struct guest_pages pages;
    struct error error;
    ck_assert(take(&pages, scattered, ARRAY_SIZE(scattered), sizeof scattered, &error));
    ck_assert_uint_eq(pages.count, ARRAY_SIZE(scattered));
    ck_assert_uint_eq(pages.size, SCATTERED_SIZE);
    for (unsigned i = 0; i < pages.count; i++) {
        void *host;
        ck_assert_uint_eq(pages.ranges[i].start.value, scattered[i].addr);
        ck_assert_uint_eq(pages.ranges[i].size, scattered[i].length);
        ck_assert(guest_memory_view(&memory, pages.ranges[i].start, 1, &host, &error));
        ck_assert_ptr_eq(pages.vectors[i].iov_base, host);
        ck_assert_uint_eq(pages.vectors[i].iov_len, scattered[i].length);
    }
    guest_pages_finish(&pages);
    guest_pages_finish(&pages);
}
END_TEST

START_TEST(reading_crosses_entries)
{
    static const uint64_t starts[] = {0,
                                      1,
                                      0xfff,
                                      0x1000,
                                      0x1001,
                                      0x1002,
                                      0x17fe,
                                      0x17ff,
                                      0x37fe,
                                      0x37ff,
                                      SCATTERED_SIZE - 1,
                                      SCATTERED_SIZE};
    struct guest_pages pages;
    struct error error;
    fill_run();
    ck_assert(take(&pages, scattered, ARRAY_SIZE(scattered), sizeof scattered, &error));
    for (size_t from = 0; from < ARRAY_SIZE(starts); from++)
        for (size_t to = from; to < ARRAY_SIZE(starts); to++) {
            uint64_t length = starts[to] - starts[from];
            uint8_t *buffer = malloc(length + 1);
            memset(buffer, 0xee, length + 1);
            ck_assert(guest_pages_read(&pages, starts[from], buffer, length, &error));
            for (uint64_t i = 0; i < length; i++)
                ck_assert_uint_eq(buffer[i], pattern(starts[from] + i));
            ck_assert_uint_eq(buffer[length], 0xee);
            free(buffer);
        }
    guest_pages_finish(&pages);
}
END_TEST

START_TEST(writing_changes_these_bytes_only)
{
    struct guest_pages pages;
    struct error error;
    uint8_t run[SCATTERED_SIZE];
    uint8_t change[0x900];
    memset(change, 0xfe, sizeof change);
    fill_run();
    ck_assert(take(&pages, scattered, ARRAY_SIZE(scattered), sizeof scattered, &error));
    ck_assert(guest_pages_write(&pages, 0xff8, change, sizeof change, &error));
    ck_assert(guest_pages_read(&pages, 0, run, sizeof run, &error));
    for (uint64_t i = 0; i < sizeof run; i++)
        ck_assert_uint_eq(run[i],
                          i >= 0xff8 && i < 0xff8 + sizeof change ? 0xfe : pattern(i));
    /* And the guest sees it there. */
    uint8_t byte;
    ck_assert(guest_memory_read(&memory, gpa(HIGH + 0x800), &byte, 1, &error));
    ck_assert_uint_eq(byte, 0xfe);
    guest_pages_finish(&pages);
}
END_TEST

START_TEST(nothing_is_copied_behind_the_end)
{
    static const struct {
        uint64_t offset, length;
    } bad[] = {
        {0, SCATTERED_SIZE + 1}, {SCATTERED_SIZE, 1},     {SCATTERED_SIZE - 1, 2},
        {UINT64_MAX, 1},         {UINT64_MAX - 7, 8},     {8, UINT64_MAX},
        {UINT64_MAX, 0},         {SCATTERED_SIZE + 1, 0},
    };
    struct guest_pages pages;
    struct error error;
    uint8_t byte = 7;
    ck_assert(take(&pages, scattered, ARRAY_SIZE(scattered), sizeof scattered, &error));
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        ck_assert(!guest_pages_read(&pages, bad[i].offset, &byte, bad[i].length, &error));
        ck_assert_int_eq(error.code, ERROR_GUEST_PARAMETER);
        ck_assert(
            !guest_pages_write(&pages, bad[i].offset, &byte, bad[i].length, &error));
        ck_assert_int_eq(error.code, ERROR_GUEST_PARAMETER);
        ck_assert_uint_eq(byte, 7);
    }
    guest_pages_finish(&pages);
    ck_assert(!guest_pages_read(&pages, 0, &byte, 1, &error));
    ck_assert(guest_pages_read(&pages, 0, &byte, 0, &error));
}
END_TEST

START_TEST(bad_entries_are_refused)
{
    static const struct virtio_gpu_mem_entry good = ENTRY(0, 0x1000);
    static const struct virtio_gpu_mem_entry bad[][2] = {
        {ENTRY(0, 0x1000), ENTRY(0x1000, 0)},
        {ENTRY(0, 0x1000), ENTRY(RAM, 1)},
        {ENTRY(0, 0x1000), ENTRY(RAM - 1, 2)},
        {ENTRY(0, 0x1000), ENTRY(UINT64_MAX, 1)},
        {ENTRY(0, 0x1000), ENTRY(UINT64_MAX - 1, UINT32_MAX)},
        {ENTRY(HIGH, RAM), ENTRY(HIGH - 1, 1)},
        {ENTRY(0, 0x1000), ENTRY(0, UINT32_MAX)},
    };
    refused(&good, 0, sizeof good, ERROR_GUEST_PARAMETER, "no entries");
    refused(&good, 2, sizeof good, ERROR_GUEST_PARAMETER, "of which 1 came");
    refused(&good, 1, sizeof good - 1, ERROR_GUEST_PARAMETER, "of which 0 came");
    refused(&good, GUEST_PAGES_ENTRIES_MAX, sizeof good, ERROR_GUEST_PARAMETER, "came");
    refused(&good, UINT32_MAX, sizeof good, ERROR_GUEST_PARAMETER,
            "131072 are the limit");
    /* 2^28 + 1 entries: times 16 this is 16 modulo 2^32. */
    refused(&good, 0x10000001, sizeof good, ERROR_GUEST_PARAMETER, "the limit");
    refused(bad[0], 2, sizeof bad[0], ERROR_GUEST_PARAMETER, "entry 1");
    for (size_t i = 1; i < ARRAY_SIZE(bad); i++)
        refused(bad[i], 2, sizeof bad[i], ERROR_GUEST_ADDRESS, "entry 1");
}
END_TEST

START_TEST(the_most_entries_are_fast)
{
    struct guest_pages pages;
    struct error error;
    size_t size = GUEST_PAGES_ENTRIES_MAX * sizeof(struct virtio_gpu_mem_entry);
    struct virtio_gpu_mem_entry *entries = malloc(size);
    for (uint32_t i = 0; i < GUEST_PAGES_ENTRIES_MAX; i++)
        entries[i] = (struct virtio_gpu_mem_entry){.addr = i % RAM, .length = 1};
    ck_assert(take(&pages, entries, GUEST_PAGES_ENTRIES_MAX, size, &error));
    ck_assert_uint_eq(pages.size, GUEST_PAGES_ENTRIES_MAX);
    uint8_t run[4];
    ck_assert(guest_memory_write(&memory, gpa(0xfffc), "abcd", 4, &error));
    /* From the far end, as often as a picture has rows: Check ends a test that takes 4 s. */
    for (unsigned i = 0; i < 100000; i++)
        ck_assert(guest_pages_read(&pages, GUEST_PAGES_ENTRIES_MAX - 4, run, 4, &error));
    ck_assert_mem_eq(run, "abcd", 4);
    guest_pages_finish(&pages);
    free(entries);
}
END_TEST

Suite *guest_pages_suite(void)
{
    Suite *suite = suite_create("guest pages");
    TCase *test_case = tcase_create("guest pages");
    tcase_add_checked_fixture(test_case, set_up, tear_down);
    tcase_add_test(test_case, entries_become_one_run);
    tcase_add_test(test_case, reading_crosses_entries);
    tcase_add_test(test_case, writing_changes_these_bytes_only);
    tcase_add_test(test_case, nothing_is_copied_behind_the_end);
    tcase_add_test(test_case, bad_entries_are_refused);
    tcase_add_test(test_case, the_most_entries_are_fast);
    suite_add_tcase(suite, test_case);
    return suite;
}

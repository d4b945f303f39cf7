/* SPDX-License-Identifier: MIT */
/*
 * Walks through tables in a fake kernel's memory: levels, blocks, concatenated roots, 52-bit
 * addresses, other granules, and whatever else a word of memory may hold.
 */
#include <check.h>
#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/fake_kcore.h"
#include "tests/unit/suites.h"
#include "vmm/page_walk.h"
#include "vmm/types.h"

/* Tables are put here, one after another; pages of leaves need not exist. */
#define T0 FAKE_RAM_LOW
#define T1 (FAKE_RAM_LOW + 0x10000)
#define T2 (FAKE_RAM_LOW + 0x20000)
#define T3 (FAKE_RAM_LOW + 0x30000)

static struct kcore kcore;

static void make_kcore(void)
{
    struct error error;
    fake_kcore_make();
    ck_assert_msg(kcore_open(&kcore, fake_kcore_path, &error), "%s", error.text);
}

static void remove_kcore(void)
{
    kcore_close(&kcore);
    kcore_close(&kcore);
    fake_kcore_remove();
}

/* --- the file --- */

START_TEST(words_are_read_by_virtual_address)
{
    uint64_t word = 1;
    uint64_t address;
    fake_kcore_set(FAKE_RAM_LOW + 8, 0x1122334455667788);
    fake_kcore_set(FAKE_RAM_HIGH + FAKE_RAM_SIZE - 8, 0x99);
    ck_assert(kcore_read(&kcore, FAKE_LINEAR + FAKE_RAM_LOW + 8, &word));
    ck_assert_uint_eq(word, 0x1122334455667788);
    ck_assert(kcore_read(&kcore, FAKE_LINEAR + FAKE_RAM_HIGH + FAKE_RAM_SIZE - 8, &word));
    ck_assert_uint_eq(word, 0x99);
    ck_assert(kcore_read(&kcore, FAKE_VMALLOC, &word));
    ck_assert_uint_eq(word, 0);
    ck_assert(kcore_virtual(&kcore, FAKE_RAM_HIGH, &address));
    ck_assert_uint_eq(address, FAKE_LINEAR + FAKE_RAM_HIGH);

    static const uint64_t unreadable[] = {
        0,
        FAKE_RAM_LOW, /* physical */
        FAKE_LINEAR + FAKE_RAM_LOW - 1,
        FAKE_LINEAR + FAKE_RAM_LOW + FAKE_RAM_SIZE,
        FAKE_LINEAR + FAKE_RAM_LOW + FAKE_RAM_SIZE - 7, /* sticks out */
        UINT64_MAX,
    };
    for (size_t i = 0; i < ARRAY_SIZE(unreadable); i++)
        ck_assert_msg(!kcore_read(&kcore, unreadable[i], &word), "row %zu", i);
    static const uint64_t no_ram[] = {0, FAKE_RAM_LOW - 1, FAKE_RAM_LOW + FAKE_RAM_SIZE,
                                      FAKE_RAM_HIGH + FAKE_RAM_SIZE, UINT64_MAX};
    for (size_t i = 0; i < ARRAY_SIZE(no_ram); i++)
        ck_assert_msg(!kcore_virtual(&kcore, no_ram[i], &address), "row %zu", i);
}
END_TEST

START_TEST(what_is_no_core_file_is_refused)
{
    static const struct {
        unsigned offset;
        uint8_t byte;
    } rows[] = {
        {0, 'x'},
        {EI_CLASS, ELFCLASS32},
        {EI_DATA, ELFDATA2MSB},
        {offsetof(Elf64_Ehdr, e_type), ET_EXEC},
        {offsetof(Elf64_Ehdr, e_phentsize), 1},
        {offsetof(Elf64_Ehdr, e_phoff) + 7, 0xff},
        {offsetof(Elf64_Ehdr, e_phoff) + 5, 0x7f}, /* behind the file */
    };
    struct kcore other;
    struct error error;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        fake_kcore_remove();
        fake_kcore_make();
        fake_kcore_write(rows[i].offset, &rows[i].byte, 1);
        ck_assert_msg(!kcore_open(&other, fake_kcore_path, &error), "row %zu", i);
        ck_assert_int_eq(error.code, ERROR_CONFIG_HOST);
        kcore_close(&other);
    }
    ck_assert(!kcore_open(&other, "/nonexistent", &error));
    ck_assert(strstr(error.text, "CONFIG_PROC_KCORE") != NULL);
    fake_kcore_remove();
    fake_kcore_make();
    for (uint64_t size = 64 + 4 * 56; size > 0; size -= 8) {
        fake_kcore_cut(size - 8);
        ck_assert_msg(!kcore_open(&other, fake_kcore_path, &error), "size %d", (int)size);
    }
}
END_TEST

/* Ranges whose ends cannot be computed are left out, and so are too many. */
START_TEST(headers_may_say_anything)
{
    struct kcore other;
    struct error error;
    uint64_t word;
    for (unsigned field = 8; field < sizeof(Elf64_Phdr); field += 8) {
        const uint64_t most = UINT64_MAX - 1;
        fake_kcore_remove();
        fake_kcore_make();
        for (unsigned load = 1; load < 4; load++)
            fake_kcore_write(sizeof(Elf64_Ehdr) + load * sizeof(Elf64_Phdr) + field,
                             &most, sizeof most);
        ck_assert(kcore_open(&other, fake_kcore_path, &error));
        kcore_read(&other, FAKE_LINEAR + FAKE_RAM_LOW, &word);
        kcore_read(&other, UINT64_MAX - 9, &word);
        kcore_virtual(&other, UINT64_MAX - 9, &word);
        kcore_close(&other);
    }
    const uint16_t many = 0xffff;
    fake_kcore_write(offsetof(Elf64_Ehdr, e_phnum), &many, sizeof many);
    ck_assert(kcore_open(&other, fake_kcore_path, &error) || error.text[0]);
    ck_assert_uint_le(other.range_count, KCORE_RANGES_MAX);
    kcore_close(&other);
}
END_TEST

START_TEST(what_the_file_has_lost_cannot_be_read)
{
    uint64_t word;
    fake_kcore_cut(0x1000);
    ck_assert(!kcore_read(&kcore, FAKE_LINEAR + FAKE_RAM_LOW, &word));
}
END_TEST

/* --- walks --- */

// clang-format off

/* A table with up to four descriptors on the way, and what is found. */
static const struct walk {
    const char *name;
    struct page_table table; /* root: set to T0 */
    struct { uint64_t at, raw; } words[4];
    uint64_t address;
    bool found;
    int level;
    uint64_t physical;
} walks[] = {
    {"4 KiB, four levels, a page", {.page_shift = 12, .address_bits = 48, .start_level = 0},
     {{T0 + 8 * 1, T1 | 3}, {T1 + 8 * 2, T2 | 3}, {T2 + 8 * 3, T3 | 3}, {T3 + 8 * 4, 0x123456789000 | 0x7db}},
     1ull << 39 | 2ull << 30 | 3ull << 21 | 4ull << 12 | 0x567, true, 3, 0x123456789567},
    {"4 KiB, three levels, a block of 2 MiB, and bits that are no address", {.page_shift = 12, .address_bits = 39, .start_level = 1},
     {{T0 + 8 * 2, T1 | 3}, {T1 + 8 * 3, 0x40000045600000 | 0x107fd}},
     2ull << 30 | 3ull << 21 | 0x54321, true, 2, 0x45654321},
    {"4 KiB, a block of 1 GiB", {.page_shift = 12, .address_bits = 39, .start_level = 1},
     {{T0 + 8 * 511, 0x1c0000000 | 0x7fd}}, 511ull << 30 | 0x12345678, true, 1, 0x1c0000000 + 0x12345678},
    {"4 KiB, a root of two tables side by side", {.page_shift = 12, .address_bits = 40, .start_level = 1},
     {{T0 + 8 * 1023, T1 | 3}, {T1, T2 | 3}, {T2, 0x5000 | 0x7ff}}, 1023ull << 30, true, 3, 0x5000},
    {"4 KiB, sixteen tables of level 2", {.page_shift = 12, .address_bits = 34, .start_level = 2},
     {{T0 + 8 * 0x1fff, T3 | 3}, {T3, 0x5000 | 0x7ff}}, 0x1fffull << 21, true, 3, 0x5000},
    {"LPA2: addresses of 52 bits, a table above 48, no shareability in the leaf", {.page_shift = 12, .address_bits = 52, .start_level = -1, .has_ds = true},
     {{T0 + 8 * 15, T1 | 3}, {T1, FAKE_RAM_HIGH >> 50 << 8 | 3}, {FAKE_RAM_HIGH, T3 | 3}, {T3, 1ull << 49 | 0x5000 | 0x3db}}, 15ull << 48, false, 0, 0},
    {"LPA2, the whole way", {.page_shift = 12, .address_bits = 48, .start_level = 0, .has_ds = true},
     {{T0, FAKE_RAM_HIGH >> 50 << 8 | 3}, {FAKE_RAM_HIGH, T2 | 3}, {T2, T3 | 3}, {T3, 1ull << 49 | 0x5000 | 0x3db}}, 0xabc, true, 3, 3ull << 50 | 1ull << 49 | 0x5abc},
    {"LPA2, an address of level -1", {.page_shift = 12, .address_bits = 52, .start_level = -1, .has_ds = true},
     {{T0 + 8 * 15, T1 | 3}, {T1, T2 | 3}, {T2, 0x40000000 | 0x4d9}}, 15ull << 48 | 5, true, 1, 0x40000005},
    {"LPA2 has blocks of 512 GiB", {.page_shift = 12, .address_bits = 48, .start_level = 0, .has_ds = true},
     {{T0 + 8, 1ull << 39 | 0x4d9}}, 1ull << 39 | 7, true, 0, 1ull << 39 | 7},
    {"without LPA2 there are none", {.page_shift = 12, .address_bits = 48, .start_level = 0},
     {{T0 + 8, 1ull << 39 | 0x4d9}}, 1ull << 39 | 7, false, 0, 0},
    {"16 KiB, a page", {.page_shift = 14, .address_bits = 47, .start_level = 1},
     {{T0 + 8 * 1, T1 | 3}, {T1 + 8 * 2, T2 | 3}, {T2 + 8 * 3, 0x12344000 | 0x7ff}}, 1ull << 36 | 2ull << 25 | 3ull << 14 | 0x2001, true, 3, 0x12346001},
    {"16 KiB, a block of 32 MiB", {.page_shift = 14, .address_bits = 47, .start_level = 1},
     {{T0 + 8 * 1, T1 | 3}, {T1 + 8 * 2, 0x42000000 | 0x7fd}}, 1ull << 36 | 2ull << 25 | 1, true, 2, 0x42000001},
    {"16 KiB has no blocks of 64 GiB", {.page_shift = 14, .address_bits = 47, .start_level = 1}, {{T0, 0x7fd}}, 0, false, 0, 0},
    {"64 KiB, bits 15:12 are the highest", {.page_shift = 16, .address_bits = 48, .start_level = 1},
     {{T0, T1 | 3}, {T1, T2 | 3}, {T2 + 8, 0x50000 | 0xc7ff}}, 0x10042, true, 3, 0xcull << 48 | 0x50042},
    {"64 KiB, a block of 512 MiB", {.page_shift = 16, .address_bits = 42, .start_level = 2}, {{T0 + 8, 0x60000000 | 0x7fd}}, 1ull << 29 | 9, true, 2, 0x60000009},
    {"nothing there", {.page_shift = 12, .address_bits = 48, .start_level = 0}, {{0}}, 0, false, 0, 0},
    {"an entry that KVM keeps notes in", {.page_shift = 12, .address_bits = 39, .start_level = 1},
     {{T0, T1 | 3}, {T1, T2 | 3}, {T2, 0x5000 | 0x7fe}}, 0, false, 0, 0},
    {"a block at level 3", {.page_shift = 12, .address_bits = 39, .start_level = 1},
     {{T0, T1 | 3}, {T1, T2 | 3}, {T2, 0x5000 | 0x7fd}}, 0, false, 0, 0},
    {"a table that is no RAM", {.page_shift = 12, .address_bits = 39, .start_level = 1}, {{T0, 0x30000000 | 3}}, 0, false, 0, 0},
    {"a table at the end of all addresses", {.page_shift = 12, .address_bits = 39, .start_level = 1}, {{T0, 0xfffffffff000 | 3}}, 0, false, 0, 0},
    {"a table that is itself", {.page_shift = 12, .address_bits = 48, .start_level = 0}, {{T0, T0 | 3}}, 0x123, true, 3, T0 + 0x123},
    {"an address that is too large", {.page_shift = 12, .address_bits = 39, .start_level = 1}, {{T0, 0x7fd}}, 1ull << 39, false, 0, 0},
    {"an impossible granule", {.page_shift = 13, .address_bits = 39, .start_level = 1}, {{T0, 0x7fd}}, 0, false, 0, 0},
    {"too many address bits", {.page_shift = 12, .address_bits = 64, .start_level = -1}, {{T0, 0x7fd}}, 0, false, 0, 0},
    {"no address bits", {.page_shift = 12, .start_level = 1}, {{T0, 0x7fd}}, 0, false, 0, 0},
    {"a level too high", {.page_shift = 12, .address_bits = 48, .start_level = -2}, {{T0, 0x7fd}}, 0, false, 0, 0},
    {"a level too low", {.page_shift = 12, .address_bits = 48, .start_level = 4}, {{T0, 0x7ff}}, 0, false, 0, 0},
};
// clang-format on

START_TEST(a_walk)
{
    const struct walk *walk = &walks[_i];
    struct page_table table = walk->table;
    table.root = fake_kcore_virtual(T0);
    for (size_t i = 0; i < ARRAY_SIZE(walk->words) && walk->words[i].at; i++)
        fake_kcore_set(walk->words[i].at, walk->words[i].raw);
    struct page_leaf leaf = {0};
    ck_assert_msg(page_walk(&table, &kcore, walk->address, &leaf) == walk->found, "%s",
                  walk->name);
    if (!walk->found)
        return;
    ck_assert_msg(leaf.level == walk->level, "%s: level %d", walk->name, leaf.level);
    ck_assert_msg(leaf.physical == walk->physical, "%s: %#llx", walk->name,
                  (unsigned long long)leaf.physical);
}
END_TEST

START_TEST(a_root_that_is_nowhere)
{
    static const uint64_t roots[] = {0,         8, T0, FAKE_VMALLOC - 8, UINT64_MAX - 7,
                                     UINT64_MAX};
    struct page_table table = {.page_shift = 12, .address_bits = 48};
    struct page_leaf leaf;
    for (size_t i = 0; i < ARRAY_SIZE(roots); i++) {
        table.root = roots[i];
        ck_assert_msg(!page_walk(&table, &kcore, 0xffffffffffff, &leaf), "row %zu", i);
    }
}
END_TEST

/* Tables of noise: any answer is fine, as long as there is one. */
START_TEST(noise_is_survived)
{
    static uint64_t words[8192];
    uint64_t state = 0x9e3779b97f4a7c15;
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        state = state * 6364136223846793005 + 1442695040888963407;
        uint64_t table = FAKE_RAM_LOW + (state >> 20) % sizeof words;
        words[i] = (state >> 32 & 7) == 7 ? state : (table & ~0xfffull) | (state >> 62);
    }
    fake_kcore_write(FAKE_OFFSET_LOW, words, sizeof words);
    unsigned found = 0;
    for (unsigned i = 0; i < 4000; i++) {
        state = state * 6364136223846793005 + 1442695040888963407;
        static const unsigned shifts[] = {12, 14, 16};
        const struct page_table table = {
            .root = fake_kcore_virtual(FAKE_RAM_LOW + (state >> 24) % sizeof words),
            .page_shift = shifts[i % 3],
            .address_bits = 30 + i % 23,
            .start_level = (int)(state >> 60) % 5 - 1,
            .has_ds = i % 2,
        };
        struct page_leaf leaf;
        uint64_t address = state & (((uint64_t)1 << table.address_bits) - 1);
        found += page_walk(&table, &kcore, address, &leaf);
    }
    ck_assert_uint_gt(found, 10);
    ck_assert_uint_lt(found, 3900);
}
END_TEST

START_TEST(start_levels)
{
    static const struct {
        unsigned page_shift, address_bits;
        int level;
    } rows[] = {
        {12, 52, -1}, {12, 48, 0}, {12, 39, 1}, {14, 52, 0}, {14, 48, 0},
        {14, 47, 1},  {14, 36, 2}, {16, 52, 1}, {16, 48, 1}, {16, 42, 2},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        ck_assert_msg(page_walk_start_level(rows[i].page_shift, rows[i].address_bits) ==
                          rows[i].level,
                      "row %zu", i);
}
END_TEST

Suite *page_walk_suite(void)
{
    Suite *suite = suite_create("page_walk");
    TCase *file = tcase_create("kcore");
    tcase_add_checked_fixture(file, make_kcore, remove_kcore);
    tcase_add_test(file, words_are_read_by_virtual_address);
    tcase_add_test(file, what_is_no_core_file_is_refused);
    tcase_add_test(file, headers_may_say_anything);
    tcase_add_test(file, what_the_file_has_lost_cannot_be_read);
    suite_add_tcase(suite, file);
    TCase *walking = tcase_create("walk");
    tcase_add_checked_fixture(walking, make_kcore, remove_kcore);
    tcase_add_loop_test(walking, a_walk, 0, ARRAY_SIZE(walks));
    tcase_add_test(walking, a_root_that_is_nowhere);
    tcase_add_test(walking, noise_is_survived);
    tcase_add_test(walking, start_levels);
    suite_add_tcase(suite, walking);
    return suite;
}

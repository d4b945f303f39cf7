/* SPDX-License-Identifier: MIT */
/* Type information of a made-up kernel: records of every kind, and broken ones. */
#include <check.h>
#include <fcntl.h>
#include <linux/btf.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/fake_btf.h"
#include "tests/unit/suites.h"
#include "vmm/btf.h"
#include "vmm/types.h"

static struct btf btf;
static struct error error;

static void open_fake(void)
{
    fake_btf_make();
    ck_assert_msg(btf_open(&btf, fake_btf_path, &error), "%s", error.text);
}

static void close_fake(void)
{
    btf_close(&btf);
    btf_close(&btf);
    fake_btf_remove();
}

START_TEST(members_are_found)
{
    static const struct {
        const char *structure, *member;
        int offset; /* -1: none */
    } rows[] = {
        {"kvm_pgtable", "ia_bits", 0},
        {"kvm_pgtable", "start_level", 4},
        {"kvm_pgtable", "pgd", 8},
        {"kvm_pgtable", "mmu", 40}, /* behind an anonymous union */
        {"kvm_pgtable", "pkvm_mappings", 0},
        {"kvm", "arch", 2480},
        {"mm_struct", "pgd", 104}, /* in an anonymous struct */
        {"flags", "high", 3},      /* a bit field, behind 24 bits */
        {"mm_struct", "none", -1},
        {"nothing", "pgd", -1},
        {"u32", "pgd", -1}, /* no struct */
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unsigned offset = 0;
        bool found = btf_offset(&btf, rows[i].structure, rows[i].member, &offset);
        ck_assert_msg(found == (rows[i].offset >= 0), "row %zu", i);
        ck_assert_msg(!found || offset == (unsigned)rows[i].offset, "row %zu: %u", i,
                      offset);
    }
}
END_TEST

START_TEST(broken_files_are_refused)
{
    struct btf other;
    ck_assert(!btf_open(&other, "/nonexistent", &error));
    ck_assert(strstr(error.text, "CONFIG_DEBUG_INFO_BTF") != NULL);
    ck_assert_int_eq(error.code, ERROR_CONFIG_HOST);
    for (unsigned i = 0; i < sizeof(struct btf_header); i++) {
        fake_btf_remove();
        fake_btf_make();
        fake_btf_flip(i);
        bool opened = btf_open(&other, fake_btf_path, &error);
        bool is_flags = i == offsetof(struct btf_header, flags);
        ck_assert_msg(opened == is_flags, "byte %u", i);
        btf_close(&other);
    }
    /* A record that does not end where the types do; then one of no kind. */
    for (unsigned i = 0; i < 4; i += 3) {
        fake_btf_remove();
        fake_btf_make();
        fake_btf_flip(fake_btf_last_count() + i);
        ck_assert(!btf_open(&other, fake_btf_path, &error));
    }
    fake_btf_remove();
    fake_btf_make();
    for (unsigned size = fake_btf_size(); size-- > 0;) {
        fake_btf_cut(size);
        ck_assert_msg(!btf_open(&other, fake_btf_path, &error), "size %u", size);
    }
}
END_TEST

/* Whatever a record says, the search stays inside of the file. */
START_TEST(broken_records_are_survived)
{
    struct btf other;
    unsigned offset;
    for (unsigned i = sizeof(struct btf_header); i < fake_btf_size(); i++) {
        fake_btf_flip(i);
        if (btf_open(&other, fake_btf_path, &error)) {
            btf_offset(&other, "kvm_pgtable", "mmu", &offset);
            btf_offset(&other, "mm_struct", "pgd", &offset);
            btf_offset(&other, "none", "none", &offset);
        }
        btf_close(&other);
        fake_btf_flip(i);
    }
}
END_TEST

Suite *btf_suite(void)
{
    Suite *suite = suite_create("btf");
    TCase *fake = tcase_create("fake kernel");
    tcase_add_checked_fixture(fake, open_fake, close_fake);
    tcase_add_test(fake, members_are_found);
    tcase_add_test(fake, broken_files_are_refused);
    tcase_add_test(fake, broken_records_are_survived);
    suite_add_tcase(suite, fake);
    return suite;
}

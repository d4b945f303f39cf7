/* SPDX-License-Identifier: MIT */
/*
 * The leaf observer on arm64: the probe's text and lines, and a VM whose tables are in a fake
 * kernel's memory. The tracefs part needs a kernel with KVM, and is tested in the lab.
 */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/fake_btf.h"
#include "tests/unit/fake_kcore.h"
#include "tests/unit/suites.h"
#include "vmm/btf.h"
#include "vmm/s2_observer.h"
#include "vmm/s2_probe_arm64.h"

/* --- the probe --- */

START_TEST(the_probe_follows_the_kernels_layout)
{
    struct btf btf;
    struct error error;
    char text[512];
    fake_btf_make();
    ck_assert(btf_open(&btf, fake_btf_path, &error));
    ck_assert_msg(s2_probe_describe(&btf, text, sizeof text, &error), "%s", error.text);
    ck_assert_str_eq(text,
                     "pgd=+8(%x0):x64 bits=+0(%x0):u32 level=+4(%x0):s8 "
                     "vtcr=+24(+40(%x0)):x64 "
                     "host=+104(-2424(+88(+40(%x0)))):x64");
    btf_close(&btf);
    fake_btf_remove();

    const struct btf empty = {0};
    ck_assert(!s2_probe_describe(&empty, text, sizeof text, &error));
    ck_assert_int_eq(error.code, ERROR_CONFIG_HOST);
}
END_TEST

/* Recorded in the lab, 7.2 with LPA2; 6.12 on a Cortex-A57. */
#define EVENT                                                                            \
    "      live-202     [000] d..2.    24.011034: kvm_pgtable_stage2_map: "              \
    "(kvm_pgtable_stage2_map+0x0/0x1a8)"
#define ROOTS(pgd, host) " pgd=" pgd " bits=40 level=1 vtcr=0x800d3558 host=" host

// clang-format off
START_TEST(lines_are_parsed)
{
    static const struct { const char *line; bool known; struct s2_roots roots; } rows[] = {
        {EVENT " pgd=0xffff000004a2c000 bits=40 level=0 vtcr=0x1800d3558 host=0xffff000004b1f000", true,
         {0xffff000004a2c000, 40, 0, 0x1800d3558, 0xffff000004b1f000}},
        {EVENT " pgd=0xffff000005d02000 bits=52 level=-1 vtcr=0x80023558 host=0xffff000005e1b000", true,
         {0xffff000005d02000, 52, -1, 0x80023558, 0xffff000005e1b000}},
        {EVENT " pgd=(fault) bits=40 level=1 vtcr=0x80023558 host=0xffff000005e1b000", false, {0}},
        {EVENT " pgd=0xffff000005d02000 bits=40 level=1 vtcr=0x80023558 host=(fault)", false, {0}},
        {EVENT " pgd=0xffff000005d02000 bits=40 level=1 vtcr=0x80023558", false, {0}},
        {EVENT " pgd=0xffff000005d02000 bits=53 level=1 vtcr=0x80023558 host=0x1", false, {0}},
        {EVENT " pgd=0xffff000005d02000 bits=-1 level=1 vtcr=0x80023558 host=0x1", false, {0}},
        {EVENT " pgd=0xffff000005d02000 bits=40 level=4 vtcr=0x80023558 host=0x1", false, {0}},
        {EVENT " pgd=0xffff000005d02000 bits=40 level=-2 vtcr=0x80023558 host=0x1", false, {0}},
        {EVENT " pgd=0xffff000005d02000 bits=40 level=1x vtcr=0x80023558 host=0x1", false, {0}},
        {EVENT " pgd=", false, {0}},
        {"x: other: (kvm_pgtable_stage2_map+0x0/0x1a8) pgd=0x1 bits=40 level=1 vtcr=0x1 host=0x1", false, {0}},
        {"CPU:0 [LOST 12 EVENTS]", false, {0}},
        {"", false, {0}},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct s2_roots roots = {0};
        ck_assert_msg(s2_probe_parse(rows[i].line, &roots) == rows[i].known, "row %zu", i);
        ck_assert_msg(memcmp(&roots, &rows[i].roots, sizeof roots) == 0, "row %zu", i);
    }
}
END_TEST
// clang-format on

/* --- the observer --- */

#define S2_ROOT FAKE_RAM_LOW
#define S2_L2   (FAKE_RAM_LOW + 0x3000)
#define S2_L3   (FAKE_RAM_LOW + 0x4000)
#define S1_ROOT (FAKE_RAM_LOW + 0x10000)
#define S1_L1   (FAKE_RAM_LOW + 0x11000)
#define S1_L2   (FAKE_RAM_LOW + 0x12000)
#define S1_L3   (FAKE_RAM_LOW + 0x13000)

#define GUEST ((uint64_t)1 << 30) /* entry 1 of the root, 0 of the tables below */
#define HOST  ((const void *)(uintptr_t)0x5000)

static struct s2_observer observer;
static int pipe_in;

static void make_observer(void)
{
    int fds[2];
    ck_assert_int_eq(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
    pipe_in = fds[1];
    fake_kcore_make();
    const struct s2_observer_paths paths = {.kcore = fake_kcore_path};
    s2_observer_init_recorded(&observer, &paths, fds[0], MEMATTR_ARM64);
    ck_assert_str_eq(observer.reason, "");
    /* Whatever this machine's own tables are like. */
    observer.stage2.page_shift = 12;
    observer.stage1 = (struct page_table){.page_shift = 12, .address_bits = 48};
}

static void remove_observer(void)
{
    close(pipe_in);
    s2_observer_finish(&observer);
    s2_observer_finish(&observer);
    fake_kcore_remove();
}

static void say(const char *text)
{
    ck_assert_int_eq(write(pipe_in, text, strlen(text)), (ssize_t)strlen(text));
}

/* The event that tells the roots. */
static void say_roots(uint64_t vtcr)
{
    char line[512];
    snprintf(line, sizeof line,
             EVENT " pgd=%#llx bits=40 level=1 vtcr=%#llx host=%#llx\n",
             (unsigned long long)fake_kcore_virtual(S2_ROOT), (unsigned long long)vtcr,
             (unsigned long long)fake_kcore_virtual(S1_ROOT));
    say(line);
}

static void set_s2(uint64_t leaf)
{
    fake_kcore_set(S2_ROOT + 8, S2_L2 | 3);
    fake_kcore_set(S2_L2, S2_L3 | 3);
    fake_kcore_set(S2_L3, leaf);
}

static void set_s1(uint64_t leaf)
{
    fake_kcore_set(S1_ROOT, S1_L1 | 3);
    fake_kcore_set(S1_L1, S1_L2 | 3);
    fake_kcore_set(S1_L2, S1_L3 | 3);
    fake_kcore_set(S1_L3 + 8 * 5, leaf);
}

START_TEST(a_leaf_is_found)
{
    struct s2_leaf leaf;
    set_s2(0x4000004590d7ff);
    ck_assert(!s2_observer_find(&observer, gpa(GUEST), &leaf));
    ck_assert(strstr(observer.reason, "no call of kvm_pgtable_stage2_map") != NULL);

    say_roots(0x80023558);
    ck_assert(s2_observer_find(&observer, gpa(GUEST + 0x123), &leaf));
    ck_assert_str_eq(observer.reason, "");
    ck_assert_uint_eq(leaf.raw, 0x4000004590d7ff);
    ck_assert_uint_eq(leaf.level, 1);
    ck_assert_uint_eq(leaf.hpa, 0x4590d000);
    ck_assert_int_eq(leaf.attributes.type, MEMATTR_WB);
    ck_assert_int_eq(leaf.attributes.shareability, MEMATTR_INNER_SHAREABLE);
    ck_assert(!leaf.attributes.ignores_s1);

    ck_assert(!s2_observer_find(&observer, gpa(GUEST + 0x1000), &leaf));
    ck_assert(!s2_observer_find(&observer, gpa((uint64_t)1 << 40), &leaf));
    set_s2(0); /* KVM took it away */
    ck_assert(!s2_observer_find(&observer, gpa(GUEST), &leaf));
    set_s2(0x400080000007c7);
    ck_assert(s2_observer_find(&observer, gpa(GUEST), &leaf));
    ck_assert_int_eq(leaf.attributes.type, MEMATTR_DEVICE_nGnRE);
    ck_assert_uint_eq(leaf.hpa, 0x8000000000);
    s2_observer_forget(&observer, (struct gpa_range){gpa(GUEST), MIB});
    ck_assert(s2_observer_find(&observer, gpa(GUEST), &leaf));
}
END_TEST

START_TEST(the_next_vm_has_another_root)
{
    struct s2_leaf leaf;
    set_s2(0x4000004590d7ff);
    say_roots(0x80023558);
    ck_assert(s2_observer_find(&observer, gpa(GUEST), &leaf));
    s2_observer_restart(&observer, (struct gpa_range){gpa(GUEST), MIB});
    ck_assert(!s2_observer_find(&observer, gpa(GUEST), &leaf));
    ck_assert(strstr(observer.reason, "no call of kvm_pgtable_stage2_map") != NULL);
    say_roots(0x80023558);
    s2_observer_restart(&observer,
                        (struct gpa_range){gpa(GUEST), MIB}); /* also unread ones */
    ck_assert(!s2_observer_find(&observer, gpa(GUEST), &leaf));
    say_roots(0x80023558);
    ck_assert(s2_observer_find(&observer, gpa(GUEST), &leaf));
    ck_assert_str_eq(observer.reason, "");
}
END_TEST

START_TEST(a_block_is_level_two)
{
    struct s2_leaf leaf;
    fake_kcore_set(S2_ROOT + 8, S2_L2 | 3);
    fake_kcore_set(S2_L2, 0x400000456007fd);
    say_roots(0x80023558);
    ck_assert(s2_observer_find(&observer, gpa(GUEST + 0x54321), &leaf));
    ck_assert_uint_eq(leaf.level, 2);
    ck_assert_uint_eq(leaf.hpa, 0x45654000);
}
END_TEST

/* With LPA2 the leaf has address bits where its shareability was; VTCR has that. */
START_TEST(lpa2_is_told_by_vtcr)
{
    struct s2_leaf leaf;
    observer.model = MEMATTR_ARM64_FWB;
    set_s2(0x427911db); /* bit 8 */
    say_roots(0x100000000 | 0x3000);
    ck_assert(s2_observer_find(&observer, gpa(GUEST), &leaf));
    ck_assert_uint_eq(leaf.hpa, 1ull << 50 | 0x42791000);
    ck_assert_int_eq(leaf.attributes.type, MEMATTR_WB);
    ck_assert(leaf.attributes.ignores_s1);
    ck_assert_int_eq(leaf.attributes.shareability, MEMATTR_INNER_SHAREABLE);
}
END_TEST

/* The first event counts; what a leaf with a reserved encoding means, nobody knows. */
START_TEST(odd_events_and_leaves)
{
    struct s2_leaf leaf;
    say("CPU:0 [LOST 12 EVENTS]\n");
    say(EVENT " pgd=(fault) bits=40 level=1 vtcr=0x1 host=0x1\n");
    say_roots(0x80023558);
    say(EVENT ROOTS("0x10", "0x10") "\n");
    set_s2(0x4590d7ff);
    ck_assert(s2_observer_find(&observer, gpa(GUEST), &leaf));
    set_s2(0x4590d7d3); /* MemAttr 4 */
    ck_assert(!s2_observer_find(&observer, gpa(GUEST), &leaf));
}
END_TEST

START_TEST(the_hosts_own_leaf)
{
    static const struct {
        uint64_t raw;
        bool known;
        enum memattr_type type;
    } rows[] = {
        {0x01e80000452bdc43 | 0 << 2, true, MEMATTR_WB},
        {0x01e80000452bdc43 | 1 << 2, true, MEMATTR_WB},
        {0x01e80000452bdc43 | 2 << 2, true, MEMATTR_NC}, /* vgem in the lab */
        {0x01e80000452bdc43 | 3 << 2, true, MEMATTR_DEVICE_nGnRnE},
        {0x01e80000452bdc43 | 4 << 2, true, MEMATTR_DEVICE_nGnRE},
        {0x01e80000452bdc43 | 5 << 2, false, MEMATTR_WB},
        {0x01e80000452bdc43 | 7 << 2, false, MEMATTR_WB},
        {0x01e80000452bdc42, false, MEMATTR_WB}, /* PROT_NONE */
        {0x01e80000452bcc43, false, MEMATTR_WB}, /* another page by now */
    };
    enum memattr_type type = MEMATTR_WB;
    set_s1(rows[0].raw);
    ck_assert(!s2_observer_host_type(&observer, HOST, 0x452bd000, &type));
    say_roots(0x80023558);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        type = MEMATTR_WB;
        set_s1(rows[i].raw);
        ck_assert_msg(s2_observer_host_type(&observer, HOST, 0x452bd000, &type) ==
                          rows[i].known,
                      "row %zu", i);
        ck_assert_msg(type == rows[i].type, "row %zu: %s", i, memattr_type_name(type));
    }
}
END_TEST

/* Root of no kernel memory, a file that is gone: not observed, and a reason. */
START_TEST(without_kcore_there_is_a_reason)
{
    struct s2_leaf leaf;
    enum memattr_type type;
    say(EVENT ROOTS("0x10", "0x10") "\n");
    ck_assert(!s2_observer_find(&observer, gpa(GUEST), &leaf));
    ck_assert(!s2_observer_host_type(&observer, HOST, 0, &type));

    static struct s2_observer none;
    int fds[2];
    ck_assert_int_eq(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
    const struct s2_observer_paths paths = {.kcore = "/nonexistent"};
    s2_observer_init_recorded(&none, &paths, fds[0], MEMATTR_ARM64_FWB);
    ck_assert(strstr(none.reason, "/nonexistent") != NULL);
    ck_assert(!s2_observer_find(&none, gpa(GUEST), &leaf));
    ck_assert(!s2_observer_host_type(&none, HOST, 0, &type));
    s2_observer_forget(&none, (struct gpa_range){gpa(GUEST), MIB});
    s2_observer_finish(&none);
    close(fds[1]);
}
END_TEST

Suite *s2_observer_arm64_suite(void)
{
    Suite *suite = suite_create("s2_observer_arm64");
    TCase *probe = tcase_create("probe");
    tcase_add_test(probe, the_probe_follows_the_kernels_layout);
    tcase_add_test(probe, lines_are_parsed);
    suite_add_tcase(suite, probe);
    TCase *reading = tcase_create("observer");
    tcase_add_checked_fixture(reading, make_observer, remove_observer);
    tcase_add_test(reading, a_leaf_is_found);
    tcase_add_test(reading, the_next_vm_has_another_root);
    tcase_add_test(reading, a_block_is_level_two);
    tcase_add_test(reading, lpa2_is_told_by_vtcr);
    tcase_add_test(reading, odd_events_and_leaves);
    tcase_add_test(reading, the_hosts_own_leaf);
    tcase_add_test(reading, without_kcore_there_is_a_reason);
    suite_add_tcase(suite, reading);
    return suite;
}

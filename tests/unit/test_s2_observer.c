/* SPDX-License-Identifier: MIT */
/*
 * The leaf observer on x86: recorded trace lines, the bits of a leaf, the table of leaves, and
 * the reading of a pipe. The tracefs part needs a kernel with KVM, and is tested in the lab.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/suites.h"
#include "vmm/s2_observer.h"

#define GFN  0x100000u
#define BASE ((uint64_t)GFN << 12)

// clang-format off

/* Recorded with QEMU's SVM and Debian's kernels, but for the last group. */
START_TEST(lines_are_parsed)
{
    static const struct { const char *line; enum s2_event_kind kind; uint64_t gfn; unsigned level; uint64_t raw, lost; } rows[] = {
        /* 6.12, 7.2, shadow paging and NPT */
        {"     real-static-198     [000] ...1.    33.102067: kvm_mmu_set_spte: gfn 1000ee spte 5131e43 (rwx-) level 1 at 762d770",
         S2_EVENT_SET, 0x1000ee, 1, 0x5131e43, 0},
        {"       s2vmm-vcpu-167     [000] ...1.    25.056603: kvm_mmu_set_spte: gfn 100200 spte 8600ee7 (rwxu) level 2 at 94e6720",
         S2_EVENT_SET, 0x100200, 2, 0x8600ee7, 0},
        {"     real-static-141     [000] .l.1.    46.628613: kvm_tdp_mmu_spte_changed: as id 0 gfn 100000 level 1 old_spte 6248e67 new_spte 8000000000000000",
         S2_EVENT_CLEARED, 0x100000, 1, 0x8000000000000000, 0},
        {"       kdamond.0-45      [000] ...1.    43.959095: kvm_tdp_mmu_spte_changed: as id 0 gfn 1005b5 level 1 old_spte 3d42e67 new_spte 3d42e47",
         S2_EVENT_SET, 0x1005b5, 1, 0x3d42e47, 0},
        /* 6.1: a table goes, then what is below it */
        {"     real-static-134     [000] ...1.    36.806275: kvm_tdp_mmu_spte_changed: as id 0 gfn 100000 level 3 old_spte 7d0f827 new_spte 0",
         S2_EVENT_CLEARED, 0x100000, 3, 0, 0},
        {"     real-static-134     [000] ...1.    36.806278: kvm_tdp_mmu_spte_changed: as id 0 gfn 100000 level 2 old_spte 7d0e827 new_spte 5a0",
         S2_EVENT_CLEARED, 0x100000, 2, 0x5a0, 0},
        {"     real-static-134     [000] ...1.    36.806296: kvm_tdp_mmu_spte_changed: as id 0 gfn 100000 level 1 old_spte 1e96e67 new_spte 5a0",
         S2_EVENT_CLEARED, 0x100000, 1, 0x5a0, 0},
        /* a table is not a leaf; a level that has no leaves */
        {"     x-1     [000] ...1.    1.0: kvm_tdp_mmu_spte_changed: as id 0 gfn 100000 level 2 old_spte 0 new_spte 7d0e827",
         S2_EVENT_CLEARED, 0x100000, 2, 0x7d0e827, 0},
        {"     x-1     [000] ...1.    1.0: kvm_tdp_mmu_spte_changed: as id 0 gfn 0 level 4 old_spte 0 new_spte 7d0e8e7",
         S2_EVENT_OTHER, 0, 0, 0, 0},
        {"     x-1     [000] ...1.    1.0: kvm_mmu_set_spte: gfn 0 spte 7d0e8e7 (rwxu) level 0 at 1", S2_EVENT_OTHER, 0, 0, 0, 0},
        /* system management mode has an address space of its own */
        {"     x-1     [000] ...1.    1.0: kvm_tdp_mmu_spte_changed: as id 1 gfn 100000 level 1 old_spte 0 new_spte 1e96e67",
         S2_EVENT_OTHER, 0, 0, 0, 0},
        {"CPU:0 [LOST 12 EVENTS]", S2_EVENT_LOST, 0, 0, 0, 12},
        {"CPU:15 [LOST EVENTS]", S2_EVENT_LOST, 0, 0, 0, 0},
        /* neither */
        {"", S2_EVENT_OTHER, 0, 0, 0, 0},
        {"# tracer: nop", S2_EVENT_OTHER, 0, 0, 0, 0},
        {"CPU:0", S2_EVENT_OTHER, 0, 0, 0, 0},
        {"kvm_mmu_set_spte: gfn 1 spte 2e67 level 1", S2_EVENT_OTHER, 0, 0, 0, 0},
        {"     x-1 [000] 1.0: kvm_mmu_set_spte: gfn ", S2_EVENT_OTHER, 0, 0, 0, 0},
        {"     x-1 [000] 1.0: kvm_mmu_set_spte: gfn 1 spte ", S2_EVENT_OTHER, 0, 0, 0, 0},
        {"     x-1 [000] 1.0: kvm_mmu_set_spte: gfn 1 spte e67 (rwxu) level ", S2_EVENT_OTHER, 0, 0, 0, 0},
        {"     x-1 [000] 1.0: kvm_mmu_set_spte: gfn 1 spte e67 (rwxu)", S2_EVENT_OTHER, 0, 0, 0, 0},
        {"     x-1 [000] 1.0: kvm_tdp_mmu_spte_changed: as id 0 gfn 1 level 1 old_spte 0 new_spte", S2_EVENT_OTHER, 0, 0, 0, 0},
        {"     x-1 [000] 1.0: kvm_tdp_mmu_spte_changed: as id 0 gfn 1 level x old_spte 0 new_spte e67", S2_EVENT_OTHER, 0, 0, 0, 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct s2_event event = s2_trace_parse(rows[i].line);
        ck_assert_msg(event.kind == rows[i].kind, "kind of: %s", rows[i].line);
        ck_assert_uint_eq(event.gfn, rows[i].gfn);
        ck_assert_uint_eq(event.level, rows[i].level);
        ck_assert_uint_eq(event.raw, rows[i].raw);
        ck_assert_uint_eq(event.lost, rows[i].lost);
    }
}
END_TEST

/* Leaves of NPT and shadow paging from QEMU, of EPT from Bochs; the last ones by hand. */
START_TEST(leaves_are_decoded)
{
    static const struct { enum memattr_model model; uint64_t raw; unsigned level; enum memattr_type type; bool ignores; uint64_t hpa; } rows[] = {
        {MEMATTR_NPT,    0x5473e67,          1, MEMATTR_WB, false, 0x5473000},
        {MEMATTR_NPT,    0x8400ee7,          2, MEMATTR_WB, false, 0x8400000},
        {MEMATTR_NPT,    0xc0000e67,         1, MEMATTR_WB, false, 0xc0000000},
        {MEMATTR_SHADOW, 0x5600ee3,          2, MEMATTR_WB, true,  0x5600000},
        {MEMATTR_SHADOW, 0x509ae43,          1, MEMATTR_WB, true,  0x509a000},
        {MEMATTR_EPT,    0x8600000005200bf7, 2, MEMATTR_WB, true,  0x5200000},
        {MEMATTR_EPT,    0x86000000c0000b07, 1, MEMATTR_UC, false, 0xc0000000},
        {MEMATTR_EPT,    0x8600000005200b37, 1, MEMATTR_WB, false, 0x5200000},
        {MEMATTR_EPT,    0x5200b77,          1, MEMATTR_WB, true,  0x5200000},
        {MEMATTR_EPT,    0x5200b0f,          1, MEMATTR_WC, false, 0x5200000},
        {MEMATTR_EPT,    0x5200b67,          1, MEMATTR_WT, true,  0x5200000},
        {MEMATTR_EPT,    0x5200b2f,          1, MEMATTR_WP, false, 0x5200000},
        {MEMATTR_EPT,    0x5200b17,          1, MEMATTR_UC, false, 0x5200000},
        {MEMATTR_NPT,    0x5473e6f,          1, MEMATTR_WC, false, 0x5473000},       /* PWT */
        {MEMATTR_NPT,    0x5473e77,          1, MEMATTR_UC_MINUS, false, 0x5473000}, /* PCD */
        {MEMATTR_NPT,    0x5473e7f,          1, MEMATTR_UC, false, 0x5473000},
        {MEMATTR_NPT,    0x5473ee7,          1, MEMATTR_WB, false, 0x5473000},       /* PAT: entry 4 */
        {MEMATTR_NPT,    0x5473eef,          1, MEMATTR_WP, false, 0x5473000},
        {MEMATTR_NPT,    0x5473eff,          1, MEMATTR_WT, false, 0x5473000},
        {MEMATTR_NPT,    0x8401eff,          2, MEMATTR_WT, false, 0x8400000},       /* PAT is bit 12 */
        {MEMATTR_NPT,    0x8400eff,          2, MEMATTR_UC, false, 0x8400000},
        {MEMATTR_NPT,    0x1c0001ee7,        3, MEMATTR_WB, false, 0x1c0000000},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct memattr_leaf leaf = s2_trace_attributes(rows[i].model, rows[i].raw, rows[i].level);
        ck_assert_msg(leaf.type == rows[i].type, "row %zu: %s", i, memattr_type_name(leaf.type));
        ck_assert_msg(leaf.ignores_s1 == rows[i].ignores, "row %zu: ignores_s1", i);
        ck_assert_msg(s2_trace_address(rows[i].raw, rows[i].level) == rows[i].hpa, "row %zu: address", i);
    }
}
END_TEST

START_TEST(page_flags_tell_the_host_type)
{
    static const struct { uint64_t flags; bool known; enum memattr_type type; } rows[] = {
        {0,                                  true,  MEMATTR_WB},
        {1ull << 3 | 1ull << 12,             true,  MEMATTR_WB},       /* uptodate, anonymous */
        {1ull << 38,                         true,  MEMATTR_WC},       /* PG_arch_1 */
        {1ull << 39,                         true,  MEMATTR_UC_MINUS}, /* PG_uncached, 6.1 */
        {1ull << 41,                         true,  MEMATTR_UC_MINUS}, /* PG_arch_2, 6.12 */
        {1ull << 38 | 1ull << 39,            true,  MEMATTR_WT},
        {1ull << 38 | 1ull << 41,            true,  MEMATTR_WT},
        {1ull << 20,                         false, MEMATTR_WB},       /* no page */
        {1ull << 32,                         false, MEMATTR_WB},       /* reserved */
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        enum memattr_type type = MEMATTR_WB;
        ck_assert_msg(s2_trace_host_type(rows[i].flags, &type) == rows[i].known, "row %zu", i);
        ck_assert_msg(type == rows[i].type, "row %zu: %s", i, memattr_type_name(type));
    }
}
END_TEST
// clang-format on

/* --- the table of leaves --- */

static struct s2_leaf_table table;

static void make_table(void)
{
    ck_assert(s2_leaf_table_init(&table));
}

static void remove_table(void)
{
    s2_leaf_table_finish(&table);
    s2_leaf_table_finish(&table);
}

static void set(uint64_t gfn, unsigned level, uint64_t raw)
{
    const struct s2_event event = {
        .kind = S2_EVENT_SET, .gfn = gfn, .level = level, .raw = raw};
    s2_leaf_table_apply(&table, &event);
}

static void clear(uint64_t gfn, unsigned level)
{
    const struct s2_event event = {.kind = S2_EVENT_CLEARED, .gfn = gfn, .level = level};
    s2_leaf_table_apply(&table, &event);
}

/* The raw leaf that covers the page, or 0. */
static uint64_t raw_at(uint64_t gfn)
{
    const struct s2_leaf_slot *slot = s2_leaf_table_find(&table, gfn);
    return slot ? slot->raw : 0;
}

START_TEST(the_last_leaf_is_found)
{
    ck_assert_uint_eq(raw_at(GFN), 0);
    set(GFN, 1, 0x111);
    set(GFN + 1, 1, 0x222);
    ck_assert_uint_eq(raw_at(GFN), 0x111);
    ck_assert_uint_eq(raw_at(GFN + 1), 0x222);
    ck_assert_uint_eq(raw_at(GFN + 2), 0);
    set(GFN, 1, 0x333);
    ck_assert_uint_eq(raw_at(GFN), 0x333);
    const struct s2_event other = {.kind = S2_EVENT_OTHER, .gfn = GFN, .level = 1};
    s2_leaf_table_apply(&table, &other);
    ck_assert_uint_eq(raw_at(GFN), 0x333);
    clear(GFN, 1);
    ck_assert_uint_eq(raw_at(GFN), 0);
    ck_assert_uint_eq(raw_at(GFN + 1), 0x222);
}
END_TEST

START_TEST(a_large_leaf_covers_its_pages)
{
    set(GFN, 2, 0x111);
    ck_assert_uint_eq(raw_at(GFN), 0x111);
    ck_assert_uint_eq(raw_at(GFN + 511), 0x111);
    ck_assert_uint_eq(raw_at(GFN + 512), 0);
    ck_assert_uint_eq(raw_at(GFN - 1), 0);
    clear(GFN, 1); /* not that one */
    ck_assert_uint_eq(raw_at(GFN), 0x111);
    clear(GFN, 2);
    ck_assert_uint_eq(raw_at(GFN + 5), 0);
    set(GFN, 3, 0x999);
    ck_assert_uint_eq(raw_at(GFN + 262143), 0x999);
    ck_assert_uint_eq(raw_at(GFN + 262144), 0);
}
END_TEST

/* Shadow paging does not say when a leaf goes because another one comes. */
START_TEST(one_leaf_covers_a_page)
{
    set(GFN + 7, 1, 0x111);
    set(GFN, 2, 0x222); /* collapsed */
    clear(GFN, 2);
    ck_assert_uint_eq(raw_at(GFN + 7), 0);

    set(GFN, 2, 0x333);
    set(GFN + 7, 1, 0x444); /* split */
    ck_assert_uint_eq(raw_at(GFN + 7), 0x444);
    ck_assert_uint_eq(raw_at(GFN + 8), 0);

    set(GFN + 5 * 512, 2, 0x555);
    set(GFN, 3, 0x666);
    ck_assert_uint_eq(raw_at(GFN + 5 * 512 + 1), 0x666);
    clear(GFN, 3);
    ck_assert_uint_eq(raw_at(GFN + 5 * 512 + 1), 0);
}
END_TEST

START_TEST(a_range_is_forgotten)
{
    for (uint64_t i = 0; i < 8; i++)
        set(GFN + i, 1, 0x100 + i);
    s2_leaf_table_forget(&table, GFN + 2, 3);
    for (uint64_t i = 0; i < 8; i++)
        ck_assert_uint_eq(raw_at(GFN + i), i >= 2 && i < 5 ? 0 : 0x100 + i);

    set(GFN + 512, 2, 0x200); /* begins before the range */
    s2_leaf_table_forget(&table, GFN + 1000, 1);
    ck_assert_uint_eq(raw_at(GFN + 512), 0);

    set(GFN, 1, 0x300);
    s2_leaf_table_forget(&table, GFN - 10, 10);
    ck_assert_uint_eq(raw_at(GFN), 0x300);
    s2_leaf_table_forget(&table, 0, UINT64_MAX);
    ck_assert_uint_eq(raw_at(GFN), 0);
}
END_TEST

/* A range that is larger than the table loses the older of two pages, and nothing is wrong. */
START_TEST(a_shared_slot_holds_the_newer_leaf)
{
    set(GFN, 1, 0x111);
    set(GFN + S2_LEAF_TABLE_SLOTS, 1, 0x222);
    ck_assert_uint_eq(raw_at(GFN), 0);
    ck_assert_uint_eq(raw_at(GFN + S2_LEAF_TABLE_SLOTS), 0x222);
    clear(GFN, 1);
    s2_leaf_table_forget(&table, GFN, 1);
    ck_assert_uint_eq(raw_at(GFN + S2_LEAF_TABLE_SLOTS), 0x222);
}
END_TEST

/* --- the observer --- */

static struct s2_observer observer;
static int pipe_in; /* what is written here is trace_pipe */

static void make_observer(void)
{
    int fds[2];
    ck_assert_int_eq(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
    pipe_in = fds[1];
    s2_observer_init_recorded(&observer, NULL, fds[0], MEMATTR_NPT);
    ck_assert_str_eq(observer.reason, "");
}

static void remove_observer(void)
{
    close(pipe_in);
    s2_observer_finish(&observer);
    s2_observer_finish(&observer);
}

static void say(const char *text)
{
    ck_assert_int_eq(write(pipe_in, text, strlen(text)), (ssize_t)strlen(text));
}

#define SET_LINE(gfn, spte, level)                                                       \
    " vcpu-1 [000] ...1. 3.1: kvm_mmu_set_spte: gfn " gfn " spte " spte                  \
    " (rwxu) level " level " at 762d770\n"
#define CLEARED_LINE(gfn, level)                                                         \
    " vcpu-1 [000] ...1. 3.2: kvm_tdp_mmu_spte_changed: as id 0 gfn " gfn                \
    " level " level " old_spte 1 new_spte 0\n"

START_TEST(a_recorded_trace_is_replayed)
{
    struct s2_leaf leaf;
    ck_assert(!s2_observer_find(&observer, gpa(BASE), &leaf));
    say(SET_LINE("100000", "5473e67", "1") SET_LINE("100200", "8600ee7", "2"));
    ck_assert(s2_observer_find(&observer, gpa(BASE + 0x123), &leaf));
    ck_assert_uint_eq(leaf.raw, 0x5473e67);
    ck_assert_uint_eq(leaf.level, 1);
    ck_assert_uint_eq(leaf.hpa, 0x5473000);
    ck_assert_int_eq(leaf.attributes.type, MEMATTR_WB);
    ck_assert(!leaf.attributes.ignores_s1);

    ck_assert(s2_observer_find(&observer, gpa(BASE + 0x205fff), &leaf));
    ck_assert_uint_eq(leaf.level, 2);
    ck_assert_uint_eq(leaf.hpa, 0x8605000);

    say(CLEARED_LINE("100000", "1"));
    ck_assert(!s2_observer_find(&observer, gpa(BASE), &leaf));
    ck_assert(s2_observer_find(&observer, gpa(BASE + 0x200000), &leaf));
    s2_observer_forget(&observer, (struct gpa_range){gpa(BASE), 4 * MIB});
    ck_assert(!s2_observer_find(&observer, gpa(BASE + 0x200000), &leaf));
}
END_TEST

/* What was set before s2_observer_forget() stays forgotten, also what was not read yet. */
START_TEST(forgetting_reads_first)
{
    struct s2_leaf leaf;
    say(SET_LINE("100000", "5473e67", "1"));
    s2_observer_forget(&observer, (struct gpa_range){gpa(BASE), 4096});
    ck_assert(!s2_observer_find(&observer, gpa(BASE), &leaf));
}
END_TEST

START_TEST(the_next_vm_is_another_one)
{
    struct s2_leaf leaf;
    say(SET_LINE("100000", "5473e67", "1") "CPU:0 [LOST 12 EVENTS]\n");
    ck_assert(!s2_observer_find(&observer, gpa(BASE), &leaf));
    say(SET_LINE("100000", "5473e67", "1"));
    ck_assert(s2_observer_find(&observer, gpa(BASE), &leaf));
    ck_assert_str_ne(observer.reason, "");
    say(SET_LINE("100001", "5474e67", "1"));
    s2_observer_restart(&observer, (struct gpa_range){{0}, 0});
    ck_assert_str_eq(observer.reason, "");
    ck_assert(!s2_observer_find(&observer, gpa(BASE), &leaf));
    ck_assert(!s2_observer_find(&observer, gpa(BASE + 4096), &leaf));
    say(SET_LINE("100001", "5475e67", "1"));
    ck_assert(s2_observer_find(&observer, gpa(BASE + 4096), &leaf));
    ck_assert_uint_eq(leaf.hpa, 0x5475000);
    /* Another range needs another filter, which a recorded trace does not have. */
    s2_observer_restart(&observer, (struct gpa_range){{BASE}, MIB});
    ck_assert_str_ne(observer.reason, "");
    ck_assert(!s2_observer_find(&observer, gpa(BASE + 4096), &leaf));
    s2_observer_restart(&observer,
                        (struct gpa_range){{BASE}, MIB}); /* nothing to restart */
}
END_TEST

START_TEST(a_line_in_pieces_is_put_together)
{
    struct s2_leaf leaf;
    const char *line = SET_LINE("100000", "5473e67", "1");
    for (size_t i = 0; line[i]; i++) {
        ck_assert(!s2_observer_find(&observer, gpa(BASE), &leaf));
        say((const char[]){line[i], '\0'});
    }
    ck_assert(s2_observer_find(&observer, gpa(BASE), &leaf));
}
END_TEST

START_TEST(a_line_without_an_end_is_dropped)
{
    static char line[3 * sizeof observer.tracefs.text];
    memset(line, 'x', sizeof line - 1);
    say(line);
    say("\n" SET_LINE("100000", "5473e67", "1"));
    struct s2_leaf leaf;
    ck_assert(s2_observer_find(&observer, gpa(BASE), &leaf));
}
END_TEST

START_TEST(lost_events_make_the_past_unknown)
{
    struct s2_leaf leaf;
    say(SET_LINE("100000", "5473e67",
                 "1") "CPU:0 [LOST 12 EVENTS]\n" SET_LINE("100001", "5474e67", "1"));
    ck_assert(!s2_observer_find(&observer, gpa(BASE), &leaf));
    ck_assert(s2_observer_find(&observer, gpa(BASE + 0x1000), &leaf));
    ck_assert_uint_eq(observer.lost, 12);
    ck_assert(strstr(observer.reason, "dropped 12 trace events") != NULL);
}
END_TEST

/* A pipe that never runs dry: whatever is known may be outdated. */
START_TEST(an_endless_trace_is_not_waited_for)
{
    close(observer.tracefs.pipe_fd);
    observer.tracefs.pipe_fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    struct s2_leaf leaf;
    const struct s2_event event = {
        .kind = S2_EVENT_SET, .gfn = GFN, .level = 1, .raw = 0x5473e67};
    s2_leaf_table_apply(&observer.table, &event);
    ck_assert(!s2_observer_find(&observer, gpa(BASE), &leaf));
}
END_TEST

START_TEST(host_type_is_read_by_page_number)
{
    char path[] = "/tmp/s2vmm-flags-XXXXXX";
    int fd = mkstemp(path);
    static const uint64_t flags[] = {0, 1ull << 38, 1ull << 20};
    ck_assert_int_eq(write(fd, flags, sizeof flags), (ssize_t)sizeof flags);
    unlink(path);
    observer.page_flags_fd = fd;
    enum memattr_type type = MEMATTR_UC;
    ck_assert(s2_observer_host_type(&observer, NULL, 0xfff, &type));
    ck_assert_int_eq(type, MEMATTR_WB);
    ck_assert(s2_observer_host_type(&observer, NULL, 0x1000, &type));
    ck_assert_int_eq(type, MEMATTR_WC);
    ck_assert(!s2_observer_host_type(&observer, NULL, 0x2000, &type)); /* a hole */
    ck_assert(
        !s2_observer_host_type(&observer, NULL, 0x3000, &type)); /* the end of the file */
    observer.page_flags_fd = -1;
    ck_assert(!s2_observer_host_type(&observer, NULL, 0, &type));
    close(fd);
}
END_TEST

/* Not to observe is no error: it has a reason, and answers no. */
START_TEST(without_tracefs_there_is_a_reason)
{
    static struct s2_observer none;
    char empty[] = "/tmp/s2vmm-trace-XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(empty));
    char instances[64];
    snprintf(instances, sizeof instances, "%s/instances", empty);
    char long_path[200];
    memset(long_path, 'x', sizeof long_path - 1);
    long_path[sizeof long_path - 1] = '\0';
    const struct gpa_range range = {gpa(BASE), 64 * MIB};

    for (unsigned i = 0; i < 3; i++) {
        static const char *const reasons[] = {"mount -t tracefs", "trace_pipe",
                                              "too long"};
        const char *tracefs = i == 2 ? long_path : empty;
        if (i ==
            1) /* a folder that is no tracefs: an instance can be made, but is empty */
            ck_assert_int_eq(mkdir(instances, 0700), 0);
        const struct s2_observer_paths paths = {.tracefs = tracefs};
        s2_observer_init(&none, &paths, MEMATTR_NPT, range);
        ck_assert_msg(strstr(none.reason, reasons[i]) != NULL, "%s", none.reason);
        struct s2_leaf leaf;
        ck_assert(!s2_observer_find(&none, gpa(BASE), &leaf));
        s2_observer_forget(&none, range);
        s2_observer_finish(&none);
    }
    ck_assert_int_eq(rmdir(instances), 0); /* the instance is gone */
    ck_assert_int_eq(rmdir(empty), 0);

    static struct s2_observer zeroed;
    s2_observer_finish(&zeroed);
}
END_TEST

Suite *s2_observer_suite(void)
{
    Suite *suite = suite_create("s2_observer");
    TCase *trace = tcase_create("trace");
    tcase_add_test(trace, lines_are_parsed);
    tcase_add_test(trace, leaves_are_decoded);
    tcase_add_test(trace, page_flags_tell_the_host_type);
    suite_add_tcase(suite, trace);
    TCase *leaves = tcase_create("table");
    tcase_add_checked_fixture(leaves, make_table, remove_table);
    tcase_add_test(leaves, the_last_leaf_is_found);
    tcase_add_test(leaves, a_large_leaf_covers_its_pages);
    tcase_add_test(leaves, one_leaf_covers_a_page);
    tcase_add_test(leaves, a_range_is_forgotten);
    tcase_add_test(leaves, a_shared_slot_holds_the_newer_leaf);
    suite_add_tcase(suite, leaves);
    TCase *reading = tcase_create("reading");
    tcase_add_checked_fixture(reading, make_observer, remove_observer);
    tcase_add_test(reading, a_recorded_trace_is_replayed);
    tcase_add_test(reading, forgetting_reads_first);
    tcase_add_test(reading, the_next_vm_is_another_one);
    tcase_add_test(reading, a_line_in_pieces_is_put_together);
    tcase_add_test(reading, a_line_without_an_end_is_dropped);
    tcase_add_test(reading, lost_events_make_the_past_unknown);
    tcase_add_test(reading, an_endless_trace_is_not_waited_for);
    tcase_add_test(reading, host_type_is_read_by_page_number);
    suite_add_tcase(suite, reading);
    TCase *tracefs = tcase_create("tracefs");
    tcase_add_test(tracefs, without_tracefs_there_is_a_reason);
    suite_add_tcase(suite, tracefs);
    return suite;
}

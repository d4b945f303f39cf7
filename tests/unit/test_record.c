/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "devices/gpu/record.h"
#include "devices/gpu/resource.h"
#include "tests/unit/json_reader.h"
#include "tests/unit/skip.h"
#include "tests/unit/suites.h"
#include "vmm/s2_observer.h"
#include "vmm/trace.h"

#define ADDRESS 0x100000000u /* gfn 0x100000 */

static struct memattr_platform platform;
static struct s2_observer observer;
static struct recorder recorder;
static struct resource resource;
static char *json;
static char *text;
static size_t json_size;
static size_t text_size;

static void set_up(void)
{
    platform = (struct memattr_platform){.model = MEMATTR_NPT, .guest_mtrr_is_wb = true};
    recorder = (struct recorder){
        .platform = &platform,
        .json = open_memstream(&json, &json_size),
        .text = open_memstream(&text, &text_size),
        .library = "libvirglrenderer.so.1.9.0",
    };
    resource = (struct resource){
        .id = 3,
        .size = 65536,
        .backing = {.kind = BACKING_DMABUF, .size = 65536, .exporter = "drm"},
        .mapping = {.mapped = true, .address = gpa(ADDRESS)},
        .decision =
            {
                .report =
                    {
                        .answers =
                            {
                                [CACHE_MODE_KERNEL] = {.detail = "ENOTTY"},
                                [CACHE_MODE_DRIVER] = {.known = true,
                                                       .trusted = true,
                                                       .type = MEMATTR_WC,
                                                       .said = "WC",
                                                       .detail = "vgem: map_wc"},
                                [CACHE_MODE_EXPORTER] = {.detail = "the \"drm\" name"},
                                [CACHE_MODE_MAPPING] = {.detail = "not a pointer"},
                                [CACHE_MODE_RENDERER] = {.known = true,
                                                         .type = MEMATTR_WB,
                                                         .said = "CACHED",
                                                         .detail = "a guess"},
                                [CACHE_MODE_MEASUREMENT] = {.detail = "not asked"},
                            },
                        .decided = true,
                        .decider = CACHE_MODE_DRIVER,
                        .disagreement = true,
                        .driver = "vgem",
                        .buffer = {.page = MEMATTR_PAGE_RAM, .host = MEMATTR_WC},
                    },
                .map_info = MEMATTR_MAP_WC,
            },
    };
}

static void tear_down(void)
{
    s2_observer_finish(&observer);
    fclose(recorder.json);
    fclose(recorder.text);
    free(json);
    free(text);
}

/* The one record that was written. */
static struct json_reader record(void)
{
    struct json_reader reader;
    fflush(recorder.json);
    const char *at = json;
    ck_assert_msg(json_reader_object(&reader, &at), "%s", json);
    ck_assert_str_eq(at, "");
    return reader;
}

static void check_values(const char *const pairs[][2], size_t count)
{
    struct json_reader reader = record();
    for (size_t i = 0; i < count; i++) {
        const char *value = json_reader_value(&reader, pairs[i][0]);
        ck_assert_msg(value != NULL, "no key %s", pairs[i][0]);
        ck_assert_msg(strcmp(value, pairs[i][1]) == 0, "%s is %s, not %s", pairs[i][0],
                      value, pairs[i][1]);
    }
}

static void observe(enum memattr_type s1)
{
    const struct guest_observation observation = {.s1 = s1, .guest_saw_host_write = true};
    recorder_observed(&recorder, &resource, &observation);
}

/* The kernel's events as they come, from a pipe that has an end. */
static void observe_leaf(const char *line, enum memattr_model model)
{
    int ends[2];
    ck_assert_int_eq(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
    ck_assert_int_eq(write(ends[1], line, strlen(line)), (ssize_t)strlen(line));
    close(ends[1]);
    s2_observer_init_recorded(&observer, NULL, ends[0], model);
    recorder.observer = &observer;
}

START_TEST(a_match)
{
    static const char *const want[][2] = {
        {"resource", "3"},
        {"exporter", "vgem"},
        {"exp_name", "drm"},
        {"fd_type", "DMABUF"},
        {"size", "65536"},
        {"kernel", "null"},
        {"driver", "WC"},
        {"exporter_name", "null"},
        {"mapping", "null"},
        {"renderer", "CACHED"},
        {"answers.kernel", "ENOTTY"},
        {"answers.driver", "vgem: map_wc"},
        {"answers.exporter", "the \"drm\" name"},
        {"answers.mapping", "not a pointer"},
        {"answers.renderer", "a guess"},
        {"answers.measurement", "not asked"},
        {"host", "WC"},
        {"host_from", "driver"},
        {"host_measured", "null"},
        {"platform", "AMD NPT"},
        {"s2", "WB"},
        {"s2_ignores_s1", "false"},
        {"s2_from", "expected"},
        {"not_observed", "null"},
        {"map_info", "WC"},
        {"forced", "false"},
        {"refusal", "null"},
        {"copied", "false"},
        {"copy_conflicts", "0"},
        {"followed", "false"},
        {"kernel_from", "null"},
        {"page_table", "null"},
        {"contradicted", "false"},
        {"late_mapping", "false"},
        {"avoids_blocks", "false"},
        {"guest_s1", "WC"},
        {"effective", "WC"},
        {"verdict", "match"},
        {"guest_saw_host_write", "true"},
        {"host_saw_guest_write", "false"},
        {"library", "libvirglrenderer.so.1.9.0"},
    };
    observe(MEMATTR_WC);
    check_values(want, ARRAY_SIZE(want));
    struct json_reader reader = record();
    ck_assert_ptr_null(json_reader_value(&reader, "s2_raw"));
    ck_assert_uint_eq(reader.count, ARRAY_SIZE(want) + 2); /* "answers", "reason" */
}
END_TEST

START_TEST(a_mismatch)
{
    static const char *const want[][2] = {
        {"guest_s1", "WB"}, {"effective", "WB"},    {"verdict", "mismatch"},
        {"forced", "true"}, {"map_info", "CACHED"},
    };
    resource.decision.forced = true;
    resource.decision.map_info = MEMATTR_MAP_CACHED;
    observe(MEMATTR_WB);
    check_values(want, ARRAY_SIZE(want));
    struct json_reader reader = record();
    ck_assert_ptr_nonnull(
        strstr(json_reader_value(&reader, "reason"), "the guest caches what"));
}
END_TEST

START_TEST(what_the_kernel_answers)
{
    static const char *const want[][2] = {
        {"kernel_from", "exporter"},
        {"page_table", "WB"},
        {"contradicted", "true"},
    };
    resource.decision.report.kernel = (struct kernel_info){.knows_prot = true,
                                                           .from_exporter = true,
                                                           .knows_type = true,
                                                           .type = MEMATTR_WB,
                                                           .pte = 0x867};
    resource.decision.report.contradicted = true;
    observe(MEMATTR_WC);
    check_values(want, ARRAY_SIZE(want));
    fflush(recorder.text);
    ck_assert_ptr_nonnull(strstr(text,
                                 "  page table WB       dmabuf-info: entry 0x867, "
                                 "which contradicts the answer\n"));
}
END_TEST

START_TEST(a_copy)
{
    static const char *const want[][2] = {
        {"copied", "true"}, {"copy_conflicts", "3"}, {"verdict", "copy"}};
    resource.decision.copied = true;
    resource.shadow.conflicts = 3;
    observe(MEMATTR_WC);
    check_values(want, ARRAY_SIZE(want));
    fflush(recorder.text);
    ck_assert_ptr_nonnull(strstr(text, "map_info WC (of a copy)"));
}
END_TEST

/* A copy excuses no mismatch. */
START_TEST(a_copy_that_the_guest_maps_otherwise)
{
    static const char *const want[][2] = {{"copied", "true"}, {"verdict", "mismatch"}};
    resource.decision.copied = true;
    observe(MEMATTR_WB);
    check_values(want, ARRAY_SIZE(want));
}
END_TEST

START_TEST(a_mapping_that_was_taken_away)
{
    static const char *const want[][2] = {{"verdict", "dropped"}, {"reason", "gone"},
                                          {"map_info", "WC"},     {"guest_s1", "null"},
                                          {"followed", "true"},   {"effective", "null"}};
    resource.decision.followed = true;
    recorder_dropped(&recorder, &resource, "gone");
    check_values(want, ARRAY_SIZE(want));
    fflush(recorder.text);
    ck_assert_ptr_nonnull(strstr(text, "map_info WC (followed)\n  dropped: gone\n"));
}
END_TEST

START_TEST(a_host_attribute_that_nobody_knows)
{
    static const char *const want[][2] = {
        {"host", "null"},       {"host_from", "null"}, {"effective", "null"},
        {"verdict", "unknown"}, {"guest_s1", "WC"},
    };
    resource.decision.report.decided = false;
    observe(MEMATTR_WC);
    check_values(want, ARRAY_SIZE(want));
    fflush(recorder.text);
    ck_assert_ptr_nonnull(strstr(text, "host ? (nobody knows)"));
    ck_assert_ptr_nonnull(strstr(text, "guest S1 WC, effective ?;"));
}
END_TEST

START_TEST(a_refusal)
{
    static const char *const want[][2] = {
        {"verdict", "refused"},
        {"reason", "because of \"this\"\n"},
        {"map_info", "null"},
        {"guest_s1", "null"},
        {"effective", "null"},
        {"guest_saw_host_write", "false"},
        {"host_saw_guest_write", "false"},
        {"host", "WC"},
        {"refusal", "no-match"},
        {"s2", "WB"},
        {"s2_ignores_s1", "true"},
    };
    resource.decision.refusal = MEMATTR_REFUSED_NO_MATCH;
    platform = (struct memattr_platform){
        .model = MEMATTR_EPT, .ignores_guest_pat = true, .guest_mtrr_is_wb = true};
    recorder_refused(&recorder, &resource, "because of \"this\"\n");
    check_values(want, ARRAY_SIZE(want));
    fflush(recorder.text);
    ck_assert_ptr_null(strstr(text, "map_info"));
    ck_assert_ptr_nonnull(strstr(text, "  refused: because of \"this\"\n"));
}
END_TEST

/* A host where only root may look at the kernel's tables. */
START_TEST(why_the_leaf_was_not_observed)
{
    static const char *const want[][2] = {{"s2_from", "expected"},
                                          {"not_observed", "run s2vmm as root"},
                                          {"verdict", "match"}};
    observer = (struct s2_observer){.reason = "run s2vmm as root"};
    recorder.observer = &observer;
    observe(MEMATTR_WC);
    check_values(want, ARRAY_SIZE(want));
    fflush(recorder.text);
    ck_assert_ptr_nonnull(strstr(text, "(expected; not observed: run s2vmm as root)"));
}
END_TEST

/* What was seen is worth more than what was expected. */
START_TEST(the_leaf_that_kvm_installed)
{
    static const char *const want[][2] = {
        {"s2", "WB"},        {"s2_ignores_s1", "true"}, {"s2_from", "observed"},
        {"s2_raw", "19319"}, /* 0x4b77 */
        {"effective", "WB"}, {"verdict", "mismatch"},
    };
    platform.model = MEMATTR_EPT;
    /* R, W, X, WB and IPAT (SDM 3, table 29-7). */
    observe_leaf(
        "  vcpu-1  [000] ...1.  1.0: kvm_mmu_set_spte: gfn 100000 spte 4b77 "
        "(rwxu) level 1 at 1\n",
        MEMATTR_EPT);
    observe(MEMATTR_WC);
    check_values(want, ARRAY_SIZE(want));
    fflush(recorder.text);
    ck_assert_ptr_nonnull(strstr(text, "S2 WB, guest ignored (observed 0x4b77)"));
}
END_TEST

/* A word of 64 bits for each page of the host; KPF_ARCH alone is WC (test_s2_observer.c
 * knows the others). */
START_TEST(what_the_host_kernel_has_on_record)
{
    static const char *const want[][2] = {{"host", "WC"}, {"host_measured", "WC"}};
    const uint64_t flags = (uint64_t)1 << 38;
    int file = memfd_create("kpageflags", MFD_CLOEXEC);
    ck_assert_int_eq(pwrite(file, &flags, sizeof flags, 4 * sizeof flags), 8);
    observe_leaf(
        "  vcpu-1  [000] ...1.  1.0: kvm_mmu_set_spte: gfn 100000 spte 4b77 "
        "(rwxu) level 1 at 1\n",
        MEMATTR_EPT);
    observer.page_flags_fd = file;
    observe(MEMATTR_WC);
    check_values(want, ARRAY_SIZE(want));
    fflush(recorder.text);
    ck_assert_ptr_nonnull(strstr(text, "host WC (driver; measured: WC)"));
    close(file);
}
END_TEST

START_TEST(a_leaf_of_the_blob_before_is_forgotten)
{
    observe_leaf(
        "  vcpu-1  [000] ...1.  1.0: kvm_mmu_set_spte: gfn 100000 spte 4b77 "
        "(rwxu) level 1 at 1\n",
        MEMATTR_NPT);
    recorder_unmapped(&recorder, &resource.mapping, resource.size);
    observe(MEMATTR_WC);
    struct json_reader reader = record();
    ck_assert_str_eq(json_reader_value(&reader, "s2_from"), "expected");
    recorder.observer = NULL;
    recorder_unmapped(&recorder, &resource.mapping, resource.size);
}
END_TEST

START_TEST(there_is_a_limit)
{
    struct trace trace;
    trace_init(&trace, recorder.text, false);
    recorder.trace = &trace;
    recorder.count = RECORDS_MAX - 1;
    observe(MEMATTR_WC);
    fflush(recorder.json);
    size_t one = json_size;
    observe(MEMATTR_WC);
    fflush(recorder.json);
    fflush(recorder.text);
    ck_assert_uint_gt(one, 0);
    ck_assert_uint_eq(json_size, one);
    ck_assert_ptr_nonnull(strstr(text, "no more than 20000 records"));
}
END_TEST

START_TEST(the_text_for_people)
{
    observe(MEMATTR_WC);
    fflush(recorder.text);
    static const char want[] =
        "blob 3: 65536 bytes, DMABUF from vgem\n"
        "  kernel     -        ENOTTY\n"
        "  driver     WC       vgem: map_wc\n"
        "  exporter   -        the \"drm\" name\n"
        "  mapping    -        not a pointer\n"
        "  renderer   CACHED   a guess\n"
        "  measurement -        not asked\n"
        "  host WC (driver), S2 WB (expected), map_info WC\n"
        "  guest S1 WC, effective WC; guest saw the host's writes: yes, "
        "host saw the guest's: no\n"
        "  match: ";
    ck_assert_msg(strncmp(text, want, sizeof want - 1) == 0, "%s", text);
}
END_TEST

START_TEST(each_stream_is_optional)
{
    char *copy;
    size_t copy_size;
    recorder.json_file = open_memstream(&copy, &copy_size);
    observe(MEMATTR_WC);
    recorder_refused(&recorder, &resource, "no");
    fflush(recorder.json_file);
    fflush(recorder.json);
    ck_assert_str_eq(copy, json);
    size_t before = json_size;
    struct recorder quiet = recorder;
    quiet.json = quiet.text = quiet.json_file = NULL;
    recorder_refused(&quiet, &resource, "no");
    fflush(recorder.json);
    ck_assert_uint_eq(json_size, before);
    fclose(recorder.json_file);
    free(copy);
}
END_TEST

/* docs/records.md has one row for each key. */
START_TEST(the_keys_are_those_of_the_documentation)
{
    char line[512];
    unsigned documented = 0;
    FILE *file = fopen("docs/records.md", "re");
    if (!file) {
        test_skip("record: the_keys_are_those_of_the_documentation", "no docs/ here");
        return;
    }
    observe_leaf(
        "  vcpu-1  [000] ...1.  1.0: kvm_mmu_set_spte: gfn 100000 spte 4b77 "
        "(rwxu) level 1 at 1\n",
        MEMATTR_NPT);
    observe(MEMATTR_WC);
    struct json_reader reader = record();
    while (fgets(line, sizeof line, file)) {
        char key[64];
        if (sscanf(line, "| `%63[a-z0-9_]` |", key) != 1)
            continue;
        documented++;
        ck_assert_msg(json_reader_value(&reader, key) != NULL, "no key %s", key);
    }
    fclose(file);
    unsigned written = 0;
    for (unsigned i = 0; i < reader.count; i++)
        written += strchr(reader.pairs[i].key, '.') == NULL;
    ck_assert_uint_eq(written, documented);
}
END_TEST

Suite *record_suite(void)
{
    Suite *suite = suite_create("record");
    TCase *test_case = tcase_create("record");
    tcase_add_checked_fixture(test_case, set_up, tear_down);
    tcase_add_test(test_case, a_match);
    tcase_add_test(test_case, a_mismatch);
    tcase_add_test(test_case, what_the_kernel_answers);
    tcase_add_test(test_case, a_copy);
    tcase_add_test(test_case, a_copy_that_the_guest_maps_otherwise);
    tcase_add_test(test_case, a_mapping_that_was_taken_away);
    tcase_add_test(test_case, a_host_attribute_that_nobody_knows);
    tcase_add_test(test_case, a_refusal);
    tcase_add_test(test_case, why_the_leaf_was_not_observed);
    tcase_add_test(test_case, the_leaf_that_kvm_installed);
    tcase_add_test(test_case, what_the_host_kernel_has_on_record);
    tcase_add_test(test_case, a_leaf_of_the_blob_before_is_forgotten);
    tcase_add_test(test_case, there_is_a_limit);
    tcase_add_test(test_case, the_text_for_people);
    tcase_add_test(test_case, each_stream_is_optional);
    tcase_add_test(test_case, the_keys_are_those_of_the_documentation);
    suite_add_tcase(suite, test_case);
    return suite;
}

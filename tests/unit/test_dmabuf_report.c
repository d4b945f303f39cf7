/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "devices/dmabuf-info/dma_buf_info.h"
#include "devices/gpu/dmabuf_report.h"
#include "tests/unit/fake_kernel.h"
#include "tests/unit/suites.h"
#include "vmm/types.h"

#define INDEX(name) (DMA_BUF_INFO_##name - DMA_BUF_INFO_SOURCE)

static const struct memattr_platform platform = {.model = MEMATTR_NPT,
                                                 .guest_mtrr_is_wb = true};

/* The measurement is a real one, of cached memory: what it finds is left out of the checks. */

static char *text;
static size_t length;

static void set_up(void)
{
    text = NULL;
}

static void tear_down(void)
{
    free(text);
}

/* The report about a fake dma-buf, whose exporter is the test: no name settles anything. */
static const char *report(const char *node, bool as_json)
{
    char what[16];
    struct error error;
    int fd = fake_kernel_dma_buf(8192);
    snprintf(what, sizeof what, "%d", fd);
    FILE *out = open_memstream(&text, &length);
    bool done = dmabuf_report(what, &platform, node, as_json, out, &error);
    fclose(out);
    close(fd);
    ck_assert_msg(done, "%s", error.text);
    return text;
}

static void kernel_says(uint64_t prot, uint64_t type)
{
    fake_kernel.info_error = 0;
    fake_kernel.info_value = prot;
    fake_kernel.info_known =
        1u << INDEX(HOST_TYPE) | 1u << INDEX(CPU_ACCESS) | 1u << INDEX(STABILITY);
    fake_kernel.info_further[INDEX(HOST_TYPE)] = type;
}

START_TEST(without_the_truth_nobody_is_right)
{
    const char *said = report("/nowhere", false);
    ck_assert_ptr_nonnull(strstr(said, "load the module dmabuf-info"));
    ck_assert_ptr_nonnull(strstr(said, "crosvm         WC          no       ?  "));
    ck_assert_ptr_nonnull(strstr(said, "who lies     not known"));
    ck_assert_ptr_null(strstr(said, "WRONG"));
    ck_assert_ptr_null(strstr(said, "right"));
    ck_assert_ptr_nonnull(
        strstr(said, "advice       refuse on AMD NPT: no trusted source"));
}
END_TEST

START_TEST(the_truth_shows_who_lies)
{
    kernel_says(DMA_BUF_VM_PROT_CACHED, 6);
    const char *said = report("/nowhere", false);
    ck_assert_ptr_nonnull(strstr(said, "truth          WB          -        the truth"));
    ck_assert_ptr_nonnull(strstr(said, "kernel         CACHED      yes      right"));
    ck_assert_ptr_nonnull(strstr(said, "crosvm         WC          no       WRONG"));
    ck_assert_ptr_nonnull(strstr(said, "who lies     crosvm"));
    ck_assert_ptr_nonnull(strstr(said, "needs SYNC   no\n"));
    ck_assert_ptr_nonnull(strstr(said, "may change   no\n"));
    ck_assert_ptr_nonnull(strstr(said, "advice       map_info CACHED on AMD NPT: "));
}
END_TEST

START_TEST(an_exporter_that_lies_is_named)
{
    kernel_says(DMA_BUF_VM_PROT_WC, 6);
    fake_kernel.info_known |= 1u << INDEX(SOURCE);
    const char *said = report("/nowhere", false);
    ck_assert_ptr_nonnull(strstr(said,
                                 "kernel         WC          yes      WRONG      "
                                 "DMA_BUF_IOCTL_INFO: the exporter's mmap_info"));
    ck_assert_ptr_nonnull(strstr(said, "who lies     kernel, crosvm"));
    ck_assert_ptr_nonnull(strstr(said,
                                 "refuse on AMD NPT: the kernel says WC, the page "
                                 "table WB"));
}
END_TEST

START_TEST(needs_sync_is_a_refusal)
{
    kernel_says(DMA_BUF_VM_PROT_WC, 1);
    fake_kernel.info_further[INDEX(CPU_ACCESS)] = DMA_BUF_CPU_ACCESS_NEEDS_SYNC;
    fake_kernel.info_further[INDEX(STABILITY)] = DMA_BUF_STABILITY_MAY_CHANGE;
    const char *said = report("/nowhere", false);
    ck_assert_ptr_nonnull(strstr(said, "needs SYNC   yes\n"));
    ck_assert_ptr_nonnull(strstr(said, "may change   yes\n"));
    ck_assert_ptr_nonnull(strstr(said, "crosvm         WC          no       right"));
    ck_assert_ptr_nonnull(strstr(said, "advice       refuse on AMD NPT: "));
}
END_TEST

START_TEST(json_has_a_line_for_each_row_and_a_summary)
{
    kernel_says(DMA_BUF_VM_PROT_CACHED, 6);
    const char *said = report("/nowhere", true);
    unsigned lines = 0;
    for (const char *c = said; *c; c++)
        lines += *c == '\n';
    ck_assert_uint_eq(lines, DMABUF_ROW_COUNT + 1);
    ck_assert_ptr_nonnull(strstr(said,
                                 "\"source\":\"truth\",\"answer\":\"WB\",\"type\":\"WB\","
                                 "\"trusted\":false,\"verdict\":\"truth\""));
    ck_assert_ptr_nonnull(strstr(said,
                                 "\"source\":\"driver\",\"answer\":null,\"type\":null,"
                                 "\"trusted\":false,\"verdict\":\"none\""));
    ck_assert_ptr_nonnull(strstr(said, "\"wrong\":\"crosvm"));
    ck_assert_ptr_nonnull(strstr(said, "\"map_info\":\"CACHED\""));
    ck_assert_ptr_nonnull(strstr(said, "\"size\":8192"));
}
END_TEST

/* --- what others guess --- */

// clang-format off
static const struct {
    const char *exporter;
    const char *driver;
    enum memattr_map_info said; /* by the driver's query; NONE: nothing */
    bool needs_sync;
    enum memattr_map_info renderer;
    enum memattr_map_info crosvm;
} guesses[] = {
    {"i915", "i915", MEMATTR_MAP_CACHED, false, MEMATTR_MAP_CACHED, MEMATTR_MAP_CACHED},
    {"i915", "", MEMATTR_MAP_NONE, false, MEMATTR_MAP_CACHED, MEMATTR_MAP_CACHED},
    {"drm", "vgem", MEMATTR_MAP_WC, false, MEMATTR_MAP_WC, MEMATTR_MAP_WC},
    {"drm", "msm", MEMATTR_MAP_CACHED, false, MEMATTR_MAP_CACHED, MEMATTR_MAP_WC},
    {"drm", "msm", MEMATTR_MAP_CACHED, true, MEMATTR_MAP_WC, MEMATTR_MAP_WC},
    {"drm", "msm", MEMATTR_MAP_WC, false, MEMATTR_MAP_WC, MEMATTR_MAP_WC},
    {"drm", "amdgpu", MEMATTR_MAP_CACHED, false, MEMATTR_MAP_CACHED, MEMATTR_MAP_WC},
    {"drm", "amdgpu", MEMATTR_MAP_NONE, false, MEMATTR_MAP_WC, MEMATTR_MAP_WC},
    {"drm", "panfrost", MEMATTR_MAP_CACHED, false, MEMATTR_MAP_WC, MEMATTR_MAP_WC},
    {"udmabuf", "", MEMATTR_MAP_NONE, false, MEMATTR_MAP_CACHED, MEMATTR_MAP_WC},
    {"virtio_gpu", "", MEMATTR_MAP_NONE, false, MEMATTR_MAP_WC, MEMATTR_MAP_WC},
    {"system", "", MEMATTR_MAP_NONE, false, MEMATTR_MAP_NONE, MEMATTR_MAP_WC},
    {"dmabuf-lab", "", MEMATTR_MAP_NONE, false, MEMATTR_MAP_NONE, MEMATTR_MAP_WC},
};
// clang-format on

static void check_guess(const struct dmabuf_row *row, enum memattr_map_info want)
{
    ck_assert_int_eq(row->known, want != MEMATTR_MAP_NONE);
    ck_assert(!row->trusted);
    ck_assert_uint_gt(strlen(row->detail), 0);
    if (row->known)
        ck_assert_str_eq(row->said, memattr_map_info_name(want));
}

START_TEST(others_guess)
{
    struct dmabuf_facts facts = {.platform = &platform};
    struct cache_mode_answer *driver = &facts.report.answers[CACHE_MODE_DRIVER];
    snprintf(facts.exporter, sizeof facts.exporter, "%s", guesses[_i].exporter);
    snprintf(facts.report.driver, sizeof facts.report.driver, "%s", guesses[_i].driver);
    driver->known = guesses[_i].said != MEMATTR_MAP_NONE;
    driver->type = memattr_s1_of_map_info(MEMATTR_NPT, guesses[_i].said);
    driver->said = "";
    facts.report.buffer.needs_sync = guesses[_i].needs_sync;
    dmabuf_judge(&facts);
    check_guess(&facts.rows[DMABUF_ROW_RENDERER], guesses[_i].renderer);
    check_guess(&facts.rows[DMABUF_ROW_CROSVM], guesses[_i].crosvm);
}
END_TEST

/* A measurement sees no difference between WC and UC. */
START_TEST(the_measurement_is_right_about_cached_or_not)
{
    static const struct {
        enum memattr_type truth;
        enum memattr_type measured;
        enum dmabuf_verdict verdict;
    } rows[] = {
        {MEMATTR_UC, MEMATTR_WC, DMABUF_RIGHT}, {MEMATTR_WC, MEMATTR_WC, DMABUF_RIGHT},
        {MEMATTR_WB, MEMATTR_WC, DMABUF_WRONG}, {MEMATTR_WB, MEMATTR_WB, DMABUF_RIGHT},
        {MEMATTR_UC, MEMATTR_WB, DMABUF_WRONG},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct dmabuf_facts facts = {.platform = &platform};
        facts.report.kernel.knows_type = true;
        facts.report.kernel.type = rows[i].truth;
        struct cache_mode_answer *answer = &facts.report.answers[CACHE_MODE_MEASUREMENT];
        answer->known = true;
        answer->type = rows[i].measured;
        answer->said = "";
        dmabuf_judge(&facts);
        ck_assert_int_eq(facts.rows[DMABUF_ROW_MEASUREMENT].verdict, rows[i].verdict);
    }
}
END_TEST

/* --- what cannot be reported about --- */

static const struct {
    const char *what;
    enum error_code code;
    const char *text;
} problems[] = {
    {"memfd", ERROR_CONFIG_USAGE, "memfd: it is no dma-buf"},
    {"anonymous", ERROR_CONFIG_USAGE, "anonymous: it is no dma-buf"},
    {"0", ERROR_CONFIG_USAGE, "0: it is no dma-buf"},
    {"987", ERROR_CONFIG_USAGE, "fd 987 of this process: Bad file descriptor"},
    {"4194305:3", ERROR_CONFIG_USAGE, "process 4194305: "},
    {"99999999999:3", ERROR_CONFIG_USAGE, "no exporter"},
    {"3x", ERROR_CONFIG_USAGE, "no exporter"},
    {"3:", ERROR_CONFIG_USAGE, "no exporter"},
    {"1:-1", ERROR_CONFIG_USAGE, "no exporter"},
    {"nonsense", ERROR_CONFIG_USAGE, "no exporter"},
};

START_TEST(what_is_no_dma_buf_is_an_error)
{
    struct error error;
    unsigned fds = fake_kernel_open_fds();
    ck_assert(!dmabuf_report(problems[_i].what, &platform, NULL, false, stdout, &error));
    ck_assert_int_eq(error.code, problems[_i].code);
    ck_assert_msg(strstr(error.text, problems[_i].text) != NULL, "%s", error.text);
    ck_assert_uint_eq(fake_kernel_open_fds(), fds);
}
END_TEST

START_TEST(the_descriptor_of_another_process_is_taken)
{
    char what[32];
    struct error error;
    int fd = fake_kernel_dma_buf(4096);
    snprintf(what, sizeof what, "%d:%d", (int)getpid(), fd);
    FILE *out = open_memstream(&text, &length);
    bool done = dmabuf_report(what, &platform, "/nowhere", false, out, &error);
    fclose(out);
    ck_assert_msg(done, "%s", error.text);
    ck_assert_ptr_nonnull(strstr(text, "4096 bytes"));
    close(fd);
}
END_TEST

Suite *dmabuf_report_suite(void)
{
    Suite *suite = suite_create("dmabuf_report");
    TCase *test_case = tcase_create("dmabuf_report");
    tcase_add_checked_fixture(test_case, set_up, tear_down);
    tcase_add_test(test_case, without_the_truth_nobody_is_right);
    tcase_add_test(test_case, the_truth_shows_who_lies);
    tcase_add_test(test_case, an_exporter_that_lies_is_named);
    tcase_add_test(test_case, needs_sync_is_a_refusal);
    tcase_add_test(test_case, json_has_a_line_for_each_row_and_a_summary);
    tcase_add_loop_test(test_case, others_guess, 0, (int)ARRAY_SIZE(guesses));
    tcase_add_test(test_case, the_measurement_is_right_about_cached_or_not);
    tcase_add_loop_test(test_case, what_is_no_dma_buf_is_an_error, 0,
                        (int)ARRAY_SIZE(problems));
    tcase_add_test(test_case, the_descriptor_of_another_process_is_taken);
    suite_add_tcase(suite, test_case);
    return suite;
}

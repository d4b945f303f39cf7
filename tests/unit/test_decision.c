/* SPDX-License-Identifier: MIT */
/* Every way in which a blob is accepted or refused, with the sources' answers given. */
#include <check.h>
#include <string.h>

#include "tests/unit/fake_gpu.h"
#include "tests/unit/suites.h"

static struct fake_gpu fake;
static struct resource resource;
static unsigned lift_count;
static bool lift_fails;
static bool mtrr_is_wb;
static struct gpa_range mtrr_range;

static void set_up(void)
{
    fake_gpu_init(&fake);
    resource = (struct resource){
        .id = 7,
        .backing = {.kind = BACKING_DMABUF, .fd = -1, .exporter = "lab"},
    };
    lift_count = 0;
    lift_fails = false;
    mtrr_is_wb = true;
}

static void tear_down(void)
{
    fake_gpu_finish(&fake);
}

static bool lift(void *context, struct error *error)
{
    ck_assert_ptr_eq(context, &fake);
    lift_count++;
    return !lift_fails || error_set(error, ERROR_HOST_KVM, "KVM says no");
}

static bool look_at_mtrr(void *context, struct gpa_range range)
{
    ck_assert_ptr_eq(context, &fake);
    mtrr_range = range;
    return mtrr_is_wb;
}

static void use_ept(bool liftable)
{
    struct gpu_config *config = &fake.gpu.config;
    config->platform = (struct memattr_platform){
        .model = MEMATTR_EPT, .ignores_guest_pat = true, .guest_mtrr_is_wb = true};
    config->honour_guest_pat = liftable ? lift : NULL;
    config->honour_guest_pat_context = &fake;
}

/* What a trusted source says about plain RAM. */
static struct cache_mode_report report_of(enum memattr_type host)
{
    return (struct cache_mode_report){
        .decided = true,
        .decider = CACHE_MODE_KERNEL,
        .buffer = {.page = MEMATTR_PAGE_RAM,
                   .host = host,
                   .vma = MEMATTR_VMA_PFNMAP,
                   .vma_is_uncacheable = host != MEMATTR_WB},
        .kernel = {.knows_type = true, .type = host},
    };
}

static struct cache_mode_report contradiction(void)
{
    struct cache_mode_report report = report_of(MEMATTR_WC);
    report.contradicted = true;
    report.kernel.type = MEMATTR_WB;
    return report;
}

static const struct blob_decision *accepts(struct cache_mode_report report,
                                           enum memattr_map_info map_info)
{
    struct error error = {0};
    bool accepted = blob_decide_by_report(&fake.gpu, &resource, &report, &error);
    ck_assert_msg(accepted, "%s", error.text);
    ck_assert_int_eq(resource.decision.map_info, map_info);
    return &resource.decision;
}

static const struct blob_decision *refuses(struct cache_mode_report report,
                                           enum memattr_refusal refusal, const char *text)
{
    struct error error = {0};
    ck_assert(!blob_decide_by_report(&fake.gpu, &resource, &report, &error));
    ck_assert_int_eq(error.code, ERROR_REFUSED);
    ck_assert_msg(strstr(error.text, text) != NULL, "%s", error.text);
    ck_assert_msg(strlen(error.text) < sizeof error.text - 1, "cut: %s", error.text);
    ck_assert_msg(resource.decision.refusal == refusal, "%s",
                  memattr_refusal_name(resource.decision.refusal));
    ck_assert_int_eq(resource.decision.map_info, MEMATTR_MAP_NONE);
    return &resource.decision;
}

static void says(const char *text)
{
    const char *trace = fake_output_text(&fake.trace_output);
    ck_assert_msg(strstr(trace, text) != NULL, "%s", trace);
}

START_TEST(a_match_is_accepted)
{
    const struct blob_decision *decision = accepts(report_of(MEMATTR_WC), MEMATTR_MAP_WC);
    ck_assert_int_eq(decision->refusal, MEMATTR_ACCEPTED);
    ck_assert(!decision->copied && !decision->followed && !decision->forced);
    ck_assert_uint_eq(fake.trace.warnings, 0);
    accepts(report_of(MEMATTR_WB), MEMATTR_MAP_CACHED);
    accepts(report_of(MEMATTR_UC_MINUS), MEMATTR_MAP_UNCACHED);
}
END_TEST

START_TEST(nobody_knows)
{
    struct cache_mode_report report = report_of(MEMATTR_WB);
    report.decided = false;
    refuses(report, MEMATTR_REFUSED_HOST_UNKNOWN, "--cache-mode-policy=permissive");
}
END_TEST

START_TEST(nothing_gives_the_host_attribute)
{
    refuses(report_of(MEMATTR_WT), MEMATTR_REFUSED_NO_MATCH, "WT or WP");
}
END_TEST

START_TEST(kvm_cannot_take_the_pages)
{
    struct cache_mode_report report = report_of(MEMATTR_WB);
    report.buffer.vma = MEMATTR_VMA_MIXED;
    refuses(report, MEMATTR_REFUSED_BY_KVM, "EFAULT");
}
END_TEST

START_TEST(nobody_knows_where_it_is)
{
    struct cache_mode_report report = report_of(MEMATTR_WB);
    report.buffer.placement_is_unknown = true;
    fake.gpu.config.permissive = true;
    fake.gpu.config.follow_changes = true;
    refuses(report, MEMATTR_REFUSED_PLACEMENT_UNKNOWN, "DMA_BUF_IOCTL_INFO");
}
END_TEST

/* --- an exporter that contradicts the page table --- */

START_TEST(a_contradiction_is_refused)
{
    const struct blob_decision *decision =
        refuses(contradiction(), MEMATTR_REFUSED_CONTRADICTION, "has WB");
    ck_assert_int_eq(decision->report.buffer.host, MEMATTR_WC);
}
END_TEST

START_TEST(by_policy_the_page_table_is_believed)
{
    fake.gpu.config.permissive = true;
    const struct blob_decision *decision = accepts(contradiction(), MEMATTR_MAP_CACHED);
    ck_assert_int_eq(decision->refusal, MEMATTR_ACCEPTED);
    ck_assert_int_eq(decision->report.buffer.host, MEMATTR_WB);
    says("the kernel says WC, and the page table has WB, which is believed");
}
END_TEST

/* --- needs SYNC --- */

START_TEST(what_needs_sync_is_refused)
{
    struct cache_mode_report report = report_of(MEMATTR_WB);
    report.buffer.needs_sync = true;
    const struct blob_decision *decision =
        refuses(report, MEMATTR_REFUSED_NEEDS_SYNC, "--needs-sync=copy");
    ck_assert(!decision->copied);
}
END_TEST

/* The copy is plain memory, whatever the buffer is. */
START_TEST(by_policy_what_needs_sync_is_copied)
{
    struct cache_mode_report report = contradiction();
    report.buffer.needs_sync = true;
    report.buffer.may_change = true;
    report.buffer.placement_is_unknown = true;
    report.decided = _i == 0;
    fake.gpu.config.copy_unsynced = true;
    use_ept(true);
    const struct blob_decision *decision = accepts(report, MEMATTR_MAP_CACHED);
    ck_assert(decision->copied && !decision->followed);
    ck_assert_int_eq(decision->refusal, MEMATTR_ACCEPTED);
    ck_assert_int_eq(decision->report.buffer.host, MEMATTR_WB);
    ck_assert_int_eq(decision->report.buffer.vma, MEMATTR_VMA_PLAIN);
    ck_assert(!decision->report.buffer.vma_is_uncacheable);
    ck_assert_uint_eq(lift_count, 0);
    says("gets a copy that is synchronised");
}
END_TEST

START_TEST(nothing_else_is_copied)
{
    fake.gpu.config.copy_unsynced = true;
    ck_assert(!accepts(report_of(MEMATTR_WC), MEMATTR_MAP_WC)->copied);
}
END_TEST

/* --- may change --- */

START_TEST(what_may_change_is_refused)
{
    struct cache_mode_report report = report_of(MEMATTR_WB);
    report.buffer.may_change = true;
    ck_assert(
        !refuses(report, MEMATTR_REFUSED_MAY_CHANGE, "--may-change=follow")->followed);
}
END_TEST

START_TEST(by_policy_what_may_change_is_followed)
{
    struct cache_mode_report report = report_of(MEMATTR_WC);
    report.buffer.may_change = true;
    fake.gpu.config.follow_changes = true;
    const struct blob_decision *decision = accepts(report, MEMATTR_MAP_WC);
    ck_assert(decision->followed && !decision->copied);
    ck_assert_int_eq(decision->refusal, MEMATTR_ACCEPTED);
    ck_assert(decision->report.buffer.may_change);
    ck_assert(!accepts(report_of(MEMATTR_WC), MEMATTR_MAP_WC)->followed);
}
END_TEST

/* --- EPT's IPAT --- */

START_TEST(a_wc_buffer_lifts_the_quirk_once)
{
    use_ept(true);
    accepts(report_of(MEMATTR_WB), MEMATTR_MAP_CACHED);
    ck_assert_uint_eq(lift_count, 0);
    ck_assert(fake.gpu.config.platform.ignores_guest_pat);

    accepts(report_of(MEMATTR_WC), MEMATTR_MAP_WC);
    ck_assert_uint_eq(lift_count, 1);
    ck_assert(!fake.gpu.config.platform.ignores_guest_pat);
    says("KVM honours it from now on");

    accepts(report_of(MEMATTR_WC), MEMATTR_MAP_WC);
    accepts(report_of(MEMATTR_WB), MEMATTR_MAP_CACHED);
    ck_assert_uint_eq(lift_count, 1);
}
END_TEST

START_TEST(the_quirk_cannot_be_lifted)
{
    use_ept(false);
    const struct blob_decision *decision =
        refuses(report_of(MEMATTR_WC), MEMATTR_REFUSED_GUEST_PAT,
                "KVM_X86_QUIRK_IGNORE_GUEST_PAT");
    ck_assert(decision->advice.needs_guest_pat);
}
END_TEST

START_TEST(kvm_fails_to_lift_the_quirk)
{
    use_ept(true);
    lift_fails = true;
    refuses(report_of(MEMATTR_WC), MEMATTR_REFUSED_GUEST_PAT, "KVM says no");
    ck_assert(fake.gpu.config.platform.ignores_guest_pat);
    refuses(report_of(MEMATTR_WC), MEMATTR_REFUSED_GUEST_PAT, "IPAT");
    ck_assert_uint_eq(lift_count, 1);
}
END_TEST

/* A blob that the guest maps UC- for its MTRRs is WB only thanks to IPAT. */
START_TEST(the_quirk_stays_while_the_mtrrs_are_not_wb)
{
    use_ept(true);
    fake.gpu.config.guest_mtrr_is_wb = look_at_mtrr;
    fake.gpu.config.guest_mtrr_is_wb_context = &fake;
    mtrr_is_wb = false;
    accepts(report_of(MEMATTR_WB), MEMATTR_MAP_CACHED);
    refuses(report_of(MEMATTR_WC), MEMATTR_REFUSED_GUEST_PAT, "MTRRs are not WB");
    ck_assert_uint_eq(lift_count, 0);
    mtrr_is_wb = true;
    accepts(report_of(MEMATTR_WC), MEMATTR_MAP_WC);
    ck_assert_uint_eq(lift_count, 1);
}
END_TEST

/* --- the guest's MTRRs --- */

START_TEST(mtrrs_are_looked_at_for_each_blob)
{
    fake.gpu.config.guest_mtrr_is_wb = look_at_mtrr;
    fake.gpu.config.guest_mtrr_is_wb_context = &fake;
    accepts(report_of(MEMATTR_WB), MEMATTR_MAP_CACHED);
    ck_assert_uint_eq(mtrr_range.start.value, FAKE_WINDOW_BASE);
    ck_assert_uint_eq(mtrr_range.size, FAKE_WINDOW);
    mtrr_is_wb = false;
    refuses(report_of(MEMATTR_WB), MEMATTR_REFUSED_GUEST_MTRR, "pat_x_mtrr_type");
    accepts(report_of(MEMATTR_WC), MEMATTR_MAP_WC);
    mtrr_is_wb = true;
    accepts(report_of(MEMATTR_WB), MEMATTR_MAP_CACHED);
}
END_TEST

/* --- force --- */

static struct cache_mode_report unknown(void)
{
    return (struct cache_mode_report){.buffer = {.page = MEMATTR_PAGE_RAM}};
}

static struct cache_mode_report unsynced(void)
{
    struct cache_mode_report report = report_of(MEMATTR_WB);
    report.buffer.needs_sync = true;
    return report;
}

static struct cache_mode_report write_combining(void)
{
    return report_of(MEMATTR_WC);
}

static const struct {
    struct cache_mode_report (*report)(void);
    enum memattr_refusal refusal;
} forced[] = {
    {unknown, MEMATTR_REFUSED_HOST_UNKNOWN},
    {unsynced, MEMATTR_REFUSED_NEEDS_SYNC},
    {contradiction, MEMATTR_REFUSED_CONTRADICTION},
    {write_combining, MEMATTR_REFUSED_GUEST_PAT},
};

/* An experiment gets what it asks for, and is told what it is doing. */
START_TEST(force_wins_and_the_refusal_stays_visible)
{
    use_ept(true);
    fake_gpu_force_map_info(&fake, MEMATTR_MAP_UNCACHED);
    const struct blob_decision *decision =
        accepts(forced[_i].report(), MEMATTR_MAP_UNCACHED);
    ck_assert(decision->forced);
    ck_assert_int_eq(decision->refusal, forced[_i].refusal);
    ck_assert_uint_eq(lift_count, 0);
    says(memattr_refusal_name(forced[_i].refusal));
}
END_TEST

START_TEST(force_without_a_refusal_says_nothing)
{
    fake_gpu_force_map_info(&fake, MEMATTR_MAP_WC);
    const struct blob_decision *decision = accepts(report_of(MEMATTR_WB), MEMATTR_MAP_WC);
    ck_assert(decision->forced);
    ck_assert_int_eq(decision->refusal, MEMATTR_ACCEPTED);
    ck_assert_int_eq(decision->advice.map_info, MEMATTR_MAP_CACHED);
    ck_assert_uint_eq(fake.trace.warnings, 0);
}
END_TEST

Suite *decision_suite(void)
{
    Suite *suite = suite_create("decision");
    TCase *test_case = tcase_create("decision");
    tcase_add_checked_fixture(test_case, set_up, tear_down);
    tcase_add_test(test_case, a_match_is_accepted);
    tcase_add_test(test_case, nobody_knows);
    tcase_add_test(test_case, nothing_gives_the_host_attribute);
    tcase_add_test(test_case, kvm_cannot_take_the_pages);
    tcase_add_test(test_case, nobody_knows_where_it_is);
    tcase_add_test(test_case, a_contradiction_is_refused);
    tcase_add_test(test_case, by_policy_the_page_table_is_believed);
    tcase_add_test(test_case, what_needs_sync_is_refused);
    tcase_add_loop_test(test_case, by_policy_what_needs_sync_is_copied, 0, 2);
    tcase_add_test(test_case, nothing_else_is_copied);
    tcase_add_test(test_case, what_may_change_is_refused);
    tcase_add_test(test_case, by_policy_what_may_change_is_followed);
    tcase_add_test(test_case, a_wc_buffer_lifts_the_quirk_once);
    tcase_add_test(test_case, the_quirk_cannot_be_lifted);
    tcase_add_test(test_case, kvm_fails_to_lift_the_quirk);
    tcase_add_test(test_case, the_quirk_stays_while_the_mtrrs_are_not_wb);
    tcase_add_test(test_case, mtrrs_are_looked_at_for_each_blob);
    tcase_add_loop_test(test_case, force_wins_and_the_refusal_stays_visible, 0,
                        ARRAY_SIZE(forced));
    tcase_add_test(test_case, force_without_a_refusal_says_nothing);
    suite_add_tcase(suite, test_case);
    return suite;
}

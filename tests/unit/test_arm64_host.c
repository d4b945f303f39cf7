/* SPDX-License-Identifier: MIT */
/* What follows from the answers of made-up arm64 hosts. */
#include <check.h>
#include <string.h>

#include "tests/unit/find_fact.h"
#include "tests/unit/suites.h"
#include "vmm/arm64_host.h"
#include "vmm/types.h"

#define FWB ((uint64_t)1 << 40)
#define IDC ((uint64_t)1 << 28)
#define DIC ((uint64_t)1 << 29)

// clang-format off
static const struct row {
    const char *name;
    struct arm64_host host;
    struct memattr_platform expected;
    bool block_hazard, write_hazard;
    const char *facts[5][2];
} rows[] = {
    {"FWB and DIC, 7.2", {.release = "7.2.12+deb13-arm64", .ctr = IDC | DIC, .has_kvm = true, .has_features = true, .features = FWB, .address_bits = 52,
      .cacheable_pfnmap = true, .gic_version = 3, .has_its = true, .slot = ARM64_SLOT_ACCEPTED},
     {.model = MEMATTR_ARM64_FWB, .rules = MEMATTR_RULES_6_17, .cacheable_pfnmap = true}, false, true,
     {{"FEAT_S2FWB", "yes"}, {"DIC", "yes"}, {"guest address bits", "52"}, {"interrupt controller", "GICv3, ITS"}, {"PFNMAP memslot", "accepted"}}},
    {"FWB, no DIC, 7.2.10", {.release = "7.2.10", .ctr = IDC, .has_kvm = true, .has_features = true, .features = FWB, .gic_version = 3, .slot = ARM64_SLOT_REFUSED},
     {.model = MEMATTR_ARM64_FWB, .rules = MEMATTR_RULES_6_17}, true, true,
     {{"DIC", "no"}, {"guest address bits", "40"}, {"interrupt controller", "GICv3"}, {"PFNMAP memslot", "refused, EINVAL"}, {"PFNMAP block hazard", "yes: 2 MiB"}}},
    {"a vendor's 6.12 with the rules of 6.17", {.release = "6.12.113-vendor", .has_kvm = true, .has_features = true, .slot = ARM64_SLOT_REFUSED},
     {.model = MEMATTR_ARM64, .rules = MEMATTR_RULES_6_17}, false, false, {{"FEAT_S2FWB", "no"}, {"interrupt controller", "none"}}},
    {"a 7.0 that behaves as older ones", {.release = "7.0.1", .has_kvm = true, .has_features = true, .slot = ARM64_SLOT_ACCEPTED},
     {.model = MEMATTR_ARM64, .rules = MEMATTR_RULES_6_9}, true, true, {{"IDC", "no"}, {"PFNMAP write hazard", "yes: EFAULT"}}},
    {"6.12", {.release = "6.12.107+deb13-arm64", .has_kvm = true, .has_features = true, .features = FWB, .gic_version = 2, .slot = ARM64_SLOT_ACCEPTED},
     {.model = MEMATTR_ARM64_FWB, .rules = MEMATTR_RULES_6_9}, true, false, {{"interrupt controller", "GICv2"}, {"KVM's rules", "6.9 to 6.16"}}},
    {"6.1, no udmabuf", {.release = "6.1.0-50-arm64", .has_kvm = true, .has_features = true, .slot_problem = "/dev/udmabuf: gone"},
     {.model = MEMATTR_ARM64, .rules = MEMATTR_RULES_FIRST}, true, false, {{"PFNMAP memslot", "not asked: /dev/udmabuf: gone"}, {"PFNMAP write hazard", "no"}}},
    {"6.1 with udmabuf", {.release = "6.1.176", .has_kvm = true, .has_features = true, .slot = ARM64_SLOT_ACCEPTED},
     {.model = MEMATTR_ARM64, .rules = MEMATTR_RULES_FIRST}, true, false, {{"KVM's rules", "up to 6.8"}}},
    {"6.8 and 6.9, by version", {.release = "6.9.0", .has_kvm = true}, {.model = MEMATTR_ARM64, .rules = MEMATTR_RULES_6_9}, true, false,
     {{"FEAT_S2FWB", "not known"}}},
    {"6.17, by version", {.release = "6.17.0-rc1", .has_kvm = true}, {.model = MEMATTR_ARM64, .rules = MEMATTR_RULES_6_17}, true, false, {{"KVM's rules", "6.17"}}},
    {"a vCPU that was not to be had, cap 243", {.release = "7.3", .has_kvm = true, .cacheable_pfnmap = true},
     {.model = MEMATTR_ARM64_FWB, .rules = MEMATTR_RULES_6_17, .cacheable_pfnmap = true}, false, true, {{"FEAT_S2FWB", "yes"}}},
    {"no KVM: nothing that was not asked for counts", {.release = "7.3.4", .features = FWB, .cacheable_pfnmap = true},
     {.model = MEMATTR_ARM64, .rules = MEMATTR_RULES_6_17}, false, true, {{"FEAT_S2FWB", "not known, taken for no"}}},
    {"no release", {.release = ""}, {.model = MEMATTR_ARM64, .rules = MEMATTR_RULES_FIRST}, true, false, {{"S2 model", "arm64"}}},
    {"a release of words", {.release = "next.x.y"}, {.model = MEMATTR_ARM64, .rules = MEMATTR_RULES_FIRST}, true, false, {{"KVM's rules", "up to 6.8"}}},
    {"a release that is cut off", {.release = "7."}, {.model = MEMATTR_ARM64, .rules = MEMATTR_RULES_6_17}, true, true, {{"KVM's rules", "6.17"}}},
    {"Linux 10", {.release = "10.0.0"}, {.model = MEMATTR_ARM64, .rules = MEMATTR_RULES_6_17}, false, true, {{"PFNMAP block hazard", "no"}}},
};
// clang-format on

START_TEST(a_host_is_judged)
{
    const struct row *row = &rows[_i];
    static struct platform platform;
    platform = (struct platform){0};
    arm64_host_judge(&row->host, &platform);
    ck_assert_msg(platform.memattr.model == row->expected.model, "%s: model", row->name);
    ck_assert_msg(platform.memattr.rules == row->expected.rules, "%s: rules", row->name);
    ck_assert_msg(platform.memattr.cacheable_pfnmap == row->expected.cacheable_pfnmap,
                  "%s: cacheable_pfnmap", row->name);
    ck_assert_msg(platform.pfnmap_block_hazard == row->block_hazard, "%s: block hazard",
                  row->name);
    ck_assert_msg(platform.pfnmap_write_hazard == row->write_hazard, "%s: write hazard",
                  row->name);
    for (size_t i = 0; i < ARRAY_SIZE(row->facts) && row->facts[i][0]; i++)
        check_fact(&platform, row->facts[i][0], row->facts[i][1]);
}
END_TEST

/* Each says how it is known: by capability, by behaviour, or only by version. */
START_TEST(facts_say_how_they_are_known)
{
    static const struct {
        struct arm64_host host;
        const char *where;
    } sources[] = {
        {{.release = "7.2", .has_kvm = true, .cacheable_pfnmap = true}, "by capability"},
        {{.release = "7.2", .has_kvm = true, .slot = ARM64_SLOT_REFUSED}, "by behaviour"},
        {{.release = "6.12", .has_kvm = true, .slot = ARM64_SLOT_ACCEPTED},
         "6.9 by version"},
        {{.release = "6.12", .has_kvm = true}, "by version"},
    };
    static struct platform platform;
    for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
        platform = (struct platform){0};
        arm64_host_judge(&sources[i].host, &platform);
        const struct platform_fact *fact = find_fact(&platform, "KVM's rules");
        ck_assert_ptr_nonnull(strstr(fact->where, sources[i].where));
        ck_assert_ptr_nonnull(
            strstr(find_fact(&platform, "PFNMAP block hazard")->where, "by version"));
    }
}
END_TEST

Suite *arm64_host_suite(void)
{
    Suite *suite = suite_create("arm64_host");
    TCase *judging = tcase_create("judge");
    tcase_add_loop_test(judging, a_host_is_judged, 0, ARRAY_SIZE(rows));
    tcase_add_test(judging, facts_say_how_they_are_known);
    suite_add_tcase(suite, judging);
    return suite;
}

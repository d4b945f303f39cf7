/* SPDX-License-Identifier: MIT */
/* The words of the attribute model. */
#include <check.h>
#include <string.h>

#include "tests/unit/suites.h"
#include "vmm/memattr.h"
#include "vmm/types.h"

START_TEST(names_are_the_words_of_the_manuals)
{
    ck_assert_str_eq(memattr_type_name(MEMATTR_WB), "WB");
    ck_assert_str_eq(memattr_type_name(MEMATTR_WT), "WT");
    ck_assert_str_eq(memattr_type_name(MEMATTR_WP), "WP");
    ck_assert_str_eq(memattr_type_name(MEMATTR_WC), "WC");
    ck_assert_str_eq(memattr_type_name(MEMATTR_UC_MINUS), "UC-");
    ck_assert_str_eq(memattr_type_name(MEMATTR_UC), "UC");
    ck_assert_str_eq(memattr_type_name(MEMATTR_NC), "NC");
    ck_assert_str_eq(memattr_type_name(MEMATTR_ONC_IWT), "ONC-IWT");
    ck_assert_str_eq(memattr_type_name(MEMATTR_ONC_IWB), "ONC-IWB");
    ck_assert_str_eq(memattr_type_name(MEMATTR_OWT_INC), "OWT-INC");
    ck_assert_str_eq(memattr_type_name(MEMATTR_OWT_IWB), "OWT-IWB");
    ck_assert_str_eq(memattr_type_name(MEMATTR_OWB_INC), "OWB-INC");
    ck_assert_str_eq(memattr_type_name(MEMATTR_OWB_IWT), "OWB-IWT");
    ck_assert_str_eq(memattr_type_name(MEMATTR_DEVICE_GRE), "Device-GRE");
    ck_assert_str_eq(memattr_type_name(MEMATTR_DEVICE_nGRE), "Device-nGRE");
    ck_assert_str_eq(memattr_type_name(MEMATTR_DEVICE_nGnRE), "Device-nGnRE");
    ck_assert_str_eq(memattr_type_name(MEMATTR_DEVICE_nGnRnE), "Device-nGnRnE");
    ck_assert_str_eq(memattr_map_info_name(MEMATTR_MAP_NONE), "NONE");
    ck_assert_str_eq(memattr_map_info_name(MEMATTR_MAP_CACHED), "CACHED");
    ck_assert_str_eq(memattr_map_info_name(MEMATTR_MAP_UNCACHED), "UNCACHED");
    ck_assert_str_eq(memattr_map_info_name(MEMATTR_MAP_WC), "WC");
    ck_assert_str_eq(memattr_model_name(MEMATTR_EPT), "Intel EPT");
    ck_assert_str_eq(memattr_model_name(MEMATTR_NPT), "AMD NPT");
    ck_assert_str_eq(memattr_model_name(MEMATTR_SHADOW), "shadow paging");
    ck_assert_str_eq(memattr_model_name(MEMATTR_ARM64), "arm64");
    ck_assert_str_eq(memattr_model_name(MEMATTR_ARM64_FWB), "arm64 (FWB)");
    ck_assert_str_eq(memattr_vma_name(MEMATTR_VMA_PLAIN), "plain");
    ck_assert_str_eq(memattr_vma_name(MEMATTR_VMA_PFNMAP), "PFNMAP");
    ck_assert_str_eq(memattr_vma_name(MEMATTR_VMA_VFIO), "vfio");
    ck_assert_str_eq(memattr_vma_name(MEMATTR_VMA_MIXED), "MIXEDMAP");
    ck_assert_str_eq(memattr_rules_name(MEMATTR_RULES_FIRST), "up to 6.8");
    ck_assert_str_eq(memattr_rules_name(MEMATTR_RULES_6_9), "6.9 to 6.16");
    ck_assert_str_eq(memattr_rules_name(MEMATTR_RULES_6_17), "6.17 and later");
    ck_assert_str_eq(memattr_shareability_name(MEMATTR_NON_SHAREABLE), "non-shareable");
    ck_assert_str_eq(memattr_shareability_name(MEMATTR_OUTER_SHAREABLE),
                     "outer shareable");
    ck_assert_str_eq(memattr_shareability_name(MEMATTR_INNER_SHAREABLE),
                     "inner shareable");
    ck_assert_str_eq(memattr_verdict_name(MEMATTR_DEPENDS), "depends");
    ck_assert_str_eq(memattr_refusal_name(MEMATTR_REFUSED_BY_KVM), "kvm-faults");
    ck_assert_str_eq(memattr_page_name(MEMATTR_PAGE_RAM), "RAM");
    ck_assert_str_eq(memattr_page_name(MEMATTR_PAGE_MMIO), "MMIO");
    ck_assert_str_eq(memattr_basis_name(MEMATTR_MEASURED), "measured");
    ck_assert_str_eq(memattr_basis_name(MEMATTR_READ), "read");
    ck_assert_str_eq(memattr_basis_name(MEMATTR_INFERRED), "inferred");
    ck_assert_str_eq(memattr_verdict_name(MEMATTR_MATCH), "match");
    ck_assert_str_eq(memattr_verdict_name(MEMATTR_MISMATCH), "mismatch");
    ck_assert_str_eq(memattr_refusal_name(MEMATTR_ACCEPTED), "accepted");
    ck_assert_str_eq(memattr_refusal_name(MEMATTR_REFUSED_NEEDS_SYNC), "needs-sync");
    ck_assert_str_eq(memattr_refusal_name(MEMATTR_REFUSED_MAY_CHANGE), "may-change");
    ck_assert_str_eq(memattr_refusal_name(MEMATTR_REFUSED_NO_MATCH), "no-match");
    ck_assert_str_eq(memattr_refusal_name(MEMATTR_REFUSED_PLACEMENT_UNKNOWN),
                     "placement-unknown");
    ck_assert_str_eq(memattr_refusal_name(MEMATTR_REFUSED_GUEST_PAT),
                     "guest-pat-ignored");
    ck_assert_str_eq(memattr_refusal_name(MEMATTR_REFUSED_GUEST_MTRR), "guest-mtrr");
    ck_assert_str_eq(memattr_refusal_name(MEMATTR_REFUSED_HOST_UNKNOWN), "host-unknown");
    ck_assert_str_eq(memattr_refusal_name(MEMATTR_REFUSED_CONTRADICTION),
                     "contradiction");
}
END_TEST

START_TEST(a_value_without_a_name_is_unknown)
{
    ck_assert_str_eq(memattr_vma_name(MEMATTR_VMA_COUNT), "unknown");
    ck_assert_str_eq(memattr_rules_name(MEMATTR_RULES_COUNT), "unknown");
    ck_assert_str_eq(memattr_shareability_name((enum memattr_shareability)1), "unknown");
    ck_assert_str_eq(memattr_shareability_name((enum memattr_shareability)4), "unknown");
    ck_assert_str_eq(memattr_type_name(MEMATTR_TYPE_COUNT), "unknown");
    ck_assert_str_eq(memattr_map_info_name((enum memattr_map_info)4), "unknown");
    ck_assert_str_eq(memattr_model_name(MEMATTR_MODEL_COUNT), "unknown");
    ck_assert_str_eq(memattr_page_name(MEMATTR_PAGE_COUNT), "unknown");
    ck_assert_str_eq(memattr_basis_name(MEMATTR_BASIS_COUNT), "unknown");
    ck_assert_str_eq(memattr_verdict_name(MEMATTR_VERDICT_COUNT), "unknown");
    ck_assert_str_eq(memattr_refusal_name(MEMATTR_REFUSAL_COUNT), "unknown");
}
END_TEST

Suite *memattr_names_suite(void)
{
    Suite *suite = suite_create("memattr_names");
    TCase *names = tcase_create("names");
    tcase_add_test(names, names_are_the_words_of_the_manuals);
    tcase_add_test(names, a_value_without_a_name_is_unknown);
    suite_add_tcase(suite, names);
    return suite;
}

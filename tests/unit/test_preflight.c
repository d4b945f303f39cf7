/* SPDX-License-Identifier: MIT */
/* The pre-flight table of a few platforms. */
#include <check.h>

#include "tests/unit/find_fact.h"
#include "tests/unit/suites.h"
#include "vmm/preflight.h"
#include "vmm/types.h"

// clang-format off
static const struct {
    struct memattr_platform platform;
    const char *facts[4][2];
} rows[] = {
    {{.model = MEMATTR_ARM64_FWB, .rules = MEMATTR_RULES_6_17, .cacheable_pfnmap = true},
     {{"RAM mapped WB, PFNMAP", "map_info CACHED"}, {"RAM mapped NC, PFNMAP", "refused: the guest would get WB, whatever it asks for"},
      {"MMIO mapped WB, PFNMAP", "map_info CACHED"}, {"MMIO mapped NC, vfio", "map_info WC"}}},
    {{.model = MEMATTR_ARM64_FWB, .rules = MEMATTR_RULES_6_17},
     {{"RAM mapped WB", "map_info CACHED"}, {"RAM mapped WB, PFNMAP", "into a memslot that is there already"}, {"MMIO mapped WB, PFNMAP", "refused: KVM_RUN would end with EFAULT"},
      {"MMIO mapped NC, TTM", "refused: KVM_RUN would end with EFAULT"}}},
    {{.model = MEMATTR_ARM64, .rules = MEMATTR_RULES_6_9},
     {{"RAM mapped NC, PFNMAP", "map_info WC"}, {"RAM mapped Device-nGnRnE, PFNMAP", "map_info UNCACHED"},
      {"MMIO mapped NC, PFNMAP", "refused: the guest would get Device-nGnRE"}, {"MMIO mapped NC, vfio", "map_info WC"}}},
    {{.model = MEMATTR_NPT, .guest_mtrr_is_wb = true}, {{"RAM mapped WB", "map_info CACHED"}, {"RAM mapped WC", "map_info WC"}, {"MMIO mapped WC", "map_info WC"}}},
    {{.model = MEMATTR_SHADOW, .guest_mtrr_is_wb = true}, {{"RAM mapped WC", "refused: the guest would get WB, whatever it asks for"}}},
};
// clang-format on

START_TEST(the_table_of_a_platform)
{
    static struct platform platform;
    platform = (struct platform){.memattr = rows[_i].platform};
    preflight_add(&platform);
    for (size_t i = 0; i < ARRAY_SIZE(rows[_i].facts) && rows[_i].facts[i][0]; i++)
        check_fact(&platform, rows[_i].facts[i][0], rows[_i].facts[i][1]);
}
END_TEST

Suite *preflight_suite(void)
{
    Suite *suite = suite_create("preflight");
    TCase *tables = tcase_create("tables");
    tcase_add_loop_test(tables, the_table_of_a_platform, 0, ARRAY_SIZE(rows));
    suite_add_tcase(suite, tables);
    return suite;
}

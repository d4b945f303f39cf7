/* SPDX-License-Identifier: MIT */
/* The topology that the guest reads from CPUID, whatever the host's own is. */
#include <check.h>

#include "tests/unit/suites.h"
#include "vmm/arch/x86/cpuid.h"

/* One leaf with all bits set, as vCPU `index` of `count` gets it. */
static struct kvm_cpuid_entry2 leaf(uint32_t function, uint32_t subleaf, unsigned index,
                                    unsigned count)
{
    struct kvm_cpuid_entry2 entry = {
        .function = function,
        .index = subleaf,
        .eax = UINT32_MAX,
        .ebx = UINT32_MAX,
        .ecx = UINT32_MAX,
        .edx = UINT32_MAX,
    };
    cpuid_set_topology(&entry, 1, index, count);
    return entry;
}

START_TEST(leaf_1_has_the_apic_id_and_says_hypervisor)
{
    struct kvm_cpuid_entry2 entry = {.function = 1, .ebx = 0x07100800};
    cpuid_set_topology(&entry, 1, 2, 3);
    ck_assert_uint_eq(entry.ebx, 0x02030800);
    ck_assert_uint_eq(entry.ecx, 1u << 31);
    ck_assert_uint_eq(entry.edx, 1u << 28);
    ck_assert_uint_eq(leaf(1, 0, 0, 1).edx,
                      ~(1u << 28)); /* one CPU: EBX[23:16] is void */
}
END_TEST

/* APIC ids are shifted right by EAX of level 1 to get the package, so all share it. */
START_TEST(the_extended_leaves_describe_one_package)
{
    static const struct {
        unsigned count, shift;
    } cases[] = {{1, 0}, {2, 1}, {3, 2}, {4, 2}, {5, 3}, {16, 4}};
    unsigned count = cases[_i].count;
    for (unsigned index = 0; index < count; index++) {
        struct kvm_cpuid_entry2 thread = leaf(0xb, 0, index, count);
        struct kvm_cpuid_entry2 core = leaf(0x1f, 1, index, count);
        struct kvm_cpuid_entry2 end = leaf(0xb, 2, index, count);
        ck_assert_uint_eq(thread.eax, 0);
        ck_assert_uint_eq(thread.ebx, 1);
        ck_assert_uint_eq(thread.ecx, 1 << 8);
        ck_assert_uint_eq(core.eax, cases[_i].shift);
        ck_assert_uint_eq(core.ebx, count);
        ck_assert_uint_eq(core.ecx, 2 << 8 | 1);
        ck_assert_uint_eq(end.ebx, 0);
        ck_assert_uint_eq(end.ecx, 2);
        ck_assert_uint_eq(core.edx, index);
        ck_assert_uint_eq(core.edx >> core.eax, 0);
    }
}
END_TEST

START_TEST(the_last_cache_is_shared_and_the_others_are_private)
{
    struct kvm_cpuid_entry2 first = {.function = 4,
                                     .eax = 0xfc1fc021};               /* data, level 1 */
    struct kvm_cpuid_entry2 last = {.function = 4, .eax = 0xfc1fc063}; /* unified, 3 */
    struct kvm_cpuid_entry2 none = {.function = 4, .eax = 0};
    cpuid_set_topology(&first, 1, 0, 4);
    cpuid_set_topology(&last, 1, 0, 4);
    cpuid_set_topology(&none, 1, 0, 4);
    ck_assert_uint_eq(first.eax, 3u << 26 | 0x21);
    ck_assert_uint_eq(last.eax, 3u << 26 | 3u << 14 | 0x63);
    ck_assert_uint_eq(none.eax, 0);
}
END_TEST

START_TEST(the_leaves_of_amd_agree)
{
    ck_assert_uint_eq(leaf(0x80000008, 0, 1, 3).ecx & 0xf0ff, 0x2002);
    ck_assert_uint_eq(leaf(0x8000001e, 0, 2, 3).eax, 2);
    ck_assert_uint_eq(leaf(0x8000001e, 0, 2, 3).ebx, 2);
    ck_assert_uint_eq(leaf(0x8000001e, 0, 2, 3).ecx, 0);
}
END_TEST

START_TEST(other_leaves_pass_through)
{
    static const uint32_t functions[] = {0, 7, 0xd, 0x40000000, 0x40000001, 0x80000001};
    struct kvm_cpuid_entry2 entry = leaf(functions[_i], 0, 1, 4);
    ck_assert_uint_eq(entry.eax & entry.ebx & entry.ecx & entry.edx, UINT32_MAX);
}
END_TEST

Suite *cpuid_suite(void)
{
    Suite *suite = suite_create("cpuid");
    TCase *test_case = tcase_create("cpuid");
    tcase_add_test(test_case, leaf_1_has_the_apic_id_and_says_hypervisor);
    tcase_add_loop_test(test_case, the_extended_leaves_describe_one_package, 0, 6);
    tcase_add_test(test_case, the_last_cache_is_shared_and_the_others_are_private);
    tcase_add_test(test_case, the_leaves_of_amd_agree);
    tcase_add_loop_test(test_case, other_leaves_pass_through, 0, 6);
    suite_add_tcase(suite, test_case);
    return suite;
}

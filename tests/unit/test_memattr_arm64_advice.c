/* SPDX-License-Identifier: MIT */
/*
 * What KVM does with a buffer on arm64, and which advice follows: the rules of its fault
 * handler typed here a second time, and the properties that every advice has.
 */
#include <check.h>
#include <string.h>

#include "tests/unit/arm64_types.h"
#include "tests/unit/suites.h"
#include "vmm/memattr.h"

// clang-format off

#define FIRST MEMATTR_RULES_FIRST
#define R6_9  MEMATTR_RULES_6_9
#define R6_17 MEMATTR_RULES_6_17

/* Kernel semantics: the leaf (BB: forced with FWB), and whether the slot or the access is refused. */
START_TEST(kvm_installs_the_leaf_of_its_source)
{
    static const struct {
        enum memattr_rules rules; enum memattr_vma vma; bool uncacheable, capability;
        const char *ram, *mmio; bool ram_slot_refused, mmio_slot_refused, access_fails;
    } rows[] = {
        {FIRST, MEMATTR_VMA_PLAIN,  false, false, "BB", "ne", false, false, false},
        {FIRST, MEMATTR_VMA_PFNMAP, false, false, "BB", "ne", false, false, false},
        {FIRST, MEMATTR_VMA_PFNMAP, true,  false, "BB", "ne", false, false, false},
        {FIRST, MEMATTR_VMA_VFIO,   true,  false, "BB", "ne", false, false, false},
        {R6_9,  MEMATTR_VMA_PLAIN,  false, false, "BB", "ne", false, false, false},
        {R6_9,  MEMATTR_VMA_PFNMAP, false, false, "BB", "ne", false, false, false},
        {R6_9,  MEMATTR_VMA_PFNMAP, true,  false, "BB", "ne", false, false, false},
        {R6_9,  MEMATTR_VMA_VFIO,   false, false, "BB", "NN", false, false, false},
        {R6_9,  MEMATTR_VMA_VFIO,   true,  false, "BB", "NN", false, false, false},
        {R6_17, MEMATTR_VMA_PLAIN,  false, false, "BB", "BB", false, false, false},
        {R6_17, MEMATTR_VMA_PLAIN,  true,  false, "BB", "BB", false, false, false},
        {R6_17, MEMATTR_VMA_PFNMAP, true,  false, "BB", "ne", false, false, false},
        {R6_17, MEMATTR_VMA_PFNMAP, true,  true,  "BB", "ne", false, false, false},
        {R6_17, MEMATTR_VMA_PFNMAP, false, true,  "BB", "BB", false, false, false},
        {R6_17, MEMATTR_VMA_PFNMAP, false, false, "BB", "BB", true,  true,  true},
        {R6_17, MEMATTR_VMA_VFIO,   true,  false, "BB", "NN", false, false, false},
        {R6_17, MEMATTR_VMA_VFIO,   false, false, "BB", "BB", true,  true,  true},
        {R6_17, MEMATTR_VMA_VFIO,   false, true,  "BB", "BB", false, false, false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        for (unsigned fwb = 0; fwb < 2; fwb++)
            for (unsigned page = 0; page < MEMATTR_PAGE_COUNT; page++) {
                struct memattr_platform platform = {.model = fwb ? MEMATTR_ARM64_FWB : MEMATTR_ARM64,
                                                    .rules = rows[i].rules, .cacheable_pfnmap = rows[i].capability};
                struct memattr_buffer buffer = {.page = (enum memattr_page)page, .vma = rows[i].vma,
                                                .vma_is_uncacheable = rows[i].uncacheable};
                bool mmio = page == MEMATTR_PAGE_MMIO;
                const char *wanted = mmio ? rows[i].mmio : rows[i].ram;
                const struct memattr_expected_leaf *leaf = memattr_expected_leaf(&platform, &buffer);
                ck_assert_msg(strcmp(code(leaf->leaf.type), wanted) == 0, "row %zu, FWB=%u, page %u", i, fwb, page);
                ck_assert_int_eq(leaf->leaf.ignores_s1, fwb && wanted[0] == 'B');
                ck_assert_int_eq(leaf->leaf.shareability, MEMATTR_INNER_SHAREABLE);
                ck_assert(!leaf->leaf.yields_to_s1);
                ck_assert_int_eq(leaf->access, mmio && rows[i].access_fails ? MEMATTR_ACCESS_FAILS : MEMATTR_ACCESS_WORKS);
                ck_assert(is_one_line(leaf->source) && leaf->basis != MEMATTR_INFERRED);
                const struct memattr_expected_slot *slot = memattr_expected_slot(&platform, &buffer);
                ck_assert_msg(slot->refused == (mmio ? rows[i].mmio_slot_refused : rows[i].ram_slot_refused), "row %zu", i);
                ck_assert(is_one_line(slot->source));
            }
}
END_TEST

START_TEST(s1_of_map_info)
{
    static const struct { unsigned map_info; enum memattr_type wanted; } rows[] = {
        {MEMATTR_MAP_NONE, MEMATTR_WB},
        {MEMATTR_MAP_CACHED, MEMATTR_WB},
        {MEMATTR_MAP_UNCACHED, MEMATTR_DEVICE_nGnRnE},
        {MEMATTR_MAP_WC, MEMATTR_NC},
        {7, MEMATTR_WB}, /* no such mode */
    };
    for (unsigned fwb = 0; fwb < 2; fwb++)
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
            struct memattr_platform platform = platform_of(fwb != 0);
            ck_assert_uint_eq(memattr_s1_of_map_info(platform.model, rows[i].map_info), rows[i].wanted);
            ck_assert_uint_eq(memattr_s1_of_linux(&platform, rows[i].map_info), rows[i].wanted);
        }
}
END_TEST

/* The answer for each host attribute: C, W, U; - no match; K KVM refuses the access. */
START_TEST(advice_of_each_platform)
{
    static const enum memattr_type hosts[] = {MEMATTR_WB, MEMATTR_WT, MEMATTR_NC, MEMATTR_DEVICE_GRE,
                                              MEMATTR_DEVICE_nGnRE, MEMATTR_DEVICE_nGnRnE};
    enum { NO_FWB, FWB };
    static const struct {
        unsigned fwb; enum memattr_rules rules; bool capability; enum memattr_page page; enum memattr_vma vma; bool uncacheable;
        const char *wanted; bool late; /* host:                                                              WB WT NC GRE nGnRE nGnRnE */
    } rows[] = {
        {NO_FWB, FIRST, false, MEMATTR_PAGE_RAM,  MEMATTR_VMA_PFNMAP, false, "C-W--U", false},
        {NO_FWB, R6_9,  false, MEMATTR_PAGE_RAM,  MEMATTR_VMA_PLAIN,  false, "C-W--U", false},
        {NO_FWB, R6_17, false, MEMATTR_PAGE_RAM,  MEMATTR_VMA_PLAIN,  false, "C-W--U", false},
        {NO_FWB, R6_17, false, MEMATTR_PAGE_RAM,  MEMATTR_VMA_PFNMAP, false, "C-W--U", true},
        {NO_FWB, R6_17, false, MEMATTR_PAGE_RAM,  MEMATTR_VMA_PFNMAP, true,  "C-W--U", false},
        {FWB,    FIRST, false, MEMATTR_PAGE_RAM,  MEMATTR_VMA_PFNMAP, false, "C-----", false},
        {FWB,    R6_17, false, MEMATTR_PAGE_RAM,  MEMATTR_VMA_PFNMAP, false, "C-----", true},
        {FWB,    R6_17, true,  MEMATTR_PAGE_RAM,  MEMATTR_VMA_PFNMAP, false, "C-----", false},
        {FWB,    R6_17, true,  MEMATTR_PAGE_RAM,  MEMATTR_VMA_PFNMAP, true,  "C-----", false},
        {NO_FWB, FIRST, false, MEMATTR_PAGE_MMIO, MEMATTR_VMA_PFNMAP, true,  "----WU", false},
        {FWB,    FIRST, false, MEMATTR_PAGE_MMIO, MEMATTR_VMA_VFIO,   true,  "----WU", false},
        {NO_FWB, R6_9,  false, MEMATTR_PAGE_MMIO, MEMATTR_VMA_PFNMAP, false, "----WU", false},
        {NO_FWB, R6_9,  false, MEMATTR_PAGE_MMIO, MEMATTR_VMA_VFIO,   true,  "--W--U", false},
        {FWB,    R6_9,  false, MEMATTR_PAGE_MMIO, MEMATTR_VMA_VFIO,   true,  "--W--U", false},
        {FWB,    R6_17, true,  MEMATTR_PAGE_MMIO, MEMATTR_VMA_VFIO,   true,  "--W--U", false},
        {FWB,    R6_17, true,  MEMATTR_PAGE_MMIO, MEMATTR_VMA_PFNMAP, true,  "----WU", false},
        {FWB,    R6_17, true,  MEMATTR_PAGE_MMIO, MEMATTR_VMA_PFNMAP, false, "C-----", false},
        {FWB,    R6_17, false, MEMATTR_PAGE_MMIO, MEMATTR_VMA_PFNMAP, false, "KKKKKK", false},
        {NO_FWB, R6_17, false, MEMATTR_PAGE_MMIO, MEMATTR_VMA_PFNMAP, false, "KKKKKK", false},
        {NO_FWB, R6_17, false, MEMATTR_PAGE_MMIO, MEMATTR_VMA_PFNMAP, true,  "----WU", false},
    };
    static const char letters[] = {[MEMATTR_MAP_CACHED] = 'C', [MEMATTR_MAP_WC] = 'W', [MEMATTR_MAP_UNCACHED] = 'U'};
    for (size_t row = 0; row < ARRAY_SIZE(rows); row++)
        for (size_t host = 0; host < ARRAY_SIZE(hosts); host++) {
            struct memattr_platform platform = {.model = rows[row].fwb ? MEMATTR_ARM64_FWB : MEMATTR_ARM64,
                                                .rules = rows[row].rules, .cacheable_pfnmap = rows[row].capability};
            struct memattr_buffer buffer = {.page = rows[row].page, .host = hosts[host], .vma = rows[row].vma,
                                            .vma_is_uncacheable = rows[row].uncacheable};
            struct memattr_advice advice = memattr_advise(&platform, &buffer);
            char got = advice.refusal == MEMATTR_ACCEPTED         ? letters[advice.map_info]
                       : advice.refusal == MEMATTR_REFUSED_BY_KVM ? 'K'
                                                                  : '-';
            ck_assert_msg(got == rows[row].wanted[host], "row %zu, host %s: %c, %s", row, memattr_type_name(hosts[host]), got,
                          advice.reason);
            ck_assert_msg(advice.needs_late_mapping == rows[row].late, "row %zu", row);
        }
}
END_TEST

START_TEST(reasons_say_what_matters)
{
    static const struct {
        bool fwb; enum memattr_rules rules; bool capability; enum memattr_page page; enum memattr_vma vma; bool uncacheable;
        enum memattr_type host; const char *part;
    } advices[] = {
        {true,  R6_17, true,  MEMATTR_PAGE_RAM,  MEMATTR_VMA_PFNMAP, true,  MEMATTR_NC,            "forces write-back (FEAT_S2FWB)"},
        {true,  R6_17, true,  MEMATTR_PAGE_MMIO, MEMATTR_VMA_PFNMAP, false, MEMATTR_NC,            "TTM"},
        {true,  R6_17, false, MEMATTR_PAGE_MMIO, MEMATTR_VMA_PFNMAP, false, MEMATTR_NC,            "EFAULT"},
        {false, R6_17, false, MEMATTR_PAGE_MMIO, MEMATTR_VMA_PFNMAP, true,  MEMATTR_NC,            "resourceN_wc"},
        {false, R6_9,  false, MEMATTR_PAGE_MMIO, MEMATTR_VMA_VFIO,   true,  MEMATTR_DEVICE_nGnRE,  "vfio-pci"},
        {false, R6_9,  false, MEMATTR_PAGE_RAM,  MEMATTR_VMA_PLAIN,  false, MEMATTR_WT,            "another exporter"},
        {false, R6_17, false, MEMATTR_PAGE_RAM,  MEMATTR_VMA_PFNMAP, true,  MEMATTR_NC,            "linear map of this RAM stays write-back"},
        {false, R6_17, false, MEMATTR_PAGE_RAM,  MEMATTR_VMA_PFNMAP, true,  MEMATTR_DEVICE_nGnRnE, "linear map of this RAM stays write-back"},
        {false, R6_17, false, MEMATTR_PAGE_RAM,  MEMATTR_VMA_PFNMAP, false, MEMATTR_WB,            "write-back, like the host's"},
        {true,  R6_17, true,  MEMATTR_PAGE_MMIO, MEMATTR_VMA_PFNMAP, false, MEMATTR_WB,            "BAR are write-back"},
        {true,  R6_17, true,  MEMATTR_PAGE_MMIO, MEMATTR_VMA_VFIO,   true,  MEMATTR_NC,            "BAR are Normal-NC"},
        {true,  R6_17, true,  MEMATTR_PAGE_MMIO, MEMATTR_VMA_PFNMAP, true,  MEMATTR_DEVICE_nGnRE,  "host's type of Device"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(advices); i++) {
        struct memattr_platform platform = {.model = advices[i].fwb ? MEMATTR_ARM64_FWB : MEMATTR_ARM64,
                                            .rules = advices[i].rules, .cacheable_pfnmap = advices[i].capability};
        struct memattr_buffer buffer = {.page = advices[i].page, .host = advices[i].host, .vma = advices[i].vma,
                                        .vma_is_uncacheable = advices[i].uncacheable};
        struct memattr_advice advice = memattr_advise(&platform, &buffer);
        ck_assert_msg(strstr(advice.reason, advices[i].part) != NULL, "row %zu: %s", i, advice.reason);
    }

    static const struct { enum memattr_type s1, host; enum memattr_verdict verdict; const char *part; } mappings[] = {
        {MEMATTR_WB,            MEMATTR_WB,            MEMATTR_MATCH,    "same memory type and shareability"},
        {MEMATTR_NC,            MEMATTR_NC,            MEMATTR_MATCH,    "same memory type and shareability"},
        {MEMATTR_WB,            MEMATTR_NC,            MEMATTR_MISMATCH, "the guest caches what the host's user mapping accesses non-cacheable"},
        {MEMATTR_WB,            MEMATTR_DEVICE_nGnRnE, MEMATTR_MISMATCH, "accesses as Device"},
        {MEMATTR_WT,            MEMATTR_WB,            MEMATTR_MISMATCH, "both cached, but not alike"},
        {MEMATTR_ONC_IWB,       MEMATTR_WB,            MEMATTR_MISMATCH, "both cached, but not alike"},
        {MEMATTR_NC,            MEMATTR_WB,            MEMATTR_MISMATCH, "its linear map use: either side"},
        {MEMATTR_NC,            MEMATTR_DEVICE_nGnRE,  MEMATTR_MISMATCH, "a DMB between them keeps order"},
        {MEMATTR_DEVICE_nGnRnE, MEMATTR_WB,            MEMATTR_MISMATCH, "linear map use, as Device"},
        {MEMATTR_DEVICE_nGnRE,  MEMATTR_NC,            MEMATTR_MISMATCH, "a DMB between them keeps order"},
        {MEMATTR_DEVICE_nGnRE,  MEMATTR_DEVICE_nGnRnE, MEMATTR_MISMATCH, "different types of Device"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(mappings); i++) {
        struct memattr_platform platform = platform_of(false);
        struct memattr_buffer buffer = {.page = MEMATTR_PAGE_RAM, .host = mappings[i].host};
        struct memattr_judgement judgement =
            memattr_judge(&platform, &buffer, memattr_leaf_of(&platform, &buffer), mappings[i].s1);
        ck_assert_int_eq(judgement.verdict, mappings[i].verdict);
        ck_assert_msg(strstr(judgement.reason, mappings[i].part) != NULL, "row %zu: %s", i, judgement.reason);
        ck_assert_int_eq(strstr(judgement.reason, "Arm ARM B2.11") != NULL, mappings[i].verdict == MEMATTR_MISMATCH);
    }
}
END_TEST
// clang-format on

/* R_NSCNC and R_RMTWN: forced write-back over what is not cacheable in S1. */
START_TEST(forced_write_back_over_device_or_nc_depends)
{
    struct memattr_platform platform = platform_of(true);
    struct memattr_buffer buffer = {.page = MEMATTR_PAGE_RAM, .host = MEMATTR_WB};
    struct memattr_leaf leaf = memattr_leaf_of(&platform, &buffer);
    for (size_t i = 0; i < ARRAY_SIZE(all_types); i++) {
        enum memattr_type s1 = all_types[i];
        struct memattr_judgement judgement = memattr_judge(&platform, &buffer, leaf, s1);
        ck_assert_uint_eq(judgement.guest.type, MEMATTR_WB);
        bool depends = s1 == MEMATTR_NC || is_device(s1);
        ck_assert_int_eq(judgement.verdict, depends ? MEMATTR_DEPENDS : MEMATTR_MATCH);
        ck_assert_int_eq(strstr(judgement.reason, "up to the CPU") != NULL, depends);
    }
}
END_TEST

/* A leaf that was read from KVM can be outer shareable; the host's mapping is not. */
START_TEST(another_shareability_domain_is_a_mismatch)
{
    for (unsigned fwb = 0; fwb < 2; fwb++) {
        struct memattr_platform platform = platform_of(fwb != 0);
        struct memattr_buffer buffer = {.page = MEMATTR_PAGE_RAM, .host = MEMATTR_WB};
        struct memattr_leaf leaf = memattr_leaf_of(&platform, &buffer);
        leaf.shareability = MEMATTR_OUTER_SHAREABLE;
        struct memattr_judgement judgement =
            memattr_judge(&platform, &buffer, leaf, MEMATTR_WB);
        ck_assert_int_eq(judgement.verdict, MEMATTR_MISMATCH);
        ck_assert(strstr(judgement.reason, "shareability domain") != NULL);
        leaf.shareability = MEMATTR_NON_SHAREABLE; /* S1's counts */
        judgement = memattr_judge(&platform, &buffer, leaf, MEMATTR_WB);
        ck_assert_int_eq(judgement.verdict, MEMATTR_MATCH);
    }
}
END_TEST

/* The statement runs for every platform and every buffer that there can be. */
#define FOR_EACH_BUFFER(platform, buffer)                                                \
    struct memattr_platform platform;                                                    \
    struct memattr_buffer buffer;                                                        \
    for (unsigned n = 0; nth_buffer(n, &platform, &buffer); n++)

static unsigned digit(unsigned *number, unsigned base)
{
    unsigned digit = *number % base;
    *number /= base;
    return digit;
}

static bool nth_buffer(unsigned n, struct memattr_platform *platform,
                       struct memattr_buffer *buffer)
{
    platform->ignores_guest_pat = false;
    platform->guest_mtrr_is_wb = false; /* x86 only */
    platform->model = digit(&n, 2) ? MEMATTR_ARM64_FWB : MEMATTR_ARM64;
    platform->rules = (enum memattr_rules)digit(&n, MEMATTR_RULES_COUNT);
    platform->cacheable_pfnmap = digit(&n, 2) != 0;
    *buffer = (struct memattr_buffer){.page = (enum memattr_page)digit(&n, 2)};
    buffer->vma = (enum memattr_vma)digit(&n, MEMATTR_VMA_COUNT);
    buffer->vma_is_uncacheable = digit(&n, 2) != 0;
    buffer->host = all_types[digit(&n, ARRAY_SIZE(all_types))];
    return n == 0;
}

/* Accepted: a Linux guest that is given this map_info has the host's type. Refused: nothing
 * that virtio-gpu can say would have been right, or the access would have failed. */
START_TEST(advice_is_what_the_judge_says)
{
    static const enum memattr_map_info map_infos[] = {MEMATTR_MAP_CACHED, MEMATTR_MAP_WC,
                                                      MEMATTR_MAP_UNCACHED};
    unsigned counts[MEMATTR_REFUSAL_COUNT] = {0};
    FOR_EACH_BUFFER(platform, buffer)
    {
        struct memattr_leaf leaf = memattr_leaf_of(&platform, &buffer);
        bool fails =
            memattr_expected_leaf(&platform, &buffer)->access == MEMATTR_ACCESS_FAILS;
        struct memattr_advice advice = memattr_advise(&platform, &buffer);
        bool any_matches = false;
        for (size_t i = 0; i < ARRAY_SIZE(map_infos); i++) {
            struct memattr_judgement judgement = memattr_judge(
                &platform, &buffer, leaf, memattr_s1_of_linux(&platform, map_infos[i]));
            bool matches = judgement.verdict == MEMATTR_MATCH;
            any_matches |= matches;
            if (advice.refusal == MEMATTR_ACCEPTED && advice.map_info == map_infos[i]) {
                ck_assert(matches);
                ck_assert_int_eq(judgement.guest.type, judgement.host);
                ck_assert_int_eq(advice.judgement.verdict, MEMATTR_MATCH);
            }
        }
        ck_assert_int_eq(advice.refusal == MEMATTR_REFUSED_BY_KVM, fails);
        ck_assert_int_eq(advice.refusal == MEMATTR_ACCEPTED, any_matches && !fails);
        ck_assert_int_eq(advice.map_info == MEMATTR_MAP_NONE,
                         advice.refusal != MEMATTR_ACCEPTED);
        ck_assert_int_eq(advice.needs_late_mapping,
                         !fails && memattr_expected_slot(&platform, &buffer)->refused);
        /* A guest is told CACHED only about what the host caches, too. */
        if (advice.map_info == MEMATTR_MAP_CACHED)
            ck_assert_int_eq(buffer.host, MEMATTR_WB);
        ck_assert(is_one_line(advice.reason));
        ck_assert(is_one_line(advice.judgement.reason));
        counts[advice.refusal]++;

        buffer.needs_sync = true;
        ck_assert_int_eq(memattr_advise(&platform, &buffer).refusal,
                         MEMATTR_REFUSED_NEEDS_SYNC);
        buffer.needs_sync = false;
        buffer.may_change = true;
        ck_assert_int_eq(memattr_advise(&platform, &buffer).refusal,
                         MEMATTR_REFUSED_MAY_CHANGE);
    }
    ck_assert_uint_gt(counts[MEMATTR_ACCEPTED], 100);
    ck_assert_uint_gt(counts[MEMATTR_REFUSED_NO_MATCH], 100);
    ck_assert_uint_gt(counts[MEMATTR_REFUSED_BY_KVM], 40);
}
END_TEST

/* Every leaf that can be read from KVM, under every S1, against every host attribute. */
START_TEST(every_judgement_has_a_reason)
{
    for (unsigned fwb = 0; fwb < 2; fwb++) {
        struct memattr_platform platform = platform_of(fwb != 0);
        for (unsigned code = 0; code < 16 * 4; code++) {
            struct memattr_leaf leaf;
            if (!memattr_arm64_leaf(platform.model, code / 4, code % 4, &leaf))
                continue;
            for (size_t s1 = 0; s1 < ARRAY_SIZE(all_types); s1++)
                for (size_t host = 0; host < ARRAY_SIZE(all_types); host++) {
                    struct memattr_buffer buffer = {.host = all_types[host]};
                    struct memattr_judgement judgement =
                        memattr_judge(&platform, &buffer, leaf, all_types[s1]);
                    ck_assert(is_one_line(judgement.reason));
                    ck_assert(is_one_line(judgement.guest.source));
                    ck_assert(strstr(judgement.reason, "never seen") == NULL);
                    ck_assert(judgement.verdict == MEMATTR_MISMATCH ||
                              judgement.guest.type == judgement.host);
                }
        }
    }
}
END_TEST

Suite *memattr_arm64_advice_suite(void)
{
    Suite *suite = suite_create("memattr_arm64_advice");
    TCase *tables = tcase_create("tables");
    tcase_add_test(tables, kvm_installs_the_leaf_of_its_source);
    tcase_add_test(tables, s1_of_map_info);
    tcase_add_test(tables, advice_of_each_platform);
    tcase_add_test(tables, reasons_say_what_matters);
    suite_add_tcase(suite, tables);
    TCase *properties = tcase_create("properties");
    tcase_add_test(properties, forced_write_back_over_device_or_nc_depends);
    tcase_add_test(properties, another_shareability_domain_is_a_mismatch);
    tcase_add_test(properties, advice_is_what_the_judge_says);
    tcase_add_test(properties, every_judgement_has_a_reason);
    suite_add_tcase(suite, properties);
    return suite;
}

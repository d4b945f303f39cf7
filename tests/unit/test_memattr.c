/* SPDX-License-Identifier: MIT */
/*
 * The attribute model for x86, tried exhaustively: every platform x page x host attribute x
 * S1, and the tables of the manuals typed here a second time, not computed.
 */
#include <check.h>
#include <string.h>

#include "tests/unit/suites.h"
#include "vmm/memattr.h"
#include "vmm/types.h"

static const struct memattr_platform platforms[] = {
    {.model = MEMATTR_EPT, .ignores_guest_pat = true, .guest_mtrr_is_wb = true},
    {.model = MEMATTR_EPT, .ignores_guest_pat = false, .guest_mtrr_is_wb = true},
    {.model = MEMATTR_NPT, .ignores_guest_pat = false, .guest_mtrr_is_wb = true},
    {.model = MEMATTR_SHADOW, .ignores_guest_pat = false, .guest_mtrr_is_wb = true},
    {.model = MEMATTR_EPT, .ignores_guest_pat = true, .guest_mtrr_is_wb = false},
    {.model = MEMATTR_EPT, .ignores_guest_pat = false, .guest_mtrr_is_wb = false},
    {.model = MEMATTR_NPT, .ignores_guest_pat = false, .guest_mtrr_is_wb = false},
    {.model = MEMATTR_SHADOW, .ignores_guest_pat = false, .guest_mtrr_is_wb = false},
};

enum { IPAT, HONOURS, NPT, SHADOW };
enum { WB = MEMATTR_WB, WT, WP, WC, UCM, UC };
_Static_assert(UCM == (int)MEMATTR_UC_MINUS && UC == (int)MEMATTR_UC, "short names");

/* Those of x86; arm64's, which follow, are tried in test_memattr_arm64.c. */
#define TYPES (MEMATTR_UC + 1)

static const enum memattr_map_info map_infos[] = {MEMATTR_MAP_CACHED, MEMATTR_MAP_WC,
                                                  MEMATTR_MAP_UNCACHED};

/* Runs the statement for every platform, page and host attribute. */
#define FOR_EACH_BUFFER(platform, buffer)                                                \
    for (const struct memattr_platform *platform = platforms;                            \
         platform < platforms + ARRAY_SIZE(platforms); platform++)                       \
        for (struct memattr_buffer buffer = {.page = MEMATTR_PAGE_RAM};                  \
             buffer.page < MEMATTR_PAGE_COUNT; buffer.page++)                            \
            for (buffer.host = MEMATTR_WB; buffer.host < TYPES; buffer.host++)

/* On x86 the leaf depends on the page alone. */
static struct memattr_leaf leaf_of(const struct memattr_platform *platform,
                                   enum memattr_page page)
{
    const struct memattr_buffer buffer = {.page = page};
    return memattr_leaf_of(platform, &buffer);
}

static bool is_one_line(const char *text)
{
    return text != NULL && strlen(text) > 10 && strlen(text) < 390 && !strchr(text, '\n');
}

// clang-format off

/* Kernel semantics, sections 2.1 to 2.3. */
START_TEST(kvm_installs_the_leaf_of_its_source)
{
    static const struct { unsigned platform; enum memattr_page page; enum memattr_type type; bool ignores; } rows[] = {
        {IPAT,    MEMATTR_PAGE_RAM,  MEMATTR_WB, true},
        {IPAT,    MEMATTR_PAGE_MMIO, MEMATTR_UC, false},
        {HONOURS, MEMATTR_PAGE_RAM,  MEMATTR_WB, false},
        {HONOURS, MEMATTR_PAGE_MMIO, MEMATTR_UC, false},
        {NPT,     MEMATTR_PAGE_RAM,  MEMATTR_WB, false},
        {NPT,     MEMATTR_PAGE_MMIO, MEMATTR_WB, false},
        {SHADOW,  MEMATTR_PAGE_RAM,  MEMATTR_WB, true},
        {SHADOW,  MEMATTR_PAGE_MMIO, MEMATTR_WB, true},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct memattr_leaf leaf = leaf_of(&platforms[rows[i].platform], rows[i].page);
        ck_assert_msg(leaf.type == rows[i].type && leaf.ignores_s1 == rows[i].ignores, "row %zu", i);
    }
}
END_TEST

/* SDM 3, table 12-7, with the EPT type in the place of the MTRR's. */
START_TEST(ept_combines_as_table_12_7)
{
    static const unsigned expected[][1 + TYPES] = {
        /* leaf    WB  WT  WP  WC  UC- UC: the guest's PAT */
        {   WB,    WB, WT, WP, WC, UC, UC},
        {   UC,    UC, UC, UC, WC, UC, UC},
        {   WC,    WC, UC, UC, WC, WC, UC},
        {   WT,    WT, WT, WP, WC, UC, UC},
        {   WP,    WP, WT, WP, WC, WC, UC},
        {   UCM,   UC, UC, UC, WC, UC, UC}, /* no EPT type */
    };
    for (size_t row = 0; row < ARRAY_SIZE(expected); row++)
        for (unsigned s1 = 0; s1 < TYPES; s1++) {
            struct memattr_leaf leaf = {.type = (enum memattr_type)expected[row][0], .ignores_s1 = false};
            struct memattr_effective effective =
                memattr_combine(&platforms[HONOURS], MEMATTR_PAGE_RAM, leaf, (enum memattr_type)s1);
            ck_assert_msg(effective.type == expected[row][1 + s1], "leaf %s, S1 %s: %s", memattr_type_name(leaf.type),
                          memattr_type_name(s1), memattr_type_name(effective.type));
        }
}
END_TEST

/* SDM 3, 29.3.7.2: with IPAT the EPT type alone counts. */
START_TEST(ipat_makes_s1_irrelevant)
{
    static const unsigned expected[TYPES] = {[WB] = WB, [WT] = WT, [WP] = WP, [WC] = WC, [UCM] = UC, [UC] = UC};
    for (unsigned type = 0; type < TYPES; type++)
        for (unsigned s1 = 0; s1 < TYPES; s1++) {
            struct memattr_leaf leaf = {.type = (enum memattr_type)type, .ignores_s1 = true};
            ck_assert_uint_eq(memattr_combine(&platforms[IPAT], MEMATTR_PAGE_RAM, leaf, s1).type, expected[type]);
        }
}
END_TEST

/* The platform as a whole: the leaf that KVM installs, and each S1. */
START_TEST(effective_type_of_each_platform)
{
    static const struct { unsigned platform; enum memattr_page page; unsigned effective[TYPES]; } rows[] = {
        /* S1:                          WB  WT  WP  WC  UC- UC */
        {IPAT,    MEMATTR_PAGE_RAM,  {  WB, WB, WB, WB, WB, WB}},
        {IPAT,    MEMATTR_PAGE_MMIO, {  UC, UC, UC, WC, UC, UC}},
        {HONOURS, MEMATTR_PAGE_RAM,  {  WB, WT, WP, WC, UC, UC}},
        {HONOURS, MEMATTR_PAGE_MMIO, {  UC, UC, UC, WC, UC, UC}},
        {NPT,     MEMATTR_PAGE_RAM,  {  WB, WT, WP, WC, UC, UC}},
        {NPT,     MEMATTR_PAGE_MMIO, {  UC, UC, UC, WC, UC, UC}},
        {SHADOW,  MEMATTR_PAGE_RAM,  {  WB, WB, WB, WB, WB, WB}},
        {SHADOW,  MEMATTR_PAGE_MMIO, {  UC, UC, UC, UC, UC, UC}},
    };
    for (size_t row = 0; row < ARRAY_SIZE(rows); row++)
        for (unsigned s1 = 0; s1 < TYPES; s1++) {
            const struct memattr_platform *platform = &platforms[rows[row].platform];
            struct memattr_leaf leaf = leaf_of(platform, rows[row].page);
            struct memattr_effective effective = memattr_combine(platform, rows[row].page, leaf, s1);
            ck_assert_msg(effective.type == rows[row].effective[s1], "row %zu, S1 %s: %s", row, memattr_type_name(s1),
                          memattr_type_name(effective.type));
            ck_assert(is_one_line(effective.source));
            ck_assert_uint_lt(effective.basis, MEMATTR_BASIS_COUNT);
        }
}
END_TEST

START_TEST(a_type_of_another_architecture_counts_as_uncached)
{
    struct memattr_leaf leaf = {.type = MEMATTR_WB};
    ck_assert(memattr_model_has(MEMATTR_EPT, MEMATTR_UC));
    for (unsigned other = MEMATTR_NC; other < MEMATTR_TYPE_COUNT; other++) {
        ck_assert(!memattr_model_has(MEMATTR_EPT, other));
        struct memattr_effective effective = memattr_combine(&platforms[NPT], MEMATTR_PAGE_RAM, leaf, other);
        ck_assert_uint_eq(effective.type, UC);
        ck_assert_int_eq(effective.basis, MEMATTR_INFERRED);
        struct memattr_leaf foreign = {.type = (enum memattr_type)other};
        ck_assert_uint_eq(memattr_combine(&platforms[IPAT], MEMATTR_PAGE_RAM, foreign, MEMATTR_WB).type, UC);
        ck_assert_uint_eq(memattr_host_effective(MEMATTR_EPT, MEMATTR_PAGE_RAM, other), UC);
    }
}
END_TEST

START_TEST(npt_leaf_that_kvm_does_not_install_counts_as_uncached)
{
    for (unsigned type = WT; type < TYPES; type++)
        for (unsigned s1 = 0; s1 < TYPES; s1++) {
            struct memattr_leaf leaf = {.type = (enum memattr_type)type, .ignores_s1 = false};
            struct memattr_effective effective = memattr_combine(&platforms[NPT], MEMATTR_PAGE_RAM, leaf, s1);
            ck_assert_uint_eq(effective.type, s1 == WC ? WC : UC);
            ck_assert_int_eq(effective.basis, MEMATTR_INFERRED);
        }
}
END_TEST

START_TEST(host_effective_type)
{
    static const unsigned expected[MEMATTR_PAGE_COUNT][TYPES] = {
        /*                     WB  WT  WP  WC  UC- UC: the host's page table */
        [MEMATTR_PAGE_RAM]  = {WB, WT, WP, WC, UC, UC},
        [MEMATTR_PAGE_MMIO] = {UC, UC, UC, WC, UC, UC},
    };
    for (unsigned page = 0; page < MEMATTR_PAGE_COUNT; page++)
        for (unsigned host = 0; host < TYPES; host++)
            ck_assert_uint_eq(memattr_host_effective(MEMATTR_NPT, page, host), expected[page][host]);
}
END_TEST

/* Kernel semantics, section 7, typed as answers. */
START_TEST(advice_of_each_platform)
{
    enum { NO = MEMATTR_MAP_NONE, CACHED = MEMATTR_MAP_CACHED, COMBINE = MEMATTR_MAP_WC, UNCACHED = MEMATTR_MAP_UNCACHED };
    static const struct { unsigned platform; enum memattr_page page; unsigned map_info[TYPES]; } rows[] = {
        /* host:                        WB        WT        WP        WC       UC-       UC */
        {IPAT,    MEMATTR_PAGE_RAM,  {  CACHED,   NO,       NO,       NO,      NO,       NO}},
        {IPAT,    MEMATTR_PAGE_MMIO, {  UNCACHED, UNCACHED, UNCACHED, COMBINE, UNCACHED, UNCACHED}},
        {HONOURS, MEMATTR_PAGE_RAM,  {  CACHED,   NO,       NO,       COMBINE, UNCACHED, UNCACHED}},
        {HONOURS, MEMATTR_PAGE_MMIO, {  UNCACHED, UNCACHED, UNCACHED, COMBINE, UNCACHED, UNCACHED}},
        {NPT,     MEMATTR_PAGE_RAM,  {  CACHED,   NO,       NO,       COMBINE, UNCACHED, UNCACHED}},
        {NPT,     MEMATTR_PAGE_MMIO, {  UNCACHED, UNCACHED, UNCACHED, COMBINE, UNCACHED, UNCACHED}},
        {SHADOW,  MEMATTR_PAGE_RAM,  {  CACHED,   NO,       NO,       NO,      NO,       NO}},
        {SHADOW,  MEMATTR_PAGE_MMIO, {  UNCACHED, UNCACHED, UNCACHED, NO,      UNCACHED, UNCACHED}},
        /* The guest's MTRRs are not WB: CACHED becomes UC-, which matters where S1 counts. */
        {4 + IPAT,    MEMATTR_PAGE_RAM,  {CACHED, NO,       NO,       NO,      NO,       NO}},
        {4 + HONOURS, MEMATTR_PAGE_RAM,  {NO,     NO,       NO,       COMBINE, UNCACHED, UNCACHED}},
        {4 + NPT,     MEMATTR_PAGE_RAM,  {NO,     NO,       NO,       COMBINE, UNCACHED, UNCACHED}},
        {4 + SHADOW,  MEMATTR_PAGE_RAM,  {CACHED, NO,       NO,       NO,      NO,       NO}},
    };
    for (size_t row = 0; row < ARRAY_SIZE(rows); row++)
        for (unsigned host = 0; host < TYPES; host++) {
            struct memattr_buffer buffer = {.page = rows[row].page, .host = (enum memattr_type)host};
            struct memattr_advice advice = memattr_advise(&platforms[rows[row].platform], &buffer);
            ck_assert_msg(advice.map_info == rows[row].map_info[host], "row %zu, host %s: %s (%s)", row,
                          memattr_type_name(host), memattr_map_info_name(advice.map_info), advice.reason);
            ck_assert_int_eq(advice.refusal == MEMATTR_ACCEPTED, rows[row].map_info[host] != NO);
        }
}
END_TEST

/* Which of the refusals it is: only the one thing that would make a match is named. */
START_TEST(refusal_of_each_platform)
{
    enum { OK = MEMATTR_ACCEPTED, NO = MEMATTR_REFUSED_NO_MATCH, PAT = MEMATTR_REFUSED_GUEST_PAT, MTRR = MEMATTR_REFUSED_GUEST_MTRR };
    static const struct { unsigned platform; enum memattr_page page; unsigned refusal[TYPES]; } rows[] = {
        /* host:                            WB    WT  WP  WC   UC-  UC */
        {IPAT,        MEMATTR_PAGE_RAM,  {  OK,   NO, NO, PAT, PAT, PAT}},
        {IPAT,        MEMATTR_PAGE_MMIO, {  OK,   OK, OK, OK,  OK,  OK}},
        {HONOURS,     MEMATTR_PAGE_RAM,  {  OK,   NO, NO, OK,  OK,  OK}},
        {NPT,         MEMATTR_PAGE_RAM,  {  OK,   NO, NO, OK,  OK,  OK}},
        {SHADOW,      MEMATTR_PAGE_RAM,  {  OK,   NO, NO, NO,  NO,  NO}},
        {SHADOW,      MEMATTR_PAGE_MMIO, {  OK,   OK, OK, NO,  OK,  OK}},
        {4 + IPAT,    MEMATTR_PAGE_RAM,  {  OK,   NO, NO, PAT, PAT, PAT}},
        {4 + HONOURS, MEMATTR_PAGE_RAM,  {  MTRR, NO, NO, OK,  OK,  OK}},
        {4 + NPT,     MEMATTR_PAGE_RAM,  {  MTRR, NO, NO, OK,  OK,  OK}},
        {4 + NPT,     MEMATTR_PAGE_MMIO, {  OK,   OK, OK, OK,  OK,  OK}},
        {4 + SHADOW,  MEMATTR_PAGE_RAM,  {  OK,   NO, NO, NO,  NO,  NO}},
    };
    for (size_t row = 0; row < ARRAY_SIZE(rows); row++)
        for (unsigned host = 0; host < TYPES; host++) {
            struct memattr_buffer buffer = {.page = rows[row].page, .host = (enum memattr_type)host};
            struct memattr_advice advice = memattr_advise(&platforms[rows[row].platform], &buffer);
            ck_assert_msg(advice.refusal == rows[row].refusal[host], "row %zu, host %s: %s", row, memattr_type_name(host),
                          memattr_refusal_name(advice.refusal));
            ck_assert_int_eq(advice.needs_guest_pat, advice.refusal == MEMATTR_REFUSED_GUEST_PAT);
        }
}
END_TEST

/* virtio_gpu_vram_mmap() and pat_x_mtrr_type(). */
START_TEST(s1_of_map_info)
{
    static const struct { unsigned map_info, wanted, with_other_mtrr; } rows[] = {
        {MEMATTR_MAP_NONE,     WB,  UCM},
        {MEMATTR_MAP_CACHED,   WB,  UCM},
        {MEMATTR_MAP_UNCACHED, UCM, UCM},
        {MEMATTR_MAP_WC,       WC,  WC},
        {7,                    WB,  UCM}, /* no such mode */
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        ck_assert_uint_eq(memattr_s1_of_map_info(MEMATTR_NPT, rows[i].map_info), rows[i].wanted);
        ck_assert_uint_eq(memattr_s1_of_linux(&platforms[NPT], rows[i].map_info), rows[i].wanted);
        ck_assert_uint_eq(memattr_s1_of_linux(&platforms[4 + NPT], rows[i].map_info), rows[i].with_other_mtrr);
    }
}
END_TEST

/* The reason names the partners of the mapping and the way out. */
START_TEST(reasons_say_what_matters)
{
    static const struct { unsigned platform; enum memattr_page page; unsigned host; const char *part; } refused[] = {
        {IPAT,        MEMATTR_PAGE_RAM,  WC, "--honor-guest-pat=auto or on"},
        {IPAT,        MEMATTR_PAGE_RAM,  UC, "KVM_X86_QUIRK_IGNORE_GUEST_PAT"},
        {SHADOW,      MEMATTR_PAGE_RAM,  WC, "shadow paging"},
        {SHADOW,      MEMATTR_PAGE_MMIO, WC, "EPT or NPT"},
        {NPT,         MEMATTR_PAGE_RAM,  WT, "WT or WP"},
        {HONOURS,     MEMATTR_PAGE_RAM,  WP, "WT or WP"},
        {IPAT,        MEMATTR_PAGE_RAM,  WT, "WT or WP"},
        {SHADOW,      MEMATTR_PAGE_RAM,  WP, "WT or WP"},
        {4 + NPT,     MEMATTR_PAGE_RAM,  WB, "pat_x_mtrr_type"},
        {4 + HONOURS, MEMATTR_PAGE_RAM,  WB, "firmware"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
        struct memattr_buffer buffer = {.page = refused[i].page, .host = (enum memattr_type)refused[i].host};
        struct memattr_advice advice = memattr_advise(&platforms[refused[i].platform], &buffer);
        ck_assert_msg(strstr(advice.reason, refused[i].part) != NULL, "row %zu: %s", i, advice.reason);
    }
    static const struct { enum memattr_page page; unsigned leaf, s1, host; const char *part; } mismatches[] = {
        {MEMATTR_PAGE_RAM,  WB, WT, WB, "both cached, but not alike"},
        {MEMATTR_PAGE_RAM,  WB, WB, WC, "the linear map where the exporter changed it, write around"},
        {MEMATTR_PAGE_RAM,  WB, WB, UC, "the linear map where the exporter changed it, access uncached"},
        {MEMATTR_PAGE_RAM,  WB, WC, WB, "its linear map"},
        {MEMATTR_PAGE_RAM,  WB, WC, UC, "the guest's writes wait"},
        {MEMATTR_PAGE_RAM,  WB, UC, WB, "its linear map"},
        {MEMATTR_PAGE_RAM,  WB, UC, WC, "the host's writes wait"},
        {MEMATTR_PAGE_MMIO, WB, WB, WC, "the guest caches a device's memory that the host's user mapping writes around"},
        {MEMATTR_PAGE_MMIO, WB, WB, UC, "the guest caches a device's memory that the host's user mapping accesses"},
        {MEMATTR_PAGE_MMIO, UC, WC, UC, "the guest's writes to the device's memory wait"},
        {MEMATTR_PAGE_MMIO, UC, UC, WC, "the writes of the host's user mapping"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(mismatches); i++) {
        struct memattr_buffer buffer = {.page = mismatches[i].page, .host = (enum memattr_type)mismatches[i].host};
        struct memattr_leaf leaf = {.type = (enum memattr_type)mismatches[i].leaf, .ignores_s1 = false};
        struct memattr_judgement judgement = memattr_judge(&platforms[HONOURS], &buffer, leaf, mismatches[i].s1);
        ck_assert_int_eq(judgement.verdict, MEMATTR_MISMATCH);
        ck_assert_msg(strstr(judgement.reason, mismatches[i].part) != NULL, "row %zu: %s", i, judgement.reason);
        ck_assert(strstr(judgement.reason, "SDM 3, 12.") != NULL);
    }
}
END_TEST
// clang-format on

/* Accepted: a Linux guest that is given this map_info has the host's type. */
START_TEST(accepted_advice_is_judged_a_match)
{
    unsigned count = 0;
    FOR_EACH_BUFFER(platform, buffer)
    {
        struct memattr_advice advice = memattr_advise(platform, &buffer);
        ck_assert(is_one_line(advice.reason));
        ck_assert(!advice.needs_late_mapping);
        if (advice.refusal != MEMATTR_ACCEPTED)
            continue;
        struct memattr_judgement judgement =
            memattr_judge(platform, &buffer, memattr_leaf_of(platform, &buffer),
                          memattr_s1_of_linux(platform, advice.map_info));
        ck_assert_int_eq(judgement.verdict, MEMATTR_MATCH);
        ck_assert_int_eq(judgement.guest.type, judgement.host);
        ck_assert_int_eq(advice.judgement.verdict, MEMATTR_MATCH);
        ck_assert_int_eq(advice.judgement.guest.type, judgement.guest.type);
        count++;
    }
    ck_assert_uint_gt(count, 40);
}
END_TEST

/* Refused: nothing that virtio-gpu can say would have been right. */
START_TEST(refused_means_that_no_map_info_matches)
{
    unsigned count = 0;
    FOR_EACH_BUFFER(platform, buffer)
    {
        struct memattr_advice advice = memattr_advise(platform, &buffer);
        if (advice.refusal == MEMATTR_ACCEPTED)
            continue;
        ck_assert_int_eq(advice.map_info, MEMATTR_MAP_NONE);
        ck_assert_int_eq(advice.judgement.verdict, MEMATTR_MISMATCH);
        for (size_t i = 0; i < ARRAY_SIZE(map_infos); i++) {
            struct memattr_judgement judgement =
                memattr_judge(platform, &buffer, memattr_leaf_of(platform, &buffer),
                              memattr_s1_of_linux(platform, map_infos[i]));
            ck_assert_int_eq(judgement.verdict, MEMATTR_MISMATCH);
        }
        count++;
    }
    ck_assert_uint_gt(count, 20);
}
END_TEST

/* What the exporter says about itself comes before any table. */
START_TEST(sync_and_movement_refuse_everywhere)
{
    FOR_EACH_BUFFER(platform, buffer)
    {
        buffer.needs_sync = true;
        struct memattr_advice advice = memattr_advise(platform, &buffer);
        ck_assert_int_eq(advice.refusal, MEMATTR_REFUSED_NEEDS_SYNC);
        ck_assert_int_eq(advice.map_info, MEMATTR_MAP_NONE);
        ck_assert(is_one_line(advice.reason) &&
                  strstr(advice.reason, "DMA_BUF_IOCTL_SYNC"));

        buffer.may_change = true;
        ck_assert_int_eq(memattr_advise(platform, &buffer).refusal,
                         MEMATTR_REFUSED_NEEDS_SYNC);

        buffer.needs_sync = false;
        advice = memattr_advise(platform, &buffer);
        ck_assert_int_eq(advice.refusal, MEMATTR_REFUSED_MAY_CHANGE);
        ck_assert_int_eq(advice.map_info, MEMATTR_MAP_NONE);
        ck_assert(is_one_line(advice.reason) && strstr(advice.reason, "may move"));

        /* What a driver that knows no better would get is told all the same. */
        struct memattr_judgement cached =
            memattr_judge(platform, &buffer, memattr_leaf_of(platform, &buffer),
                          memattr_s1_of_linux(platform, MEMATTR_MAP_CACHED));
        ck_assert_int_eq(advice.judgement.guest.type, cached.guest.type);
        ck_assert_int_eq(advice.judgement.verdict, cached.verdict);
        buffer.may_change = false;
    }
}
END_TEST

/* Whatever the platform. */
START_TEST(kvm_faults_on_entries_without_a_page)
{
    FOR_EACH_BUFFER(platform, buffer)
    {
        buffer.vma = MEMATTR_VMA_MIXED;
        struct memattr_advice advice = memattr_advise(platform, &buffer);
        ck_assert_int_eq(advice.refusal, MEMATTR_REFUSED_BY_KVM);
        ck_assert(is_one_line(advice.reason) && strstr(advice.reason, "VM_MIXEDMAP"));
        ck_assert_int_eq(memattr_expected_leaf(platform, &buffer)->access,
                         MEMATTR_ACCESS_FAILS);
        buffer.vma = MEMATTR_VMA_PLAIN;
    }
}
END_TEST

/* Of several reasons the one is given whose way out leaves nothing before it. */
START_TEST(order_of_refusals)
{
    FOR_EACH_BUFFER(platform, buffer)
    {
        buffer.placement_is_unknown = true;
        struct memattr_advice advice = memattr_advise(platform, &buffer);
        ck_assert_int_eq(advice.refusal, MEMATTR_REFUSED_PLACEMENT_UNKNOWN);
        ck_assert_int_eq(advice.map_info, MEMATTR_MAP_NONE);
        ck_assert(is_one_line(advice.reason) && strstr(advice.reason, "where"));
        buffer.may_change = true;
        ck_assert_int_eq(memattr_advise(platform, &buffer).refusal,
                         MEMATTR_REFUSED_PLACEMENT_UNKNOWN);
        buffer.needs_sync = true;
        ck_assert_int_eq(memattr_advise(platform, &buffer).refusal,
                         MEMATTR_REFUSED_NEEDS_SYNC);
        buffer.needs_sync = buffer.may_change = buffer.placement_is_unknown = false;
    }
}
END_TEST

/* Every judgement is complete: effective types that exist, a reason, and a source. */
START_TEST(every_judgement_has_a_reason)
{
    FOR_EACH_BUFFER(platform, buffer)
    {
        const struct memattr_expected_leaf *leaf =
            memattr_expected_leaf(platform, &buffer);
        ck_assert(is_one_line(leaf->source));
        ck_assert_uint_lt(leaf->basis, MEMATTR_BASIS_COUNT);
        ck_assert_int_eq(leaf->access, MEMATTR_ACCESS_WORKS);
        const struct memattr_expected_slot *slot =
            memattr_expected_slot(platform, &buffer);
        ck_assert(!slot->refused && is_one_line(slot->source));
        for (unsigned type = 0; type < TYPES; type++)
            for (unsigned s1 = 0; s1 < TYPES; s1++)
                for (unsigned ignores = 0; ignores < 2; ignores++) {
                    struct memattr_leaf any = {.type = (enum memattr_type)type,
                                               .ignores_s1 = ignores != 0};
                    struct memattr_judgement judgement =
                        memattr_judge(platform, &buffer, any, (enum memattr_type)s1);
                    ck_assert(judgement.guest.type != MEMATTR_UC_MINUS);
                    ck_assert(judgement.host != MEMATTR_UC_MINUS);
                    ck_assert_int_eq(judgement.verdict == MEMATTR_MATCH,
                                     judgement.guest.type == judgement.host);
                    ck_assert(is_one_line(judgement.reason));
                    ck_assert(is_one_line(judgement.guest.source));
                }
    }
}
END_TEST

Suite *memattr_suite(void)
{
    Suite *suite = suite_create("memattr");
    TCase *tables = tcase_create("tables");
    tcase_add_test(tables, kvm_installs_the_leaf_of_its_source);
    tcase_add_test(tables, ept_combines_as_table_12_7);
    tcase_add_test(tables, ipat_makes_s1_irrelevant);
    tcase_add_test(tables, effective_type_of_each_platform);
    tcase_add_test(tables, a_type_of_another_architecture_counts_as_uncached);
    tcase_add_test(tables, npt_leaf_that_kvm_does_not_install_counts_as_uncached);
    tcase_add_test(tables, host_effective_type);
    tcase_add_test(tables, advice_of_each_platform);
    tcase_add_test(tables, refusal_of_each_platform);
    tcase_add_test(tables, s1_of_map_info);
    tcase_add_test(tables, reasons_say_what_matters);
    suite_add_tcase(suite, tables);
    TCase *properties = tcase_create("properties");
    tcase_add_test(properties, accepted_advice_is_judged_a_match);
    tcase_add_test(properties, refused_means_that_no_map_info_matches);
    tcase_add_test(properties, sync_and_movement_refuse_everywhere);
    tcase_add_test(properties, order_of_refusals);
    tcase_add_test(properties, kvm_faults_on_entries_without_a_page);
    tcase_add_test(properties, every_judgement_has_a_reason);
    suite_add_tcase(suite, properties);
    return suite;
}

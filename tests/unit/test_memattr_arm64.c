/* SPDX-License-Identifier: MIT */
/*
 * What arm64's stages combine to, tried exhaustively: the tables of the manual typed here a
 * second time, in another layout, not computed.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/arm64_types.h"
#include "tests/unit/suites.h"
#include "vmm/memattr.h"

static const enum memattr_shareability all_shareabilities[] = {
    MEMATTR_NON_SHAREABLE, MEMATTR_OUTER_SHAREABLE, MEMATTR_INNER_SHAREABLE};

// clang-format off

/* Tables D8-96 to D8-101: S1, and the effective type for each MemAttr, 0b0000 to 0b1111. */
static const struct { enum memattr_type s1; const char *effective; } combinations[2][13] = {
    { /* FWB=0 */
        {MEMATTR_WB,            "nn ne gr GR -- NN NT NB -- TN TT TB -- BN BT BB"},
        {MEMATTR_WT,            "nn ne gr GR -- NN NT NT -- TN TT TT -- TN TT TT"},
        {MEMATTR_NC,            "nn ne gr GR -- NN NN NN -- NN NN NN -- NN NN NN"},
        {MEMATTR_ONC_IWT,       "nn ne gr GR -- NN NT NT -- NN NT NT -- NN NT NT"},
        {MEMATTR_ONC_IWB,       "nn ne gr GR -- NN NT NB -- NN NT NB -- NN NT NB"},
        {MEMATTR_OWT_INC,       "nn ne gr GR -- NN NN NN -- TN TN TN -- TN TN TN"},
        {MEMATTR_OWT_IWB,       "nn ne gr GR -- NN NT NB -- TN TT TB -- TN TT TB"},
        {MEMATTR_OWB_INC,       "nn ne gr GR -- NN NN NN -- TN TN TN -- BN BN BN"},
        {MEMATTR_OWB_IWT,       "nn ne gr GR -- NN NT NT -- TN TT TT -- BN BT BT"},
        {MEMATTR_DEVICE_GRE,    "nn ne gr GR -- GR GR GR -- GR GR GR -- GR GR GR"},
        {MEMATTR_DEVICE_nGRE,   "nn ne gr gr -- gr gr gr -- gr gr gr -- gr gr gr"},
        {MEMATTR_DEVICE_nGnRE,  "nn ne ne ne -- ne ne ne -- ne ne ne -- ne ne ne"},
        {MEMATTR_DEVICE_nGnRnE, "nn nn nn nn -- nn nn nn -- nn nn nn -- nn nn nn"},
    },
    { /* FWB=1 */
        {MEMATTR_WB,            "nn ne gr GR -- NN BB BB -- -- -- -- -- -- BB BB"},
        {MEMATTR_WT,            "nn ne gr GR -- NN BB TT -- -- -- -- -- -- BB TT"},
        {MEMATTR_NC,            "nn ne gr GR -- NN BB NN -- -- -- -- -- -- BB NN"},
        {MEMATTR_ONC_IWT,       "nn ne gr GR -- NN BB NT -- -- -- -- -- -- BB NT"},
        {MEMATTR_ONC_IWB,       "nn ne gr GR -- NN BB NB -- -- -- -- -- -- BB NB"},
        {MEMATTR_OWT_INC,       "nn ne gr GR -- NN BB TN -- -- -- -- -- -- BB TN"},
        {MEMATTR_OWT_IWB,       "nn ne gr GR -- NN BB TB -- -- -- -- -- -- BB TB"},
        {MEMATTR_OWB_INC,       "nn ne gr GR -- NN BB BN -- -- -- -- -- -- BB BN"},
        {MEMATTR_OWB_IWT,       "nn ne gr GR -- NN BB BT -- -- -- -- -- -- BB BT"},
        {MEMATTR_DEVICE_GRE,    "nn ne gr GR -- GR BB GR -- -- -- -- -- -- BB GR"},
        {MEMATTR_DEVICE_nGRE,   "nn ne gr gr -- gr BB gr -- -- -- -- -- -- BB gr"},
        {MEMATTR_DEVICE_nGnRE,  "nn ne ne ne -- ne BB ne -- -- -- -- -- -- BB ne"},
        {MEMATTR_DEVICE_nGnRnE, "nn nn nn nn -- nn BB nn -- -- -- -- -- -- BB nn"},
    },
};

START_TEST(the_stages_combine_as_in_the_manual)
{
    bool fwb = _i != 0;
    struct memattr_platform platform = platform_of(fwb);
    for (size_t row = 0; row < ARRAY_SIZE(combinations[fwb]); row++)
        for (unsigned memattr = 0; memattr < 16; memattr++) {
            const char *wanted = combinations[fwb][row].effective + 3 * memattr;
            struct memattr_leaf leaf;
            bool valid = memattr_arm64_leaf(platform.model, memattr, MEMATTR_INNER_SHAREABLE, &leaf);
            ck_assert_int_eq(valid, wanted[0] != '-');
            if (!valid)
                continue;
            enum memattr_type s1 = combinations[fwb][row].s1;
            struct memattr_effective effective = memattr_combine(&platform, MEMATTR_PAGE_RAM, leaf, s1);
            ck_assert_msg(strncmp(code(effective.type), wanted, 2) == 0, "FWB=%d, S1 %s, MemAttr %#x: %s", fwb,
                          memattr_type_name(s1), memattr, memattr_type_name(effective.type));
            ck_assert(is_one_line(effective.source));
            ck_assert_int_ne(effective.basis, MEMATTR_INFERRED);
            ck_assert_int_eq(effective.is_implementation_defined,
                             leaf.ignores_s1 && (s1 == MEMATTR_NC || is_device(s1)));
            bool outer = is_device(effective.type) || effective.type == MEMATTR_NC;
            ck_assert_int_eq(effective.shareability, outer ? MEMATTR_OUTER_SHAREABLE : MEMATTR_INNER_SHAREABLE);
        }
}
END_TEST

/* Where QEMU errs, the oracle has not measured: tests/oracle/arm64/oracle.c, known_quirks. */
START_TEST(what_qemu_gets_wrong_is_read_only)
{
    static const struct { bool fwb; enum memattr_type s1, leaf; enum memattr_basis basis; } rows[] = {
        {false, MEMATTR_NC,            MEMATTR_DEVICE_nGRE,   MEMATTR_READ},
        {false, MEMATTR_NC,            MEMATTR_DEVICE_GRE,    MEMATTR_READ},
        {false, MEMATTR_OWT_INC,       MEMATTR_DEVICE_GRE,    MEMATTR_READ},
        {false, MEMATTR_OWB_INC,       MEMATTR_DEVICE_GRE,    MEMATTR_READ},
        {false, MEMATTR_DEVICE_GRE,    MEMATTR_NC,            MEMATTR_READ},
        {false, MEMATTR_DEVICE_nGRE,   MEMATTR_OWB_INC,       MEMATTR_READ},
        {false, MEMATTR_DEVICE_nGnRE,  MEMATTR_NC,            MEMATTR_MEASURED},
        {false, MEMATTR_NC,            MEMATTR_DEVICE_nGnRE,  MEMATTR_MEASURED},
        {false, MEMATTR_WB,            MEMATTR_DEVICE_GRE,    MEMATTR_MEASURED},
        {false, MEMATTR_DEVICE_GRE,    MEMATTR_WB,            MEMATTR_MEASURED},
        {false, MEMATTR_DEVICE_nGnRnE, MEMATTR_DEVICE_nGnRE,  MEMATTR_MEASURED},
        {false, MEMATTR_NC,            MEMATTR_WB,            MEMATTR_MEASURED},
        {true,  MEMATTR_DEVICE_nGnRnE, MEMATTR_DEVICE_nGnRE,  MEMATTR_READ},
        {true,  MEMATTR_DEVICE_nGRE,   MEMATTR_DEVICE_GRE,    MEMATTR_READ},
        {true,  MEMATTR_DEVICE_nGRE,   MEMATTR_DEVICE_nGRE,   MEMATTR_MEASURED},
        {true,  MEMATTR_DEVICE_nGRE,   MEMATTR_DEVICE_nGnRnE, MEMATTR_MEASURED},
        {true,  MEMATTR_NC,            MEMATTR_DEVICE_GRE,    MEMATTR_MEASURED},
        {true,  MEMATTR_DEVICE_GRE,    MEMATTR_NC,            MEMATTR_MEASURED},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct memattr_platform platform = platform_of(rows[i].fwb);
        struct memattr_leaf leaf = {.type = rows[i].leaf};
        struct memattr_effective effective = memattr_combine(&platform, MEMATTR_PAGE_RAM, leaf, rows[i].s1);
        ck_assert_msg(effective.basis == rows[i].basis, "row %zu", i);
        ck_assert_int_eq(strstr(effective.source, "tests/oracle") != NULL, rows[i].basis == MEMATTR_MEASURED);
    }
}
END_TEST

START_TEST(an_encoding_out_of_range_is_none)
{
    struct memattr_leaf leaf;
    ck_assert(!memattr_arm64_leaf(MEMATTR_ARM64, 16, 3, &leaf));
    ck_assert(!memattr_arm64_leaf(MEMATTR_ARM64, 15, 4, &leaf));
    ck_assert(!memattr_arm64_leaf(MEMATTR_ARM64, 15, 1, &leaf)); /* reserved, table D8-102 */
    ck_assert(memattr_arm64_leaf(MEMATTR_ARM64, 15, 2, &leaf));
    ck_assert_int_eq(leaf.shareability, MEMATTR_OUTER_SHAREABLE);
    ck_assert(memattr_arm64_leaf(MEMATTR_ARM64_FWB, 6, 0, &leaf));
    ck_assert(leaf.ignores_s1 && !leaf.yields_to_s1 && leaf.shareability == MEMATTR_NON_SHAREABLE);
    ck_assert(memattr_arm64_leaf(MEMATTR_ARM64_FWB, 7, 0, &leaf));
    ck_assert(leaf.yields_to_s1 && !leaf.ignores_s1);
}
END_TEST

/* Table D8-103, and what is not cacheable anywhere. N, O, I: non-, outer, inner shareable. */
START_TEST(shareability_as_in_the_manual)
{
    static const char *const wanted[3] = {
        /* S2  N O I */
        [0] = "NOI", /* S1 N */
        [1] = "OOO", /* S1 O */
        [2] = "IOI", /* S1 I */
    };
    static const char letters[] = {[MEMATTR_NON_SHAREABLE] = 'N', [MEMATTR_OUTER_SHAREABLE] = 'O', [MEMATTR_INNER_SHAREABLE] = 'I'};
    for (size_t i = 0; i < ARRAY_SIZE(all_types); i++)
        for (unsigned s1 = 0; s1 < 3; s1++)
            for (unsigned s2 = 0; s2 < 3; s2++) {
                enum memattr_type type = all_types[i];
                bool outer = is_device(type) || type == MEMATTR_NC;
                enum memattr_shareability got = memattr_arm64_shareability(all_shareabilities[s1], all_shareabilities[s2], type);
                ck_assert_int_eq(letters[got], outer ? 'O' : wanted[s1][s2]);
            }
}
END_TEST

/* D24.2.127; the nibbles' cacheability, hints apart. */
START_TEST(mair_bytes)
{
    static const char nibble[] = "-TTTNBBBTTTTBBBB";
    for (unsigned byte = 0; byte < 256; byte++) {
        unsigned high = byte >> 4, low = byte & 15;
        char wanted[3] = {nibble[high], nibble[low], 0};
        if (high == 0)
            snprintf(wanted, sizeof wanted, "%s", low == 0 ? "nn" : low == 4 ? "ne" : low == 8 ? "gr" : low == 12 ? "GR" : "--");
        enum memattr_type type = MEMATTR_TYPE_COUNT;
        bool valid = memattr_arm64_of_mair((uint8_t)byte, &type);
        ck_assert_msg(valid == (wanted[1] != '-'), "byte %#x", byte);
        if (valid)
            ck_assert_msg(strcmp(code(type), wanted) == 0, "byte %#x: %s", byte, memattr_type_name(type));
    }
    for (size_t i = 0; i < ARRAY_SIZE(all_types); i++) {
        enum memattr_type type;
        ck_assert(memattr_arm64_of_mair(memattr_arm64_mair(all_types[i]), &type));
        ck_assert_uint_eq(type, all_types[i]);
    }
    /* Linux: MAIR_ATTR_NORMAL, MAIR_ATTR_NORMAL_NC, MAIR_ATTR_DEVICE_nGnRE. */
    ck_assert_uint_eq(memattr_arm64_mair(MEMATTR_WB), 0xff);
    ck_assert_uint_eq(memattr_arm64_mair(MEMATTR_NC), 0x44);
    ck_assert_uint_eq(memattr_arm64_mair(MEMATTR_DEVICE_nGnRE), 0x04);
}
END_TEST

// clang-format on

START_TEST(a_type_of_x86_counts_as_the_strongest)
{
    struct memattr_platform platform = platform_of(false);
    struct memattr_leaf leaf = {.type = MEMATTR_WB};
    for (unsigned type = 0; type < MEMATTR_TYPE_COUNT; type++) {
        bool is_ours = strcmp(code(type), "??") != 0;
        ck_assert_int_eq(memattr_model_has(MEMATTR_ARM64, type), is_ours);
        ck_assert_int_eq(memattr_model_has(MEMATTR_ARM64_FWB, type), is_ours);
        struct memattr_effective effective =
            memattr_combine(&platform, MEMATTR_PAGE_RAM, leaf, type);
        ck_assert_uint_eq(effective.type, is_ours ? type : MEMATTR_DEVICE_nGnRnE);
        ck_assert_uint_eq(memattr_host_effective(MEMATTR_ARM64, MEMATTR_PAGE_MMIO, type),
                          is_ours ? type : MEMATTR_DEVICE_nGnRnE);
    }
}
END_TEST

Suite *memattr_arm64_suite(void)
{
    Suite *suite = suite_create("memattr_arm64");
    TCase *test_case = tcase_create("memattr_arm64");
    tcase_add_loop_test(test_case, the_stages_combine_as_in_the_manual, 0, 2);
    tcase_add_test(test_case, what_qemu_gets_wrong_is_read_only);
    tcase_add_test(test_case, an_encoding_out_of_range_is_none);
    tcase_add_test(test_case, shareability_as_in_the_manual);
    tcase_add_test(test_case, mair_bytes);
    tcase_add_test(test_case, a_type_of_x86_counts_as_the_strongest);
    suite_add_tcase(suite, test_case);
    return suite;
}

/* SPDX-License-Identifier: MIT */
/* The matrix: the kernel's answers, s2vmm's decisions, and what a decision comes to. */
#include <check.h>
#include <string.h>

#include "tests/unit/matrix_rows.h"
#include "tests/unit/suites.h"
#include "vmm/types.h"

static struct matrix matrix;

static void tear_down(void)
{
    matrix_finish(&matrix);
}

/* --- answers and decisions --- */

#define BUFFER(page_, host_, vma_, uncacheable_)                                         \
    {                                                                                    \
        .page = MEMATTR_PAGE_##page_, .host = MEMATTR_##host_,                           \
        .vma = MEMATTR_VMA_##vma_, .vma_is_uncacheable = (uncacheable_)                  \
    }
static const struct {
    const char *platform;
    struct memattr_buffer buffer;
    enum memattr_map_info says;
    enum memattr_type column; /* of the decision */
    const char *answer, *decision, *outcome;
} decision_rows[] = {
    {"amd-npt", BUFFER(RAM, WC, PFNMAP, true), 0, MEMATTR_WC, "WC, WC", "WC", "match"},
    {"amd-npt", BUFFER(RAM, UC_MINUS, PFNMAP, true), 0, MEMATTR_UC_MINUS, "UNCACHED, UC-",
     "UNCACHED", "match"},
    {"amd-npt", BUFFER(RAM, WB, MIXED, false), 0, MEMATTR_WB, "CACHED, WB", "kvm-faults",
     "EFAULT"},
    {"amd-npt", BUFFER(RAM, WB, PFNMAP, true), MEMATTR_MAP_WC, MEMATTR_WB, "WC, WB",
     "contradiction", ""},
    {"amd-npt", BUFFER(RAM, WC, PFNMAP, true), MEMATTR_MAP_WC, MEMATTR_WC, "WC, WC", "WC",
     "match"},
    {"x86-shadow", BUFFER(RAM, WC, PFNMAP, true), 0, MEMATTR_WB, "WC, WC", "no-match",
     "none matches"},
    {"arm64-fwb-dic", BUFFER(RAM, NC, PFNMAP, true), 0, MEMATTR_WB, "WC, NC", "no-match",
     "none matches"},
    {"arm64-nofwb", BUFFER(RAM, NC, PFNMAP, false), 0, MEMATTR_NC, "WC, NC", "WC, late",
     ""},
    {"arm64-nofwb", BUFFER(MMIO, DEVICE_nGnRE, PFNMAP, true), 0, MEMATTR_NC,
     "UNCACHED, Device-nGnRE", "WC", "match"},
    {"arm64-nofwb", BUFFER(MMIO, NC, MIXED, true), 0, MEMATTR_WB, "WC, NC", "kvm-faults",
     "EFAULT"},
};

START_TEST(the_decision_is_predicted_where_its_guest_looks)
{
    start_matrix(&matrix, decision_rows[_i].platform);
    struct matrix_row *row = matrix_add(&matrix, "test", MATRIX_SLOT_OVER);
    row->buffer = decision_rows[_i].buffer;
    row->says = decision_rows[_i].says;
    row->is_dmabuf = true;
    matrix_predict(&matrix, row);
    ck_assert_int_eq(matrix_decision_cell(&matrix, row)->s1, decision_rows[_i].column);
    for (unsigned i = 0; i < matrix.column_count; i++) {
        enum memattr_type s1 = row->cells[i].s1;
        bool here = s1 == decision_rows[_i].column;
        ck_assert_str_eq(predicted(&matrix, row, s1, MATRIX_ANSWER),
                         here ? decision_rows[_i].answer : "");
        ck_assert_str_eq(predicted(&matrix, row, s1, MATRIX_DECISION),
                         here ? decision_rows[_i].decision : "");
        ck_assert_str_eq(predicted(&matrix, row, s1, MATRIX_OUTCOME),
                         here ? decision_rows[_i].outcome : "");
    }
}
END_TEST

START_TEST(other_memory_has_no_answer)
{
    start_matrix(&matrix, "amd-npt");
    struct matrix_row *row = matrix_add(&matrix, "memfd", MATRIX_SLOT_OVER);
    row->buffer = udmabuf_buffer;
    matrix_predict(&matrix, row);
    ck_assert_str_eq(predicted(&matrix, row, MEMATTR_WB, MATRIX_ANSWER), "");
    ck_assert_str_eq(predicted(&matrix, row, MEMATTR_WB, MATRIX_DECISION), "");
    ck_assert_str_eq(predicted(&matrix, row, MEMATTR_WB, MATRIX_OUTCOME), "match");
    /* The same buffer, asked once. */
    row = add_row(&matrix, MATRIX_UNTOUCHED, udmabuf_buffer);
    ck_assert_str_eq(predicted(&matrix, row, MEMATTR_WB, MATRIX_ANSWER), "");
    ck_assert_str_eq(predicted(&matrix, row, MEMATTR_WB, MATRIX_OUTCOME), "");
}
END_TEST

/* --- what a decision comes to --- */

/* Columns of amd-npt: WB, WT, WP, WC, UC-, UC; what was judged there: '=', '!', '?';
 * 'f': EFAULT, '.': nothing, 'x': a match, but neither saw the other's writes. */
static const struct {
    struct memattr_buffer buffer;
    const char *seen;
    const char *outcome; /* "": not observed */
} outcome_rows[] = {
    {BUFFER(RAM, WC, PFNMAP, true), "!!!=!!", "match"},
    {BUFFER(RAM, WC, PFNMAP, true), "===!==", "mismatch"},
    {BUFFER(RAM, WC, PFNMAP, true), "===?==", "depends"},
    {BUFFER(RAM, WC, PFNMAP, true), "!!!x!!", "match, not seen"},
    {BUFFER(RAM, WC, PFNMAP, true), "===f==", "EFAULT"},
    {BUFFER(RAM, WC, PFNMAP, true), "===.==", ""},
    {BUFFER(RAM, WB, MIXED, false), "f.....", "EFAULT"},
    {BUFFER(RAM, WB, MIXED, false), "f..f!.", "EFAULT"},
    {BUFFER(RAM, WB, MIXED, false), "!..=!.", "WC matches"},
    {BUFFER(RAM, WB, MIXED, false), "!..!=.", "UNCACHED matches"},
    {BUFFER(RAM, WB, MIXED, false), "=..!!.", "CACHED matches"},
    {BUFFER(RAM, WB, MIXED, false), "!..!..", ""},
    {BUFFER(RAM, WT, PFNMAP, true), "!=!!!!", "none matches"}, /* Linux has no WT */
};

START_TEST(the_outcome_is_what_was_seen)
{
    start_matrix(&matrix, "amd-npt");
    struct matrix_row *row = add_row(&matrix, MATRIX_SLOT_OVER, outcome_rows[_i].buffer);
    for (unsigned i = 0; i < matrix.column_count; i++) {
        struct matrix_cell *cell = &row->cells[i];
        char c = outcome_rows[_i].seen[i];
        cell->is_judged = strchr("=!?x", c) != NULL;
        cell->seen = c == '!'   ? MEMATTR_MISMATCH
                     : c == '?' ? MEMATTR_DEPENDS
                                : MEMATTR_MATCH;
        if (c == 'f')
            matrix_observed(cell, MATRIX_ACCESS, "EFAULT");
        matrix_observed(cell, MATRIX_EXCHANGE, c == 'x' ? "neither" : "both");
    }
    matrix_conclude(&matrix, row);
    const struct matrix_item *item =
        &matrix_decision_cell(&matrix, row)->items[MATRIX_OUTCOME];
    ck_assert_str_eq(item->observed, outcome_rows[_i].outcome);
    ck_assert_int_eq(item->missing != NULL, outcome_rows[_i].outcome[0] == '\0');
}
END_TEST

Suite *matrix_decision_suite(void)
{
    Suite *suite = suite_create("matrix_decision");
    TCase *predict = tcase_create("predict");
    tcase_add_checked_fixture(predict, NULL, tear_down);
    tcase_add_loop_test(predict, the_decision_is_predicted_where_its_guest_looks, 0,
                        ARRAY_SIZE(decision_rows));
    tcase_add_test(predict, other_memory_has_no_answer);
    suite_add_tcase(suite, predict);
    TCase *conclude = tcase_create("conclude");
    tcase_add_checked_fixture(conclude, NULL, tear_down);
    tcase_add_loop_test(conclude, the_outcome_is_what_was_seen, 0,
                        ARRAY_SIZE(outcome_rows));
    suite_add_tcase(suite, conclude);
    return suite;
}

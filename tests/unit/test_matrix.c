/* SPDX-License-Identifier: MIT */
/* The matrix: predictions, their comparison with what was observed, and explanations. */
#include <check.h>
#include <stdio.h>

#include "devices/gpu/exporters/target.h"
#include "tests/unit/matrix_rows.h"
#include "tests/unit/suites.h"
#include "vmm/matrix/explanations.h"
#include "vmm/platform_names.h"
#include "vmm/types.h"

static struct matrix matrix;
static struct matrix_summary summary;

static void tear_down(void)
{
    matrix_finish(&matrix);
    matrix_finish(&matrix); /* a zeroed one is fine */
}

static const struct memattr_buffer vgem_arm64 = {.page = MEMATTR_PAGE_RAM,
                                                 .host = MEMATTR_NC,
                                                 .vma = MEMATTR_VMA_PFNMAP,
                                                 .vma_is_uncacheable = true};
static const struct memattr_buffer cached_bar = {
    .page = MEMATTR_PAGE_MMIO, .host = MEMATTR_WB, .vma = MEMATTR_VMA_PFNMAP};

/* Sees in each cell what was predicted. */
static void see_all(struct matrix_row *row)
{
    for (unsigned i = 0; i < matrix.column_count; i++) {
        for (unsigned j = 0; j < MATRIX_QUANTITY_COUNT; j++)
            matrix_observed(&row->cells[i], (enum matrix_quantity)j,
                            row->cells[i].items[j].predicted);
    }
}

/* --- predictions --- */

START_TEST(columns_are_those_of_the_architecture)
{
    for (size_t i = 0; i < platform_name_count; i++) {
        start_matrix(&matrix, platform_names[i].name);
        ck_assert_uint_ge(matrix.column_count, 6);
        for (unsigned j = 0; j < matrix.column_count; j++)
            ck_assert(memattr_model_has(matrix.platform.model, matrix.columns[j]));
        matrix_add_kinds(&matrix);
        ck_assert_uint_ge(matrix.row_count, 5);
        tear_down();
    }
}
END_TEST

START_TEST(a_refused_slot_is_all_that_is_predicted)
{
    start_matrix(&matrix, "arm64-nofwb");
    const struct matrix_row *row = add_row(&matrix, MATRIX_SLOT_OVER, udmabuf_buffer);
    ck_assert_str_eq(predicted(&matrix, row, MEMATTR_WB, MATRIX_SLOT), "EINVAL");
    for (unsigned i = MATRIX_ACCESS; i < MATRIX_QUANTITY_COUNT; i++)
        ck_assert_str_eq(predicted(&matrix, row, MEMATTR_WB, (enum matrix_quantity)i),
                         "");
    ck_assert_str_eq(predicted(&matrix, row, MEMATTR_WB, MATRIX_ANSWER), "CACHED, WB");
    ck_assert_str_eq(predicted(&matrix, row, MEMATTR_WB, MATRIX_DECISION),
                     "CACHED, late");
    ck_assert_str_eq(matrix_cell_word(&row->cells[0]), "EINVAL");
}
END_TEST

START_TEST(late_mapping_of_ram_works)
{
    start_matrix(&matrix, "arm64-nofwb");
    const struct matrix_row *row = add_row(&matrix, MATRIX_LATE, udmabuf_buffer);
    ck_assert_str_eq(predicted(&matrix, row, MEMATTR_WB, MATRIX_SLOT), "accepted");
    ck_assert_str_eq(predicted(&matrix, row, MEMATTR_WB, MATRIX_ACCESS), "works");
    ck_assert_str_eq(predicted(&matrix, row, MEMATTR_WB, MATRIX_LEAF), "WB");
    ck_assert_str_eq(predicted(&matrix, row, MEMATTR_WB, MATRIX_HOST), "WB");
    ck_assert_str_eq(predicted(&matrix, row, MEMATTR_WB, MATRIX_EXCHANGE), "both");
    ck_assert_str_eq(predicted(&matrix, row, MEMATTR_NC, MATRIX_EXCHANGE), "");
    ck_assert_str_eq(predicted(&matrix, row, MEMATTR_NC, MATRIX_PAR), "NC");
    ck_assert_str_eq(matrix_cell_word(&row->cells[0]), "WB");
}
END_TEST

START_TEST(late_mapping_of_a_cached_bar_faults)
{
    start_matrix(&matrix, "arm64-nofwb");
    const struct matrix_row *row = add_row(&matrix, MATRIX_LATE, cached_bar);
    ck_assert_str_eq(predicted(&matrix, row, MEMATTR_WB, MATRIX_SLOT), "accepted");
    ck_assert_str_eq(predicted(&matrix, row, MEMATTR_WB, MATRIX_ACCESS), "EFAULT");
    ck_assert_str_eq(predicted(&matrix, row, MEMATTR_WB, MATRIX_LEAF), "");
    ck_assert_str_eq(matrix_cell_word(&row->cells[0]), "EFAULT");
}
END_TEST

static const struct {
    const char *platform;
    enum matrix_strategy strategy;
    bool hazard, readonly;
    const char *access;
} untouched_rows[] = {
    {"arm64-nofwb", MATRIX_UNTOUCHED, true, true, "EFAULT"},
    {"arm64-nofwb", MATRIX_SLOT_OVER, true, true, "works"},
    {"arm64-nofwb", MATRIX_LATE, true, true, "works"},
    {"arm64-nofwb", MATRIX_UNTOUCHED, false, true, "works"},
    {"arm64-nofwb", MATRIX_UNTOUCHED, true, false, "works"},
    {"arm64-fwb-dic", MATRIX_UNTOUCHED, true, true, "EFAULT"},
    {"amd-npt", MATRIX_UNTOUCHED, true, true, "works"},
};

START_TEST(untouched_pages_fail_where_the_kernel_has_the_hazard)
{
    struct memattr_buffer buffer = vgem_arm64;
    start_matrix(&matrix, untouched_rows[_i].platform);
    matrix.write_hazard = untouched_rows[_i].hazard;
    buffer.host = memattr_s1_of_map_info(matrix.platform.model, MEMATTR_MAP_WC);
    struct matrix_row *row = matrix_add(&matrix, "test", untouched_rows[_i].strategy);
    row->buffer = buffer;
    row->clean_is_readonly = untouched_rows[_i].readonly;
    matrix_predict(&matrix, row);
    ck_assert_str_eq(predicted(&matrix, row, MEMATTR_WB, MATRIX_ACCESS),
                     untouched_rows[_i].access);
    /* With struct pages KVM asks the host for a writable one. */
    row->buffer.vma = MEMATTR_VMA_PLAIN;
    matrix_predict(&matrix, row);
    ck_assert_str_eq(predicted(&matrix, row, MEMATTR_WB, MATRIX_ACCESS), "works");
}
END_TEST

static const struct {
    const char *platform;
    enum memattr_page page;
    enum memattr_type s1;
    const char *read;
} unaligned_rows[] = {
    {"arm64-nofwb", MEMATTR_PAGE_RAM, MEMATTR_WB, "works"},
    {"arm64-nofwb", MEMATTR_PAGE_RAM, MEMATTR_DEVICE_GRE, "faults"},
    {"arm64-nofwb", MEMATTR_PAGE_MMIO, MEMATTR_WB, "EFAULT"},
    {"arm64-nofwb", MEMATTR_PAGE_MMIO, MEMATTR_NC, "EFAULT"},
    {"arm64-nofwb", MEMATTR_PAGE_MMIO, MEMATTR_DEVICE_nGnRnE, "faults"},
    {"arm64-fwb", MEMATTR_PAGE_RAM, MEMATTR_WB, "works"},
    {"arm64-fwb", MEMATTR_PAGE_RAM, MEMATTR_NC, "works"},
    {"arm64-fwb", MEMATTR_PAGE_RAM, MEMATTR_DEVICE_nGnRE,
     ""}, /* implementation defined */
    {"arm64-fwb", MEMATTR_PAGE_MMIO, MEMATTR_DEVICE_nGnRE, "faults"},
};

START_TEST(unaligned_reads_are_predicted)
{
    start_matrix(&matrix, unaligned_rows[_i].platform);
    struct memattr_buffer buffer = vgem_arm64;
    buffer.page = unaligned_rows[_i].page;
    struct matrix_row *row = add_row(&matrix, MATRIX_SLOT_OVER, buffer);
    ck_assert_str_eq(predicted(&matrix, row, unaligned_rows[_i].s1, MATRIX_UNALIGNED),
                     "");
    matrix_predict_unaligned(&matrix, row);
    ck_assert_str_eq(predicted(&matrix, row, unaligned_rows[_i].s1, MATRIX_UNALIGNED),
                     unaligned_rows[_i].read);
}
END_TEST

START_TEST(pages_without_a_reference_fail_before_6_13)
{
    static const struct {
        unsigned kernel;
        const char *access;
    } kernels[] = {{MATRIX_KERNEL(6, 12), "EFAULT"}, {MATRIX_KERNEL(6, 13), "works"}};
    start_matrix(&matrix, "amd-npt");
    for (size_t i = 0; i < ARRAY_SIZE(kernels); i++) {
        matrix.kernel = kernels[i].kernel;
        struct matrix_row *row = matrix_add(&matrix, "test", MATRIX_SLOT_OVER);
        row->buffer = udmabuf_buffer;
        row->is_unreferenced = true;
        matrix_predict(&matrix, row);
        ck_assert_str_eq(predicted(&matrix, row, MEMATTR_WT, MATRIX_ACCESS),
                         kernels[i].access);
        ck_assert_str_eq(predicted(&matrix, row, MEMATTR_WB, MATRIX_OUTCOME), "match");
    }
}
END_TEST

START_TEST(few_columns_where_each_costs_a_vm)
{
    start_matrix(&matrix, "arm64-fwb-dic");
    struct memattr_buffer buffer = udmabuf_buffer;
    buffer.vma = MEMATTR_VMA_MIXED;
    struct matrix_row *row = matrix_add(&matrix, "test", MATRIX_SLOT_OVER);
    row->buffer = buffer;
    row->few_columns = true;
    matrix_predict(&matrix, row);
    for (unsigned i = 0; i < matrix.column_count; i++) {
        enum memattr_type s1 = matrix.columns[i];
        bool is_tried = s1 == MEMATTR_WB;
        ck_assert_str_eq(predicted(&matrix, row, s1, MATRIX_ACCESS),
                         is_tried ? "EFAULT" : "");
        ck_assert_str_eq(predicted(&matrix, row, s1, MATRIX_SLOT),
                         is_tried ? "accepted" : "");
    }
    row->buffer = udmabuf_buffer;
    row = add_row(&matrix, MATRIX_SLOT_OVER, udmabuf_buffer);
    row->few_columns = true;
    matrix_predict(&matrix, row);
    ck_assert_str_eq(predicted(&matrix, row, MEMATTR_WT, MATRIX_ACCESS), "works");
}
END_TEST

START_TEST(leaf_words)
{
    char word[MATRIX_WORD];
    matrix_leaf_word((struct memattr_leaf){.type = MEMATTR_WB}, word);
    ck_assert_str_eq(word, "WB");
    matrix_leaf_word(
        (struct memattr_leaf){.type = MEMATTR_DEVICE_nGnRnE, .ignores_s1 = true}, word);
    ck_assert_str_eq(word, "Device-nGnRnE, forced");
    matrix_leaf_word((struct memattr_leaf){.yields_to_s1 = true}, word);
    ck_assert_str_eq(word, "S1's");
}
END_TEST

/* --- comparison --- */

START_TEST(what_is_seen_as_predicted_is_equal)
{
    start_matrix(&matrix, "arm64-nofwb");
    /* Refused: a cell with one quantity. */
    see_all(add_row(&matrix, MATRIX_SLOT_OVER, udmabuf_buffer));
    see_all(add_row(&matrix, MATRIX_SLOT_OVER, vgem_arm64));
    matrix_compare(&matrix, &summary);
    ck_assert_uint_eq(summary.cells.predicted, 16);
    ck_assert_uint_eq(summary.cells.observed, 16);
    ck_assert_uint_eq(summary.cells.equal, 16);
    ck_assert_uint_eq(summary.cells.unexplained, 0);
    ck_assert_uint_eq(summary.quantities[MATRIX_SLOT].equal, 16);
    ck_assert_uint_eq(summary.quantities[MATRIX_LEAF].equal, 8);
    ck_assert_uint_eq(summary.quantities[MATRIX_EXCHANGE].predicted, 1);
}
END_TEST

START_TEST(one_quantity_that_differs_is_not_lost)
{
    start_matrix(&matrix, "arm64-nofwb");
    for (unsigned i = 0; i < MATRIX_UNALIGNED; i++) {
        struct matrix_row *row = add_row(&matrix, MATRIX_SLOT_OVER, vgem_arm64);
        see_all(row);
        matrix_observed(matrix_cell_of(&matrix, row, MEMATTR_NC), (enum matrix_quantity)i,
                        "something else");
    }
    matrix_compare(&matrix, &summary);
    ck_assert_uint_eq(summary.cells.unexplained, MATRIX_UNALIGNED);
    ck_assert_uint_eq(summary.cells.equal, 7 * MATRIX_UNALIGNED);
    for (unsigned i = 0; i < MATRIX_UNALIGNED; i++)
        ck_assert_uint_eq(summary.quantities[i].unexplained, 1);
}
END_TEST

START_TEST(what_is_not_seen_is_counted)
{
    start_matrix(&matrix, "amd-npt");
    struct matrix_row *row = add_row(&matrix, MATRIX_SLOT_OVER, udmabuf_buffer);
    for (unsigned i = 0; i < matrix.column_count; i++)
        matrix_observed(&row->cells[i], MATRIX_SLOT, "accepted");
    matrix_missing(&matrix, row, MATRIX_LEAF, "no tracefs");
    matrix_missing(&matrix, row, MATRIX_LEAF, "a later reason");
    matrix_missing(&matrix, row, MATRIX_SLOT, "it was seen");
    struct matrix_row *silent = add_row(&matrix, MATRIX_LATE, udmabuf_buffer);
    matrix_compare(&matrix, &summary);
    ck_assert_uint_eq(summary.cells.predicted, 12);
    ck_assert_uint_eq(summary.cells.observed, 6);
    ck_assert_uint_eq(summary.cells.equal, 6);
    ck_assert_uint_eq(summary.quantities[MATRIX_LEAF].predicted, 12);
    ck_assert_uint_eq(summary.quantities[MATRIX_LEAF].observed, 0);
    ck_assert_str_eq(row->cells[3].items[MATRIX_LEAF].missing, "no tracefs");
    ck_assert_ptr_null(row->cells[3].items[MATRIX_SLOT].missing);
    ck_assert_int_eq(silent->cells[0].result, MATRIX_NOT_OBSERVED);
}
END_TEST

START_TEST(what_was_not_predicted_is_only_shown)
{
    start_matrix(&matrix, "arm64-nofwb");
    struct matrix_row *row = add_row(&matrix, MATRIX_SLOT_OVER, udmabuf_buffer);
    see_all(row);
    matrix_observed(&row->cells[0], MATRIX_LEAF, "WB");
    matrix_compare(&matrix, &summary);
    ck_assert_int_eq(row->cells[0].items[MATRIX_LEAF].result, MATRIX_ONLY_SEEN);
    ck_assert_int_eq(row->cells[0].items[MATRIX_HOST].result, MATRIX_NOTHING);
    ck_assert_int_eq(row->cells[0].result, MATRIX_EQUAL);
}
END_TEST

START_TEST(absent_exporters_are_counted)
{
    start_matrix(&matrix, "amd-npt");
    struct matrix_row *row = matrix_add(&matrix, "absent", MATRIX_SLOT_OVER);
    snprintf(row->absent, sizeof row->absent, "it is not here");
    matrix_compare(&matrix, &summary);
    ck_assert_uint_eq(summary.absent, 1);
    ck_assert_uint_eq(summary.cells.predicted, 0);
}
END_TEST

START_TEST(there_is_room_for_all_rows)
{
    start_matrix(&matrix, "amd-npt");
    for (unsigned i = 0; i < MATRIX_ROWS_MAX; i++)
        ck_assert_ptr_nonnull(matrix_add(&matrix, "row", MATRIX_SLOT_OVER));
    ck_assert_uint_eq(matrix.row_count, MATRIX_ROWS_MAX);
    ck_assert_uint_ge(MATRIX_ROWS_MAX, exporter_count * MATRIX_STRATEGY_COUNT);
    /* dmabuf-lab: kinds of mappings of single pages, of blocks, of a BAR with and without
     * VM_ALLOW_ANY_UNCACHED, 5 attributes each, twice where a memslot is refused: those that
     * are WB and all of TTM's; and three with flags. */
    ck_assert_uint_ge(MATRIX_ROWS_MAX, (5 + 4 + 4 + 4) * 5 + 4 * (2 + 5) + 3 * 2);
}
END_TEST

/* --- explanations --- */

#define NPT  (1u << MEMATTR_NPT)
#define LATE (1u << MATRIX_LATE)
static const struct {
    struct matrix_explanation explanation;
    enum matrix_result result;
} explanation_rows[] = {
    {{NULL, MATRIX_ANY, MATRIX_ANY, 0, MATRIX_LEAF, NULL, NULL, false, "t"},
     MATRIX_EXPLAINED},
    {{NULL, MATRIX_ANY, MATRIX_ANY, 0, MATRIX_LEAF, NULL, NULL, true, "t"},
     MATRIX_FINDING},
    {{"test", LATE, NPT, 0, MATRIX_LEAF, "WB", "UC", false, "t"}, MATRIX_EXPLAINED},
    {{"te", LATE, NPT, 0, MATRIX_LEAF, "WB", "UC", false, "t"}, MATRIX_EXPLAINED},
    {{"tests", LATE, NPT, 0, MATRIX_LEAF, "WB", "UC", false, "t"}, MATRIX_UNEXPLAINED},
    {{"other", LATE, NPT, 0, MATRIX_LEAF, "WB", "UC", false, "t"}, MATRIX_UNEXPLAINED},
    {{"test", ~LATE, NPT, 0, MATRIX_LEAF, "WB", "UC", false, "t"}, MATRIX_UNEXPLAINED},
    {{"test", LATE, ~NPT, 0, MATRIX_LEAF, "WB", "UC", false, "t"}, MATRIX_UNEXPLAINED},
    {{"test", LATE, NPT, 0, MATRIX_HOST, "WB", "UC", false, "t"}, MATRIX_UNEXPLAINED},
    {{"test", LATE, NPT, 0, MATRIX_LEAF, "WC", "UC", false, "t"}, MATRIX_UNEXPLAINED},
    {{"test", LATE, NPT, 0, MATRIX_LEAF, "WB", "WT", false, "t"}, MATRIX_UNEXPLAINED},
    {{NULL, MATRIX_ANY, MATRIX_ANY, MATRIX_KERNEL(6, 13), MATRIX_LEAF, NULL, NULL, false,
      "t"},
     MATRIX_EXPLAINED},
    {{NULL, MATRIX_ANY, MATRIX_ANY, MATRIX_KERNEL(6, 12), MATRIX_LEAF, NULL, NULL, false,
      "t"},
     MATRIX_UNEXPLAINED},
};

START_TEST(an_explanation_has_to_fit)
{
    const struct matrix_explanation table[] = {explanation_rows[_i].explanation,
                                               {.text = NULL}};
    start_matrix(&matrix, "amd-npt");
    matrix.explanations = table;
    matrix.kernel = MATRIX_KERNEL(6, 12);
    struct matrix_row *row = add_row(&matrix, MATRIX_LATE, udmabuf_buffer);
    see_all(row);
    matrix_observed(&row->cells[2], MATRIX_LEAF, "UC");
    matrix_compare(&matrix, &summary);
    ck_assert_int_eq(row->cells[2].result, explanation_rows[_i].result);
    ck_assert_int_eq(row->cells[2].items[MATRIX_LEAF].explanation != NULL,
                     explanation_rows[_i].result != MATRIX_UNEXPLAINED);
    ck_assert_uint_eq(
        summary.cells.explained + summary.cells.findings + summary.cells.unexplained, 1);
    ck_assert_uint_eq(summary.cells.observed, 6);
}
END_TEST

Suite *matrix_suite(void)
{
    Suite *suite = suite_create("matrix");
    TCase *predict = tcase_create("predict");
    tcase_add_checked_fixture(predict, NULL, tear_down);
    tcase_add_test(predict, columns_are_those_of_the_architecture);
    tcase_add_test(predict, a_refused_slot_is_all_that_is_predicted);
    tcase_add_test(predict, late_mapping_of_ram_works);
    tcase_add_test(predict, late_mapping_of_a_cached_bar_faults);
    tcase_add_loop_test(predict, untouched_pages_fail_where_the_kernel_has_the_hazard, 0,
                        ARRAY_SIZE(untouched_rows));
    tcase_add_loop_test(predict, unaligned_reads_are_predicted, 0,
                        ARRAY_SIZE(unaligned_rows));
    tcase_add_test(predict, pages_without_a_reference_fail_before_6_13);
    tcase_add_test(predict, few_columns_where_each_costs_a_vm);
    tcase_add_test(predict, leaf_words);
    suite_add_tcase(suite, predict);
    TCase *compare = tcase_create("compare");
    tcase_add_checked_fixture(compare, NULL, tear_down);
    tcase_add_test(compare, what_is_seen_as_predicted_is_equal);
    tcase_add_test(compare, one_quantity_that_differs_is_not_lost);
    tcase_add_test(compare, what_is_not_seen_is_counted);
    tcase_add_test(compare, what_was_not_predicted_is_only_shown);
    tcase_add_test(compare, absent_exporters_are_counted);
    tcase_add_test(compare, there_is_room_for_all_rows);
    tcase_add_loop_test(compare, an_explanation_has_to_fit, 0,
                        ARRAY_SIZE(explanation_rows));
    suite_add_tcase(suite, compare);
    return suite;
}

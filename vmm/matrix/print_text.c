/* SPDX-License-Identifier: MIT */
/*
 *                        WB       WT       NC       nGnRnE
 *     udmabuf, slot      WB =     WT ~     NC !     nGnRnE !     CACHED
 *
 * The word is the effective type, or what happens instead; the sign the verdict. A measured
 * cell has a second sign, for predicted against observed.
 */
#include <string.h>

#include "vmm/matrix/explanations.h"
#include "vmm/matrix/print.h"

#define CELL_WORD 8 /* "ONC-IWB" and a space */

static char verdict_sign(const struct matrix_cell *cell)
{
    static const char signs[MEMATTR_VERDICT_COUNT] = {
        [MEMATTR_MATCH] = '=', [MEMATTR_MISMATCH] = '!', [MEMATTR_DEPENDS] = '?'};
    if (strcmp(cell->items[MATRIX_ACCESS].predicted, "works") != 0)
        return ' ';
    return signs[cell->judgement.verdict];
}

static char result_sign(enum matrix_result result)
{
    static const char signs[MATRIX_RESULT_COUNT] = {
        [MATRIX_NOTHING] = ' ',     [MATRIX_ONLY_SEEN] = ' ', [MATRIX_NOT_OBSERVED] = '.',
        [MATRIX_EQUAL] = '+',       [MATRIX_EXPLAINED] = 'E', [MATRIX_FINDING] = 'F',
        [MATRIX_UNEXPLAINED] = 'X',
    };
    return signs[result];
}

static const char *advice_word(const struct matrix_row *row)
{
    return row->advice.refusal == MEMATTR_ACCEPTED
               ? memattr_map_info_name(row->advice.map_info)
               : memattr_refusal_name(row->advice.refusal);
}

static int name_width(const struct matrix *matrix)
{
    size_t widest = 0;
    for (unsigned i = 0; i < matrix->row_count; i++) {
        size_t length = strlen(matrix->rows[i].name);
        if (!matrix->rows[i].absent[0] && length > widest)
            widest = length;
    }
    return (int)widest;
}

static void print_table(FILE *out, const struct matrix *matrix)
{
    int width = name_width(matrix);
    fprintf(out, "%-*s  %-9s", width, "", "S1:");
    for (unsigned i = 0; i < matrix->column_count; i++)
        fprintf(out, "  %-*s", CELL_WORD + 2, matrix_short_type(matrix->columns[i]));
    fputs("  map_info\n", out);
    for (unsigned i = 0; i < matrix->row_count; i++) {
        const struct matrix_row *row = &matrix->rows[i];
        if (row->absent[0])
            continue;
        fprintf(out, "%-*s  %-9s", width, row->name, matrix_strategy_name(row->strategy));
        for (unsigned j = 0; j < matrix->column_count; j++) {
            const struct matrix_cell *cell = &row->cells[j];
            fprintf(out, "  %-*s%c%c", CELL_WORD, matrix_cell_word(cell),
                    verdict_sign(cell),
                    matrix->measured ? result_sign(cell->result) : ' ');
        }
        fprintf(out, "  %s\n", advice_word(row));
    }
}

static void print_legend(FILE *out, const struct matrix *matrix)
{
    fputs(
        "\nA word is the effective type of the guest's accesses; EINVAL: KVM refuses the "
        "memslot; EFAULT: KVM_RUN fails.\n"
        "= match, ! mismatch, ? depends on the implementation; map_info: what the guest "
        "is told, or why it is refused.\n",
        out);
    if (matrix->measured)
        fputs(
            "+ observed as predicted, . not observed, E differs and is explained, F a "
            "finding, X differs.\n",
            out);
}

static void print_reasons(FILE *out, const struct matrix *matrix)
{
    const char *before = NULL;
    fputc('\n', out);
    for (unsigned i = 0; i < matrix->row_count; i++) {
        const struct matrix_row *row = &matrix->rows[i];
        if (row->absent[0] || row->strategy != MATRIX_SLOT_OVER)
            continue;
        fprintf(out, "%s, host %s (%s%s): %s: %s\n", row->name,
                memattr_type_name(row->buffer.host), memattr_vma_name(row->buffer.vma),
                row->clean_is_readonly ? ", clean pages read-only" : "", advice_word(row),
                before == row->advice.reason ? "as above" : row->advice.reason);
        before = row->advice.reason;
    }
}

/* Of many rows like dmabuf-lab's the differences say it all. */
static void print_absent(FILE *out, const struct matrix *matrix)
{
    fputc('\n', out);
    for (unsigned i = 0; i < matrix->row_count; i++) {
        const struct matrix_row *row = &matrix->rows[i];
        if (row->absent[0])
            fprintf(out, "not here: %s: %s\n", row->name, row->absent);
        else if (row->trouble[0] && !row->few_columns)
            fprintf(out, "%s, %s: a VM ended: %s\n", row->name,
                    matrix_strategy_name(row->strategy), row->trouble);
    }
}

/* One line for all cells of a row that differ in the same way. */
static void print_difference(FILE *out, const struct matrix *matrix,
                             const struct matrix_row *row, unsigned first,
                             unsigned quantity)
{
    const struct matrix_item *item = &row->cells[first].items[quantity];
    fprintf(out, "%s: %s, %s: %s predicted %s, observed %s, with S1",
            matrix_result_name(item->result), row->name,
            matrix_strategy_name(row->strategy),
            matrix_quantity_name((enum matrix_quantity)quantity), item->predicted,
            item->observed);
    for (unsigned i = first; i < matrix->column_count; i++) {
        const struct matrix_item *other = &row->cells[i].items[quantity];
        if (other->result == item->result &&
            strcmp(other->predicted, item->predicted) == 0 &&
            strcmp(other->observed, item->observed) == 0)
            fprintf(out, " %s", memattr_type_name(row->cells[i].s1));
    }
    fprintf(out, "%s%s\n", item->explanation ? ": " : "",
            item->explanation ? item->explanation->text : "");
}

static bool is_said_already(const struct matrix_row *row, unsigned column,
                            unsigned quantity)
{
    const struct matrix_item *item = &row->cells[column].items[quantity];
    for (unsigned i = 0; i < column; i++) {
        const struct matrix_item *other = &row->cells[i].items[quantity];
        if (other->result == item->result &&
            strcmp(other->predicted, item->predicted) == 0 &&
            strcmp(other->observed, item->observed) == 0)
            return true;
    }
    return false;
}

static void print_differences(FILE *out, const struct matrix *matrix)
{
    for (unsigned i = 0; i < matrix->row_count; i++) {
        const struct matrix_row *row = &matrix->rows[i];
        for (unsigned j = 0; j < MATRIX_QUANTITY_COUNT; j++) {
            for (unsigned k = 0; k < matrix->column_count; k++) {
                if (row->cells[k].items[j].result >= MATRIX_EXPLAINED &&
                    !is_said_already(row, k, j))
                    print_difference(out, matrix, row, k, j);
            }
        }
    }
}

/* Why a quantity was not observed: the first reason of each, as they are few. */
static void print_missing(FILE *out, const struct matrix *matrix)
{
    for (unsigned j = 0; j < MATRIX_QUANTITY_COUNT; j++) {
        const char *said = NULL;
        for (unsigned i = 0; i < matrix->row_count; i++) {
            for (unsigned k = 0; k < matrix->column_count; k++) {
                const struct matrix_item *item = &matrix->rows[i].cells[k].items[j];
                bool is_new = item->missing && item->result == MATRIX_NOT_OBSERVED &&
                              (!said || strcmp(said, item->missing) != 0);
                if (!is_new)
                    continue;
                said = item->missing;
                fprintf(out, "not observed: %s: %s (%s, %s, S1 %s)\n",
                        matrix_quantity_name((enum matrix_quantity)j), said,
                        matrix->rows[i].name,
                        matrix_strategy_name(matrix->rows[i].strategy),
                        memattr_type_name(matrix->rows[i].cells[k].s1));
            }
        }
    }
}

void matrix_print_count(FILE *out, const struct matrix_count *count, const char *what)
{
    fprintf(out,
            "%u %s predicted, %u observed, %u equal, %u differ (%u explained, %u "
            "findings, %u unexplained)\n",
            count->predicted, what, count->observed, count->equal,
            count->explained + count->findings + count->unexplained, count->explained,
            count->findings, count->unexplained);
}

void matrix_print_text(FILE *out, const struct matrix *matrix,
                       const struct matrix_summary *summary)
{
    fprintf(out, "%s: %s\n\n", matrix->platform_name, matrix->platform_text);
    print_table(out, matrix);
    print_legend(out, matrix);
    print_reasons(out, matrix);
    if (matrix->measured) {
        print_absent(out, matrix);
        print_differences(out, matrix);
        print_missing(out, matrix);
        fputc('\n', out);
        for (unsigned i = 0; i < MATRIX_QUANTITY_COUNT; i++) {
            if (summary->quantities[i].predicted == 0)
                continue;
            fprintf(out, "%-9s  ", matrix_quantity_name((enum matrix_quantity)i));
            matrix_print_count(out, &summary->quantities[i], "times");
        }
        matrix_print_count(out, &summary->cells, "cells");
    }
    fflush(out);
}

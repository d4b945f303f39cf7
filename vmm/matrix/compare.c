/* SPDX-License-Identifier: MIT */
/* Predicted against observed, and the counts. */
#include <string.h>

#include "vmm/matrix/explanations.h"

static bool fits(const char *pattern, const char *word)
{
    return pattern == NULL || strcmp(pattern, word) == 0;
}

static bool begins(const char *beginning, const char *name)
{
    return beginning == NULL || strncmp(beginning, name, strlen(beginning)) == 0;
}

static const struct matrix_explanation *explain(const struct matrix *matrix,
                                                const struct matrix_row *row,
                                                enum matrix_quantity quantity,
                                                const struct matrix_item *item)
{
    for (const struct matrix_explanation *candidate = matrix->explanations;
         candidate->text; candidate++) {
        if (candidate->quantity == quantity && begins(candidate->exporter, row->name) &&
            (candidate->strategies & 1u << row->strategy) != 0 &&
            (candidate->models & 1u << matrix->platform.model) != 0 &&
            (candidate->before_kernel == 0 ||
             matrix->kernel < candidate->before_kernel) &&
            fits(candidate->predicted, item->predicted) &&
            fits(candidate->observed, item->observed))
            return candidate;
    }
    return NULL;
}

static enum matrix_result compare_item(const struct matrix *matrix,
                                       const struct matrix_row *row,
                                       enum matrix_quantity quantity,
                                       struct matrix_item *item)
{
    if (!item->predicted[0])
        return item->observed[0] ? MATRIX_ONLY_SEEN : MATRIX_NOTHING;
    if (!item->observed[0])
        return MATRIX_NOT_OBSERVED;
    if (strcmp(item->predicted, item->observed) == 0)
        return MATRIX_EQUAL;
    item->explanation = explain(matrix, row, quantity, item);
    if (!item->explanation)
        return MATRIX_UNEXPLAINED;
    return item->explanation->is_finding ? MATRIX_FINDING : MATRIX_EXPLAINED;
}

static void count(struct matrix_count *counter, enum matrix_result result)
{
    switch (result) {
    case MATRIX_NOTHING:
    case MATRIX_ONLY_SEEN:
    case MATRIX_RESULT_COUNT:
        return;
    case MATRIX_NOT_OBSERVED:
        counter->predicted++;
        return;
    case MATRIX_EQUAL:
        counter->equal++;
        break;
    case MATRIX_EXPLAINED:
        counter->explained++;
        break;
    case MATRIX_FINDING:
        counter->findings++;
        break;
    case MATRIX_UNEXPLAINED:
        counter->unexplained++;
        break;
    }
    counter->predicted++;
    counter->observed++;
}

/* The order of the results makes the worst one the largest; only where nothing else was
 * observed is the cell not observed. */
static void compare_cell(const struct matrix *matrix, const struct matrix_row *row,
                         struct matrix_cell *cell, struct matrix_summary *summary)
{
    cell->result = MATRIX_NOTHING;
    for (unsigned i = 0; i < MATRIX_QUANTITY_COUNT; i++) {
        struct matrix_item *item = &cell->items[i];
        item->result = compare_item(matrix, row, (enum matrix_quantity)i, item);
        count(&summary->quantities[i], item->result);
        if (item->result > cell->result)
            cell->result = item->result;
    }
    count(&summary->cells, cell->result);
}

void matrix_compare(struct matrix *matrix, struct matrix_summary *summary)
{
    *summary = (struct matrix_summary){0};
    for (unsigned i = 0; i < matrix->row_count; i++) {
        struct matrix_row *row = &matrix->rows[i];
        if (row->absent[0]) {
            summary->absent++;
            continue;
        }
        for (unsigned j = 0; j < matrix->column_count; j++)
            compare_cell(matrix, row, &row->cells[j], summary);
    }
}

/* SPDX-License-Identifier: MIT */
/* What s2vmm's decision about a buffer comes to, from what was seen of it. */
#include <stdio.h>
#include <string.h>

#include "vmm/matrix/matrix.h"
#include "vmm/types.h"

#define NOT_JUDGED "the leaf or the host attribute was not observed"

static bool is_seen(const struct matrix_cell *cell, enum matrix_quantity quantity,
                    const char *word)
{
    return strcmp(cell->items[quantity].observed, word) == 0;
}

/* Accepted: the guest does as it was told, through the leaf that KVM installed. */
static const char *outcome_of(struct matrix_cell *cell)
{
    if (is_seen(cell, MATRIX_ACCESS, "EFAULT"))
        return "EFAULT";
    if (!cell->is_judged)
        return NULL;
    return cell->seen == MEMATTR_MATCH && !is_seen(cell, MATRIX_EXCHANGE, "both")
               ? "match, not seen"
               : memattr_verdict_name(cell->seen);
}

/* Refused: no map_info would have done. What ends with EFAULT does so whatever S1 is: KVM's fault
 * handler does not see it. */
static const char *best_outcome(const struct matrix *matrix, struct matrix_row *row)
{
    static const struct {
        enum memattr_map_info map_info;
        const char *word;
    } all[] = {{MEMATTR_MAP_CACHED, "CACHED matches"},
               {MEMATTR_MAP_WC, "WC matches"},
               {MEMATTR_MAP_UNCACHED, "UNCACHED matches"}};
    if (is_seen(matrix_decision_cell(matrix, row), MATRIX_ACCESS, "EFAULT"))
        return "EFAULT";
    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        enum memattr_type s1 = memattr_s1_of_linux(&matrix->platform, all[i].map_info);
        struct matrix_cell *cell = matrix_cell_of(matrix, row, s1);
        const char *outcome = outcome_of(cell);
        if (!outcome)
            return NULL;
        if (strcmp(outcome, memattr_verdict_name(MEMATTR_MATCH)) == 0)
            return all[i].word;
    }
    return "none matches";
}

void matrix_conclude(const struct matrix *matrix, struct matrix_row *row)
{
    struct matrix_cell *cell = matrix_decision_cell(matrix, row);
    struct matrix_item *item = &cell->items[MATRIX_OUTCOME];
    if (!item->predicted[0])
        return;
    const char *word = row->advice.refusal == MEMATTR_ACCEPTED
                           ? outcome_of(cell)
                           : best_outcome(matrix, row);
    if (word)
        matrix_observed(cell, MATRIX_OUTCOME, word);
    else if (!item->missing)
        item->missing = NOT_JUDGED;
}

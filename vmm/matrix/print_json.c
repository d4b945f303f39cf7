/* SPDX-License-Identifier: MIT */
#include "vmm/json.h"
#include "vmm/matrix/explanations.h"
#include "vmm/matrix/print.h"

static const char *or_null(const char *text)
{
    return text && text[0] ? text : NULL;
}

static void write_item(struct json *json, enum matrix_quantity quantity,
                       const struct matrix_item *item)
{
    if (item->result == MATRIX_NOTHING)
        return;
    json_open(json, matrix_quantity_name(quantity));
    json_string(json, "predicted", or_null(item->predicted));
    json_string(json, "observed", or_null(item->observed));
    json_string(json, "result", matrix_result_name(item->result));
    if (item->result == MATRIX_NOT_OBSERVED)
        json_string(json, "why", item->missing ? item->missing : "not measured");
    if (item->explanation)
        json_string(json, "explanation", item->explanation->text);
    json_close(json);
}

static void write_buffer(struct json *json, const struct matrix *matrix,
                         const struct matrix_row *row)
{
    json_string(json, "platform", matrix->platform_name);
    json_string(json, "buffer", row->name);
    json_string(json, "strategy", matrix_strategy_name(row->strategy));
    json_string(json, "page", memattr_page_name(row->buffer.page));
    json_string(json, "vma", memattr_vma_name(row->buffer.vma));
    json_string(json, "vma_flags", or_null(row->vma_flags));
    json_boolean(json, "vma_uncacheable", row->buffer.vma_is_uncacheable);
    json_boolean(json, "clean_is_readonly", row->clean_is_readonly);
    json_string(json, "host_attribute", memattr_type_name(row->buffer.host));
    json_string(json, "host_from", row->host_source);
}

static void write_cell(FILE *out, const struct matrix *matrix,
                       const struct matrix_row *row, const struct matrix_cell *cell)
{
    const struct memattr_judgement *judgement = &cell->judgement;
    const struct memattr_advice *advice = &row->advice;
    bool accepted = advice->refusal == MEMATTR_ACCEPTED;
    struct json json;
    json_begin(&json, out);
    write_buffer(&json, matrix, row);
    json_string(&json, "s1", memattr_type_name(cell->s1));
    json_string(&json, "effective", memattr_type_name(judgement->guest.type));
    json_string(&json, "effective_basis", memattr_basis_name(judgement->guest.basis));
    json_string(&json, "effective_from", judgement->guest.source);
    json_string(&json, "leaf_basis", memattr_basis_name(row->leaf->basis));
    json_string(&json, "leaf_from", row->leaf->source);
    json_string(&json, "slot_basis", memattr_basis_name(row->slot->basis));
    json_string(&json, "slot_from", row->slot->source);
    json_string(&json, "verdict", memattr_verdict_name(judgement->verdict));
    json_string(&json, "reason", judgement->reason);
    json_string(&json, "map_info",
                accepted ? memattr_map_info_name(advice->map_info) : NULL);
    json_string(&json, "refusal",
                accepted ? NULL : memattr_refusal_name(advice->refusal));
    json_boolean(&json, "needs_late_mapping", advice->needs_late_mapping);
    json_string(&json, "advice", advice->reason);
    for (unsigned i = 0; i < MATRIX_QUANTITY_COUNT; i++)
        write_item(&json, (enum matrix_quantity)i, &cell->items[i]);
    json_string(&json, "result", matrix_result_name(cell->result));
    json_end(&json);
}

static void write_absent(FILE *out, const struct matrix *matrix,
                         const struct matrix_row *row)
{
    struct json json;
    json_begin(&json, out);
    json_string(&json, "platform", matrix->platform_name);
    json_string(&json, "buffer", row->name);
    json_string(&json, "absent", row->absent);
    json_end(&json);
}

static void write_count(struct json *json, const char *key,
                        const struct matrix_count *count)
{
    json_open(json, key);
    json_number(json, "predicted", count->predicted);
    json_number(json, "observed", count->observed);
    json_number(json, "equal", count->equal);
    json_number(json, "explained", count->explained);
    json_number(json, "findings", count->findings);
    json_number(json, "unexplained", count->unexplained);
    json_close(json);
}

void matrix_print_json(FILE *out, const struct matrix *matrix,
                       const struct matrix_summary *summary)
{
    struct json json;
    for (unsigned i = 0; i < matrix->row_count; i++) {
        const struct matrix_row *row = &matrix->rows[i];
        if (row->absent[0])
            write_absent(out, matrix, row);
        for (unsigned j = 0; !row->absent[0] && j < matrix->column_count; j++)
            write_cell(out, matrix, row, &row->cells[j]);
    }
    json_begin(&json, out);
    json_string(&json, "summary", matrix->platform_name);
    json_string(&json, "model", memattr_model_name(matrix->platform.model));
    json_boolean(&json, "measured", matrix->measured);
    json_number(&json, "absent", summary->absent);
    write_count(&json, "cells", &summary->cells);
    for (unsigned i = 0; i < MATRIX_QUANTITY_COUNT; i++)
        write_count(&json, matrix_quantity_name((enum matrix_quantity)i),
                    &summary->quantities[i]);
    json_end(&json);
}

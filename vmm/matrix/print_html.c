/* SPDX-License-Identifier: MIT */
/*
 * The matrix as a picture: a heat map that needs no colour to be read. The verdict is a word's
 * sign and the pattern behind it, as well as its colour; the comparison is a sign in a corner.
 */
#include <string.h>

#include "vmm/matrix/explanations.h"
#include "vmm/matrix/print.h"

/* clang-format off */
static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<title>s2vmm matrix</title>\n<style>\n"
    ":root{color-scheme:light dark;--ink:#1b1f24;--paper:#fff;--line:#8a929c;--soft:#5a626c;"
    "--match:#cfe8d4;--mismatch:#f4cfc3;--depends:#f3e6b3;--none:#e4e7ea;--stroke:#0003}\n"
    "@media(prefers-color-scheme:dark){:root{--ink:#e8eaed;--paper:#16181c;--line:#666e78;--soft:#a5adb8;"
    "--match:#1f4a2b;--mismatch:#5d2a1e;--depends:#554a14;--none:#2a2e34;--stroke:#fff4}}\n"
    "body{font:15px/1.45 system-ui,sans-serif;color:var(--ink);background:var(--paper);margin:2rem auto;max-width:84rem;padding:0 1rem}\n"
    "h1{font-size:1.4rem;margin:0}h2{font-size:1.1rem;margin:1.6rem 0 .4rem}p{margin:.3rem 0}\n"
    ".scroll{overflow-x:auto}table{border-collapse:separate;border-spacing:3px;font-size:14px}\n"
    "caption{text-align:left;color:var(--soft);padding:.4rem 0}\n"
    "th{text-align:left;font-weight:600;padding:.25rem .5rem;vertical-align:bottom;white-space:nowrap}\n"
    "th small,td small{font-weight:400;color:var(--soft);display:block}\n"
    "td{padding:.3rem .5rem;white-space:nowrap}td.cell{min-width:4.6rem;padding-right:1.1rem;border:1px solid var(--line);border-radius:4px;position:relative}\n"
    "td.cell b{font-weight:600}td.cell i{font-style:normal;position:absolute;right:.3rem;top:.1rem;font-size:12px}\n"
    ".match{background:var(--match)}\n"
    ".mismatch{background:repeating-linear-gradient(135deg,var(--stroke) 0 1px,transparent 1px 7px),var(--mismatch)}\n"
    ".depends{background:radial-gradient(var(--stroke) 1px,transparent 1.5px) 0 0/7px 7px,var(--depends)}\n"
    ".none{background:repeating-linear-gradient(0deg,var(--stroke) 0 1px,transparent 1px 6px),var(--none)}\n"
    "td.unexplained{outline:3px solid var(--ink)}td.finding{outline:2px dashed var(--ink)}\n"
    "dl{display:grid;grid-template-columns:max-content auto;gap:.25rem .8rem}dt{font-weight:600}dd{margin:0}\n"
    ".key td.cell{min-width:2rem}ul{padding-left:1.2rem}\n"
    "</style></head><body>\n";

static const char key[] =
    "<h2>How to read it</h2>\n<table class=\"key\"><tbody>\n"
    "<tr><td class=\"cell match\"><b>WB =</b></td><td>the guest's accesses are WB, and so are the host's: match</td></tr>\n"
    "<tr><td class=\"cell mismatch\"><b>NC !</b></td><td>the guest's accesses are not of the host's type: mismatch</td></tr>\n"
    "<tr><td class=\"cell depends\"><b>WB ?</b></td><td>the architecture leaves it to the implementation</td></tr>\n"
    "<tr><td class=\"cell none\"><b>EINVAL</b></td><td>KVM refuses the memslot; EFAULT: KVM_RUN fails at the first access</td></tr>\n"
    "</tbody></table>\n";

static const char measured_key[] =
    "<p>In the corner, predicted against observed: + equal, . not observed, E different and explained, "
    "F a finding (dashed frame), X different and not explained (thick frame). Each cell's tooltip has the sources.</p>\n";
/* clang-format on */

static void write_text(FILE *out, const char *text)
{
    for (const char *c = text; *c; c++) {
        if (*c == '<')
            fputs("&lt;", out);
        else if (*c == '>')
            fputs("&gt;", out);
        else if (*c == '&')
            fputs("&amp;", out);
        else if (*c == '"')
            fputs("&quot;", out);
        else
            fputc(*c, out);
    }
}

static bool is_reached(const struct matrix_cell *cell)
{
    return strcmp(cell->items[MATRIX_ACCESS].predicted, "works") == 0;
}

static const char *verdict_class(const struct matrix_cell *cell)
{
    return is_reached(cell) ? memattr_verdict_name(cell->judgement.verdict) : "none";
}

static const char *verdict_sign(const struct matrix_cell *cell)
{
    static const char *const signs[MEMATTR_VERDICT_COUNT] = {
        [MEMATTR_MATCH] = " =", [MEMATTR_MISMATCH] = " !", [MEMATTR_DEPENDS] = " ?"};
    return is_reached(cell) ? signs[cell->judgement.verdict] : "";
}

static const char *result_sign(enum matrix_result result)
{
    static const char *const signs[MATRIX_RESULT_COUNT] = {
        [MATRIX_NOTHING] = "",      [MATRIX_ONLY_SEEN] = "",  [MATRIX_NOT_OBSERVED] = ".",
        [MATRIX_EQUAL] = "+",       [MATRIX_EXPLAINED] = "E", [MATRIX_FINDING] = "F",
        [MATRIX_UNEXPLAINED] = "X",
    };
    return signs[result];
}

static void write_tooltip(FILE *out, const struct matrix_row *row,
                          const struct matrix_cell *cell)
{
    const struct memattr_effective *guest = &cell->judgement.guest;
    fprintf(out, "S1 %s, effective %s: ", memattr_type_name(cell->s1),
            memattr_type_name(guest->type));
    write_text(out, guest->source);
    fprintf(out, " (%s)&#10;leaf: ", memattr_basis_name(guest->basis));
    write_text(out, row->leaf->source);
    fprintf(out, " (%s)&#10;", memattr_basis_name(row->leaf->basis));
    write_text(out, cell->judgement.reason);
    for (unsigned i = 0; i < MATRIX_QUANTITY_COUNT; i++) {
        const struct matrix_item *item = &cell->items[i];
        if (item->result <= MATRIX_ONLY_SEEN)
            continue;
        fprintf(out, "&#10;%s: predicted ",
                matrix_quantity_name((enum matrix_quantity)i));
        write_text(out, item->predicted);
        fputs(item->observed[0] ? ", observed " : ", not observed: ", out);
        write_text(out, item->observed[0] ? item->observed
                        : item->missing   ? item->missing
                                          : "not measured");
    }
}

static void write_row(FILE *out, const struct matrix *matrix,
                      const struct matrix_row *row)
{
    const struct memattr_advice *advice = &row->advice;
    fputs("<tr><th scope=\"row\">", out);
    write_text(out, row->name);
    fprintf(out, "<small>%s; host %s, %s</small></th>\n",
            matrix_strategy_name(row->strategy), memattr_type_name(row->buffer.host),
            memattr_vma_name(row->buffer.vma));
    for (unsigned i = 0; i < matrix->column_count; i++) {
        const struct matrix_cell *cell = &row->cells[i];
        fprintf(out, "<td class=\"cell %s %s\" title=\"", verdict_class(cell),
                matrix_result_name(cell->result));
        write_tooltip(out, row, cell);
        fprintf(out, "\"><b>%s%s</b>", matrix_cell_word(cell), verdict_sign(cell));
        if (matrix->measured)
            fprintf(out, "<i>%s</i>", result_sign(cell->result));
        fputs("</td>", out);
    }
    fputs("\n<td title=\"", out);
    write_text(out, advice->reason);
    fprintf(out, "\">%s%s</td></tr>\n",
            advice->refusal == MEMATTR_ACCEPTED ? memattr_map_info_name(advice->map_info)
                                                : memattr_refusal_name(advice->refusal),
            advice->needs_late_mapping ? "<small>late mapping</small>" : "");
}

static void write_table(FILE *out, const struct matrix *matrix)
{
    fputs(
        "<div class=\"scroll\"><table>\n<caption>The effective type of the guest's "
        "accesses, by the attribute of its own page tables (S1)</caption>\n"
        "<thead><tr><th scope=\"col\">buffer</th>",
        out);
    for (unsigned i = 0; i < matrix->column_count; i++)
        fprintf(out, "<th scope=\"col\">%s</th>", memattr_type_name(matrix->columns[i]));
    fputs("<th scope=\"col\">map_info, or refusal</th></tr></thead>\n<tbody>\n", out);
    for (unsigned i = 0; i < matrix->row_count; i++) {
        if (!matrix->rows[i].absent[0])
            write_row(out, matrix, &matrix->rows[i]);
    }
    fputs("</tbody></table></div>\n", out);
}

static void write_reasons(FILE *out, const struct matrix *matrix)
{
    fputs("<h2>What the guest is told, and why</h2>\n<dl>\n", out);
    for (unsigned i = 0; i < matrix->row_count; i++) {
        const struct matrix_row *row = &matrix->rows[i];
        if (row->absent[0] || row->strategy != MATRIX_SLOT_OVER)
            continue;
        fputs("<dt>", out);
        write_text(out, row->name);
        fputs("</dt><dd>", out);
        write_text(out, row->advice.reason);
        fputs("</dd>\n", out);
    }
    fputs("</dl>\n", out);
}

static void write_differences(FILE *out, const struct matrix *matrix)
{
    fputs("<h2>What differs, and what is not here</h2>\n<ul>\n", out);
    for (unsigned i = 0; i < matrix->row_count; i++) {
        const struct matrix_row *row = &matrix->rows[i];
        for (unsigned j = 0; j < matrix->column_count * MATRIX_QUANTITY_COUNT; j++) {
            const struct matrix_cell *cell = &row->cells[j / MATRIX_QUANTITY_COUNT];
            enum matrix_quantity quantity =
                (enum matrix_quantity)(j % MATRIX_QUANTITY_COUNT);
            const struct matrix_item *item = &cell->items[quantity];
            if (item->result < MATRIX_EXPLAINED)
                continue;
            fprintf(out, "<li>%s: ", matrix_result_name(item->result));
            write_text(out, row->name);
            fprintf(out, ", %s, S1 %s, %s: predicted %s, observed %s. ",
                    matrix_strategy_name(row->strategy), memattr_type_name(cell->s1),
                    matrix_quantity_name(quantity), item->predicted, item->observed);
            write_text(out, item->explanation ? item->explanation->text : "");
            fputs("</li>\n", out);
        }
        if (row->absent[0]) {
            fputs("<li>not here: ", out);
            write_text(out, row->name);
            fputs(": ", out);
            write_text(out, row->absent);
            fputs("</li>\n", out);
        }
    }
    fputs("</ul>\n", out);
}

void matrix_print_html(FILE *out, const struct matrix *matrix,
                       const struct matrix_summary *summary)
{
    fputs(head, out);
    fputs("<h1>", out);
    write_text(out, matrix->platform_name);
    fputs("</h1>\n<p>", out);
    write_text(out, matrix->platform_text);
    fputs("</p>\n", out);
    if (matrix->measured) {
        fputs("<p><b>", out);
        matrix_print_count(out, &summary->cells, "cells");
        fputs("</b></p>\n", out);
    }
    write_table(out, matrix);
    fputs(key, out);
    if (matrix->measured)
        fputs(measured_key, out);
    write_reasons(out, matrix);
    if (matrix->measured)
        write_differences(out, matrix);
    fputs("</body></html>\n", out);
}

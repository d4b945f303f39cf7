/* SPDX-License-Identifier: MIT */
#include "vmm/matrix/matrix.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/error.h"
#include "vmm/matrix/explanations.h"
#include "vmm/types.h"

static bool is_arm64(enum memattr_model model)
{
    return model == MEMATTR_ARM64 || model == MEMATTR_ARM64_FWB;
}

/* All types of x86; of arm64 those that the tiny guest's MAIR_EL1 has, which has eight entries:
 * the others are mixtures of them. */
static void choose_columns(struct matrix *matrix)
{
    static const enum memattr_type x86[] = {MEMATTR_WB, MEMATTR_WT,       MEMATTR_WP,
                                            MEMATTR_WC, MEMATTR_UC_MINUS, MEMATTR_UC};
    static const enum memattr_type arm64[] = {
        MEMATTR_WB,           MEMATTR_WT,           MEMATTR_NC,
        MEMATTR_ONC_IWB,      MEMATTR_DEVICE_GRE,   MEMATTR_DEVICE_nGRE,
        MEMATTR_DEVICE_nGnRE, MEMATTR_DEVICE_nGnRnE};
    bool arm = is_arm64(matrix->platform.model);
    matrix->column_count = arm ? ARRAY_SIZE(arm64) : ARRAY_SIZE(x86);
    memcpy(matrix->columns, arm ? arm64 : x86, arm ? sizeof arm64 : sizeof x86);
}

bool matrix_init(struct matrix *matrix, const struct memattr_platform *platform,
                 const char *name, const char *text)
{
    *matrix = (struct matrix){
        .platform = *platform,
        .platform_name = name,
        .platform_text = text,
        .explanations = matrix_explanations,
        .rows = calloc(MATRIX_ROWS_MAX, sizeof *matrix->rows),
    };
    choose_columns(matrix);
    return matrix->rows != NULL;
}

void matrix_finish(struct matrix *matrix)
{
    free(matrix->rows);
    *matrix = (struct matrix){0};
}

struct matrix_row *matrix_add(struct matrix *matrix, const char *name,
                              enum matrix_strategy strategy)
{
    BUG_ON(matrix->row_count == MATRIX_ROWS_MAX);
    struct matrix_row *row = &matrix->rows[matrix->row_count++];
    *row = (struct matrix_row){.strategy = strategy};
    snprintf(row->name, sizeof row->name, "%s", name);
    for (unsigned i = 0; i < matrix->column_count; i++)
        row->cells[i].s1 = matrix->columns[i];
    return row;
}

/* --- kinds of buffers --- */

struct kind {
    const char *name;
    struct memattr_buffer buffer;
};

// clang-format off
#define RAM(host_, vma_, uncacheable) {.page = MEMATTR_PAGE_RAM, .host = (host_), .vma = (vma_), .vma_is_uncacheable = (uncacheable)}
#define BAR(host_, vma_, uncacheable) {.page = MEMATTR_PAGE_MMIO, .host = (host_), .vma = (vma_), .vma_is_uncacheable = (uncacheable)}
static const struct kind x86_kinds[] = {
    {"RAM WB", RAM(MEMATTR_WB, MEMATTR_VMA_PLAIN, false)},
    {"RAM WC", RAM(MEMATTR_WC, MEMATTR_VMA_PFNMAP, true)},
    {"RAM UC", RAM(MEMATTR_UC_MINUS, MEMATTR_VMA_PFNMAP, true)},
    {"BAR WC", BAR(MEMATTR_WC, MEMATTR_VMA_PFNMAP, true)},
    {"BAR UC", BAR(MEMATTR_UC_MINUS, MEMATTR_VMA_PFNMAP, true)},
};
static const struct kind arm64_kinds[] = {
    {"RAM WB",                RAM(MEMATTR_WB, MEMATTR_VMA_PLAIN, false)},
    {"RAM WB, PFNMAP",        RAM(MEMATTR_WB, MEMATTR_VMA_PFNMAP, false)},
    {"RAM NC, PFNMAP",        RAM(MEMATTR_NC, MEMATTR_VMA_PFNMAP, true)},
    {"RAM NC, TTM",           RAM(MEMATTR_NC, MEMATTR_VMA_PFNMAP, false)},
    {"BAR WB, PFNMAP",        BAR(MEMATTR_WB, MEMATTR_VMA_PFNMAP, false)},
    {"BAR NC, TTM",           BAR(MEMATTR_NC, MEMATTR_VMA_PFNMAP, false)},
    {"BAR NC, PFNMAP",        BAR(MEMATTR_NC, MEMATTR_VMA_PFNMAP, true)},
    {"BAR nGnRE, PFNMAP",     BAR(MEMATTR_DEVICE_nGnRE, MEMATTR_VMA_PFNMAP, true)},
    {"BAR NC, vfio",          BAR(MEMATTR_NC, MEMATTR_VMA_VFIO, true)},
    {"BAR nGnRnE, vfio",      BAR(MEMATTR_DEVICE_nGnRnE, MEMATTR_VMA_VFIO, true)},
};
// clang-format on

static struct matrix_row *add_kind(struct matrix *matrix, const struct kind *kind,
                                   enum matrix_strategy strategy)
{
    struct matrix_row *row = matrix_add(matrix, kind->name, strategy);
    row->buffer = kind->buffer;
    row->host_source = "given";
    matrix_predict(matrix, row);
    return row;
}

void matrix_add_kinds(struct matrix *matrix)
{
    bool arm = is_arm64(matrix->platform.model);
    const struct kind *kinds = arm ? arm64_kinds : x86_kinds;
    unsigned count = arm ? ARRAY_SIZE(arm64_kinds) : ARRAY_SIZE(x86_kinds);
    for (unsigned i = 0; i < count; i++) {
        if (add_kind(matrix, &kinds[i], MATRIX_SLOT_OVER)->slot->refused)
            add_kind(matrix, &kinds[i], MATRIX_LATE);
    }
}

/* --- observations --- */

struct matrix_cell *matrix_cell_of(const struct matrix *matrix, struct matrix_row *row,
                                   enum memattr_type s1)
{
    for (unsigned i = 0; i < matrix->column_count; i++) {
        if (row->cells[i].s1 == s1)
            return &row->cells[i];
    }
    return NULL;
}

void matrix_observed(struct matrix_cell *cell, enum matrix_quantity quantity,
                     const char *word)
{
    struct matrix_item *item = &cell->items[quantity];
    snprintf(item->observed, sizeof item->observed, "%s", word);
}

void matrix_missing(const struct matrix *matrix, struct matrix_row *row,
                    enum matrix_quantity quantity, const char *why)
{
    for (unsigned i = 0; i < matrix->column_count; i++) {
        struct matrix_item *item = &row->cells[i].items[quantity];
        if (!item->observed[0] && !item->missing)
            item->missing = why;
    }
}

/* --- names --- */

const char *matrix_strategy_name(enum matrix_strategy strategy)
{
    static const char *const names[MATRIX_STRATEGY_COUNT] = {
        [MATRIX_SLOT_OVER] = "slot",
        [MATRIX_LATE] = "late",
        [MATRIX_UNTOUCHED] = "untouched",
    };
    return names[strategy];
}

const char *matrix_quantity_name(enum matrix_quantity quantity)
{
    static const char *const names[MATRIX_QUANTITY_COUNT] = {
        [MATRIX_ANSWER] = "answer",       [MATRIX_DECISION] = "decision",
        [MATRIX_SLOT] = "slot",           [MATRIX_ACCESS] = "access",
        [MATRIX_LEAF] = "leaf",           [MATRIX_PAGES] = "pages",
        [MATRIX_HOST] = "host",           [MATRIX_PAR] = "par",
        [MATRIX_EXCHANGE] = "exchange",   [MATRIX_OUTCOME] = "outcome",
        [MATRIX_UNALIGNED] = "unaligned",
    };
    return names[quantity];
}

const char *matrix_result_name(enum matrix_result result)
{
    static const char *const names[MATRIX_RESULT_COUNT] = {
        [MATRIX_NOTHING] = "nothing",           [MATRIX_ONLY_SEEN] = "not predicted",
        [MATRIX_NOT_OBSERVED] = "not observed", [MATRIX_EQUAL] = "equal",
        [MATRIX_EXPLAINED] = "explained",       [MATRIX_FINDING] = "finding",
        [MATRIX_UNEXPLAINED] = "unexplained",
    };
    return names[result];
}

const char *matrix_short_type(enum memattr_type type)
{
    static const char prefix[] = "Device-";
    const char *name = memattr_type_name(type);
    return strncmp(name, prefix, sizeof prefix - 1) == 0 ? name + sizeof prefix - 1
                                                         : name;
}

const char *matrix_cell_word(const struct matrix_cell *cell)
{
    if (strcmp(cell->items[MATRIX_SLOT].predicted, "accepted") != 0)
        return cell->items[MATRIX_SLOT].predicted;
    if (strcmp(cell->items[MATRIX_ACCESS].predicted, "works") != 0)
        return cell->items[MATRIX_ACCESS].predicted;
    return matrix_short_type(cell->judgement.guest.type);
}

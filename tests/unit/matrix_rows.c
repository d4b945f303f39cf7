/* SPDX-License-Identifier: MIT */
#include "tests/unit/matrix_rows.h"

#include <check.h>

#include "vmm/platform_names.h"

const struct memattr_buffer udmabuf_buffer = {
    .page = MEMATTR_PAGE_RAM, .host = MEMATTR_WB, .vma = MEMATTR_VMA_PFNMAP};

void start_matrix(struct matrix *matrix, const char *platform)
{
    const struct platform_name *named = platform_name_find(platform);
    ck_assert_ptr_nonnull(named);
    ck_assert(matrix_init(matrix, &named->memattr, named->name, named->text));
}

struct matrix_row *add_row(struct matrix *matrix, enum matrix_strategy strategy,
                           struct memattr_buffer buffer)
{
    struct matrix_row *row = matrix_add(matrix, "test", strategy);
    row->buffer = buffer;
    row->is_dmabuf = true;
    matrix_predict(matrix, row);
    return row;
}

const char *predicted(const struct matrix *matrix, const struct matrix_row *row,
                      enum memattr_type s1, enum matrix_quantity quantity)
{
    struct matrix_row *mutable_row = &matrix->rows[row - matrix->rows];
    const struct matrix_cell *cell = matrix_cell_of(matrix, mutable_row, s1);
    ck_assert_ptr_nonnull(cell);
    return cell->items[quantity].predicted;
}

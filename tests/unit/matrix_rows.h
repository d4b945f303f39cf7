/* SPDX-License-Identifier: MIT */
/* A matrix for a named platform, and rows in it as measure.c makes them. */
#ifndef S2VMM_TESTS_UNIT_MATRIX_ROWS_H
#define S2VMM_TESTS_UNIT_MATRIX_ROWS_H

#include "vmm/matrix/matrix.h"

/* Cached RAM in a mapping with VM_PFNMAP. */
extern const struct memattr_buffer udmabuf_buffer;

/* Prepares the matrix for a platform of vmm/platform_names.h. */
void start_matrix(struct matrix *matrix, const char *platform);

/* A row "test" for a dma-buf, predicted. */
struct matrix_row *add_row(struct matrix *matrix, enum matrix_strategy strategy,
                           struct memattr_buffer buffer);

/* What is predicted in the row's cell for this S1 attribute; "": nothing. */
const char *predicted(const struct matrix *matrix, const struct matrix_row *row,
                      enum memattr_type s1, enum matrix_quantity quantity);

#endif

/* SPDX-License-Identifier: MIT */
/* A matrix for people and for programs. */
#ifndef S2VMM_MATRIX_PRINT_H
#define S2VMM_MATRIX_PRINT_H

#include <stdio.h>

#include "vmm/matrix/matrix.h"

/* Tables of short words, what differs, and the counts. */
void matrix_print_text(FILE *out, const struct matrix *matrix,
                       const struct matrix_summary *summary);

/* One object for each cell and for each exporter that is not here, and one with the counts:
 * docs/matrix.md has the keys. */
void matrix_print_json(FILE *out, const struct matrix *matrix,
                       const struct matrix_summary *summary);

/* One file that needs nothing else: no script, no font, no picture from elsewhere. */
void matrix_print_html(FILE *out, const struct matrix *matrix,
                       const struct matrix_summary *summary);

/* "3 cells predicted, 2 observed, 1 equal, 1 differs (0 explained, ...)". */
void matrix_print_count(FILE *out, const struct matrix_count *count, const char *what);

#endif

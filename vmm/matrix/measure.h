/* SPDX-License-Identifier: MIT */
/*
 * Fills a matrix with what this host does: every exporter that it has, with every strategy,
 * through every S1 attribute.
 *
 *     exporter x strategy --> VM: all attributes --ran--> next
 *                              ^        |
 *                              |        +--ended at one of them: that is its observation
 *                              +--------------the others
 */
#ifndef S2VMM_MATRIX_MEASURE_H
#define S2VMM_MATRIX_MEASURE_H

#include "vmm/matrix/machine.h"

struct measure_config {
    struct matrix_machine_config machine; /* `seen` and `context` are ours */
    FILE *progress;                       /* a line for each VM; or NULL */
    const char
        *exporters; /* only those whose name begins so; NULL: all but dmabuf-lab's */
};

/* Rows of the matrix are added and observed; predictions are filled in first. The error
 * of a VM that cannot be made; ERROR_GUEST_LIMIT when a signal ended it. */
bool measure_matrix(struct matrix *matrix, const struct measure_config *config,
                    struct error *error);

#endif

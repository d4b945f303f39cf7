/* SPDX-License-Identifier: MIT */
/* Reads that are not aligned: what the guest's CPU does with them tells what its second stage
 * made of the memory. */
#include <string.h>

#include "vmm/matrix/measurement.h"

#define ALIGNMENT_OFF                                                                    \
    "this CPU does not check alignment: an unaligned read of anonymous memory mapped "   \
    "Device-nGnRnE did not fault"

/* A read that may end the VM is the only one of its VM. */
static bool measure_read(struct measurement *measurement, const struct exporter *exporter,
                         unsigned column, struct error *error)
{
    struct matrix_cell *cell = &measurement->row->cells[column];
    if (!measurement_reopen(measurement, exporter, error))
        return true;
    measurement->unaligned = true;
    enum matrix_machine_end end = measurement_run(measurement, column, error);
    measurement->unaligned = false;
    if (end == MATRIX_MACHINE_FAULTED)
        matrix_observed(cell, MATRIX_UNALIGNED, "EFAULT");
    else if (end == MATRIX_MACHINE_FAILED)
        cell->items[MATRIX_UNALIGNED].missing = ENDED_EARLY;
    return end != MATRIX_MACHINE_INTERRUPTED && end != MATRIX_MACHINE_NOT_MADE;
}

/* Whether this CPU has alignment faults: a model of one need not. Anonymous memory through the
 * strongest Device attribute decides (the last column). */
static bool calibrate(struct measurement *measurement, const struct exporter *exporter,
                      struct error *error)
{
    struct matrix *matrix = measurement->matrix;
    unsigned last = matrix->column_count - 1;
    if (matrix->columns[last] != MEMATTR_DEVICE_nGnRnE)
        return true; /* x86: no attribute has them */
    if (!measure_read(measurement, exporter, last, error))
        return false;
    matrix->checks_alignment =
        strcmp(measurement->row->cells[last].items[MATRIX_UNALIGNED].observed,
               "faults") == 0;
    return true;
}

bool measurement_unaligned(struct measurement *measurement,
                           const struct exporter *exporter, bool is_first,
                           struct error *error)
{
    struct matrix *matrix = measurement->matrix;
    struct matrix_row *row = measurement->row;
    if (row->strategy != MATRIX_SLOT_OVER)
        return true;
    if (is_first && !calibrate(measurement, exporter, error))
        return false;
    if (!matrix->checks_alignment) {
        matrix_missing(matrix, row, MATRIX_UNALIGNED, ALIGNMENT_OFF);
        return true;
    }
    matrix_predict_unaligned(matrix, row);
    for (unsigned i = 0; i < matrix->column_count; i++) {
        const struct matrix_item *items = row->cells[i].items;
        if (strcmp(items[MATRIX_ACCESS].observed, "works") == 0 &&
            !items[MATRIX_UNALIGNED].observed[0] &&
            !measure_read(measurement, exporter, i, error))
            return false;
    }
    return true;
}

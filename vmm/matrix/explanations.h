/* SPDX-License-Identifier: MIT */
/*
 * Why an observation differs from what the model predicts. A difference that no row of the
 * table covers makes `s2vmm matrix --measure` fail, so that each is looked at once by a
 * person, and its reason is written down here and shown at every run.
 */
#ifndef S2VMM_MATRIX_EXPLANATIONS_H
#define S2VMM_MATRIX_EXPLANATIONS_H

#include "vmm/matrix/matrix.h"

struct matrix_explanation {
    const char *exporter;   /* beginning of its name; NULL: any */
    unsigned strategies;    /* MATRIX_ANY, or bits 1 << enum matrix_strategy */
    unsigned models;        /* MATRIX_ANY, or bits 1 << enum memattr_model */
    unsigned before_kernel; /* MATRIX_KERNEL(6, 13): Linux 6.12 and older; 0: any */
    enum matrix_quantity quantity;
    const char *predicted; /* NULL: any */
    const char *observed;  /* NULL: any */
    bool is_finding;       /* news about the kernel or the CPU, not only a known reason */
    const char *text;
};

#define MATRIX_ANY (~0u)

/* What is known; the last one has no text. The first that fits is taken. */
extern const struct matrix_explanation matrix_explanations[];

#endif

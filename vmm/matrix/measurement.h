/* SPDX-License-Identifier: MIT */
/* A measurement as its own files see it: measure.c (all rows), measure_vm.c (the VMs of a row),
 * measure_unaligned.c, and ask.c (what s2vmm and the kernel say, which needs no VM). */
#ifndef S2VMM_MATRIX_MEASUREMENT_H
#define S2VMM_MATRIX_MEASUREMENT_H

#include "devices/gpu/kernel_info.h"
#include "vmm/matrix/measure.h"

#define ENDED_EARLY "the VM ended early"

struct measurement {
    struct matrix *matrix;
    const struct measure_config *config;
    struct s2_observer observer; /* of one VM after the other */
    struct matrix_row *row;
    struct target target;
    struct kernel_info kernel; /* what the kernel says about the target */
    bool unaligned;            /* what this VM is about */
    unsigned observations;     /* of this VM */
};

/* A fresh buffer for each VM, so that no page is left as the VM before made it. */
bool measurement_reopen(struct measurement *measurement, const struct exporter *exporter,
                        struct error *error);

/* Runs a VM with the attributes of the columns from `first` on; one only for a read that may
 * end the VM. */
enum matrix_machine_end measurement_run(struct measurement *measurement, unsigned first,
                                        struct error *error);

/* Runs VMs until each attribute was tried. False: an error that ends everything. */
bool measurement_row(struct measurement *measurement, const struct exporter *exporter,
                     struct error *error);

/* Reads that are not aligned, where the CPU checks that; `is_first`: the row that decides
 * whether it does. False as above. */
bool measurement_unaligned(struct measurement *measurement,
                           const struct exporter *exporter, bool is_first,
                           struct error *error);

/* Asks the kernel about the target, and s2vmm for its decision. */
void measurement_ask(struct measurement *measurement);

#endif

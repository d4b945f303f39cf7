/* SPDX-License-Identifier: MIT */
/* The VMs of one row: one for all attributes, and another one after each that ended it. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "vmm/matrix/measurement.h"

#define REFUSED_FIRST "KVM refused the memslot"
#define FAULTED_FIRST "KVM_RUN ended with EFAULT"
#define NO_HOST_TYPE                                                                     \
    "x86: the kernel keeps a memory type for RAM only, and dmabuf-info tells that of a " \
    "dma-buf; arm64: our own page table could not be read"

/* --- from the guest's report to words --- */

static const char *exchange_word(const struct guest_observation *guest)
{
    if (guest->guest_saw_host_write)
        return guest->host_saw_guest_write ? "both" : "host to guest only";
    return guest->host_saw_guest_write ? "guest to host only" : "neither";
}

/* PAR_EL1: bit 0 says that there is no translation, bits 63:56 are the attribute (DDI 0487,
 * D24.2.142). */
static void observe_par(struct matrix_cell *cell, uint64_t par)
{
    enum memattr_type type;
    if (par & 1)
        matrix_observed(cell, MATRIX_PAR, "fault");
    else if (memattr_arm64_of_mair((uint8_t)(par >> 56), &type))
        matrix_observed(cell, MATRIX_PAR, memattr_type_name(type));
    else
        matrix_observed(cell, MATRIX_PAR, "reserved");
}

/* arm64: from the leaf of the very mapping that KVM looks at. x86: the kernel's answer first, as
 * what is on record is not what every mapping gets (vm_insert_page()). */
static bool host_type(const struct measurement *measurement,
                      const struct matrix_sight *sight, enum memattr_type *type)
{
    const struct kernel_info *kernel = &measurement->kernel;
    enum memattr_model model = measurement->matrix->platform.model;
    bool is_arm64 = model == MEMATTR_ARM64 || model == MEMATTR_ARM64_FWB;
    bool by_kernel = kernel->knows_type && !(is_arm64 && sight->host_known);
    *type = by_kernel ? kernel->type : sight->host;
    return by_kernel || sight->host_known;
}

static void judge(const struct measurement *measurement, struct matrix_cell *cell,
                  struct memattr_leaf leaf, enum memattr_type host)
{
    struct memattr_buffer buffer = measurement->row->buffer;
    buffer.host = host;
    cell->is_judged = true;
    cell->seen =
        memattr_judge(&measurement->matrix->platform, &buffer, leaf, cell->s1).verdict;
}

static void observe_leaf(const struct measurement *measurement, struct matrix_cell *cell,
                         const struct matrix_sight *sight)
{
    enum memattr_type host;
    if (sight->leaf_known) {
        char word[MATRIX_WORD];
        matrix_leaf_word(sight->leaf.attributes, word);
        matrix_observed(cell, MATRIX_LEAF, word);
    }
    if (sight->pages_known)
        matrix_observed(cell, MATRIX_PAGES,
                        sight->pages_are_right ? "the buffer's" : "somebody else's");
    else if (sight->leaf_known)
        cell->items[MATRIX_PAGES].missing = "the host's own page table cannot be read";
    bool host_known = host_type(measurement, sight, &host);
    if (host_known)
        matrix_observed(cell, MATRIX_HOST, memattr_type_name(host));
    if (host_known && sight->leaf_known)
        judge(measurement, cell, sight->leaf.attributes, host);
    else if (sight->leaf_known)
        cell->items[MATRIX_HOST].missing = NO_HOST_TYPE;
}

/* matrix_sight_function */
static void seen(void *context, const struct matrix_sight *sight)
{
    struct measurement *measurement = context;
    const struct guest_observation *guest = &sight->guest;
    struct matrix_row *row = measurement->row;
    struct matrix_cell *cell = matrix_cell_of(measurement->matrix, row, guest->s1);
    if (!cell)
        return;
    measurement->observations++;
    if (measurement->unaligned) {
        if (guest->unaligned_works || guest->unaligned_faulted)
            matrix_observed(cell, MATRIX_UNALIGNED,
                            guest->unaligned_works ? "works" : "faults");
        return;
    }
    matrix_observed(cell, MATRIX_SLOT, "accepted");
    matrix_observed(cell, MATRIX_ACCESS, "works");
    matrix_observed(cell, MATRIX_EXCHANGE, exchange_word(guest));
    if (guest->par)
        observe_par(cell, guest->par);
    observe_leaf(measurement, cell, sight);
    if (!sight->leaf_known) {
        /* The observer goes with the VM, and its text with it: the row keeps it. */
        snprintf(row->leaf_missing, sizeof row->leaf_missing, "%s", sight->reason);
        cell->items[MATRIX_LEAF].missing = row->leaf_missing;
        cell->items[MATRIX_PAGES].missing = row->leaf_missing;
        if (!cell->items[MATRIX_HOST].observed[0])
            cell->items[MATRIX_HOST].missing = row->leaf_missing;
        cell->items[MATRIX_OUTCOME].missing = row->leaf_missing;
    }
}

/* --- a VM --- */

/* The guest's words for S1 attributes are the names in small letters. */
static void add_word(char *list, size_t size, enum memattr_type type)
{
    size_t used = strlen(list);
    snprintf(list + used, size - used, "%s%s", used ? "," : "", memattr_type_name(type));
    for (char *c = list + used; *c; c++)
        *c = (char)tolower((unsigned char)*c);
}

/* The first column from `first` on of which something is predicted. */
static unsigned next_column(const struct measurement *measurement, unsigned first)
{
    while (first < measurement->matrix->column_count &&
           !measurement->row->cells[first].items[MATRIX_SLOT].predicted[0])
        first++;
    return first;
}

enum matrix_machine_end measurement_run(struct measurement *measurement, unsigned first,
                                        struct error *error)
{
    const struct matrix *matrix = measurement->matrix;
    struct matrix_machine_config config = measurement->config->machine;
    char list[200] = "";
    char command_line[300];
    unsigned end = measurement->unaligned ? first + 1 : matrix->column_count;
    for (unsigned i = first; i < end; i = next_column(measurement, i + 1))
        add_word(list, sizeof list, matrix->columns[i]);
    snprintf(command_line, sizeof command_line, "scenario=attributes s1=%s unaligned=%s",
             list, measurement->unaligned ? "yes" : "no");
    config.platform = &matrix->platform;
    config.observer = &measurement->observer;
    config.seen = seen;
    config.context = measurement;
    measurement->observations = 0;
    return matrix_machine_run(&config, &measurement->target, measurement->row->strategy,
                              command_line, error);
}

/* --- an exporter and a strategy --- */

static void refused(struct measurement *measurement)
{
    struct matrix *matrix = measurement->matrix;
    struct matrix_row *row = measurement->row;
    for (unsigned i = 0; i < matrix->column_count; i++)
        matrix_observed(&row->cells[i], MATRIX_SLOT, "EINVAL");
    for (unsigned i = MATRIX_ACCESS; i < MATRIX_QUANTITY_COUNT; i++)
        matrix_missing(matrix, row, (enum matrix_quantity)i, REFUSED_FIRST);
}

/* The attribute at which the VM ended has that as its observation. */
static void ended_at(struct matrix_row *row, struct matrix_cell *cell,
                     enum matrix_machine_end end, const struct error *error)
{
    snprintf(row->trouble, sizeof row->trouble, "%s", error->text);
    if (end != MATRIX_MACHINE_FAULTED) {
        matrix_observed(cell, MATRIX_ACCESS, "failed");
        return;
    }
    matrix_observed(cell, MATRIX_SLOT, "accepted");
    matrix_observed(cell, MATRIX_ACCESS, "EFAULT");
    for (unsigned i = MATRIX_LEAF; i < MATRIX_QUANTITY_COUNT; i++)
        cell->items[i].missing = FAULTED_FIRST;
}

bool measurement_row(struct measurement *measurement, const struct exporter *exporter,
                     struct error *error)
{
    struct matrix *matrix = measurement->matrix;
    struct matrix_row *row = measurement->row;
    unsigned first = next_column(measurement, 0);
    bool is_again = false;
    enum matrix_machine_end end = MATRIX_MACHINE_FAULTED;
    while (end == MATRIX_MACHINE_FAULTED && first < matrix->column_count) {
        if (is_again && !measurement_reopen(measurement, exporter, error))
            break;
        is_again = true;
        end = measurement_run(measurement, first, error);
        if (end == MATRIX_MACHINE_INTERRUPTED || end == MATRIX_MACHINE_NOT_MADE)
            return false;
        if (end == MATRIX_MACHINE_REFUSED)
            refused(measurement);
        for (unsigned i = 0; i < measurement->observations; i++)
            first = next_column(measurement, first + 1);
        if (end != MATRIX_MACHINE_RAN && end != MATRIX_MACHINE_REFUSED &&
            first < matrix->column_count) {
            ended_at(row, &row->cells[first], end, error);
            first = next_column(measurement, first + 1);
        }
    }
    matrix_conclude(matrix, row);
    for (unsigned i = 0; i < MATRIX_UNALIGNED; i++)
        matrix_missing(matrix, row, (enum matrix_quantity)i, ENDED_EARLY);
    return true;
}

/* SPDX-License-Identifier: MIT */
#include "vmm/matrix/measure.h"

#include <ctype.h>
#include <string.h>

#define REFUSED_FIRST "KVM refused the memslot"
#define FAULTED_FIRST "KVM_RUN ended with EFAULT"
#define NO_HOST_TYPE                                                                     \
    "x86: the kernel keeps a memory type for RAM only; arm64: our own page table could " \
    "not be read"
#define ENDED_EARLY "the VM ended early"
#define ALIGNMENT_OFF                                                                    \
    "this CPU does not check alignment: an unaligned read of anonymous memory mapped "   \
    "Device-nGnRnE did not fault"

struct measurement {
    struct matrix *matrix;
    const struct measure_config *config;
    struct matrix_row *row;
    struct target target;
    bool unaligned;        /* what this VM is about */
    unsigned observations; /* of this VM */
};

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

static void observe_leaf(struct matrix_cell *cell, const struct matrix_sight *sight)
{
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
    if (sight->host_known)
        matrix_observed(cell, MATRIX_HOST, memattr_type_name(sight->host));
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
    observe_leaf(cell, sight);
    if (!sight->leaf_known) {
        /* The observer goes with the VM, and its text with it: the row keeps it. */
        snprintf(row->leaf_missing, sizeof row->leaf_missing, "%s", sight->reason);
        cell->items[MATRIX_LEAF].missing = row->leaf_missing;
        cell->items[MATRIX_PAGES].missing = row->leaf_missing;
        cell->items[MATRIX_HOST].missing = row->leaf_missing;
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

/* Attributes from column `first` on; one only for a read that may end the VM. */
static enum matrix_machine_end run(struct measurement *measurement, unsigned first,
                                   struct error *error)
{
    const struct matrix *matrix = measurement->matrix;
    struct matrix_machine_config config = measurement->config->machine;
    char list[200] = "";
    char command_line[300];
    unsigned end = measurement->unaligned ? first + 1 : matrix->column_count;
    for (unsigned i = first; i < end; i++)
        add_word(list, sizeof list, matrix->columns[i]);
    snprintf(command_line, sizeof command_line, "scenario=attributes s1=%s unaligned=%s",
             list, measurement->unaligned ? "yes" : "no");
    config.platform = &matrix->platform;
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

/* A fresh buffer for each VM, so that no page is left as the VM before made it. */
static bool reopen(struct measurement *measurement, const struct exporter *exporter,
                   struct error *error)
{
    target_close(&measurement->target);
    return target_open(&measurement->target, exporter, TARGET_SIZE,
                       measurement->matrix->platform.model, error);
}

static bool measure_row(struct measurement *measurement, const struct exporter *exporter,
                        struct error *error)
{
    struct matrix *matrix = measurement->matrix;
    struct matrix_row *row = measurement->row;
    unsigned first = 0;
    enum matrix_machine_end end = MATRIX_MACHINE_FAULTED;
    while (end == MATRIX_MACHINE_FAULTED && first < matrix->column_count) {
        if (first > 0 && !reopen(measurement, exporter, error))
            break;
        end = run(measurement, first, error);
        if (end == MATRIX_MACHINE_INTERRUPTED || end == MATRIX_MACHINE_NOT_MADE)
            return false;
        if (end == MATRIX_MACHINE_REFUSED)
            refused(measurement);
        first += measurement->observations;
        if (end != MATRIX_MACHINE_RAN && end != MATRIX_MACHINE_REFUSED &&
            first < matrix->column_count)
            ended_at(row, &row->cells[first++], end, error);
    }
    for (unsigned i = 0; i < MATRIX_UNALIGNED; i++)
        matrix_missing(matrix, row, (enum matrix_quantity)i, ENDED_EARLY);
    return true;
}

/* --- unaligned reads --- */

/* A read that may end the VM is the only one of its VM. */
static bool measure_unaligned(struct measurement *measurement,
                              const struct exporter *exporter, unsigned column,
                              struct error *error)
{
    struct matrix_cell *cell = &measurement->row->cells[column];
    if (!reopen(measurement, exporter, error))
        return true;
    measurement->unaligned = true;
    enum matrix_machine_end end = run(measurement, column, error);
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
    if (!measure_unaligned(measurement, exporter, last, error))
        return false;
    matrix->checks_alignment =
        strcmp(measurement->row->cells[last].items[MATRIX_UNALIGNED].observed,
               "faults") == 0;
    return true;
}

static bool measure_alignment(struct measurement *measurement,
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
            !measure_unaligned(measurement, exporter, i, error))
            return false;
    }
    return true;
}

/* --- all of them --- */

static bool measure_exporter(struct measurement *measurement,
                             const struct exporter *exporter,
                             enum matrix_strategy strategy, bool is_first,
                             struct error *error)
{
    struct matrix *matrix = measurement->matrix;
    struct error why;
    struct matrix_row *row = matrix_add(matrix, exporter->name, strategy);
    measurement->row = row;
    row->host_source = exporter->source;
    if (!reopen(measurement, exporter, &why)) {
        snprintf(row->absent, sizeof row->absent, "%s", why.text);
        return true;
    }
    const struct target *target = &measurement->target;
    row->buffer = target->buffer;
    row->clean_is_readonly = target->clean_is_readonly;
    snprintf(row->vma_flags, sizeof row->vma_flags, "%s", target->vma_flags);
    matrix_predict(matrix, row);
    if (measurement->config->progress)
        fprintf(measurement->config->progress, "s2vmm: %s, %s\n", row->name,
                matrix_strategy_name(strategy));
    return measure_row(measurement, exporter, error) &&
           measure_alignment(measurement, exporter, is_first, error);
}

bool measure_matrix(struct matrix *matrix, const struct measure_config *config,
                    struct error *error)
{
    struct measurement measurement = {.matrix = matrix, .config = config};
    bool good = true;
    matrix->measured = true;
    for (unsigned i = 0; good && i < exporter_count; i++) {
        for (unsigned j = 0; good && j < MATRIX_STRATEGY_COUNT; j++) {
            good = measure_exporter(&measurement, &exporters[i], (enum matrix_strategy)j,
                                    i == 0 && j == 0, error);
            if (matrix->rows[matrix->row_count - 1].absent[0])
                break; /* with another strategy it would not be here either */
        }
    }
    target_close(&measurement.target);
    return good;
}

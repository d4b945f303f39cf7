/* SPDX-License-Identifier: MIT */
#include "vmm/matrix/measure.h"

#include <string.h>

#include "devices/gpu/exporters/lab.h"
#include "vmm/matrix/measurement.h"

/* Less than TARGET_SIZE, as there are many of them: 256 pages, 16 blocks. */
#define LAB_SIZE MIB

bool measurement_reopen(struct measurement *measurement, const struct exporter *exporter,
                        struct error *error)
{
    uint64_t size = exporter->protection == TARGET_SAID ? LAB_SIZE : TARGET_SIZE;
    target_close(&measurement->target);
    return target_open(&measurement->target, exporter, size,
                       measurement->matrix->platform.model, error);
}

/* --- one row --- */

static void describe(struct matrix_row *row, const struct target *target)
{
    row->buffer = target->buffer;
    row->clean_is_readonly = target->clean_is_readonly;
    row->is_dmabuf = target->backing.kind == BACKING_DMABUF;
    row->is_unreferenced = target->is_unreferenced;
    row->says = target->says;
    snprintf(row->vma_flags, sizeof row->vma_flags, "%s", target->vma_flags);
}

/* Adds the row, and observes all of it but unaligned reads; row->absent says why there is no
 * such buffer. */
static bool measure_exporter(struct measurement *measurement,
                             const struct exporter *exporter,
                             enum matrix_strategy strategy, struct error *error)
{
    struct matrix *matrix = measurement->matrix;
    struct error why;
    struct matrix_row *row = matrix_add(matrix, exporter->name, strategy);
    measurement->row = row;
    row->host_source = exporter->source;
    row->few_columns = exporter->protection == TARGET_SAID;
    if (!measurement_reopen(measurement, exporter, &why)) {
        snprintf(row->absent, sizeof row->absent, "%s", why.text);
        return true;
    }
    describe(row, &measurement->target);
    matrix_predict(matrix, row);
    measurement_ask(measurement);
    if (measurement->config->progress)
        fprintf(measurement->config->progress, "s2vmm: %s, %s\n", row->name,
                matrix_strategy_name(strategy));
    return measurement_row(measurement, exporter, error);
}

/* --- the exporters that hosts have --- */

static bool is_wanted(const struct measurement *measurement, const char *name)
{
    const char *wanted = measurement->config->exporters;
    return !wanted || strncmp(name, wanted, strlen(wanted)) == 0;
}

static bool measure_stock(struct measurement *measurement, struct error *error)
{
    bool good = true;
    bool is_first = true;
    for (unsigned i = 0; good && i < exporter_count; i++) {
        if (!is_wanted(measurement, exporters[i].name))
            continue;
        for (unsigned j = 0; good && j < MATRIX_STRATEGY_COUNT; j++) {
            enum matrix_strategy strategy = (enum matrix_strategy)j;
            good = measure_exporter(measurement, &exporters[i], strategy, error);
            if (measurement->row->absent[0])
                break; /* with another strategy it would not be here either */
            good = good &&
                   measurement_unaligned(measurement, &exporters[i], is_first, error);
            is_first = false;
        }
    }
    return good;
}

/* --- dmabuf-lab --- */

/* The second strategy is for what KVM refuses a memslot over. */
static bool measure_words(struct measurement *measurement,
                          const struct dmabuf_lab_create *create, struct error *error)
{
    char name[sizeof measurement->row->name] = EXPORTER_LAB;
    struct exporter exporter;
    lab_words(create, name + sizeof EXPORTER_LAB - 1,
              sizeof name - sizeof EXPORTER_LAB + 1);
    if (!lab_is_possible(create) || !is_wanted(measurement, name))
        return true;
    if (!exporter_find(name, &exporter, error) ||
        !measure_exporter(measurement, &exporter, MATRIX_SLOT_OVER, error))
        return false;
    const struct matrix_row *row = measurement->row;
    return row->absent[0] || !row->slot->refused ||
           measure_exporter(measurement, &exporter, MATRIX_LATE, error);
}

/* VM_ALLOW_ANY_UNCACHED means something for a BAR on arm64. */
static bool measure_attributes(struct measurement *measurement,
                               struct dmabuf_lab_create *create, struct error *error)
{
    enum memattr_model model = measurement->matrix->platform.model;
    bool is_arm64 = model == MEMATTR_ARM64 || model == MEMATTR_ARM64_FWB;
    bool good = true;
    unsigned variants = is_arm64 && create->backing == DMABUF_LAB_BAR ? 2 : 1;
    for (unsigned i = 0; good && i < variants; i++) {
        create->flags = i == 0 ? 0 : DMABUF_LAB_ANY_UNCACHED;
        for (unsigned j = 0; good && j < DMABUF_LAB_ATTRIBUTE_COUNT; j++) {
            create->attribute = j;
            good = measure_words(measurement, create, error);
        }
    }
    return good;
}

/* One of each answer that is not an attribute. */
static bool measure_flags(struct measurement *measurement, struct error *error)
{
    static const struct dmabuf_lab_create flagged[] = {
        {.vma = DMABUF_LAB_FAULT, .flags = DMABUF_LAB_NEEDS_SYNC},
        {.vma = DMABUF_LAB_FAULT, .flags = DMABUF_LAB_MAY_CHANGE},
        {.vma = DMABUF_LAB_FAULT,
         .attribute = DMABUF_LAB_WC_WISHED,
         .flags = DMABUF_LAB_NAIVE},
    };
    bool good = true;
    for (size_t i = 0; good && i < ARRAY_SIZE(flagged); i++)
        good = measure_words(measurement, &flagged[i], error);
    return good;
}

static bool measure_lab(struct measurement *measurement, struct error *error)
{
    bool good = true;
    for (uint32_t i = 0; good && i < DMABUF_LAB_BACKING_COUNT; i++) {
        for (uint32_t j = 0; good && j < DMABUF_LAB_VMA_COUNT; j++) {
            struct dmabuf_lab_create create = {.backing = i, .vma = j};
            good = measure_attributes(measurement, &create, error);
        }
    }
    return good && measure_flags(measurement, error);
}

/* --- all of them --- */

bool measure_matrix(struct matrix *matrix, const struct measure_config *config,
                    struct error *error)
{
    static const char lab[] = EXPORTER_LAB;
    struct measurement measurement = {.matrix = matrix, .config = config};
    bool wants_lab =
        config->exporters && strncmp(config->exporters, lab, sizeof lab - 2) == 0;
    matrix->measured = true;
    bool good =
        wants_lab ? measure_lab(&measurement, error) : measure_stock(&measurement, error);
    target_close(&measurement.target);
    s2_observer_finish(&measurement.observer);
    return good;
}

/* SPDX-License-Identifier: MIT */
/* What the kernel says about a dma-buf, and what s2vmm decides with all its sources: the same
 * function that decides about a blob, with no renderer to guess. */
#include <errno.h>
#include <stdlib.h>

#include "devices/gpu/gpu.h"
#include "vmm/matrix/measurement.h"
#include "vmm/placement.h"

#define NOT_LOADED "dmabuf-info is not loaded"
#define NOBODY     "dmabuf-info is not loaded, and no other source knows this exporter"
#define NO_ANSWER  "DMA_BUF_IOCTL_INFO: the kernel does not say"

static bool no_opinion(void *renderer, uint32_t resource_id, uint32_t *map_info)
{
    (void)renderer;
    (void)resource_id;
    (void)map_info;
    return false;
}

static const struct renderer_ops no_renderer = {.blob_map_info = no_opinion};

static void ask_kernel(const struct kernel_info *kernel, struct matrix_cell *cell)
{
    char word[MATRIX_WORD];
    if (kernel->knows_prot && kernel->knows_type) {
        matrix_answer_word(kernel->prot, kernel->type, word);
        matrix_observed(cell, MATRIX_ANSWER, word);
    } else {
        cell->items[MATRIX_ANSWER].missing =
            kernel->error == ENOTTY ? NOT_LOADED : NO_ANSWER;
    }
}

static void ask_s2vmm(struct measurement *measurement, struct matrix_cell *cell)
{
    struct gpu *gpu = calloc(1, sizeof *gpu);
    struct resource *resource = calloc(1, sizeof *resource);
    struct error ignored;
    char word[MATRIX_WORD];
    if (gpu && resource) {
        gpu->config.platform = measurement->matrix->platform;
        if (measurement->target.drm_node[0])
            gpu->config.drm_node = measurement->target.drm_node;
        gpu->renderer.ops = &no_renderer;
        gpu->trace = measurement->config->machine.trace;
        resource->backing = measurement->target.backing;
        resource->backing.is_pfnmap = placement_is_pfnmap(resource->backing.host);
        blob_decide(gpu, resource, &ignored);
        const struct blob_decision *decision = &resource->decision;
        struct memattr_advice advice = decision->advice;
        advice.refusal = decision->refusal;
        matrix_decision_word(&advice, word);
        if (!decision->report.decided && measurement->kernel.error == ENOTTY)
            cell->items[MATRIX_DECISION].missing = NOBODY;
        else
            matrix_observed(cell, MATRIX_DECISION, word);
    }
    free(resource);
    free(gpu);
}

void measurement_ask(struct measurement *measurement)
{
    const struct backing *backing = &measurement->target.backing;
    struct matrix_row *row = measurement->row;
    struct matrix_cell *cell = matrix_decision_cell(measurement->matrix, row);
    measurement->kernel = (struct kernel_info){.error = ENOTTY};
    if (backing->kind != BACKING_DMABUF)
        return;
    kernel_info_ask(backing->fd, measurement->matrix->platform.model,
                    &measurement->kernel);
    if (row->strategy != MATRIX_SLOT_OVER)
        return;
    ask_kernel(&measurement->kernel, cell);
    ask_s2vmm(measurement, cell);
}

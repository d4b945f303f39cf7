/* SPDX-License-Identifier: MIT */
/*
 * `s2vmm probe --dmabuf`: every source's answer about one dma-buf, side by side with the
 * truth, and who lies. Also what others would guess: crosvm's old rule, virglrenderer's.
 * docs/dma-buf-report.md describes the output.
 */
#ifndef S2VMM_GPU_DMABUF_REPORT_H
#define S2VMM_GPU_DMABUF_REPORT_H

#include <stdio.h>

#include "devices/gpu/cache_mode.h"
#include "vmm/error.h"
#include "vmm/memattr.h"

/* what: the name of an exporter (exporter_find()), FD of this process, or PID:FD of another.
 * ERROR_CONFIG_USAGE, ERROR_CONFIG_HOST. */
bool dmabuf_report(const char *what, const struct memattr_platform *platform,
                   const char *drm_node, bool as_json, FILE *out, struct error *error);

/* --- for dmabuf_report_print.c --- */

enum dmabuf_row_id {
    DMABUF_ROW_TRUTH, /* the page table, by dmabuf-info */
    DMABUF_ROW_KERNEL,
    DMABUF_ROW_DRIVER,
    DMABUF_ROW_EXPORTER,
    DMABUF_ROW_RENDERER, /* virglrenderer's rules, from its source */
    DMABUF_ROW_CROSVM,   /* "i915 is cached, everything else is WC" */
    DMABUF_ROW_MEASUREMENT,
    DMABUF_ROW_COUNT
};

enum dmabuf_verdict {
    DMABUF_NO_ANSWER,
    DMABUF_THE_TRUTH,
    DMABUF_RIGHT,
    DMABUF_WRONG,
    DMABUF_UNKNOWN, /* an answer, and no truth to hold it against */
    DMABUF_VERDICT_COUNT
};

struct dmabuf_row {
    bool known;
    bool trusted;
    enum memattr_type type; /* valid when known */
    const char *said;       /* valid when known */
    enum dmabuf_verdict verdict;
    char detail[160];
};

struct dmabuf_facts {
    const char *what;   /* as it was asked for */
    char exporter[32];  /* fdinfo's exp_name */
    char vma_flags[80]; /* smaps' VmFlags of our mapping */
    uint64_t size;      /* of the whole buffer */
    char node[64];      /* the DRM node that was asked, or "" */
    char kernel[80];    /* the host's release */
    char no_truth[80];  /* why there is none, or "" */
    const struct memattr_platform *platform;
    struct cache_mode_report report;
    struct memattr_advice advice; /* valid when report.decided */
    struct dmabuf_row rows[DMABUF_ROW_COUNT];
};

/* Fills in rows and no_truth from the report. */
void dmabuf_judge(struct dmabuf_facts *facts);

void dmabuf_print_text(const struct dmabuf_facts *facts, FILE *out);
void dmabuf_print_json(const struct dmabuf_facts *facts, FILE *out);

#endif

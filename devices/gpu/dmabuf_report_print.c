/* SPDX-License-Identifier: MIT */
/* How the report about a dma-buf looks: docs/dma-buf-report.md. */
#include <string.h>

#include "devices/gpu/dmabuf_report.h"
#include "vmm/json.h"
#include "vmm/types.h"
#include "vmm/version.h"

static const char *const row_names[DMABUF_ROW_COUNT] = {
    [DMABUF_ROW_TRUTH] = "truth",
    [DMABUF_ROW_KERNEL] = "kernel",
    [DMABUF_ROW_DRIVER] = "driver",
    [DMABUF_ROW_EXPORTER] = "exporter",
    [DMABUF_ROW_RENDERER] = "virglrenderer",
    [DMABUF_ROW_CROSVM] = "crosvm",
    [DMABUF_ROW_MEASUREMENT] = "measurement",
};

static const char *const verdict_names[DMABUF_VERDICT_COUNT] = {
    [DMABUF_NO_ANSWER] = "no answer", [DMABUF_THE_TRUTH] = "the truth",
    [DMABUF_RIGHT] = "right",         [DMABUF_WRONG] = "WRONG",
    [DMABUF_UNKNOWN] = "?",
};

static const char *yes_no(bool known, bool value)
{
    return value ? "yes" : known ? "no" : "nobody says";
}

static const char *needs_sync(const struct dmabuf_facts *facts)
{
    return yes_no(facts->report.knows_sync, facts->report.buffer.needs_sync);
}

static const char *may_change(const struct dmabuf_facts *facts)
{
    return yes_no(facts->report.kernel.knows_stability, facts->report.buffer.may_change);
}

/* "map_info WC: ..." or "refuse: ..." */
static void advice_text(const struct dmabuf_facts *facts, char *text, size_t size)
{
    const struct cache_mode_report *report = &facts->report;
    const char *model = memattr_model_name(facts->platform->model);
    if (!report->decided)
        snprintf(text, size, "refuse on %s: no trusted source knows the host attribute",
                 model);
    else if (report->contradicted)
        snprintf(text, size, "refuse on %s: the %s says %s, the page table %s", model,
                 cache_mode_source_name(report->decider),
                 memattr_type_name(report->buffer.host),
                 memattr_type_name(report->kernel.type));
    else if (facts->advice.refusal != MEMATTR_ACCEPTED)
        snprintf(text, size, "refuse on %s: %s", model, facts->advice.reason);
    else
        snprintf(text, size, "map_info %s on %s: %s",
                 memattr_map_info_name(facts->advice.map_info), model,
                 facts->advice.reason);
}

static void liars_text(const struct dmabuf_facts *facts, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (unsigned i = 0; i < DMABUF_ROW_COUNT; i++) {
        if (facts->rows[i].verdict == DMABUF_WRONG && used < size)
            used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "",
                                     row_names[i]);
    }
}

void dmabuf_print_text(const struct dmabuf_facts *facts, FILE *out)
{
    const struct cache_mode_report *report = &facts->report;
    char text[400];
    fprintf(out, "dma-buf      %s: exporter %s%s%s, %llu bytes\n", facts->what,
            facts->exporter, report->driver[0] ? ", driver " : "", report->driver,
            (unsigned long long)facts->size);
    fprintf(out, "host         Linux %s, %s, s2vmm %s\n", facts->kernel,
            memattr_model_name(facts->platform->model), S2VMM_VERSION);
    fprintf(out, "mapping      VmFlags %s\n", facts->vma_flags);
    fprintf(out, "DRM node     %s\n\n", facts->node[0] ? facts->node : "none");
    fprintf(out, "%-13s  %-10s  %-7s  %-9s  %s\n", "source", "answer", "trusted",
            "verdict", "detail");
    for (unsigned i = 0; i < DMABUF_ROW_COUNT; i++) {
        const struct dmabuf_row *row = &facts->rows[i];
        fprintf(out, "%-13s  %-10s  %-7s  %-9s  %s\n", row_names[i],
                row->known ? row->said : "-",
                !row->known || i == DMABUF_ROW_TRUTH ? "-"
                : row->trusted                       ? "yes"
                                                     : "no",
                verdict_names[row->verdict], row->detail);
    }
    fprintf(out, "\nneeds SYNC   %s\n", needs_sync(facts));
    fprintf(out, "may change   %s\n", may_change(facts));
    fprintf(out, "page         %s\n",
            report->buffer.placement_is_unknown ? "unknown: it depends on the placement"
                                                : memattr_page_name(report->buffer.page));
    fprintf(out, "mapped as    %s%s\n", memattr_vma_name(report->buffer.vma),
            report->buffer.vma_is_uncacheable ? ", uncacheable" : "");
    advice_text(facts, text, sizeof text);
    fprintf(out, "advice       %s\n", text);
    liars_text(facts, text, sizeof text);
    fprintf(out, "who lies     %s\n",
            facts->no_truth[0]
                ? "not known: there is no truth to hold the answers against"
            : text[0] ? text
                      : "nobody");
}

/* What a program compares: "wrong", where a person reads "WRONG". */
static const char *verdict_key(enum dmabuf_verdict verdict)
{
    static const char *const keys[DMABUF_VERDICT_COUNT] = {
        [DMABUF_NO_ANSWER] = "none",  [DMABUF_THE_TRUTH] = "truth",
        [DMABUF_RIGHT] = "right",     [DMABUF_WRONG] = "wrong",
        [DMABUF_UNKNOWN] = "unknown",
    };
    return keys[verdict];
}

static void print_json_row(const struct dmabuf_facts *facts, enum dmabuf_row_id id,
                           FILE *out)
{
    const struct dmabuf_row *row = &facts->rows[id];
    struct json json;
    json_begin(&json, out);
    json_string(&json, "dmabuf", facts->what);
    json_string(&json, "source", row_names[id]);
    json_string(&json, "answer", row->known ? row->said : NULL);
    json_string(&json, "type", row->known ? memattr_type_name(row->type) : NULL);
    json_boolean(&json, "trusted", row->trusted);
    json_string(&json, "verdict", verdict_key(row->verdict));
    json_string(&json, "detail", row->detail);
    json_end(&json);
}

void dmabuf_print_json(const struct dmabuf_facts *facts, FILE *out)
{
    const struct cache_mode_report *report = &facts->report;
    const struct memattr_buffer *buffer = &report->buffer;
    char text[400];
    for (unsigned i = 0; i < DMABUF_ROW_COUNT; i++)
        print_json_row(facts, (enum dmabuf_row_id)i, out);

    struct json json;
    json_begin(&json, out);
    json_string(&json, "dmabuf", facts->what);
    json_string(&json, "summary", facts->exporter);
    json_string(&json, "driver", report->driver[0] ? report->driver : NULL);
    json_string(&json, "drm_node", facts->node[0] ? facts->node : NULL);
    json_number(&json, "size", facts->size);
    json_string(&json, "kernel", facts->kernel);
    json_string(&json, "model", memattr_model_name(facts->platform->model));
    json_string(&json, "vma_flags", facts->vma_flags);
    json_string(&json, "no_truth", facts->no_truth[0] ? facts->no_truth : NULL);
    json_string(&json, "needs_sync", needs_sync(facts));
    json_string(&json, "may_change", may_change(facts));
    json_string(&json, "page",
                buffer->placement_is_unknown ? NULL : memattr_page_name(buffer->page));
    json_string(&json, "vma", memattr_vma_name(buffer->vma));
    json_boolean(&json, "vma_is_uncacheable", buffer->vma_is_uncacheable);
    json_string(&json, "decider",
                report->decided ? cache_mode_source_name(report->decider) : NULL);
    json_boolean(&json, "disagreement", report->disagreement);
    json_boolean(&json, "contradicted", report->contradicted);
    bool accepted = report->decided && !report->contradicted &&
                    facts->advice.refusal == MEMATTR_ACCEPTED;
    json_string(&json, "map_info",
                accepted ? memattr_map_info_name(facts->advice.map_info) : NULL);
    advice_text(facts, text, sizeof text);
    json_string(&json, "advice", text);
    liars_text(facts, text, sizeof text);
    json_string(&json, "wrong", text);
    json_string(&json, "s2vmm", S2VMM_VERSION);
    json_end(&json);
}

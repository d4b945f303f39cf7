/* SPDX-License-Identifier: MIT */
#include "devices/gpu/record.h"

#include "devices/gpu/resource.h"
#include "vmm/json.h"
#include "vmm/s2_observer.h"
#include "vmm/trace.h"

/* Everything that is told about one mapping, or one refusal, or one loss. */
struct record {
    const struct resource *resource;
    const struct cache_mode_report *report;
    const struct guest_observation *observation; /* NULL: the guest reported nothing */
    bool told;                                   /* the guest was told a map_info */
    struct memattr_leaf
        leaf; /* observed, or else the one that KVM is expected to install */
    bool leaf_observed;
    uint64_t leaf_raw;
    const char *not_observed; /* why; NULL: it was, or nobody wants it to be */
    bool host_measured;
    enum memattr_type measured_host;
    bool judged; /* the host attribute is known */
    struct memattr_judgement judgement;
    const char *verdict;
    const char *reason;
};

static const char *yes_no(bool value)
{
    return value ? "yes" : "no";
}

static const char *said(const struct cache_mode_answer *answer)
{
    return answer->known ? answer->said : NULL;
}

/* fdinfo says "drm" for every DRM driver that leaves the export to the core; the driver that
 * proved to have made the buffer says more. */
static const char *exporter(const struct record *record)
{
    return record->report->driver[0] ? record->report->driver
                                     : record->resource->backing.exporter;
}

/* Who gave the kernel's answer. */
static const char *kernel_from(const struct kernel_info *kernel)
{
    if (!kernel->knows_prot)
        return NULL;
    return kernel->from_exporter ? "exporter" : "page table";
}

static const char *page_table(const struct kernel_info *kernel)
{
    return kernel->knows_type ? memattr_type_name(kernel->type) : NULL;
}

/* Also told of a buffer that is mapped in spite of it, because of --force-map-info. */
static const char *refusal(const struct blob_decision *decision)
{
    return decision->refusal != MEMATTR_ACCEPTED ? memattr_refusal_name(decision->refusal)
                                                 : NULL;
}

static void write_json(const struct recorder *recorder, FILE *out,
                       const struct record *record)
{
    const struct resource *resource = record->resource;
    const struct cache_mode_report *report = record->report;
    const struct guest_observation *seen = record->observation;
    struct json json;
    json_begin(&json, out);
    json_number(&json, "resource", resource->id);
    json_string(&json, "exporter", exporter(record));
    json_string(&json, "exp_name", resource->backing.exporter);
    json_string(&json, "fd_type", backing_kind_name(resource->backing.kind));
    json_number(&json, "size", resource->size);
    /* What each source answers; "exp_name" above is the name itself. */
    json_string(&json, "kernel", said(&report->answers[CACHE_MODE_KERNEL]));
    json_string(&json, "driver", said(&report->answers[CACHE_MODE_DRIVER]));
    json_string(&json, "exporter_name", said(&report->answers[CACHE_MODE_EXPORTER]));
    json_string(&json, "mapping", said(&report->answers[CACHE_MODE_MAPPING]));
    json_string(&json, "renderer", said(&report->answers[CACHE_MODE_RENDERER]));
    json_open(&json, "answers");
    for (unsigned i = 0; i < CACHE_MODE_SOURCE_COUNT; i++)
        json_string(&json, cache_mode_source_name((enum cache_mode_source)i),
                    report->answers[i].detail);
    json_close(&json);
    json_string(&json, "kernel_from", kernel_from(&report->kernel));
    json_string(&json, "page_table", page_table(&report->kernel));
    json_boolean(&json, "contradicted", report->contradicted);
    json_string(&json, "host",
                report->decided ? memattr_type_name(report->buffer.host) : NULL);
    json_string(&json, "host_from",
                report->decided ? cache_mode_source_name(report->decider) : NULL);
    json_string(&json, "host_measured",
                record->host_measured ? memattr_type_name(record->measured_host) : NULL);
    json_string(&json, "platform", memattr_model_name(recorder->platform->model));
    json_string(&json, "s2", memattr_type_name(record->leaf.type));
    json_boolean(&json, "s2_ignores_s1", record->leaf.ignores_s1);
    json_string(&json, "s2_from", record->leaf_observed ? "observed" : "expected");
    if (record->leaf_observed)
        json_number(&json, "s2_raw", record->leaf_raw);
    json_string(&json, "not_observed", record->not_observed);
    json_string(&json, "map_info",
                record->told ? memattr_map_info_name(resource->decision.map_info) : NULL);
    json_boolean(&json, "forced", resource->decision.forced);
    json_string(&json, "refusal", refusal(&resource->decision));
    json_boolean(&json, "copied", resource->decision.copied);
    json_number(&json, "copy_conflicts", resource->shadow.conflicts);
    json_boolean(&json, "followed", resource->decision.followed);
    json_boolean(&json, "late_mapping", resource->mapping.placement.late);
    json_boolean(&json, "avoids_blocks", resource->mapping.placement.avoid_blocks);
    json_string(&json, "guest_s1", seen ? memattr_type_name(seen->s1) : NULL);
    json_string(&json, "effective",
                record->judged ? memattr_type_name(record->judgement.guest.type) : NULL);
    json_string(&json, "verdict", record->verdict);
    json_string(&json, "reason", record->reason);
    json_boolean(&json, "guest_saw_host_write", seen && seen->guest_saw_host_write);
    json_boolean(&json, "host_saw_guest_write", seen && seen->host_saw_guest_write);
    json_string(&json, "library", recorder->library);
    json_end(&json);
}

static void write_text(FILE *out, const struct record *record)
{
    const struct resource *resource = record->resource;
    const struct cache_mode_report *report = record->report;
    const struct guest_observation *seen = record->observation;

    fprintf(out, "blob %u: %llu bytes, %s from %s\n", resource->id,
            (unsigned long long)resource->size, backing_kind_name(resource->backing.kind),
            exporter(record));
    for (unsigned i = 0; i < CACHE_MODE_SOURCE_COUNT; i++) {
        const char *answer = said(&report->answers[i]);
        fprintf(out, "  %-10s %-8s %s\n",
                cache_mode_source_name((enum cache_mode_source)i), answer ? answer : "-",
                report->answers[i].detail);
    }
    if (report->kernel.knows_type)
        fprintf(out, "  %-10s %-8s dmabuf-info: entry %#llx%s\n", "page table",
                page_table(&report->kernel), (unsigned long long)report->kernel.pte,
                report->contradicted ? ", which contradicts the answer" : "");
    fprintf(out, "  host %s (%s",
            report->decided ? memattr_type_name(report->buffer.host) : "?",
            report->decided ? cache_mode_source_name(report->decider) : "nobody knows");
    if (record->host_measured)
        fprintf(out, "; measured: %s", memattr_type_name(record->measured_host));
    fprintf(out, "), S2 %s%s", memattr_type_name(record->leaf.type),
            record->leaf.ignores_s1 ? ", guest ignored" : "");
    if (record->leaf_observed)
        fprintf(out, " (observed %#llx)", (unsigned long long)record->leaf_raw);
    else if (record->not_observed)
        fprintf(out, " (expected; not observed: %s)", record->not_observed);
    else
        fputs(" (expected)", out);
    if (record->told)
        fprintf(out, ", map_info %s%s%s%s",
                memattr_map_info_name(resource->decision.map_info),
                resource->decision.forced ? " (forced)" : "",
                resource->decision.copied ? " (of a copy)" : "",
                resource->decision.followed ? " (followed)" : "");
    if (seen) {
        fprintf(out, "\n  guest S1 %s, effective %s", memattr_type_name(seen->s1),
                record->judged ? memattr_type_name(record->judgement.guest.type) : "?");
        fprintf(out, "; guest saw the host's writes: %s, host saw the guest's: %s",
                yes_no(seen->guest_saw_host_write), yes_no(seen->host_saw_guest_write));
    }
    fprintf(out, "\n  %s: %s\n", record->verdict, record->reason);
    fflush(out);
}

static void write_record(struct recorder *recorder, const struct record *record)
{
    if (recorder->count == RECORDS_MAX) {
        trace_warning(recorder->trace, "record", "no more than %u records for one run",
                      RECORDS_MAX);
        return;
    }
    recorder->count++;
    if (recorder->json)
        write_json(recorder, recorder->json, record);
    if (recorder->json_file)
        write_json(recorder, recorder->json_file, record);
    if (recorder->text)
        write_text(recorder->text, record);
}

/* The leaf that KVM installed for the first page of the blob, if it can be read, and the
 * attribute that the host kernel has on record for the page behind it. */
static void look_at_leaf(const struct recorder *recorder, struct record *record)
{
    const struct resource *resource = record->resource;
    struct s2_leaf leaf;
    if (!recorder->observer)
        return;
    if (!s2_observer_find(recorder->observer, resource->mapping.address, &leaf)) {
        const char *reason = recorder->observer->reason;
        record->not_observed = reason[0] ? reason : "no fault of the guest was seen";
        return;
    }
    record->leaf_observed = true;
    record->leaf = leaf.attributes;
    record->leaf_raw = leaf.raw;
    /* Behind the leaf of a copy are not the buffer's pages. */
    if (!resource->decision.copied)
        record->host_measured = s2_observer_host_type(
            recorder->observer, resource->backing.host, leaf.hpa, &record->measured_host);
}

/* The verdict is about what the guest has mapped: the buffer, or the copy. */
static void judge(const struct recorder *recorder, struct record *record,
                  const struct memattr_buffer *buffer)
{
    record->judged = true;
    record->judgement =
        memattr_judge(recorder->platform, buffer, record->leaf, record->observation->s1);
    record->verdict = memattr_verdict_name(record->judgement.verdict);
    record->reason = record->judgement.reason;
    if (record->resource->decision.copied && record->judgement.verdict == MEMATTR_MATCH) {
        record->verdict = "copy";
        record->reason =
            "the guest has a copy, which agrees with the buffer at MAP_BLOB, "
            "SUBMIT_3D, a fence and UNMAP_BLOB, and not between";
    }
}

void recorder_observed(struct recorder *recorder, const struct resource *resource,
                       const struct guest_observation *observation)
{
    const struct blob_decision *decision = &resource->decision;
    /* Of a copy, if the guest has one: decision.c. */
    const struct memattr_buffer *buffer = &decision->report.buffer;
    struct record record = {
        .resource = resource,
        .report = &decision->report,
        .observation = observation,
        .told = true,
        .leaf = memattr_leaf_of(recorder->platform, buffer),
        .verdict = "unknown",
        .reason = "no source knows the host attribute, so nothing can be said",
    };
    look_at_leaf(recorder, &record);
    if (decision->copied || decision->report.decided)
        judge(recorder, &record, buffer);
    write_record(recorder, &record);
}

void recorder_unmapped(struct recorder *recorder, const struct hostmem_mapping *mapping,
                       uint64_t size)
{
    if (recorder->observer)
        s2_observer_forget(recorder->observer,
                           (struct gpa_range){mapping->address, size});
}

void recorder_refused(struct recorder *recorder, const struct resource *resource,
                      const char *reason)
{
    const struct record record = {
        .resource = resource,
        .report = &resource->decision.report,
        .leaf = memattr_leaf_of(recorder->platform, &resource->decision.report.buffer),
        .verdict = "refused",
        .reason = reason,
    };
    write_record(recorder, &record);
}

void recorder_dropped(struct recorder *recorder, const struct resource *resource,
                      const char *reason)
{
    const struct record record = {
        .resource = resource,
        .report = &resource->decision.report,
        .told = true,
        .leaf = memattr_leaf_of(recorder->platform, &resource->decision.report.buffer),
        .verdict = "dropped",
        .reason = reason,
    };
    write_record(recorder, &record);
}

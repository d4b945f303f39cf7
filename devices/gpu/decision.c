/* SPDX-License-Identifier: MIT */
/*
 * The decision about one blob: which map_info, or why none.
 *
 *   cache_mode_query()   what is the host attribute, and who says so?
 *   policies             a copy of what needs SYNC, a watch over what may change, the page
 *                        table believed against its exporter: as the command line allows
 *   memattr_advise()     which map_info gives a match here, if any?
 *   honour_guest_pat()   EPT: where only the quirk of KVM stands against a match, it is lifted
 *
 * A refusal is kept in decision->refusal also where --force-map-info maps the blob anyway.
 * docs/refusals.md lists every refusal.
 */
#include "devices/gpu/gpu.h"

static void ask(struct gpu *gpu, const struct resource *resource,
                struct cache_mode_report *report)
{
    const struct gpu_config *config = &gpu->config;
    const struct cache_mode_question question = {
        .platform = &config->platform,
        .backing = &resource->backing,
        .renderer = &gpu->renderer,
        .resource_id = resource->id,
        .drm_node = config->drm_node,
        .permissive = config->permissive,
    };
    cache_mode_query(&question, report);
    if (report->disagreement)
        trace_warning(gpu->trace, "gpu", "blob %u (%s): the sources disagree, %s decides",
                      resource->id, resource->backing.exporter,
                      report->decided ? cache_mode_source_name(report->decider) : "none");
}

/* The exporter's word against the page table's: the buffer is refused, or, by policy, taken
 * for what the page table says now. */
static bool settle_contradiction(struct gpu *gpu, struct resource *resource,
                                 struct error *error)
{
    struct blob_decision *decision = &resource->decision;
    struct cache_mode_report *report = &decision->report;
    if (!report->contradicted)
        return true;
    const char *decider = cache_mode_source_name(report->decider);
    const char *said = memattr_type_name(report->buffer.host);
    const char *found = memattr_type_name(report->kernel.type);
    if (!gpu->config.permissive) {
        decision->refusal = MEMATTR_REFUSED_CONTRADICTION;
        return error_set(error, ERROR_REFUSED,
                         "the %s says that this %s buffer (exporter %s) is %s, and the "
                         "page table of the "
                         "host's mapping has %s: one of them is wrong; "
                         "--cache-mode-policy=permissive believes the page table",
                         decider, backing_kind_name(resource->backing.kind),
                         resource->backing.exporter, said, found);
    }
    trace_warning(gpu->trace, "gpu",
                  "blob %u (%s): the %s says %s, and the page table has %s, which is "
                  "believed (--cache-mode-policy=permissive)",
                  resource->id, resource->backing.exporter, decider, said, found);
    report->buffer.host = report->kernel.type;
    return true;
}

/* What the guest gets instead is a copy in a memfd of ours: the exporter's rules end there. */
static void take_copy(struct gpu *gpu, struct resource *resource)
{
    struct blob_decision *decision = &resource->decision;
    decision->copied = true;
    decision->report.buffer = (struct memattr_buffer){
        .page = MEMATTR_PAGE_RAM,
        .host = memattr_s1_of_map_info(gpu->config.platform.model, MEMATTR_MAP_CACHED),
        .vma = MEMATTR_VMA_PLAIN,
    };
    trace_warning(gpu->trace, "gpu",
                  "blob %u (%s): CPU accesses need DMA_BUF_IOCTL_SYNC, so that the guest "
                  "gets a copy that is synchronised (--needs-sync=copy)",
                  resource->id, resource->backing.exporter);
}

/* The guest's MTRRs may have changed since the last blob. */
static void look_at_guest_mtrrs(struct gpu *gpu)
{
    struct gpu_config *config = &gpu->config;
    if (config->guest_mtrr_is_wb)
        config->platform.guest_mtrr_is_wb =
            config->guest_mtrr_is_wb(config->guest_mtrr_is_wb_context, config->window);
}

/* Once: KVM cannot take it back, and a host that could not do it will not do it later. Where
 * the guest's MTRRs are not WB the PAT stays ignored: blobs that the guest maps UC- against
 * its own wish are WB only as long as it is. */
static bool honour_guest_pat(struct gpu *gpu, const struct resource *resource,
                             struct error *error)
{
    struct gpu_config *config = &gpu->config;
    if (!config->honour_guest_pat)
        return error_set(error, ERROR_REFUSED, "%s", resource->decision.advice.reason);
    if (!config->platform.guest_mtrr_is_wb)
        return error_set(
            error, ERROR_REFUSED,
            "%s; it is not done now, as the guest's MTRRs are not WB over the "
            "window",
            resource->decision.advice.reason);
    bool (*lift)(void *context, struct error *error) = config->honour_guest_pat;
    struct error cause;
    config->honour_guest_pat = NULL;
    if (!lift(config->honour_guest_pat_context, &cause))
        return error_set(error, ERROR_REFUSED, "Intel EPT ignores the guest's PAT: %s",
                         cause.text);
    config->platform.ignores_guest_pat = false;
    trace_warning(gpu->trace, "gpu",
                  "blob %u (%s) needs the guest's PAT: KVM honours it from now on",
                  resource->id, resource->backing.exporter);
    return true;
}

/* Asks the model, with what the policies allow left out. */
static bool advise(struct gpu *gpu, struct resource *resource, struct error *error)
{
    const struct gpu_config *config = &gpu->config;
    struct blob_decision *decision = &resource->decision;
    struct memattr_buffer buffer = decision->report.buffer;
    if (buffer.may_change && config->follow_changes) {
        decision->followed = true;
        buffer.may_change = false;
    }
    look_at_guest_mtrrs(gpu);
    decision->advice = memattr_advise(&config->platform, &buffer);
    /* An experiment leaves KVM as it is. */
    if (decision->advice.needs_guest_pat && !config->force_map_info) {
        if (!honour_guest_pat(gpu, resource, error)) {
            decision->refusal = decision->advice.refusal;
            return false;
        }
        decision->advice = memattr_advise(&config->platform, &buffer);
    }
    decision->refusal = decision->advice.refusal;
    if (decision->refusal == MEMATTR_ACCEPTED)
        return true;
    static const char *const policies[MEMATTR_REFUSAL_COUNT] = {
        [MEMATTR_REFUSED_NEEDS_SYNC] =
            "; --needs-sync=copy gives the guest a synchronised copy",
        [MEMATTR_REFUSED_MAY_CHANGE] =
            "; --may-change=follow drops the mapping when it does",
    };
    const char *policy = policies[decision->refusal];
    return error_set(error, ERROR_REFUSED, "%s%s", decision->advice.reason,
                     policy ? policy : "");
}

/* Who could not be asked might have known: then the host is to blame, and not the buffer. */
static bool host_unknown(const struct resource *resource, struct error *error)
{
    const struct cache_mode_answer *answers = resource->decision.report.answers;
    const char *kind = backing_kind_name(resource->backing.kind);
    for (unsigned i = 0; i < CACHE_MODE_SOURCE_COUNT; i++)
        if (answers[i].failed)
            return error_set(error, ERROR_HOST_SYSTEM,
                             "the host attribute of this %s buffer (exporter %s) cannot "
                             "be found out now: %s: %s",
                             kind, resource->backing.exporter,
                             cache_mode_source_name((enum cache_mode_source)i),
                             answers[i].detail);
    return error_set(
        error, ERROR_REFUSED,
        "no trusted source knows the host attribute of this %s buffer "
        "(exporter %s; renderer: %s); --cache-mode-policy=permissive believes "
        "the renderer",
        kind, resource->backing.exporter, answers[CACHE_MODE_RENDERER].detail);
}

static bool decide(struct gpu *gpu, struct resource *resource, struct error *error)
{
    struct blob_decision *decision = &resource->decision;
    const struct cache_mode_report *report = &decision->report;
    if (report->buffer.needs_sync && gpu->config.copy_unsynced) {
        take_copy(gpu, resource);
    } else if (!report->decided) {
        decision->refusal = MEMATTR_REFUSED_HOST_UNKNOWN;
        return host_unknown(resource, error);
    } else if (!settle_contradiction(gpu, resource, error)) {
        return false;
    }
    return advise(gpu, resource, error);
}

/* Everything but exactly 2 and 3 is cached: docs/linux-guest.md. */
static enum memattr_map_info as_linux_reads(uint32_t map_info)
{
    return map_info == MEMATTR_MAP_UNCACHED || map_info == MEMATTR_MAP_WC
               ? (enum memattr_map_info)map_info
               : MEMATTR_MAP_CACHED;
}

bool blob_decide_by_report(struct gpu *gpu, struct resource *resource,
                           const struct cache_mode_report *report, struct error *error)
{
    struct blob_decision *decision = &resource->decision;
    *decision = (struct blob_decision){.report = *report};
    bool accepted = decide(gpu, resource, error);
    decision->map_info = decision->advice.map_info;
    if (!gpu->config.force_map_info)
        return accepted;
    decision->forced = true;
    decision->map_info = as_linux_reads(gpu->config.forced_map_info);
    if (!accepted)
        trace_warning(
            gpu->trace, "gpu",
            "blob %u: mapped as --force-map-info says, against the refusal \"%s\": %s",
            resource->id, memattr_refusal_name(decision->refusal), error->text);
    return true;
}

bool blob_decide(struct gpu *gpu, struct resource *resource, struct error *error)
{
    struct cache_mode_report report;
    ask(gpu, resource, &report);
    return blob_decide_by_report(gpu, resource, &report, error);
}

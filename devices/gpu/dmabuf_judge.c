/* SPDX-License-Identifier: MIT */
/* Who is right about a dma-buf, and what others would have guessed. */
#include <errno.h>
#include <string.h>

#include "devices/gpu/dmabuf_report.h"

static void set_row(struct dmabuf_facts *facts, enum dmabuf_row_id id,
                    enum memattr_map_info guess, const char *why)
{
    struct dmabuf_row *row = &facts->rows[id];
    snprintf(row->detail, sizeof row->detail, "%s", why);
    row->known = guess != MEMATTR_MAP_NONE;
    if (!row->known)
        return;
    row->type = memattr_s1_of_map_info(facts->platform->model, guess);
    row->said = memattr_map_info_name(guess);
}

static void copy_answer(struct dmabuf_facts *facts, enum dmabuf_row_id id,
                        enum cache_mode_source source)
{
    const struct cache_mode_answer *answer = &facts->report.answers[source];
    struct dmabuf_row *row = &facts->rows[id];
    row->known = answer->known;
    row->trusted = answer->known && answer->trusted;
    row->type = answer->type;
    row->said = answer->said;
    _Static_assert(sizeof row->detail == sizeof answer->detail,
                   "one is copied to the other");
    memcpy(row->detail, answer->detail, sizeof row->detail);
}

static void add_truth(struct dmabuf_facts *facts)
{
    const struct kernel_info *kernel = &facts->report.kernel;
    struct dmabuf_row *row = &facts->rows[DMABUF_ROW_TRUTH];
    row->known = kernel->knows_type;
    if (row->known) {
        row->type = kernel->type;
        row->said = memattr_type_name(kernel->type);
        snprintf(row->detail, sizeof row->detail,
                 "the page table's entry 0x%llx, its address left out",
                 (unsigned long long)kernel->pte);
        return;
    }
    snprintf(facts->no_truth, sizeof facts->no_truth, "%s",
             kernel->error == ENOTTY ? "load the module dmabuf-info to see the page table"
                                     : "the kernel does not tell the page table's entry");
    snprintf(row->detail, sizeof row->detail, "%s", facts->no_truth);
}

/* What virglrenderer 1.3 says of a buffer of this kind, by its source. It asks neither the
 * kernel nor the exporter for the pgprot. */
static void add_renderer(struct dmabuf_facts *facts)
{
    const char *driver = facts->report.driver[0] ? facts->report.driver : facts->exporter;
    const struct cache_mode_answer *said = &facts->report.answers[CACHE_MODE_DRIVER];
    bool is_cached = said->known && said->type == MEMATTR_WB;
    const enum dmabuf_row_id row = DMABUF_ROW_RENDERER;
    if (strcmp(driver, "i915") == 0)
        set_row(facts, row, MEMATTR_MAP_CACHED, "i915_resource.c: cached by default");
    else if (strcmp(driver, "msm") == 0)
        set_row(facts, row,
                is_cached && !facts->report.buffer.needs_sync ? MEMATTR_MAP_CACHED
                                                              : MEMATTR_MAP_WC,
                "msm_renderer.c: cached if MSM_BO_CACHED_COHERENT, else WC");
    else if (strcmp(driver, "amdgpu") == 0)
        set_row(facts, row, is_cached ? MEMATTR_MAP_CACHED : MEMATTR_MAP_WC,
                "amdgpu_renderer.c: WC unless in GTT without USWC");
    else if (strcmp(driver, "panfrost") == 0)
        set_row(facts, row, MEMATTR_MAP_WC, "panfrost_resource.c: always WC");
    else if (strcmp(driver, "udmabuf") == 0)
        set_row(facts, row, MEMATTR_MAP_CACHED,
                "vkr_device_memory.c: Vulkan memory that is coherent and cached");
    else if (strcmp(facts->exporter, "drm") == 0 ||
             strcmp(facts->exporter, "virtio_gpu") == 0)
        set_row(facts, row, MEMATTR_MAP_WC,
                "vrend_winsys_gbm.c: GBM's backend is not called i915");
    else
        set_row(
            facts, row, MEMATTR_MAP_NONE,
            "virglrenderer makes no such buffer, and has no opinion of imported ones");
}

/* As told in the cover letter of "dma-buf: map-info support" (dri-devel, August 2022). */
static void add_crosvm(struct dmabuf_facts *facts)
{
    bool is_i915 =
        strcmp(facts->report.driver, "i915") == 0 || strcmp(facts->exporter, "i915") == 0;
    set_row(facts, DMABUF_ROW_CROSVM, is_i915 ? MEMATTR_MAP_CACHED : MEMATTR_MAP_WC,
            "crosvm until 2022: i915 is cached, everything else is WC");
}

static enum dmabuf_verdict verdict_of(const struct dmabuf_facts *facts,
                                      enum dmabuf_row_id id)
{
    const struct dmabuf_row *row = &facts->rows[id];
    const struct dmabuf_row *truth = &facts->rows[DMABUF_ROW_TRUTH];
    const enum memattr_model model = facts->platform->model;
    const enum memattr_page page = facts->report.buffer.page;
    if (!row->known)
        return DMABUF_NO_ANSWER;
    if (!truth->known)
        return DMABUF_UNKNOWN;
    if (id == DMABUF_ROW_TRUTH)
        return DMABUF_THE_TRUTH;
    if (id == DMABUF_ROW_MEASUREMENT) {
        /* It sees whether a mapping is cached, and no more. */
        bool is_cached = memattr_host_effective(model, page, truth->type) == MEMATTR_WB;
        return is_cached == (row->type == MEMATTR_WB) ? DMABUF_RIGHT : DMABUF_WRONG;
    }
    return cache_mode_differ(model, page, truth->type, row->type) ? DMABUF_WRONG
                                                                  : DMABUF_RIGHT;
}

void dmabuf_judge(struct dmabuf_facts *facts)
{
    add_truth(facts);
    copy_answer(facts, DMABUF_ROW_KERNEL, CACHE_MODE_KERNEL);
    copy_answer(facts, DMABUF_ROW_DRIVER, CACHE_MODE_DRIVER);
    copy_answer(facts, DMABUF_ROW_EXPORTER, CACHE_MODE_EXPORTER);
    copy_answer(facts, DMABUF_ROW_MEASUREMENT, CACHE_MODE_MEASUREMENT);
    add_renderer(facts);
    add_crosvm(facts);
    for (unsigned i = 0; i < DMABUF_ROW_COUNT; i++)
        facts->rows[i].verdict = verdict_of(facts, (enum dmabuf_row_id)i);
}

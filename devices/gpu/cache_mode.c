/* SPDX-License-Identifier: MIT */
#include "devices/gpu/cache_mode.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "devices/gpu/bandwidth.h"
#include "devices/gpu/driver_query.h"
#include "devices/gpu/vma_info.h"
#include "vmm/placement.h"

#define MAPPINGS "/proc/self/maps"

/* Exporters whose name settles the attribute, by fdinfo's exp_name ("shmem" is ours, for
 * memfds): all of them leave the pgprot as it is. */
static const struct {
    const char *name;
    const char *why;
} cached_exporters[] = {
    {"udmabuf", "drivers/dma-buf/udmabuf.c mmap_udmabuf: pgprot untouched"},
    {"system", "drivers/dma-buf/heaps/system_heap.c: pgprot untouched"},
    {"shmem", "mm/shmem.c shmem_mmap: pgprot untouched"},
};

__attribute__((format(printf, 2, 3))) static void unknown(
    struct cache_mode_answer *answer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    answer->known = false;
    vsnprintf(answer->detail, sizeof answer->detail, format, arguments);
    va_end(arguments);
}

/* What a kernel asks for is said in the words of map_info: the type is the
 * architecture's. said: the source's own word, NULL for the type's name. */
__attribute__((format(printf, 5, 6))) static void know(
    const struct cache_mode_question *question, struct cache_mode_answer *answer,
    enum memattr_map_info prot, const char *said, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    answer->known = true;
    answer->type = memattr_s1_of_map_info(question->platform->model, prot);
    answer->said = said ? said : memattr_type_name(answer->type);
    vsnprintf(answer->detail, sizeof answer->detail, format, arguments);
    va_end(arguments);
}

/* All other errors are an answer: this source is not to be had here. */
static bool is_shortage(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOMEM;
}

/* --- the sources --- */

static void ask_kernel(const struct cache_mode_question *question,
                       struct cache_mode_answer *answer, struct kernel_info *info)
{
    if (question->backing->kind != BACKING_DMABUF) {
        unknown(answer, "%s: not a dma-buf", backing_kind_name(question->backing->kind));
        return;
    }
    kernel_info_ask(question->backing->fd, question->platform->model, info);
    if (info->error) {
        unknown(answer, "DMA_BUF_IOCTL_INFO: %s",
                info->error == ENOTTY ? "ENOTTY, not in this kernel"
                                      : strerror(info->error));
        answer->failed = is_shortage(info->error);
        return;
    }
    if (!info->knows_prot) {
        unknown(answer, "DMA_BUF_IOCTL_INFO: value %llu is not defined",
                (unsigned long long)info->vm_prot);
        return;
    }
    know(question, answer, info->prot, memattr_map_info_name(info->prot),
         "DMA_BUF_IOCTL_INFO: %s",
         info->from_exporter ? "the exporter's mmap_info" : "the page table");
    answer->trusted = true;
}

static void ask_driver(const struct cache_mode_question *question,
                       struct cache_mode_answer *answer, struct driver_answer *driver)
{
    if (question->backing->kind != BACKING_DMABUF || !question->drm_node) {
        unknown(answer, "no DRM node in use");
        return;
    }
    const struct driver_buffer buffer = {
        .fd = question->backing->fd,
        .exporter = question->backing->exporter,
        .is_pfnmap = question->backing->is_pfnmap,
    };
    driver_query_path(question->drm_node, &buffer, driver);
    answer->trusted = driver->is_own;
    answer->failed = is_shortage(driver->error);
    if (driver->known)
        know(question, answer, driver->prot, NULL, "%s", driver->detail);
    else
        unknown(answer, "%s", driver->detail);
}

static void ask_exporter(const struct cache_mode_question *question,
                         struct cache_mode_answer *answer)
{
    const char *name = question->backing->exporter;
    for (size_t i = 0; i < ARRAY_SIZE(cached_exporters); i++) {
        if (strcmp(cached_exporters[i].name, name) != 0)
            continue;
        know(question, answer, MEMATTR_MAP_CACHED, NULL, "%s: %s", name,
             cached_exporters[i].why);
        answer->trusted = true;
        return;
    }
    unknown(answer, "the name \"%s\" does not settle it", name);
}

/* The kernel hands out the pages of VM_PFNMAP and VM_IO mappings to nobody, which ordinary memory
 * never is: if the first one is such a page, the list of mappings is not understood. */
static void ask_mapping(const struct cache_mode_question *question,
                        struct cache_mode_answer *answer)
{
    const struct backing *backing = question->backing;
    struct vma_info info;
    if (backing->kind != BACKING_POINTER) {
        unknown(answer, "%s: only asked of a pointer", backing_kind_name(backing->kind));
        return;
    }
    vma_info_ask(MAPPINGS, backing->host, backing->size, &info);
    if (!info.is_ram) {
        unknown(answer, MAPPINGS ": %s", info.detail);
        answer->failed = is_shortage(info.error);
        return;
    }
    if (placement_is_pfnmap(backing->host)) {
        unknown(answer, MAPPINGS ": %s, and a page of it cannot be read", info.detail);
        return;
    }
    know(question, answer, MEMATTR_MAP_CACHED, NULL, MAPPINGS ": %s", info.detail);
    answer->trusted = true;
}

static void ask_renderer(const struct cache_mode_question *question,
                         struct cache_mode_answer *answer)
{
    uint32_t map_info = 0;
    const struct renderer *renderer = question->renderer;
    if (!renderer || !renderer->ops->blob_map_info(renderer->context,
                                                   question->resource_id, &map_info)) {
        unknown(answer, "the renderer has no opinion");
        return;
    }
    if (map_info != MEMATTR_MAP_CACHED && map_info != MEMATTR_MAP_WC &&
        map_info != MEMATTR_MAP_UNCACHED) {
        unknown(answer, "the renderer gave a value that is not defined");
        return;
    }
    const char *name = memattr_map_info_name((enum memattr_map_info)map_info);
    know(question, answer, (enum memattr_map_info)map_info, name,
         "get_map_info %s, a guess", name);
}

/* A slow mapping may be WC or uncached: it is called WC, which is what DRM drivers make. */
static void ask_measurement(const struct cache_mode_question *question,
                            struct cache_mode_answer *answer)
{
    struct bandwidth bandwidth;
    if (!question->measure || !question->backing->host) {
        unknown(answer, "not measured");
        return;
    }
    bandwidth_measure(NULL, question->backing->host, question->backing->size, &bandwidth);
    char detail[sizeof answer->detail];
    bandwidth_describe(&bandwidth, detail, sizeof detail);
    if (bandwidth.verdict == BANDWIDTH_NO_DIFFERENCE)
        unknown(answer, "%s", detail);
    else
        know(question, answer,
             bandwidth.verdict == BANDWIDTH_CACHED ? MEMATTR_MAP_CACHED : MEMATTR_MAP_WC,
             bandwidth_verdict_name(bandwidth.verdict), "%s", detail);
}

/* --- the decision --- */

/* The word that map_info has for a type; NONE for write-through and mixtures. Every type that
 * is no Normal memory of arm64 is UNCACHED to it. */
static enum memattr_map_info word_of(enum memattr_type type)
{
    if (type == MEMATTR_WB)
        return MEMATTR_MAP_CACHED;
    if (type == MEMATTR_WC || type == MEMATTR_NC)
        return MEMATTR_MAP_WC;
    if (type == MEMATTR_UC || type == MEMATTR_UC_MINUS || type >= MEMATTR_DEVICE_GRE)
        return MEMATTR_MAP_UNCACHED;
    return MEMATTR_MAP_NONE;
}

bool cache_mode_differ(enum memattr_model model, enum memattr_page page,
                       enum memattr_type one, enum memattr_type other)
{
    return word_of(one) != word_of(other) &&
           memattr_host_effective(model, page, one) !=
               memattr_host_effective(model, page, other);
}

/* What is known of the buffer besides its attribute: from the kernel, else from the driver,
 * else what is so for every exporter of the table above. */
static void describe(const struct cache_mode_question *question,
                     const struct driver_answer *driver, struct cache_mode_report *report)
{
    const struct kernel_info *kernel = &report->kernel;
    struct memattr_buffer *buffer = &report->buffer;
    if (driver->is_own)
        snprintf(report->driver, sizeof report->driver, "%s", driver->driver);
    report->knows_sync = kernel->knows_sync || driver->knows_sync;
    buffer->page = kernel->knows_page ? kernel->page : driver->page;
    buffer->vma = kernel->knows_vma              ? kernel->vma
                  : question->backing->is_pfnmap ? MEMATTR_VMA_PFNMAP
                                                 : MEMATTR_VMA_PLAIN;
    buffer->needs_sync = kernel->knows_sync ? kernel->needs_sync : driver->needs_sync;
    buffer->may_change =
        driver->may_change || (kernel->knows_stability && kernel->may_change);
    buffer->placement_is_unknown = driver->placement_is_unknown && !kernel->knows_prot;
}

/* The page table names the exact type where map_info has only a word, as of arm64's Device
 * types. */
static void decide(const struct cache_mode_question *question,
                   const struct driver_answer *driver, enum cache_mode_source source,
                   struct cache_mode_report *report)
{
    const struct kernel_info *kernel = &report->kernel;
    struct memattr_buffer *buffer = &report->buffer;
    report->decided = true;
    report->decider = source;
    buffer->host = report->answers[source].type;
    if (kernel->knows_type && !buffer->placement_is_unknown) {
        report->contradicted = cache_mode_differ(question->platform->model, buffer->page,
                                                 kernel->type, buffer->host);
        if (word_of(kernel->type) == word_of(buffer->host))
            buffer->host = kernel->type;
    }
    buffer->vma_is_uncacheable = kernel->knows_vma ? kernel->vma_is_uncacheable
                                 : source == CACHE_MODE_DRIVER
                                     ? driver->vma_is_uncacheable
                                     : buffer->host != MEMATTR_WB;
}

void cache_mode_query(const struct cache_mode_question *question,
                      struct cache_mode_report *report)
{
    *report = (struct cache_mode_report){0};
    struct driver_answer driver = {0};
    struct cache_mode_answer *answers = report->answers;
    ask_kernel(question, &answers[CACHE_MODE_KERNEL], &report->kernel);
    ask_driver(question, &answers[CACHE_MODE_DRIVER], &driver);
    ask_exporter(question, &answers[CACHE_MODE_EXPORTER]);
    ask_mapping(question, &answers[CACHE_MODE_MAPPING]);
    ask_renderer(question, &answers[CACHE_MODE_RENDERER]);
    ask_measurement(question, &answers[CACHE_MODE_MEASUREMENT]);
    describe(question, &driver, report);

    const struct cache_mode_answer *first = NULL;
    for (unsigned i = 0; i < CACHE_MODE_SOURCE_COUNT; i++) {
        /* A driver that knows that nobody can know has decided, too. */
        bool settles = answers[i].known ||
                       (i == CACHE_MODE_DRIVER && report->buffer.placement_is_unknown);
        bool is_believed =
            answers[i].trusted || (i == CACHE_MODE_RENDERER && question->permissive);
        if (settles && is_believed && !report->decided)
            decide(question, &driver, (enum cache_mode_source)i, report);
        /* The measurement sees only whether a mapping is cached. */
        if (!answers[i].known ||
            (i == CACHE_MODE_MEASUREMENT && first && first->type != MEMATTR_WB &&
             answers[i].type != MEMATTR_WB))
            continue;
        if (first && cache_mode_differ(question->platform->model, report->buffer.page,
                                       first->type, answers[i].type))
            report->disagreement = true;
        if (!first)
            first = &answers[i];
    }
}

const char *cache_mode_source_name(enum cache_mode_source source)
{
    static const char *const names[CACHE_MODE_SOURCE_COUNT] = {
        [CACHE_MODE_KERNEL] = "kernel",     [CACHE_MODE_DRIVER] = "driver",
        [CACHE_MODE_EXPORTER] = "exporter", [CACHE_MODE_MAPPING] = "mapping",
        [CACHE_MODE_RENDERER] = "renderer", [CACHE_MODE_MEASUREMENT] = "measurement",
    };
    return names[source];
}

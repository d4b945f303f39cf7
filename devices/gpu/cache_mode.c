/* SPDX-License-Identifier: MIT */
#include "devices/gpu/cache_mode.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

#include "devices/gpu/dma_buf_info.h"
#include "vmm/placement.h"

/* A name that settles the attribute, with the source of that claim. What the kernel asks
 * for is said in the words of map_info: the type is the architecture's. */
struct fixed_attribute {
    const char *name;
    enum memattr_map_info pgprot;
    const char *why;
};

/* Exporters, by fdinfo's exp_name ("shmem" is ours, for memfds). */
static const struct fixed_attribute exporters[] = {
    {"udmabuf", MEMATTR_MAP_CACHED,
     "drivers/dma-buf/udmabuf.c mmap_udmabuf: pgprot untouched"},
    {"system", MEMATTR_MAP_CACHED,
     "drivers/dma-buf/heaps/system_heap.c: pgprot untouched"},
    {"shmem", MEMATTR_MAP_CACHED, "mm/shmem.c shmem_mmap: pgprot untouched"},
};

/* DRM drivers whose buffers all have one attribute. Their exp_name is just "drm". */
static const struct fixed_attribute drivers[] = {
    {"vgem", MEMATTR_MAP_WC, "vgem_drv.c vgem_gem_create_object: map_wc"},
};

static const struct fixed_attribute *find(const struct fixed_attribute *table,
                                          size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    }
    return NULL;
}

__attribute__((format(printf, 2, 3))) static void unknown(
    struct cache_mode_answer *answer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    answer->known = false;
    vsnprintf(answer->detail, sizeof answer->detail, format, arguments);
    va_end(arguments);
}

static void know(const struct cache_mode_question *question,
                 struct cache_mode_answer *answer, const struct fixed_attribute *fixed)
{
    answer->known = true;
    answer->trusted = true;
    answer->type = memattr_s1_of_map_info(question->platform->model, fixed->pgprot);
    answer->said = memattr_type_name(answer->type);
    snprintf(answer->detail, sizeof answer->detail, "%s: %s", fixed->name, fixed->why);
}

/* --- the sources --- */

static void ask_kernel(const struct cache_mode_question *question,
                       struct cache_mode_answer *answer)
{
    if (question->backing->kind != BACKING_DMABUF) {
        unknown(answer, "%s: not a dma-buf", backing_kind_name(question->backing->kind));
        return;
    }
    struct dma_buf_info info = {.param = DMA_BUF_INFO_VM_PROT};
    if (ioctl(question->backing->fd, DMA_BUF_IOCTL_INFO, &info) < 0) {
        unknown(answer, "DMA_BUF_IOCTL_INFO: %s",
                errno == ENOTTY ? "ENOTTY, not in this kernel" : strerror(errno));
        return;
    }
    if (info.value != DMA_BUF_VM_PROT_WC && info.value != DMA_BUF_VM_PROT_CACHED) {
        unknown(answer, "DMA_BUF_IOCTL_INFO: value %llu is not defined",
                (unsigned long long)info.value);
        return;
    }
    answer->known = true;
    answer->trusted = true;
    bool cached = info.value == DMA_BUF_VM_PROT_CACHED;
    answer->type = memattr_s1_of_map_info(question->platform->model,
                                          cached ? MEMATTR_MAP_CACHED : MEMATTR_MAP_WC);
    answer->said = cached ? "CACHED" : "WC";
    snprintf(answer->detail, sizeof answer->detail, "DMA_BUF_IOCTL_INFO");
}

/* Importing a buffer into the device that exported it gives the original object, and only
 * original objects can be mapped through the node: drm_gem_dumb_map_offset() refuses
 * imported ones. So a map offset proves whose buffer it is. */
static bool is_own_buffer(int node, int dma_buf)
{
    uint32_t handle;
    uint64_t offset;
    if (drmPrimeFDToHandle(node, dma_buf, &handle) != 0)
        return false;
    bool own = drmModeMapDumbBuffer(node, handle, &offset) == 0;
    drmCloseBufferHandle(node, handle);
    return own;
}

/* Also notes the driver, if the buffer is its own. */
static void ask_driver(const struct cache_mode_question *question,
                       struct cache_mode_answer *answer, char *driver, size_t driver_size)
{
    if (question->backing->kind != BACKING_DMABUF || !question->drm_node) {
        unknown(answer, "no DRM node in use");
        return;
    }
    int node = open(question->drm_node, O_RDWR | O_CLOEXEC);
    drmVersionPtr version = node < 0 ? NULL : drmGetVersion(node);
    if (!version) {
        unknown(answer, "%s cannot be asked", question->drm_node);
    } else if (!is_own_buffer(node, question->backing->fd)) {
        unknown(answer, "not a buffer of %s", version->name);
    } else {
        snprintf(driver, driver_size, "%s", version->name);
        const struct fixed_attribute *fixed =
            find(drivers, ARRAY_SIZE(drivers), version->name);
        if (fixed)
            know(question, answer, fixed);
        else
            unknown(answer, "driver %s has no query that we know", version->name);
    }
    drmFreeVersion(version);
    if (node >= 0)
        close(node);
}

static void ask_exporter(const struct cache_mode_question *question,
                         struct cache_mode_answer *answer)
{
    const char *name = question->backing->exporter;
    const struct fixed_attribute *fixed = find(exporters, ARRAY_SIZE(exporters), name);
    if (fixed)
        know(question, answer, fixed);
    else
        unknown(answer, "the name \"%s\" does not settle it", name);
}

static void ask_renderer(const struct cache_mode_question *question,
                         struct cache_mode_answer *answer)
{
    uint32_t map_info = 0;
    const struct renderer *renderer = question->renderer;
    if (!renderer->ops->blob_map_info(renderer->context, question->resource_id,
                                      &map_info)) {
        unknown(answer, "the renderer has no opinion");
        return;
    }
    if (map_info != MEMATTR_MAP_CACHED && map_info != MEMATTR_MAP_WC &&
        map_info != MEMATTR_MAP_UNCACHED) {
        unknown(answer, "the renderer gave a value that is not defined");
        return;
    }
    answer->known = true;
    answer->type = memattr_s1_of_map_info(question->platform->model,
                                          (enum memattr_map_info)map_info);
    answer->said = memattr_map_info_name((enum memattr_map_info)map_info);
    snprintf(answer->detail, sizeof answer->detail, "get_map_info %s, a guess",
             answer->said);
}

/* --- the decision --- */

static enum memattr_type effective(const struct cache_mode_question *question,
                                   const struct cache_mode_report *report,
                                   const struct cache_mode_answer *answer)
{
    return memattr_host_effective(question->platform->model, report->buffer.page,
                                  answer->type);
}

void cache_mode_query(const struct cache_mode_question *question,
                      struct cache_mode_report *report)
{
    *report = (struct cache_mode_report){0};
    struct cache_mode_answer *answers = report->answers;
    ask_kernel(question, &answers[CACHE_MODE_KERNEL]);
    ask_driver(question, &answers[CACHE_MODE_DRIVER], report->driver,
               sizeof report->driver);
    ask_exporter(question, &answers[CACHE_MODE_EXPORTER]);
    ask_renderer(question, &answers[CACHE_MODE_RENDERER]);

    /* Every source above speaks of system memory; a source for a BAR will say so itself.
     */
    report->buffer.page = MEMATTR_PAGE_RAM;
    report->buffer.vma = placement_is_pfnmap(question->backing->host) ? MEMATTR_VMA_PFNMAP
                                                                      : MEMATTR_VMA_PLAIN;

    const struct cache_mode_answer *first = NULL;
    for (unsigned i = 0; i < CACHE_MODE_SOURCE_COUNT; i++) {
        if (!answers[i].known)
            continue;
        if (first && effective(question, report, first) !=
                         effective(question, report, &answers[i]))
            report->disagreement = true;
        if (!first)
            first = &answers[i];
        if (!report->decided && (answers[i].trusted || question->permissive)) {
            report->decided = true;
            report->decider = (enum cache_mode_source)i;
            report->buffer.host = answers[i].type;
            /* No driver of the tables above sets the attribute in the page table only, as
             * TTM does: its VMA has it. */
            report->buffer.vma_is_uncacheable = answers[i].type != MEMATTR_WB;
        }
    }
}

const char *cache_mode_source_name(enum cache_mode_source source)
{
    static const char *const names[CACHE_MODE_SOURCE_COUNT] = {
        [CACHE_MODE_KERNEL] = "kernel",
        [CACHE_MODE_DRIVER] = "driver",
        [CACHE_MODE_EXPORTER] = "exporter",
        [CACHE_MODE_RENDERER] = "renderer",
    };
    return names[source];
}

/* SPDX-License-Identifier: MIT */
/*
 * Who says what the cache mode of a buffer is.
 *
 * Each source is asked in turn, every answer is kept and shown, a disagreement is
 * reported, and the first trusted source decides:
 *
 *   kernel      DMA_BUF_IOCTL_INFO on the fd, DMA_BUF_INFO_VM_PROT: the proposal of
 *               dri-devel, August 2022; the module dmabuf-info makes a stock kernel answer
 *   driver      the DRM driver that exported it, when its node proves that the buffer is
 *               its own: devices/gpu/driver_query.h
 *   exporter    the exporter's name, for those whose attribute is fixed: udmabuf, shmem, ...
 *   mapping     of a pointer, which has no exporter: whether the kernel's list of mappings has
 *               ordinary memory there, which is write-back: devices/gpu/vma_info.h
 *   renderer    virgl_renderer_resource_get_map_info(): a guess, not trusted
 *   measurement the speed of reads through the mapping: not trusted to decide, either
 *
 * Above them is the truth where it can be had: the entry of the page table, which
 * dmabuf-info reads (struct kernel_info). It does not decide, as it only knows this moment,
 * but a trusted answer that it contradicts is not believed: the buffer is refused.
 *
 * No trusted answer means that the buffer is refused, unless the policy is permissive;
 * then the renderer is believed, and the record says so.
 */
#ifndef S2VMM_GPU_CACHE_MODE_H
#define S2VMM_GPU_CACHE_MODE_H

#include "devices/gpu/backing.h"
#include "devices/gpu/kernel_info.h"
#include "vmm/memattr.h"

enum cache_mode_source {
    CACHE_MODE_KERNEL,
    CACHE_MODE_DRIVER,
    CACHE_MODE_EXPORTER,
    CACHE_MODE_MAPPING,
    CACHE_MODE_RENDERER,
    CACHE_MODE_MEASUREMENT,
    CACHE_MODE_SOURCE_COUNT
};

struct cache_mode_answer {
    bool known;
    bool trusted;
    bool failed; /* not known, as the host has no memory or no descriptors to ask it */
    enum memattr_type type; /* valid when known */
    const char *said;       /* valid when known: the answer in the source's own word */
    char detail[160];       /* where it comes from, or why there is none */
};

struct cache_mode_report {
    struct cache_mode_answer answers[CACHE_MODE_SOURCE_COUNT];
    bool decided;
    enum cache_mode_source decider; /* valid when decided */
    bool disagreement;              /* two known answers differ */
    bool contradicted;              /* the page table differs from the decider's answer */
    struct kernel_info kernel;      /* all that DMA_BUF_IOCTL_INFO says */
    struct memattr_buffer buffer;   /* its host attribute is valid when decided */
    bool knows_sync;                /* somebody trusted said whether it needs SYNC */
    char driver[32]; /* the DRM driver that proved to be the exporter, or "" */
};

struct cache_mode_question {
    const struct memattr_platform *platform;
    const struct backing *backing;
    const struct renderer *renderer; /* or NULL */
    uint32_t resource_id;
    const char *drm_node; /* the node that the renderer was given, or NULL */
    bool permissive;      /* believe the renderer when nobody else knows */
    bool measure;         /* also measure the speed of reads, which takes milliseconds */
};

/* Asks all sources. Never fails: what cannot be had is an answer, too. */
void cache_mode_query(const struct cache_mode_question *question,
                      struct cache_mode_report *report);

/* Whether two host attributes of one page are different ones: not when map_info has one word
 * for both (arm64's Device types), nor when the host's accesses get the same type. */
bool cache_mode_differ(enum memattr_model model, enum memattr_page page,
                       enum memattr_type one, enum memattr_type other);

/* "kernel", "driver", "exporter", "mapping", "renderer", "measurement". */
const char *cache_mode_source_name(enum cache_mode_source source);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Who says what the cache mode of a buffer is.
 *
 * Each source is asked in turn, every answer is kept and shown, a disagreement is
 * reported, and the first trusted source decides:
 *
 *   kernel     DMA_BUF_IOCTL_INFO on the fd: the proposal of dri-devel, August 2022
 *              ("dma-buf: Add ioctl to query mmap info"); stock kernels answer ENOTTY
 *   driver     the DRM driver that exported it, when its node proves that the buffer is
 * its own, and its source says that all of its buffers have one attribute exporter   the
 * exporter's name, for those whose attribute is fixed: udmabuf, shmem, ... renderer
 * virgl_renderer_resource_get_map_info(): a guess, not trusted
 *
 * No trusted answer means that the buffer is refused, unless the policy is permissive;
 * then the renderer is believed, and the record says so.
 */
#ifndef S2VMM_GPU_CACHE_MODE_H
#define S2VMM_GPU_CACHE_MODE_H

#include "devices/gpu/backing.h"
#include "vmm/memattr.h"

enum cache_mode_source {
    CACHE_MODE_KERNEL,
    CACHE_MODE_DRIVER,
    CACHE_MODE_EXPORTER,
    CACHE_MODE_RENDERER,
    CACHE_MODE_SOURCE_COUNT
};

struct cache_mode_answer {
    bool known;
    bool trusted;
    enum memattr_type type; /* valid when known */
    const char *said;       /* valid when known: the answer in the source's own word */
    char detail[80];        /* where it comes from, or why there is none */
};

struct cache_mode_report {
    struct cache_mode_answer answers[CACHE_MODE_SOURCE_COUNT];
    bool decided;
    enum cache_mode_source decider; /* valid when decided */
    bool disagreement;              /* two known answers differ */
    struct memattr_buffer buffer;   /* its host attribute is valid when decided */
    char driver[32]; /* the DRM driver that proved to be the exporter, or "" */
};

struct cache_mode_question {
    const struct memattr_platform *platform;
    const struct backing *backing;
    const struct renderer *renderer;
    uint32_t resource_id;
    const char *drm_node; /* the node that the renderer was given, or NULL */
    bool permissive;      /* believe the renderer when nobody else knows */
};

/* Asks all sources. Never fails: what cannot be had is an answer, too. */
void cache_mode_query(const struct cache_mode_question *question,
                      struct cache_mode_report *report);

/* "kernel", "driver", "exporter", "renderer". */
const char *cache_mode_source_name(enum cache_mode_source source);

#endif

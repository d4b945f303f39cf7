/* SPDX-License-Identifier: MIT */
/*
 * The renderer process (--renderer=process): a renderer for an s2vmm that is another process, so
 * that what the guest's commands do in a driver reaches guest RAM, and nothing else of s2vmm, and
 * so that it can outlive that s2vmm (docs/live-update.md).
 *
 *   s2vmm                                          renderer process
 *   device -> struct renderer_ops of               renderer_process_serve()
 *             renderer_remote.h  == renderer_wire.h ==>  the ops of renderer_virgl.h
 *   guest RAM (memfd) ---------------------------- the same, mapped
 *
 * A launcher starts it (render_launcher.h). It has a launcher of its own for the render server
 * that venus needs, and ends with its socket, or with its launcher.
 */
#ifndef S2VMM_GPU_RENDERER_PROCESS_H
#define S2VMM_GPU_RENDERER_PROCESS_H

#include <pthread.h>

#include "devices/gpu/render_launcher.h"
#include "devices/gpu/renderer_wire.h"

#define RENDERER_PROCESS_BUCKETS 256u

struct kept_pages;

struct renderer_process {
    /* Filled in by the caller. */
    int socket;
    /* Makes the renderer, once there is RAM: fills in `renderer` and `library`. Its fences are
     * done by renderer_process_fence_done(). */
    bool (*start)(struct renderer_process *process, struct error *error);
    void *context;
    struct renderer renderer;
    char library[WIRE_NAME_SIZE];

    /* The rest is zeroed. */
    uint8_t *ram; /* NULL: there was no HELLO */
    uint64_t ram_size;
    uint8_t *area;
    struct kept_pages
        *kept[RENDERER_PROCESS_BUCKETS]; /* of resources: the renderer has them */
};

/* Serves the socket until the other end is closed, or says what it must not; then closes what it
 * has but the socket. The renderer stays the caller's. */
void renderer_process_serve(struct renderer_process *process);

/* A renderer_fence_function, whose context is the struct renderer_process. */
void renderer_process_fence_done(void *process, struct renderer_timeline timeline,
                                 uint32_t fence);

/* --- renderer_process_virgl.c --- */

/* In a process that a launcher has forked (struct launcher_child). */
struct renderer_process_config {
    bool virgl;
    bool venus;
    const char *drm_node; /* or NULL */
    struct trace *trace;
};

/* launcher_child.become; the context is a struct renderer_process_config. */
void renderer_process_become(const struct launcher_child *child, int socket,
                             const struct sandbox *sandbox, const sigset_t *signals,
                             struct error *error);

#endif

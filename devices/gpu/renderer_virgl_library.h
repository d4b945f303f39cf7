/* SPDX-License-Identifier: MIT */
/*
 * libvirglrenderer as it is loaded: for renderer_virgl.c, which starts and stops it, and for
 * renderer_virgl_ops.c, which calls it.
 */
#ifndef S2VMM_GPU_RENDERER_VIRGL_LIBRARY_H
#define S2VMM_GPU_RENDERER_VIRGL_LIBRARY_H

#define VIRGL_RENDERER_UNSTABLE_APIS /* 0.10.4 hides venus and the fences of contexts */
#include <stdatomic.h>
#include <virgl/virglrenderer.h>

#include "devices/gpu/renderer_virgl.h"

/* The calls that we use, each with its own type from the library's header. */
#define VIRGL_CALLS(X)                                                                   \
    X(init)                                                                              \
    X(cleanup)                                                                           \
    X(get_cap_set)                                                                       \
    X(fill_caps)                                                                         \
    X(context_create_with_flags)                                                         \
    X(context_destroy)                                                                   \
    X(ctx_attach_resource)                                                               \
    X(ctx_detach_resource)                                                               \
    X(submit_cmd)                                                                        \
    X(create_fence)                                                                      \
    X(context_create_fence)                                                              \
    X(resource_create_blob)                                                              \
    X(resource_unref)                                                                    \
    X(resource_export_blob)                                                              \
    X(resource_map)                                                                      \
    X(resource_unmap)                                                                    \
    X(resource_get_map_info)                                                             \
    X(resource_import_blob)                                                              \
    X(resource_create)                                                                   \
    X(resource_attach_iov)                                                               \
    X(resource_detach_iov)                                                               \
    X(transfer_write_iov)                                                                \
    X(transfer_read_iov)                                                                 \
    X(get_poll_fd)                                                                       \
    X(poll)

struct calls {
#define X(name) __typeof__(&virgl_renderer_##name) name;
    VIRGL_CALLS(X)
#undef X
};

struct renderer_virgl {
    struct renderer_virgl_config config;
    struct virgl_renderer_callbacks callbacks;
    struct calls calls;
    void *library;
    char library_name[64];
    bool initialised;
    int server_socket; /* for the library to take; -1: it has it */
    int poll_fd;  /* an epoll over the next, what the library has, and the server's */
    int timer_fd; /* -1: the library has an fd of its own, or needs none */
    atomic_uint fences_open; /* asked for, not done */
};

/* The ops of a renderer; its context is a struct renderer_virgl. In renderer_virgl_ops.c. */
extern const struct renderer_ops renderer_virgl_ops;

/* Ends the library, and starts it and its server once more. What renderer_virgl_create() says. */
bool renderer_virgl_restart(void *virgl, struct error *error);

/* Ticks every so many nanoseconds, if the library cannot tell when a fence is done; 0: stops. */
void renderer_virgl_set_timer(const struct renderer_virgl *virgl, long nanoseconds);

/* The callbacks of the library: for the global timeline, and for those of contexts, whose fences
 * have the ring in the upper half of their number. */
void renderer_virgl_global_fence_done(void *virgl, uint32_t fence);
void renderer_virgl_context_fence_done(void *virgl, uint32_t context_id, uint32_t ring,
                                       uint64_t fence);

#endif

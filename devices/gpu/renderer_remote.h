/* SPDX-License-Identifier: MIT */
/*
 * s2vmm's side of the renderer process: a struct renderer whose ops are requests
 * (renderer_process.h has the picture, renderer_wire.h the messages).
 *
 * Nothing that the process says is believed more than what a renderer returns in this process:
 * devices/gpu/backing.c looks at its descriptors. One that answers what was not asked, or not in
 * time, is ended, and has died. Then all fences that wait for it are done, all requests fail at
 * once, and another one is started when the device wants that (has_died(), restart()).
 *
 * Not possible: memory that has no descriptor. blob_map() says so.
 */
#ifndef S2VMM_GPU_RENDERER_REMOTE_H
#define S2VMM_GPU_RENDERER_REMOTE_H

#include "devices/gpu/render_launcher.h"
#include "devices/gpu/render_server.h"
#include "devices/gpu/renderer_process.h"
#include "devices/gpu/renderer_wire.h"

#define RENDERER_REMOTE_PATIENCE 60000u /* milliseconds; a driver may compile meanwhile */

struct state_reader;
struct state_writer;

struct renderer_remote {
    bool initialised;
    bool started;
    bool awaits; /* the process comes by renderer_remote_load() */
    struct trace *trace;
    struct launcher_child child;
    struct render_server launcher;
    unsigned patience; /* milliseconds that an answer may take */
    const struct guest_memory *memory;
    renderer_fence_function *fence;
    void *fence_context;

    int socket;    /* -1: the process has died */
    int poll_fd;   /* an epoll over it and what the launcher says */
    int area_fd;   /* renderer_wire.h: the area */
    uint8_t *area; /* NULL: not mapped */
    uint32_t serial;
    char library[WIRE_NAME_SIZE + 1];
    unsigned capset_count;
    struct renderer_capset capsets[WIRE_CAPSETS_MAX];

    /* The last fence of each timeline that has one which is not done. */
    unsigned open_count;
    unsigned open_room;
    struct renderer_open_fence {
        struct renderer_timeline timeline;
        uint32_t last;
    } * open;
};

/* Makes the launcher: before there is another thread, or memory of the guest. What it starts has a
 * copy of the configuration. The sandbox may be NULL. ERROR_HOST_SYSTEM. */
bool renderer_remote_init(struct renderer_remote *remote,
                          const struct renderer_process_config *config,
                          const struct sandbox *sandbox, struct trace *trace,
                          struct error *error);

/* The same with another process: become() of the launcher's child, and its context, which stays in
 * use. */
bool renderer_remote_init_child(struct renderer_remote *remote,
                                launcher_become_function *become, const void *context,
                                const struct sandbox *sandbox, struct trace *trace,
                                struct error *error);

/* In place of renderer_remote_init(): the process is another s2vmm's, and comes by renderer_ops.load,
 * after start(), and before anything else. */
void renderer_remote_await(struct renderer_remote *remote, struct trace *trace);

/* Starts the process, and gives it guest RAM, which has a memfd; after renderer_remote_await() there
 * is nothing to start yet. What renderer_virgl_create() says, and ERROR_HOST_RENDERER. */
bool renderer_remote_start(struct renderer_remote *remote,
                           const struct guest_memory *memory,
                           renderer_fence_function *fence, void *fence_context,
                           struct error *error);

struct renderer renderer_remote_interface(struct renderer_remote *remote);

/* The library's file name, as the process says it. */
const char *renderer_remote_library(const struct renderer_remote *remote);

/* Closes what start() has opened: the process ends. A zeroed object is fine. */
void renderer_remote_stop(struct renderer_remote *remote);

/* Ends the launcher, and what it has started. A zeroed object is fine. */
void renderer_remote_finish(struct renderer_remote *remote);

/* --- renderer_remote_state.c: renderer_ops.save, .load, .knows_... --- */

/* The process outlives this s2vmm: its socket, its launcher's, and what of it is known here.
 * Nothing changes here: should the other s2vmm fail, this one goes on. Should it not, this one must
 * end without renderer_remote_stop() and _finish(), which wait for the launcher. */
bool renderer_remote_save(void *remote, struct state_writer *writer, struct error *error);

/* What state_open() and state_close() say, ERROR_HOST_MEMORY, ERROR_HOST_SYSTEM. */
bool renderer_remote_load(void *remote, struct state_reader *reader, struct error *error);

bool renderer_remote_knows(const void *remote, uint32_t id);

/* --- for renderer_remote*.c --- */

/* Sends the request, whose header has its kind and area_used, with `fd`, or -1, and waits for its
 * answer. *got_fd: the descriptor that came with it, or -1; NULL: there must be none. False also
 * when the answer is an error, or there is no process. */
bool renderer_remote_ask(struct renderer_remote *remote, struct wire_request *request,
                         int fd, struct wire_answer *answer, int *got_fd,
                         struct error *error);

/* Asks for a fence, which has no answer. */
bool renderer_remote_ask_fence(struct renderer_remote *remote,
                               struct renderer_timeline timeline, uint32_t number,
                               struct error *error);

/* Forgets fences of a context that is destroyed. */
void renderer_remote_forget_fences(struct renderer_remote *remote, uint32_t context_id);

/* renderer_ops.poll, .has_died, .restart */
void renderer_remote_poll(void *remote);
bool renderer_remote_has_died(const void *remote);
bool renderer_remote_restart(void *remote, struct error *error);

/* Maps the area, and polls what there is to poll: for start() and load(). */
bool renderer_remote_open(struct renderer_remote *remote, struct error *error);

extern const struct renderer_ops renderer_remote_ops;

#endif

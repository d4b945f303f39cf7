/* SPDX-License-Identifier: MIT */
/*
 * The render server of libvirglrenderer, a process, which is started as often as it takes: a
 * launcher, another process, forked before anything else exists, executes it and hands out its
 * socket. So no thread that the guest talks to has to execute a file, and a server that died can
 * be followed by another one.
 *
 *   GPU's thread                         launcher                      server and its workers
 *   render_server_start() --- a byte --> socketpair, fork -----------> role, execve
 *          <-- STARTED, pid, a socket -- (or an error)                    |
 *          ========================= commands ============================+
 *   render_server_hear()  <-- ENDED, how -- waitpid <-------------------- dies
 *   render_server_finish(), or s2vmm dies: end of file --> ends the server's group, then itself
 */
#ifndef S2VMM_GPU_RENDER_SERVER_H
#define S2VMM_GPU_RENDER_SERVER_H

#include <sys/types.h>

#include "vmm/sandbox.h"
#include "vmm/trace.h"

struct launcher_child;

struct render_server {
    bool initialised;
    const struct launcher_child *child;
    struct trace *trace;
    pid_t launcher; /* 0: it is the child of another s2vmm (renderer_remote_load()) */
    int control;    /* to the launcher; when it is readable, hear(); -1: it is gone */
    int connection; /* the library's socket to the server, once more; -1: there is none */
    bool end_told;  /* the launcher has said how the last one ended */
};

/* The file that is executed: what the package virgl-server has, or RENDER_SERVER_EXEC_PATH in the
 * environment, which the library knows, too. */
const char *render_server_path(void);

/* Makes the launcher: to be called before there is another thread, or memory of the guest. The
 * sandbox may be NULL. ERROR_HOST_SYSTEM. */
bool render_server_init(struct render_server *server, const struct sandbox *sandbox,
                        struct trace *trace, struct error *error);

/* The same for another process than the render server: render_launcher.h. The child stays in
 * use. */
bool render_server_init_child(struct render_server *server,
                              const struct launcher_child *child,
                              const struct sandbox *sandbox, struct trace *trace,
                              struct error *error);

/* Ends what is left of the last server, and executes another one; *socket is the caller's end of
 * a connection to it. ERROR_HOST_RENDERER with the path and the cause. */
bool render_server_start(struct render_server *server, int *socket, struct error *error);

/* The server that was started last has closed its end, as it does when it dies; or there is none. */
bool render_server_has_died(const struct render_server *server);

/* Ends the server that was started last, whatever it does; nobody warns of that. */
void render_server_end(struct render_server *server);

/* Reads what the launcher has said, and warns of it: how the server ended, or the launcher itself.
 * Does not wait. */
void render_server_hear(struct render_server *server);

/* Ends the launcher, which ends the server, and waits for it. A zeroed object is fine. */
void render_server_finish(struct render_server *server);

#endif

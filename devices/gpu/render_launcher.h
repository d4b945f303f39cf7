/* SPDX-License-Identifier: MIT */
/*
 * The process that executes the render server (render_server.h has the picture), and what it says.
 * Another one starts the renderer process (renderer_process.h): for the launcher that is a server
 * like any other.
 *
 * It takes single bytes from s2vmm, and nothing from the guest. It and the
 * server are in sandbox roles of their own. A server leads a process group, which its workers
 * cannot leave, and which ends as a whole. Workers whose server has died go on, until their
 * contexts end or another server is started.
 */
#ifndef S2VMM_GPU_RENDER_LAUNCHER_H
#define S2VMM_GPU_RENDER_LAUNCHER_H

#include <signal.h>
#include <sys/types.h>

#include "vmm/sandbox.h"

/* The bytes. */
enum launcher_request {
    LAUNCHER_START, /* one more, when the last one has been ended; has an answer */
    LAUNCHER_END,   /* the last one, whose end is no news then */
};

struct launcher_child;

/* In the new process, which leads its group: returns with an error, or not at all. `signals` is
 * the mask that it shall have. All descriptors but stdin, stdout and stderr are to be closed, at
 * the latest by execve(): the launcher waits for that. */
typedef void launcher_become_function(const struct launcher_child *child, int socket,
                                      const struct sandbox *sandbox,
                                      const sigset_t *signals, struct error *error);

/* What it starts. */
struct launcher_child {
    const char *name;          /* "render server" */
    const char *outlook;       /* what it means that it has died */
    const char *(*path)(void); /* of its file, for an error; NULL: it has none */
    launcher_become_function *become;
    const void *context; /* become()'s own */
};

enum launcher_news_kind {
    LAUNCHER_STARTED,
    LAUNCHER_ENDED, /* a server did that nobody wanted to end */
};

/* One message. */
struct launcher_news {
    enum launcher_news_kind kind;
    pid_t pid;          /* of the server */
    int status;         /* ENDED: as waitpid() has it */
    struct error error; /* STARTED: ERROR_NONE, and a socket comes with it */
};

/* In a process of its own, with all signals blocked: serves the socket until it is closed at the
 * other end. `signals`: the mask of a server. The child stays in use. */
_Noreturn void render_launcher_run(int socket, const struct launcher_child *child,
                                   const struct sandbox *sandbox,
                                   const sigset_t *signals);

/* launcher_child.become of the render server. */
void render_launcher_become_server(const struct launcher_child *child, int socket,
                                   const struct sandbox *sandbox, const sigset_t *signals,
                                   struct error *error);

#endif

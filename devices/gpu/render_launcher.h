/* SPDX-License-Identifier: MIT */
/*
 * The process that executes the render server (render_server.h has the picture), and what it says.
 *
 * It takes single bytes from s2vmm, which all mean "start", and nothing from the guest. It and the
 * server are in sandbox roles of their own. A server leads a process group, which its workers
 * cannot leave, and which ends as a whole. Workers whose server has died go on, until their
 * contexts end or another server is started.
 */
#ifndef S2VMM_GPU_RENDER_LAUNCHER_H
#define S2VMM_GPU_RENDER_LAUNCHER_H

#include <signal.h>
#include <sys/types.h>

#include "vmm/sandbox.h"

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
 * other end. `signals`: the mask of a server. */
_Noreturn void render_launcher_run(int socket, const struct sandbox *sandbox,
                                   const sigset_t *signals);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Whose a system call is, of those that make a live update (docs/live-update.md):
 *
 *   super   the supervisor
 *   old     the thread "update"; the others from the new one's READY on, but not what makes up the
 *           guest's own run (tests/faults/run is for that)
 *   new     all threads until RUNNING has been sent, but not the dynamic linker, whose calls are those
 *           between execveat() and the first prlimit64(RLIMIT_NOFILE)
 */
#ifndef S2VMM_TESTS_FAULTS_UPDATE_CALLS_H
#define S2VMM_TESTS_FAULTS_UPDATE_CALLS_H

#include <linux/seccomp.h>
#include <stdbool.h>

#include "tests/faults/calls.h"

#define UPDATE_THREADS_MAX 64u
#define UPDATE_CALLER_SIZE 32

struct update_thread {
    pid_t thread;
    pid_t process;
    pid_t parent;
    char name[16];
};

/* Of one update. */
struct update_calls {
    pid_t supervisor;
    pid_t old;
    bool is_linking;  /* the new one, between execveat() and its own first call */
    bool is_ready;    /* the new one's VM is there: the guest is about to stop */
    unsigned running; /* how often the new one has said that it runs */
    int irqfds; /* that the old one has connected, less those that it has taken away */
    unsigned thread_count;
    struct update_thread threads[UPDATE_THREADS_MAX];
};

/* True: the call is one of the update's; `caller` is "old update", "new main", "super main", ...;
 * call->name has the rest. `known` is what call_describe() says. */
bool update_calls_look(struct update_calls *calls, const struct seccomp_notif *request,
                       char *caller, struct call *call, bool *known);

/* The call is made, and not failed: after a refused update as many irqfds have to be there as before, which a
 * guest without interrupts does not tell. */
void update_calls_note_made(struct update_calls *calls,
                            const struct seccomp_notif *request);

#endif

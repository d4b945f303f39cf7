/* SPDX-License-Identifier: MIT */
/*
 * Stops and kills the processes of the render server of a running s2vmm, for the scenarios of
 * guest/scenarios/server.c:
 *
 *   SERVER_DIES   when the console says "stop the server": SIGSTOP to all of them; "kill the
 *                 server": SIGKILL
 *   PROCESS_DIES  the same, but what is killed is the renderer process (--renderer=process)
 *   SERVER_STORM  from "storm" to "calm": the server, one of its workers, or all of them, at
 *                 random moments. The seed is printed; S2VMM_KILL_SEED is one to be tried again
 */
#ifndef S2VMM_TESTS_E2E_SERVER_H
#define S2VMM_TESTS_E2E_SERVER_H

#include <sys/types.h>

#include "tests/e2e/cases.h"

struct server_watch {
    enum case_watch what;
    unsigned stops;   /* requests of the console that were heard */
    unsigned kills;   /* the same, or of a storm: how often something was killed */
    unsigned lives;   /* that had been told at the last kill of a storm */
    bool killed_anew; /* before there was another one */
    unsigned short seed[3];
};

void server_watch_init(struct server_watch *watch, enum case_watch what);

/* One look: for struct run_plan. The context is the watch; `out` is what stdout has. */
void server_watch_look(void *context, pid_t pid, int in, const char *out);

/* Fails the test when there was nothing to kill, or not often enough. */
void server_watch_check(const struct server_watch *watch, const struct e2e_case *test);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Replaces a running s2vmm, by itself or by something that is none: `s2vmm update`, once stdout has
 * the text `update_when`. And the impostor: a "new s2vmm" that breaks its promises, which is this
 * test program itself, when a supervisor executes it. S2VMM_IMPOSTOR says which one it breaks:
 *
 *   hangs            says nothing
 *   lies             says something that is no message
 *   hangs-with-it    is ready, takes the state, and says nothing
 *   refuses          is ready, and cannot load the state
 *   dies             could run, and ends instead
 *   dies-late        may run, and ends instead
 */
#ifndef S2VMM_TESTS_E2E_UPDATE_H
#define S2VMM_TESTS_E2E_UPDATE_H

#include <sys/types.h>

#include "tests/e2e/cases.h"

struct update_watch {
    const struct e2e_case *test;
    const char *socket;
    pid_t client; /* `s2vmm update`; 0: not started yet; -1: has ended */
    int status;
    unsigned looks_since; /* its end */
    int output;           /* of the client: stdout and stderr */
};

/* "--update-socket=PATH", for the run and its client. */
const char *update_socket_option(void);

void update_watch_init(struct update_watch *watch, const struct e2e_case *test);

/* One look: for struct run_plan. */
void update_watch_look(void *context, pid_t pid, int in, const char *out);

/* Fails the test when the client did not say what it should. */
void update_watch_check(struct update_watch *watch);

/* Does not return if a supervisor executed this program. */
void update_impostor(int argc, char **argv);

#endif

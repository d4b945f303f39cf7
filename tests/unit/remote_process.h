/* SPDX-License-Identifier: MIT */
/*
 * A renderer process for the tests of who asks it: a fake renderer, which a page that both share
 * shows to the test, or a liar.
 */
#ifndef S2VMM_TESTS_UNIT_REMOTE_PROCESS_H
#define S2VMM_TESTS_UNIT_REMOTE_PROCESS_H

#include <stdatomic.h>

#include "devices/gpu/renderer_remote.h"
#include "tests/unit/fake_renderer.h"

/* What the liar does with the first request after HELLO. */
enum lie {
    HONEST, /* no liar, but the fake */
    LIE_SILENCE,
    LIE_END,
    LIE_KIND,
    LIE_SERIAL,
    LIE_AREA,
    LIE_MAGIC,
    LIE_SHORT,
    LIE_LONG,
    LIE_FD,
    LIE_FD_OF_ERROR,
    LIE_TWO_FDS,
    LIE_MANY_FDS,
    LIE_FD_OF_FENCE,
    LIE_FLOOD,
    LIE_ERROR_TEXT, /* no reason to end it */
    LIE_TWICE,
    /* in the answer to HELLO */
    LIE_HELLO_VERSION,
    LIE_HELLO_CAPSETS,
    LIE_HELLO_CAPSET_SIZE,
    LIE_HELLO_SILENCE,
};

/* The process and the test have it. */
struct remote_process {
    enum lie lie;
    pid_t pid;
    atomic_bool complete; /* all fences that are open are done, soon */
    struct fake_renderer fake;
};

/* Shared memory of the test's; set before it starts. */
extern struct remote_process *remote_process;

/* For renderer_remote_init_child(). */
void remote_process_become(const struct launcher_child *child, int socket,
                           const struct sandbox *sandbox, const sigset_t *signals,
                           struct error *error);

#endif

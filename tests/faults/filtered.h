/* SPDX-License-Identifier: MIT */
/*
 * A program whose system calls wait until we answer: go on, or an error (seccomp_unotify(2); Linux
 * 5.6 for pidfd_getfd(2)). A call that fails is not made. What the program starts has the filter, too.
 */
#ifndef S2VMM_TESTS_FAULTS_FILTERED_H
#define S2VMM_TESTS_FAULTS_FILTERED_H

#include <linux/seccomp.h>
#include <stdint.h>
#include <sys/types.h>

struct filtered {
    pid_t process;
    int listener;
};

struct filtered_plan {
    char **argv;
    const char *output; /* files; NULL: ours */
    const char *errors;
    int terminal; /* our end of the one that is its standard input, or -1: /dev/null */
};

/* The error number that the call is to fail with; 0: it is made. */
typedef int filtered_choice(void *context, const struct seccomp_notif *request);

/* Ends us if it cannot. What the program leaves behind becomes our child. */
void filtered_start(struct filtered *filtered, const struct filtered_plan *plan);

/* Waits up to so many milliseconds for a call, and answers it. */
void filtered_answer(const struct filtered *filtered, int milliseconds_at_most,
                     filtered_choice *choose, void *context);

void filtered_finish(struct filtered *filtered);

/* --- for both injectors --- */

_Noreturn void die(const char *what);

/* CLOCK_MONOTONIC */
uint64_t milliseconds(void);

/* A number of the status of a thread; 0: it is gone. */
pid_t read_status(pid_t thread, const char *key);

/* The children of the process, as numbers with spaces between them. */
void read_children(pid_t process, char *text, size_t size);

/* The name of a thread; "": it is gone. */
void read_name(pid_t thread, char *name, size_t size);

#endif

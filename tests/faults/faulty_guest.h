/* SPDX-License-Identifier: MIT */
/*
 * A guest whose s2vmm is updated while system calls fail: guest/scenarios/update.c, which prints ten
 * numbered lines a second; and what has to be true of it. What is not is in `wrong`, a line for each.
 */
#ifndef S2VMM_TESTS_FAULTS_FAULTY_GUEST_H
#define S2VMM_TESTS_FAULTS_FAULTY_GUEST_H

#include <stdbool.h>

#include "tests/faults/filtered.h"

struct held {
    unsigned threads;
    unsigned descriptors;
    unsigned supervisor_descriptors;
};

struct faulty_guest {
    char **argv; /* of s2vmm run; the scenario's seconds come last */
    const char *socket;
    const char *results; /* a folder, for the files out, errors and client */
    unsigned seconds;
    filtered_choice *choose;
    void *context;

    struct filtered program; /* the supervisor; process 0: none */
    int status;              /* of waitpid(), once it has ended */
    uint64_t started;        /* ms */
    pid_t vmm;
    struct held usual; /* after an update without a fault */
    char wrong[1024];
    char reply[512]; /* of `s2vmm update`, its last line */
};

/* Until it has printed a few lines. Ends us if it does not. */
void faulty_guest_start(struct faulty_guest *guest);

/* False: it will end by itself, or has. */
bool faulty_guest_has_time(const struct faulty_guest *guest);

/* The exit status of `s2vmm update`, when it has ended. */
int faulty_guest_update(struct faulty_guest *guest);

/* After an update that succeeded or did not: exactly one VMM, the guest goes on, nothing is left. */
void faulty_guest_check(struct faulty_guest *guest, bool updated);

/* What the VMM has now is what it has to have after each update. */
void faulty_guest_take_measure(struct faulty_guest *guest);

/* Waits for its end, or ends it if it does not go on, and looks at all that it has printed. */
void faulty_guest_finish(struct faulty_guest *guest);

/* Makes `wrong` empty. */
void faulty_guest_forgive(struct faulty_guest *guest);

#endif

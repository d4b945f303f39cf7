/* SPDX-License-Identifier: MIT */
/*
 * A stream to somebody who may read slowly, not any more, or has a full disk: the console's
 * output, the records.
 *
 *     any thread --stdio--> output.stream --write()--> pipe, terminal, file
 *                                 `--> nobody reads, or no space: lost, and counted
 *
 * The reader of a console is waited for: a guest that prints is as slow as who reads, until the
 * run is to end. The reader of records is waited for OUTPUT_PATIENCE only, because who writes
 * them holds a lock that the guest needs; once it has not read for so long, nothing is waited
 * for until it reads again. A piece of up to PIPE_BUF bytes, as a record is one, is lost as a
 * whole (pipe(7)). A write error never ends a run; output_close() tells of it.
 */
#ifndef S2VMM_OUTPUT_H
#define S2VMM_OUTPUT_H

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>

#include "vmm/error.h"

#define OUTPUT_PATIENCE 1000 /* ms */
#define OUTPUT_FOREVER  (-1)

struct output {
    FILE *stream; /* NULL: not open */

    int fd;
    bool fd_is_ours;
    /* All that follows: under the stream's lock. */
    bool never_blocks;       /* the fd has O_NONBLOCK */
    int patience;            /* ms, or OUTPUT_FOREVER */
    const atomic_bool *stop; /* the run is to end: wait no longer than OUTPUT_PATIENCE */
    bool stalled;            /* the reader did not read for so long */
    int cause;               /* errno of the last error; 0: there was none */
    uint64_t lost;           /* bytes */
};

/* `fd` stays open, and its flags are not changed: other processes may share them. A pipe or a
 * character device is opened anew, not to block (proc(5), /proc/self/fd); a socket is polled.
 * ERROR_HOST_SYSTEM. */
bool output_open(struct output *output, int fd, int patience, const atomic_bool *stop,
                 struct error *error);

/* The same for a file of that name, which is made, or emptied. ERROR_CONFIG_FILE. */
bool output_create(struct output *output, const char *path, int patience,
                   const atomic_bool *stop, struct error *error);

/* The same, behind what is in the file. */
bool output_append(struct output *output, const char *path, int patience,
                   const atomic_bool *stop, struct error *error);

/* Writes what is left. Says on stderr what was lost of `name`. A zeroed object is fine. */
void output_close(struct output *output, const char *name);

#endif

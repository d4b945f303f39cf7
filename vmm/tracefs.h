/* SPDX-License-Identifier: MIT */
/*
 * A tracefs instance of our own (instances/s2vmm-<pid>): the kernel's trace events of this
 * process' threads, and of nobody else, without disturbing another user of the tracer.
 *
 *     tracefs_init() --> tracefs_add_probe() --> tracefs_enable() --> tracefs_read() ...
 *                        (kprobe, optional)                           lines of trace_pipe
 *
 * It needs root. What a process left behind that died is removed by the next one.
 *
 * One thread at a time: the caller's lock protects it.
 */
#ifndef S2VMM_TRACEFS_H
#define S2VMM_TRACEFS_H

#include <stddef.h>

#include "vmm/error.h"

#define TRACEFS_PATH "/sys/kernel/tracing"

struct tracefs {
    bool is_open;
    int pipe_fd;        /* trace_pipe; does not block */
    char root[128];     /* where tracefs is */
    char instance[160]; /* path of our instance, or "" */
    char probe[64];     /* our kprobe event, "group/name", or "" */
    int probe_fd;       /* its switch, or -1 */
    char text[8192];    /* what was read of the pipe and not yet handed out */
    size_t text_length;
};

/* Makes the instance, which sees the threads that exist and those that they start. root: where
 * tracefs is. ERROR_CONFIG_HOST, with what to do; then there is nothing to finish. */
bool tracefs_init(struct tracefs *tracefs, const char *root, struct error *error);

/* Reads recorded lines, from a descriptor that does not block. It is closed at the end. */
void tracefs_init_recorded(struct tracefs *tracefs, int pipe_fd);

/* Removes the instance and the probe; a zeroed object is fine. */
void tracefs_finish(struct tracefs *tracefs);

/* KiB of buffer for each CPU. A smaller one only loses events sooner, so no error. */
void tracefs_set_buffer(const struct tracefs *tracefs, const char *kib);

/* Makes a kprobe event, which has to be enabled as `tracefs->probe`: at the entry of
 * `function`, with `arguments` in the words of Documentation/trace/kprobetrace.rst. One for
 * each instance. ERROR_CONFIG_HOST. */
bool tracefs_add_probe(struct tracefs *tracefs, const char *function,
                       const char *arguments, struct error *error);

/* Switches an event ("system/event") on; filter: NULL for all. ERROR_CONFIG_HOST. */
bool tracefs_enable(const struct tracefs *tracefs, const char *event, const char *filter,
                    struct error *error);

/* Switches our kprobe event off; also from a thread that may not open files any more. Lines that
 * are in the buffer already will still come. */
void tracefs_disable_probe(const struct tracefs *tracefs);

typedef void tracefs_line_function(void *context, const char *line);

/* Hands out what is there. False when there is more to read than one call takes: what is known
 * may be outdated. */
bool tracefs_read(struct tracefs *tracefs, tracefs_line_function *take_in, void *context);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Lines for the person who watches, on stderr.
 *
 * A warning (a mistake of the guest, a refusal) is always shown, but a guest cannot flood
 * the terminal: after TRACE_WARNINGS_MAX lines the rest are only counted, and the count
 * is shown at the end. Details are shown with --trace. Safe to call from any thread; each
 * line is written at once.
 */
#ifndef S2VMM_TRACE_H
#define S2VMM_TRACE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

#define TRACE_WARNINGS_MAX 200

struct trace {
    FILE *out;
    bool details;
    atomic_uint warnings;
};

void trace_init(struct trace *trace, FILE *out, bool details);

/* Tells how many warnings were held back. */
void trace_finish(struct trace *trace);

/* topic: the subsystem, "gpu", "virtio", "bus". */
void trace_warning(struct trace *trace, const char *topic, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void trace_detail(struct trace *trace, const char *topic, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif

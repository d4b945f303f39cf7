/* SPDX-License-Identifier: MIT */
/*
 * What the kernel's trace says about S2 leaves on x86, and what the bits of a leaf mean: pure
 * functions, in vmm/s2_trace_x86.c. vmm/s2_observer_x86.c does the reading.
 */
#ifndef S2VMM_S2_TRACE_H
#define S2VMM_S2_TRACE_H

#include "vmm/memattr.h"
#include "vmm/types.h"

/* The trace events to enable, "system/event"; the first one is needed, the others are not in
 * every kernel. All have a field `gfn`. */
#define S2_TRACE_EVENTS_MAX 2
extern const char *const s2_trace_events[S2_TRACE_EVENTS_MAX];

enum s2_event_kind {
    S2_EVENT_OTHER,   /* nothing about a leaf */
    S2_EVENT_SET,     /* a leaf was written */
    S2_EVENT_CLEARED, /* there is no leaf at this place any more */
    S2_EVENT_LOST,    /* the kernel dropped events: anything may have changed */
};

struct s2_event {
    enum s2_event_kind kind;
    uint64_t gfn;   /* guest address in 4 KiB pages, the first one of the leaf */
    unsigned level; /* 1: 4 KiB, 2: 2 MiB, 3: 1 GiB */
    uint64_t raw;   /* SET: the leaf */
    uint64_t lost;  /* LOST: how many, 0 when the kernel does not say */
};

/* One line of trace_pipe. */
struct s2_event s2_trace_parse(const char *line);

/* The host physical address of the first byte behind the leaf. */
uint64_t s2_trace_address(uint64_t raw, unsigned level);

/* The memory type in the leaf, and whether it leaves S1 without effect. */
struct memattr_leaf s2_trace_attributes(enum memattr_model model, uint64_t raw,
                                        unsigned level);

/* The memory type that the host kernel has on record for a page of RAM, from its word in
 * /proc/kpageflags. False when the page is not RAM: none is recorded then. */
bool s2_trace_host_type(uint64_t page_flags, enum memattr_type *type);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Reads the truth: the S2 leaf that KVM installed for a page of the guest, from the kernel's
 * trace events, and the memory type that the host kernel has on record for the page behind.
 *
 *     vCPU faults --> KVM writes a leaf --> trace event --> trace_pipe --> table by gfn
 *                                                                            |
 *                                    s2_observer_find(address) <-------------+
 *
 * The events come from a tracefs instance of our own (instances/s2vmm-<pid>), which sees only
 * this process' threads and only the range of interest, and disturbs no other user of the
 * tracer. It needs root. Without it, and after events were lost, the answer is "not
 * observed", and `reason` says why in one line; it is never an error.
 *
 * What it cannot see: a leaf that was there before the observer, and one that KVM removed on
 * behalf of another process (an exporter that moves its buffer); what it answers then is the
 * last leaf through which the guest could access. Removals by shadow paging, and those that
 * 6.1 leaves to a worker, are not traced for us either: s2_observer_forget() when something
 * is unmapped keeps an old leaf from being taken for a new one.
 *
 * One thread at a time: the caller's lock protects it.
 */
#ifndef S2VMM_S2_OBSERVER_H
#define S2VMM_S2_OBSERVER_H

#include "vmm/memattr.h"
#include "vmm/s2_leaf_table.h"
#include "vmm/types.h"

struct s2_leaf {
    uint64_t raw;                   /* as KVM wrote it */
    unsigned level;                 /* 1: 4 KiB, 2: 2 MiB, 3: 1 GiB */
    uint64_t hpa;                   /* host physical address of the page asked for */
    struct memattr_leaf attributes; /* decoded from raw */
};

struct s2_observer {
    enum memattr_model model;
    struct s2_leaf_table table; /* initialised while something is observed */
    int pipe_fd;                /* trace_pipe */
    char instance[160];         /* path of our tracefs instance, or "" */
    char text[8192];            /* what was read of the pipe and not yet parsed */
    size_t text_length;
    uint64_t lost;               /* events that the kernel dropped */
    char reason[256];            /* why nothing, or not all, is observed; "" if all is */
    const char *page_flags_path; /* /proc/kpageflags */
};

/* Begins to observe the range (the GPU's window). Called before the vCPUs run, in the process
 * whose threads they will be. tracefs: NULL for /sys/kernel/tracing. */
void s2_observer_init(struct s2_observer *observer, const char *tracefs,
                      enum memattr_model model, struct gpa_range range);

/* Observes a recorded trace: lines as trace_pipe has them, from a descriptor that does not
 * block. It is closed at the end. */
void s2_observer_init_recorded(struct s2_observer *observer, int pipe_fd,
                               enum memattr_model model);

/* Removes the instance; a zeroed object is fine. */
void s2_observer_finish(struct s2_observer *observer);

/* The last leaf that KVM wrote for the page at this address; false: not observed. */
bool s2_observer_find(struct s2_observer *observer, gpa_t address, struct s2_leaf *leaf);

/* What is mapped at this range is gone: older leaves are not found any more. */
void s2_observer_forget(struct s2_observer *observer, struct gpa_range range);

/* The memory type that the host kernel keeps for the page of RAM at this host physical
 * address, and gives to every mapping that its memory type tracking sees; for a compound page
 * that of its first page. False: it is not RAM, or /proc/kpageflags cannot be read. */
bool s2_observer_host_type(const struct s2_observer *observer, uint64_t hpa,
                           enum memattr_type *type);

#endif

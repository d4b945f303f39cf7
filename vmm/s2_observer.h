/* SPDX-License-Identifier: MIT */
/*
 * Reads the truth: the S2 leaf that KVM installed for a page of the guest, and the memory type
 * that the host has for the page behind. It needs root. Without it the answer is "not
 * observed", and `reason` says why in one line; it is never an error.
 *
 * x86 (vmm/s2_observer_x86.c): from the kernel's trace events.
 *
 *     vCPU faults --> KVM writes a leaf --> trace event --> trace_pipe --> table by gfn
 *                                                                            |
 *                                    s2_observer_find(address) <-------------+
 *
 *   What it cannot see: a leaf that was there before the observer, and one that KVM removed on
 *   behalf of another process (an exporter that moves its buffer); what it answers then is the
 *   last leaf through which the guest could access. Removals by shadow paging, and those that
 *   6.1 leaves to a worker, are not traced for us either: s2_observer_forget() when something
 *   is unmapped keeps an old leaf from being taken for a new one.
 *
 * arm64 (vmm/s2_observer_arm64.c): no event tells the leaf, so the tables themselves are read.
 *
 *     vCPU faults --> kprobe: where are the roots of KVM's table and of our own? (once)
 *                                       |
 *     s2_observer_find(address) --> walk of KVM's table in /proc/kcore --> the leaf now
 *     s2_observer_host_type(host) -> walk of our own table ------------> the host's leaf now
 *
 *   What it answers is what is there at this moment; a leaf that KVM took away is none.
 *
 * The events come from a tracefs instance of our own, which sees only this process' threads,
 * and disturbs no other user of the tracer.
 *
 * One thread at a time: the caller's lock protects it.
 */
#ifndef S2VMM_S2_OBSERVER_H
#define S2VMM_S2_OBSERVER_H

#include "vmm/kcore.h"
#include "vmm/memattr.h"
#include "vmm/page_walk.h"
#include "vmm/s2_leaf_table.h"
#include "vmm/tracefs.h"
#include "vmm/types.h"

struct s2_leaf {
    uint64_t raw;   /* as KVM wrote it */
    unsigned level; /* 1: a page, 2: 512 pages of 4 KiB, 3: 512 times that */
    uint64_t hpa;   /* host physical address of the page asked for */
    struct memattr_leaf attributes; /* decoded from raw */
};

/* Where to look; NULL is the system's own. For tests. */
struct s2_observer_paths {
    const char *tracefs;
    const char *page_flags; /* /proc/kpageflags */
    const char *kcore;
    const char *btf;
};

struct s2_observer_ops;

struct s2_observer {
    const struct s2_observer_ops *ops; /* NULL: nothing is observed */
    struct s2_observer_paths paths;
    enum memattr_model model;
    struct tracefs tracefs;
    struct gpa_range range; /* what is observed */
    char reason[256];       /* why nothing, or not all, is observed; "" if all is */

    /* x86 */
    struct s2_leaf_table table;
    uint64_t lost;     /* events that the kernel dropped */
    int page_flags_fd; /* -1: may not be read */

    /* arm64 */
    struct kcore kcore;
    bool roots_known;
    struct page_table stage2; /* KVM's */
    uint64_t vtcr;            /* VTCR_EL2, how the CPU reads stage2 */
    struct page_table stage1; /* of this process */
};

/* Begins to observe the range (the GPU's window). Called before the vCPUs run, in the process
 * whose threads they will be. paths: NULL for the system's. */
void s2_observer_init(struct s2_observer *observer, const struct s2_observer_paths *paths,
                      enum memattr_model model, struct gpa_range range);

/* Begins anew, for the next VM of this process: what was seen of the last one, which is gone, is
 * forgotten. Much cheaper than another observer. */
void s2_observer_restart(struct s2_observer *observer, struct gpa_range range);

/* Observes a recorded trace: lines as trace_pipe has them, from a descriptor that does not
 * block. It is closed at the end. */
void s2_observer_init_recorded(struct s2_observer *observer,
                               const struct s2_observer_paths *paths, int pipe_fd,
                               enum memattr_model model);

/* Removes what was made in tracefs; a zeroed object is fine. */
void s2_observer_finish(struct s2_observer *observer);

/* The leaf for the page at this address; false: not observed. */
bool s2_observer_find(struct s2_observer *observer, gpa_t address, struct s2_leaf *leaf);

/* What is mapped at this range is gone: older leaves are not found any more. */
void s2_observer_forget(struct s2_observer *observer, struct gpa_range range);

/* The memory type that the host has for a page: `host` is our mapping of it, `hpa` its host
 * physical address, from an S2 leaf. x86: what the kernel has on record for a page of RAM, and
 * gives to every mapping that its memory type tracking sees; for a compound page that of its
 * first page. arm64: what the leaf of our own mapping says. False: not known. */
bool s2_observer_host_type(struct s2_observer *observer, const void *host, uint64_t hpa,
                           enum memattr_type *type);

/* Whether our mapping of a page at `host` has the page at this host physical address behind it:
 * what the guest reaches through an S2 leaf should be what we mapped. arm64. False: not known. */
bool s2_observer_same_page(struct s2_observer *observer, const void *host, uint64_t hpa,
                           bool *same);

/* --- for the two implementations --- */

struct s2_observer_ops {
    bool (*init)(struct s2_observer *observer, struct error *error);
    void (*finish)(struct s2_observer *observer);
    /* Switches the events on. */
    bool (*start)(struct s2_observer *observer, struct gpa_range range,
                  struct error *error);
    /* Forgets a VM, and is ready for the next one. */
    bool (*restart)(struct s2_observer *observer, struct gpa_range range,
                    struct error *error);
    void (*take_in)(struct s2_observer *observer, const char *line);
    /* Both come after all lines were taken in. */
    bool (*find)(struct s2_observer *observer, gpa_t address, struct s2_leaf *leaf);
    void (*forget)(struct s2_observer *observer, struct gpa_range range);
    bool (*host_type)(struct s2_observer *observer, const void *host, uint64_t hpa,
                      enum memattr_type *type);
    bool (*same_page)(struct s2_observer *observer, const void *host, uint64_t hpa,
                      bool *same); /* or NULL */
};

extern const struct s2_observer_ops s2_observer_x86;
extern const struct s2_observer_ops s2_observer_arm64;

#endif

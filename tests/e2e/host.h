/* SPDX-License-Identifier: MIT */
/*
 * What the host has because of a running s2vmm, seen from outside: its mappings and descriptors
 * (/proc), the pages that KVM maps for its guest (debugfs), the dma-bufs that exist (debugfs),
 * and memory. Looked at again and again while it runs.
 *
 *   LEFTOVERS  the scenario "lifetime" says on its console in which phase it is; a sample counts
 *              if the phase was the same before and after it
 *   GREED      the most that was seen
 */
#ifndef S2VMM_TESTS_E2E_HOST_H
#define S2VMM_TESTS_E2E_HOST_H

#include <stdint.h>
#include <sys/types.h>

#include "tests/e2e/cases.h"

struct host_sample {
    unsigned mappings;    /* of dma-bufs, in the VMM */
    unsigned buffers;     /* descriptors of dma-bufs, in the VMM */
    unsigned descriptors; /* all of the VMM's */
    unsigned exported;    /* dma-bufs of dmabuf-lab that exist */
    uint64_t kvm_pages;   /* of 4 KiB, that KVM maps for the guest; 0: KVM does not say */
    uint64_t resident;    /* bytes, of the VMM and its children; GREED only */
};

enum host_phase {
    PHASE_CREATED,
    PHASE_MAPPED,
    PHASE_UNMAPPED,
    PHASE_MAPPED_WITHOUT_CONTEXT,
    PHASE_UNREFERENCED,
    PHASE_RESET,
    PHASE_COUNT
};

struct host_watch {
    enum case_watch what;
    struct host_sample phases[PHASE_COUNT];
    unsigned seen[PHASE_COUNT]; /* samples */
    struct host_sample pending;
    int pending_phase;    /* or -1 */
    unsigned pending_end; /* of stdout, bytes */
    struct host_sample most;
};

/* A fresh watch; debugfs is mounted if it has to be. */
void host_watch_init(struct host_watch *watch, enum case_watch what);

/* One look: for struct run_plan. The context is the watch; `out` is what stdout has. */
void host_watch_look(void *context, pid_t pid, int in, const char *out);

/* Fails the test when what was seen is not what the case asks for. */
void host_watch_check(const struct host_watch *watch, const struct e2e_case *test);

#endif

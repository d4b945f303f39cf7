/* SPDX-License-Identifier: MIT */
/*
 * Records: what was decided for a blob, what KVM did, and what the guest saw; one for
 * each mapping that the guest reports to the witness, one for each refusal, and one for each
 * mapping that was taken away from the guest. As a
 * block of text for people, as one JSON object in a line for programs; docs/records.md
 * has the keys.
 */
#ifndef S2VMM_GPU_RECORD_H
#define S2VMM_GPU_RECORD_H

#include <stdio.h>

#include "vmm/memattr.h"

struct hostmem_mapping;
struct resource;
struct s2_observer;
struct trace;

/* A guest that reports in a loop must not fill the disk. */
#define RECORDS_MAX 20000u

struct recorder {
    FILE *text; /* each of the three may be NULL */
    FILE *json;
    FILE *json_file; /* the same objects, to a file */
    const struct memattr_platform *platform;
    struct s2_observer *observer; /* reads the S2 leaf; or NULL */
    struct trace *trace;
    unsigned count;   /* records written */
    char library[64]; /* the renderer's */
};

/* What the guest reported. */
struct guest_observation {
    enum memattr_type s1; /* the guest's own mapping */
    bool guest_saw_host_write;
    bool host_saw_guest_write;
    /* Of the matrix' target only: a read that is not aligned, if it was tried, and PAR_EL1 of
     * the mapping, 0: not asked. */
    bool unaligned_works;
    bool unaligned_faulted;
    uint64_t par;
};

/* The blob is mapped. Called with the device's lock held. */
void recorder_observed(struct recorder *recorder, const struct resource *resource,
                       const struct guest_observation *observation);

/* The blob is not mapped any more: what KVM is seen to do at its place is not about it. */
void recorder_unmapped(struct recorder *recorder, const struct hostmem_mapping *mapping,
                       uint64_t size);

/* The blob has a backing, and is not going to be mapped. */
void recorder_refused(struct recorder *recorder, const struct resource *resource,
                      const char *reason);

/* The blob was mapped, and its mapping was taken away from the guest (lost.h). */
void recorder_dropped(struct recorder *recorder, const struct resource *resource,
                      const char *reason);

#endif

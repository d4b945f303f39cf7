/* SPDX-License-Identifier: MIT */
/*
 * The experiment: do guest and host see each other's writes, when the guest maps host
 * memory with attribute S1?
 *
 *   host writes A -> guest reads
 *   guest writes B -> host reads
 *   host writes C -> guest reads
 *
 * (the last step with B in the guest's cache, if its mapping has one), over the first
 * EXPERIMENT_MAX bytes and the last word of the memory. Cache maintenance (clflush,
 * wbinvd, DC CIVAC) is not used before the end, on purpose: the question is whether the
 * mappings agree without it. At the end it keeps one experiment out of the next.
 */
#ifndef S2VMM_GUEST_EXPERIMENT_H
#define S2VMM_GUEST_EXPERIMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/memattr.h"

struct guest;

#define EXPERIMENT_MAX 0x10000u

struct experiment {
    uint32_t resource_id; /* the memory's name for the witness */
    uint32_t map_info;    /* what the device said about it; 0 if none did */
    uint64_t address;     /* GPA, multiple of 8 */
    uint64_t size;        /* bytes, multiple of 8 */
    enum memattr_type s1;
    bool try_unaligned; /* see arch_unaligned_read() */
};

struct experiment_result {
    uint64_t guest_missed; /* words of the host that the guest did not see */
    uint64_t host_missed;  /* and the other way round */
};

/* Maps the memory, does the experiment, unmaps it, and reports what was seen to the
 * console and to the witness. What was seen is no error; false when it could not be
 * done: this guest has no such attribute, no witness, ... */
bool experiment_run(struct guest *guest, const struct experiment *experiment,
                    struct experiment_result *result);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * KVM_RUN can end with EFAULT for a page that is there. Where an exporter empties its mappings
 * between KVM's own fault on the host's mapping and its second look at it, KVM takes the empty
 * entry for a lost page (virt/kvm/kvm_main.c, hva_to_pfn_remapped: what the second
 * follow_pfnmap_start() returns goes out; measured: experiment moving-buffer, Linux 7.2). Once
 * more, and it finds the page. A page that is really gone gives EFAULT at once, again and again:
 * so a vCPU tries ten times in a row before anybody looks for what is lost, and one that ran for
 * a second without EFAULT begins anew.
 */
#ifndef S2VMM_FAULT_RETRY_H
#define S2VMM_FAULT_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#define FAULT_RETRY_MAX     10u
#define FAULT_RETRY_FORGETS UINT64_C(1000) /* milliseconds */

/* Of one vCPU; zeroed at first. */
struct fault_retry {
    unsigned in_a_row;
    uint64_t last; /* milliseconds */
};

/* KVM_RUN has just ended with EFAULT; now: a clock's milliseconds. True: try it again. */
static inline bool fault_retry(struct fault_retry *retry, uint64_t now)
{
    bool is_new = retry->in_a_row == 0 || now - retry->last >= FAULT_RETRY_FORGETS;
    retry->in_a_row = is_new ? 1 : retry->in_a_row + 1;
    retry->last = now;
    return retry->in_a_row <= FAULT_RETRY_MAX;
}

/* KVM_RUN has ended without. */
static inline void fault_retry_reset(struct fault_retry *retry)
{
    retry->in_a_row = 0;
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * A VM for one look at one target: RAM, the exit device, the witness, and the target behind
 * guest physical addresses. The tiny guest's scenario "attributes" runs in it.
 *
 *     target --strategy--> memslot --guest, S1 by S1--> witness --observed()--> the caller
 *                 |                                                 with the S2 leaf
 *                 +--refused: nothing runs
 */
#ifndef S2VMM_MATRIX_MACHINE_H
#define S2VMM_MATRIX_MACHINE_H

#include "devices/gpu/exporters/target.h"
#include "devices/gpu/record.h"
#include "vmm/matrix/matrix.h"
#include "vmm/s2_observer.h"
#include "vmm/trace.h"
#include "vmm/vm.h"

/* What is seen through one S1 attribute. */
struct matrix_sight {
    struct guest_observation guest;
    bool leaf_known;
    struct s2_leaf leaf;
    bool pages_known;
    bool pages_are_right; /* the guest reaches the pages of the target, and no others */
    bool host_known;
    enum memattr_type host;
    const char *reason; /* why the leaf is not known */
};

typedef void matrix_sight_function(void *context, const struct matrix_sight *sight);

struct matrix_machine_config {
    const struct memattr_platform *platform;
    const char *guest; /* path of the ELF */
    uint64_t memory_size;
    unsigned timeout; /* seconds, for one VM */
    bool honour_guest_pat;
    bool observe_s2;
    /* Of the caller, for one VM after the other, zeroed before the first; NULL: each VM has its
     * own, which takes longer. */
    struct s2_observer *observer;
    /* When the target's pages are gone and KVM_RUN ends with EFAULT, the memslot is dropped and
     * the guest goes on, with nothing behind the addresses. */
    bool drop_lost;
    FILE *console; /* of the guest; NULL: none, which is faster */
    struct trace *trace;
    matrix_sight_function *seen; /* on the vCPU's thread */
    void *context;
};

enum matrix_machine_end {
    MATRIX_MACHINE_RAN,         /* the guest is content */
    MATRIX_MACHINE_REFUSED,     /* KVM: EINVAL at the memslot */
    MATRIX_MACHINE_FAULTED,     /* KVM_RUN: EFAULT */
    MATRIX_MACHINE_FAILED,      /* anything else while it ran: the error says what */
    MATRIX_MACHINE_NOT_MADE,    /* there is no VM to ask */
    MATRIX_MACHINE_INTERRUPTED, /* by a signal */
};

/* Runs the guest with this command line. The target's mapping moves; it stays the caller's. */
enum matrix_machine_end matrix_machine_run(const struct matrix_machine_config *config,
                                           struct target *target,
                                           enum matrix_strategy strategy,
                                           const char *command_line, struct error *error);

#endif

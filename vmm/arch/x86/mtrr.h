/* SPDX-License-Identifier: MIT */
/*
 * The guest's memory type range registers (Intel SDM vol. 3, 12.11).
 *
 * KVM keeps them for the guest and, on AMD and on Intel from 6.12, does nothing with them
 * (docs/memory-attributes.md). The guest's own kernel does: a mapping that it asks to be WB
 * becomes UC- where the MTRRs are not WB (arch/x86/mm/pat/memtype.c, pat_x_mtrr_type). So the
 * decision about a blob has to know them as they are at that moment.
 *
 *   guest's WRMSR --MSR filter--> KVM_EXIT_X86_WRMSR --> mtrr_watch_write(): KVM_SET_MSRS,
 *                                                         and noted if KVM took it
 *   device's thread --> mtrr_watch_is_wb(): every vCPU's registers, for a range
 *
 * The manual wants them equal on all CPUs; where they are not, the range counts as WB only if
 * it is on all. While a guest changes them by the book it has switched them off (12.11.8), so
 * that a blob that is mapped in that moment is refused.
 */
#ifndef S2VMM_X86_MTRR_H
#define S2VMM_X86_MTRR_H

#include <pthread.h>

#include "vmm/memattr.h"
#include "vmm/vm.h"

#define MTRR_VARIABLE_COUNT 8 /* KVM's (arch/x86/kvm/mtrr.c, KVM_NR_VAR_MTRR) */
#define MTRR_FIXED_COUNT    11

#define MSR_MTRR_VARIABLE  0x200 /* PHYSBASE0, PHYSMASK0, PHYSBASE1, ... */
#define MSR_MTRR_FIX64K    0x250
#define MSR_MTRR_FIX16K    0x258 /* 2 of them */
#define MSR_MTRR_FIX4K     0x268 /* 8 of them */
#define MSR_MTRR_DEF_TYPE  0x2ff
#define MTRR_ENABLED       0x800u /* in DEF_TYPE: E; in PHYSMASK: V */
#define MTRR_FIXED_ENABLED 0x400u
#define MTRR_ALL_WB        (MTRR_ENABLED | 6u) /* DEF_TYPE: no range has another type */

struct mtrr_state {
    uint64_t default_type;
    struct {
        uint64_t base;
        uint64_t mask;
    } variable[MTRR_VARIABLE_COUNT];
    uint64_t fixed[MTRR_FIXED_COUNT]; /* 64K, 16K, 16K, 4K ... */
};

/* Notes the value of an MSR; false if it is no MTRR. */
bool mtrr_set(struct mtrr_state *state, uint32_t index, uint64_t value);

/* The one type of a whole range, which is not empty (SDM 3, 12.11.2.1, 12.11.4.1); address
 * bits: of a guest physical address. False if it has several, if overlaps leave it undefined,
 * or a register asks for a reserved type or for a range that is not in one piece. */
bool mtrr_type_of_range(const struct mtrr_state *state, struct gpa_range range,
                        unsigned address_bits, enum memattr_type *type);

/* What a VM's vCPUs have written. */
struct mtrr_watch {
    pthread_mutex_t lock; /* states: vCPU threads write, the device's thread reads */
    bool watching;        /* KVM reports writes; else this is the state at creation */
    struct mtrr_state states[VM_CPUS_MAX];
};

/* For vCPUs that begin with MTRR_ALL_WB. Has KVM report writes, if that is wanted and it can:
 * before the first vCPU runs. ERROR_HOST_KVM. */
bool mtrr_watch_init(struct mtrr_watch *watch, int vm_fd, bool wanted,
                     struct error *error);
void mtrr_watch_finish(struct mtrr_watch *watch);

/* KVM_EXIT_X86_WRMSR, on the vCPU's own thread: hands the value to KVM, and notes it; what KVM
 * does not take is #GP for the guest. False if the MSR is no MTRR. */
bool mtrr_watch_write(struct mtrr_watch *watch, struct vcpu *vcpu);

/* Whether the range is WB on the VM's vCPUs. Any thread. */
bool mtrr_watch_is_wb(struct mtrr_watch *watch, const struct vm *vm,
                      struct gpa_range range);

#endif

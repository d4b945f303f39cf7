/* SPDX-License-Identifier: MIT */
/*
 * Where KVM's stage 2 table and our own stage 1 table are on arm64: a kprobe at the entry of
 * kvm_pgtable_stage2_map(), which KVM calls to map a page of the guest. All is found from the
 * function's first argument, with offsets from the kernel's BTF, so that one text serves 6.1
 * to 7.3:
 *
 *     x0: struct kvm_pgtable
 *           .pgd, .ia_bits, .start_level       the root of stage 2
 *           .mmu --> struct kvm_s2_mmu
 *                      .vtcr                   how the CPU reads it (6.1: in kvm_arch)
 *                      .arch --> struct kvm_arch, inside of struct kvm
 *                                  .mm --> struct mm_struct
 *                                            .pgd   the root of our stage 1
 *
 * pKVM's protected mode maps in another way: nothing is seen there. Pure functions.
 */
#ifndef S2VMM_S2_PROBE_ARM64_H
#define S2VMM_S2_PROBE_ARM64_H

#include <stddef.h>
#include <stdint.h>

#include "vmm/error.h"

#define S2_PROBE_FUNCTION "kvm_pgtable_stage2_map"

struct btf;

struct s2_roots {
    uint64_t stage2; /* kernel virtual address */
    unsigned address_bits;
    int start_level;
    uint64_t vtcr;   /* VTCR_EL2 */
    uint64_t stage1; /* kernel virtual address */
};

/* The arguments of the probe, from the layout of this kernel's structs. ERROR_CONFIG_HOST when
 * they are not what s2vmm knows. */
bool s2_probe_describe(const struct btf *btf, char *text, size_t size,
                       struct error *error);

/* One line of trace_pipe; false if it is not the probe's, or a part is missing. */
bool s2_probe_parse(const char *line, struct s2_roots *roots);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The guest's stage-1 mappings of the window: any part of it, with any attribute.
 *
 * There is one virtual region of 1 GiB for each attribute, apart from the one-to-one map
 * of RAM and devices. A part of the window is mapped in the region of its attribute only
 * while an experiment uses it: two live mappings of one page with different attributes
 * have no defined behaviour (Intel SDM vol. 3, 12.12.4; AMD APM vol. 2, 7.8.7; Arm DDI
 * 0487, B2.11), even if only one of them is accessed, as the CPU may speculate through
 * the other.
 */
#ifndef S2VMM_GUEST_MMU_H
#define S2VMM_GUEST_MMU_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/memattr.h"

struct heap;
struct mmu;

/* Makes the empty regions, and maps RAM as far as it is not mapped yet. */
struct mmu *mmu_create(struct heap *heap);

/* Whether mmu_map() knows the attribute. */
bool mmu_has(enum memattr_type type);

/* Maps [physical, physical + size) with the attribute; returns its virtual address, or
 * NULL when it does not know the attribute, or when the range does not fit in the region
 * (it must not cross a multiple of 1 GiB).
 * The granule is 2 MiB: neighbours of the range in it become visible too. */
volatile void *mmu_map(struct mmu *mmu, uint64_t physical, uint64_t size,
                       enum memattr_type type);

/* Undoes mmu_map() of the same range. */
void mmu_unmap(struct mmu *mmu, uint64_t physical, uint64_t size, enum memattr_type type);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What the guest's own page table has for an address: asked of /dev/s2vmm-pte (the module
 * pte-reader), and on x86 of the kernel's list of memory types, a second opinion.
 */
#ifndef S2VMM_GUEST_LINUX_PTE_H
#define S2VMM_GUEST_LINUX_PTE_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/memattr.h"

struct pte {
    bool known; /* else none of the others is */
    enum memattr_type type;
    uint64_t entry;
    uint64_t physical;  /* GPA */
    uint64_t registers; /* PAT MSR or MAIR_EL1 */
    uint32_t shift;
    bool is_pfnmap;
    bool is_ram;
    const char *list; /* what pat_memtype_list says of the GPA; "-": it does not say */
};

/* The entry that maps `address`, whose page has been touched. Not known without the module,
 * or when nothing is mapped. */
void pte_read(const volatile void *address, struct pte *pte);

#endif

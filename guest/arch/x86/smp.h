/* SPDX-License-Identifier: MIT */
/* What smp.c and the code that the other CPUs start with (smp_trampoline.S) agree on. */
#ifndef S2VMM_GUEST_X86_SMP_H
#define S2VMM_GUEST_X86_SMP_H

/* Where the trampoline is copied to: below 1 MiB, as SIPI says, and behind what the
 * firmware left (firmware/x86/boot.c). The SIPI vector is the page number. */
#define SMP_TRAMPOLINE 0x10000
#define SMP_VECTOR     (SMP_TRAMPOLINE >> 12)

#define SMP_STACK_SIZE 4096

#ifndef __ASSEMBLER__
#include <stdint.h>

/* In mmu.c: gives this CPU the PAT that the regions of guest/mmu.h need. The other CPUs
 * use the page tables of the first. */
void smp_init_pat(void);

/* At smp_parameters; offsets are known to smp_trampoline.S. */
struct smp_parameters {
    uint64_t page_table; /* for CR3; below 4 GiB, as real mode can load 32 bits only */
    uint64_t stacks;     /* SMP_STACK_SIZE for each CPU */
    uint64_t start;      /* struct smp_start */
    uint32_t started;    /* how many CPUs have come this far */
    uint32_t reserved;
};

extern const char smp_trampoline[];
extern const char smp_trampoline_end[];
extern const char smp_parameters[];
#endif

#endif

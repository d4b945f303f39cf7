/* SPDX-License-Identifier: MIT */
#include "tests/oracle/arm64/translation.h"

#define GIB(count) ((uint64_t)(count) << 30)
#define BIT(bit)   (UINT64_C(1) << (bit))

/* The page in question: the same address in all three spaces. RAM ends below it. */
#define QUESTION 2 /* GiB */
/* Where the tables are. The walk of stage 1 goes through stage 2, too. */
#define TABLES   1 /* GiB */

/* Both stages: 39 bits of address, 4 KiB granule: the walk begins at level 1, whose block
 * descriptors stand for 1 GiB each. */
#define ADDRESS_BITS   39
#define LEVEL1_ENTRIES 512

/* Descriptors (DDI 0487, D8.3). */
#define BLOCK             1
#define S1_ATTRIBUTE_0    (UINT64_C(0) << 2) /* AttrIndx: byte 0 of MAIR_EL1 */
#define S2_MEMATTR(value) ((uint64_t)(value) << 2)
#define S2_NON_CACHEABLE  S2_MEMATTR(5) /* with and without FWB */
#define S2_READ_WRITE     (UINT64_C(3) << 6)
#define SH(value)         ((uint64_t)(value) << 8)
#define ACCESSED          BIT(10)

/* TCR_EL1 and VTCR_EL2. Zero in the other fields: walks that are non-cacheable, like our
 * writes of the tables while the MMU of EL2 is off; 32 bits of intermediate address. */
#define T0SZ       (64 - ADDRESS_BITS)
#define TCR_EPD1   BIT(23) /* nothing is in the upper half */
#define VTCR_SL0_1 BIT(6)  /* begin at level 1 */
#define VTCR_PS_40 BIT(17) /* bits of physical address, not fewer than ADDRESS_BITS */
#define VTCR_RES1  BIT(31)

#define SCTLR_RES1 UINT64_C(0x30d00800)
#define SCTLR_M    BIT(0)
#define SCTLR_C    BIT(2) /* without it, the CPU treats all as non-cacheable */
#define SCTLR_I    BIT(12)

#define HCR_VM  BIT(0)
#define HCR_RW  BIT(31) /* EL1 is AArch64 */
#define HCR_FWB BIT(46)

#define PAR_F BIT(0)

static uint64_t stage1[LEVEL1_ENTRIES] __attribute__((aligned(4096)));
static uint64_t stage2[LEVEL1_ENTRIES] __attribute__((aligned(4096)));

#define WRITER(name)                                                                     \
    static void write_##name(uint64_t value)                                             \
    {                                                                                    \
        __asm__ volatile("msr " #name ", %0" : : "r"(value) : "memory");                 \
    }
WRITER(hcr_el2)
WRITER(mair_el1)
WRITER(sctlr_el1)
WRITER(tcr_el1)
WRITER(ttbr0_el1)
WRITER(vtcr_el2)
WRITER(vttbr_el2)

bool translation_has_fwb(void)
{
    uint64_t features;
    __asm__("mrs %0, id_aa64mmfr2_el1" : "=r"(features));
    return (features >> 40 & 0xf) != 0; /* FWB */
}

bool translation_has_mte_perm(void)
{
    uint64_t features;
    __asm__("mrs %0, s3_0_c0_c4_2" : "=r"(features)); /* ID_AA64PFR2_EL1 */
    return (features & 0xf) != 0;                     /* MTEPERM */
}

void translation_init(void)
{
    write_tcr_el1(T0SZ | TCR_EPD1);
    write_ttbr0_el1((uintptr_t)stage1);
    write_sctlr_el1(SCTLR_RES1 | SCTLR_M | SCTLR_C | SCTLR_I);
    write_vtcr_el2(T0SZ | VTCR_SL0_1 | VTCR_PS_40 | VTCR_RES1);
    write_vttbr_el2((uintptr_t)stage2);
    stage2[TABLES] = GIB(TABLES) | BLOCK | S2_NON_CACHEABLE | S2_READ_WRITE | ACCESSED;
}

struct translation translate(const struct stages *stages)
{
    stage1[QUESTION] =
        GIB(QUESTION) | BLOCK | S1_ATTRIBUTE_0 | SH(stages->sh1) | ACCESSED;
    stage2[QUESTION] = GIB(QUESTION) | BLOCK | S2_MEMATTR(stages->s2) | S2_READ_WRITE |
                       SH(stages->sh2) | ACCESSED;
    write_mair_el1(stages->s1);
    write_hcr_el2(HCR_VM | HCR_RW | (stages->fwb ? HCR_FWB : 0));

    uint64_t par;
    __asm__ volatile(
        "dsb ish\n\t"
        "isb\n\t"
        "tlbi vmalls12e1\n\t"
        "dsb ish\n\t"
        "isb\n\t"
        "at s12e1r, %1\n\t"
        "isb\n\t"
        "mrs %0, par_el1"
        : "=r"(par)
        : "r"(GIB(QUESTION))
        : "memory");
    return (struct translation){
        .failed = (par & PAR_F) != 0,
        .status = par >> 1 & 0x3f,
        .attribute = (uint8_t)(par >> 56),
        .sh = par >> 7 & 3,
    };
}

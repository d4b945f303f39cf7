/* SPDX-License-Identifier: MIT */
/*
 * The question that the oracle puts to the CPU: what becomes of an access to a page that
 * stage 1 (of EL1&0) and stage 2 map with these attributes?
 *
 *      VA 2 GiB --S1: MAIR byte, SH--> IPA 2 GiB --S2: MemAttr, SH--> PA 2 GiB
 *      AT S12E1R walks both, reads nothing there, and leaves the answer in PAR_EL1.
 */
#ifndef S2VMM_ORACLE_TRANSLATION_H
#define S2VMM_ORACLE_TRANSLATION_H

#include <stdbool.h>
#include <stdint.h>

/* Both stages' attributes, as they are encoded in registers and descriptors. */
struct stages {
    bool fwb;     /* HCR_EL2.FWB; only where translation_has_fwb() */
    uint8_t s1;   /* a byte of MAIR_EL1 */
    unsigned sh1; /* SH[1:0] of the stage 1 descriptor */
    uint8_t s2;   /* MemAttr[3:0] of the stage 2 descriptor */
    unsigned sh2; /* SH[1:0] of the stage 2 descriptor */
};

/* PAR_EL1, taken apart (DDI 0487, PAR_EL1). */
struct translation {
    bool failed;       /* F: there is no translation */
    uint8_t status;    /* FST, if it failed */
    uint8_t attribute; /* ATTR, encoded like a byte of MAIR_EL1 */
    uint8_t sh;        /* SH */
};

/* Whether this CPU has FEAT_S2FWB, FEAT_MTE_PERM. */
bool translation_has_fwb(void);
bool translation_has_mte_perm(void);

/* Prepares tables and registers; at EL2, once. */
void translation_init(void);

struct translation translate(const struct stages *stages);

#endif

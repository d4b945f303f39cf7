/* SPDX-License-Identifier: MIT */
/*
 * The translation tables: what start.S, which has the first of them, and mmu.c agree on.
 *
 * Addresses have 39 bits, granule 4 KiB. That leaves three levels, of which the last one
 * is not used:
 *
 *   level 1, 512 entries of 1 GiB
 *     [0]        devices, one to one
 *     [1] ...    RAM, one to one, to the page in which it ends
 *     [384] ...  the regions of guest/mmu.h, one for each attribute of MAIR
 *   level 2, 512 entries of 2 MiB
 *
 * Also included by start.S.
 */
#ifndef S2VMM_GUEST_ARM64_TABLES_H
#define S2VMM_GUEST_ARM64_TABLES_H

/* MAIR_EL1: one byte for each attribute that a descriptor can choose (DDI 0487,
 * MAIR_EL1). */
#define MAIR_DEVICE_nGnRnE 0
#define MAIR_DEVICE_nGnRE  1
#define MAIR_DEVICE_nGRE   2
#define MAIR_DEVICE_GRE    3
#define MAIR_NC            4
#define MAIR_WT            5
#define MAIR_WB            6
#define MAIR_ONC_IWB       7 /* outer non-cacheable, inner write-back */
#define MAIR_COUNT         8
#define MAIR_VALUE         0x4fffbb440c080400

/* TCR_EL1 but for IPS: TTBR0 only, table walks are write-back and inner shareable. */
#define TCR_T0SZ       25 /* 64 - 39 bits */
#define TCR_IRGN0_WBWA (1 << 8)
#define TCR_ORGN0_WBWA (1 << 10)
#define TCR_SH0_INNER  (3 << 12)
#define TCR_EPD1       (1 << 23)
#define TCR_IPS_SHIFT  32
#define TCR_VALUE      (TCR_EPD1 | TCR_SH0_INNER | TCR_ORGN0_WBWA | TCR_IRGN0_WBWA | TCR_T0SZ)

/* SCTLR_EL1: MMU, caches and stack alignment check on; the bits that are RES1 in
 * Armv8.0. */
#define SCTLR_M     (1 << 0)
#define SCTLR_C     (1 << 2)
#define SCTLR_SA    (1 << 3)
#define SCTLR_I     (1 << 12)
#define SCTLR_RES1  0x30d00800
#define SCTLR_VALUE (SCTLR_RES1 | SCTLR_I | SCTLR_SA | SCTLR_C | SCTLR_M)

/* Descriptors (DDI 0487, D8.3.1). Shareability: as in Linux, inner; Device and
 * Normal-NC count as outer shareable in any case. Access: read and write at EL1. */
#define ENTRY_BLOCK       0x1
#define ENTRY_TABLE       0x3
#define ENTRY_ATTRIBUTE   2 /* the lowest bit of AttrIndx */
#define ENTRY_SH_INNER    0x300
#define ENTRY_ACCESSED    0x400
#define ENTRY_EXECUTE_NOT 0x60000000000000 /* PXN and UXN */
#define ENTRY_ADDRESS     0xfffffffff000

#define ENTRY_RAM                                                                        \
    (ENTRY_ACCESSED | ENTRY_SH_INNER | MAIR_WB << ENTRY_ATTRIBUTE | ENTRY_BLOCK)
#define ENTRY_DEVICE                                                                     \
    (ENTRY_EXECUTE_NOT | ENTRY_ACCESSED | ENTRY_SH_INNER |                               \
     MAIR_DEVICE_nGnRE << ENTRY_ATTRIBUTE | ENTRY_BLOCK)

#define TABLE_SIZE    4096
#define TABLE_ENTRIES 512
#define PAGE_SIZE     0x200000   /* what an entry of level 2 maps */
#define REGION_SIZE   0x40000000 /* what an entry of level 1 maps */
#define REGIONS_SLOT  384

/* start.S maps as much RAM as there is at least, so that it need not know how much there
 * is. */
#define BOOT_RAM_START 0x40000000
#define BOOT_RAM_PAGES 8

#endif

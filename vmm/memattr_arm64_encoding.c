/* SPDX-License-Identifier: MIT */
/*
 * How arm64 writes a memory type down: MAIR_ELx (and PAR_EL1) for stage 1, MemAttr and SH of
 * the descriptor for stage 2.
 *
 * Sources: Arm ARM (DDI 0487, issue M.a.a), tables D8-96 to D8-102, D24.2.127; the same rules
 * as pseudocode: S2DecodeMemAttrs, AArch64_S2ApplyFWBMemAttrs, MAIRAttr.
 *
 * Freestanding: this file is also compiled into the guest.
 */
#include "vmm/memattr.h"

// clang-format off

/* Tables D8-96 (FWB=0), D8-100 and D8-101 (FWB=1). 0b0100 is write-back without tag access, and
 * 0b1110 and 0b1111 are 0b0110 and 0b0111 without it, on a CPU with FEAT_MTE_PERM; without that
 * feature 0b0100 is reserved, and bit 3 has no meaning with FWB. Tags are no business of this
 * model, so that 0b0100 counts as reserved. */
#define TYPE(name) {true, {.type = (name)}}
#define RESERVED   {false, {.type = MEMATTR_DEVICE_nGnRnE}}
static const struct { bool valid; struct memattr_leaf leaf; } encodings[2][16] = {
    { /* FWB=0 */
        [0x0] = TYPE(MEMATTR_DEVICE_nGnRnE), [0x1] = TYPE(MEMATTR_DEVICE_nGnRE),
        [0x2] = TYPE(MEMATTR_DEVICE_nGRE),   [0x3] = TYPE(MEMATTR_DEVICE_GRE),
        [0x4] = RESERVED,                    [0x5] = TYPE(MEMATTR_NC),
        [0x6] = TYPE(MEMATTR_ONC_IWT),       [0x7] = TYPE(MEMATTR_ONC_IWB),
        [0x8] = RESERVED,                    [0x9] = TYPE(MEMATTR_OWT_INC),
        [0xa] = TYPE(MEMATTR_WT),            [0xb] = TYPE(MEMATTR_OWT_IWB),
        [0xc] = RESERVED,                    [0xd] = TYPE(MEMATTR_OWB_INC),
        [0xe] = TYPE(MEMATTR_OWB_IWT),       [0xf] = TYPE(MEMATTR_WB),
    },
    { /* FWB=1 */
        [0x0] = TYPE(MEMATTR_DEVICE_nGnRnE), [0x1] = TYPE(MEMATTR_DEVICE_nGnRE),
        [0x2] = TYPE(MEMATTR_DEVICE_nGRE),   [0x3] = TYPE(MEMATTR_DEVICE_GRE),
        [0x4] = RESERVED,                    [0x5] = TYPE(MEMATTR_NC),
        [0x6] = {true, {.type = MEMATTR_WB, .ignores_s1 = true}},
        [0x7] = {true, {.type = MEMATTR_WB, .yields_to_s1 = true}},
        [0x8] = RESERVED,                    [0x9] = RESERVED,
        [0xa] = RESERVED,                    [0xb] = RESERVED,
        [0xc] = RESERVED,                    [0xd] = RESERVED,
        [0xe] = {true, {.type = MEMATTR_WB, .ignores_s1 = true}},
        [0xf] = {true, {.type = MEMATTR_WB, .yields_to_s1 = true}},
    },
};
#undef TYPE
#undef RESERVED

/* MAIR_ELx (D24.2.127): Device in the low nibble when the high one is 0, else the outer and the
 * inner cacheability with their allocation hints; a low nibble of 0 is reserved, or XS or MTE. */
enum cacheability { NONE, NON_CACHEABLE, WRITE_THROUGH, WRITE_BACK };
static const unsigned char nibbles[16] = {
    [0x0] = NONE,          [0x1] = WRITE_THROUGH, [0x2] = WRITE_THROUGH, [0x3] = WRITE_THROUGH, /* transient */
    [0x4] = NON_CACHEABLE, [0x5] = WRITE_BACK,    [0x6] = WRITE_BACK,    [0x7] = WRITE_BACK,    /* transient */
    [0x8] = WRITE_THROUGH, [0x9] = WRITE_THROUGH, [0xa] = WRITE_THROUGH, [0xb] = WRITE_THROUGH,
    [0xc] = WRITE_BACK,    [0xd] = WRITE_BACK,    [0xe] = WRITE_BACK,    [0xf] = WRITE_BACK,
};
/* [outer][inner] */
static const enum memattr_type normal_types[4][4] = {
    [NON_CACHEABLE] = {[NON_CACHEABLE] = MEMATTR_NC,      [WRITE_THROUGH] = MEMATTR_ONC_IWT, [WRITE_BACK] = MEMATTR_ONC_IWB},
    [WRITE_THROUGH] = {[NON_CACHEABLE] = MEMATTR_OWT_INC, [WRITE_THROUGH] = MEMATTR_WT,      [WRITE_BACK] = MEMATTR_OWT_IWB},
    [WRITE_BACK]    = {[NON_CACHEABLE] = MEMATTR_OWB_INC, [WRITE_THROUGH] = MEMATTR_OWB_IWT, [WRITE_BACK] = MEMATTR_WB},
};
static const uint8_t mair_bytes[MEMATTR_TYPE_COUNT] = {
    [MEMATTR_NC]         = 0x44, [MEMATTR_ONC_IWT]     = 0x4b, [MEMATTR_ONC_IWB]      = 0x4f,
    [MEMATTR_OWT_INC]    = 0xb4, [MEMATTR_WT]          = 0xbb, [MEMATTR_OWT_IWB]      = 0xbf,
    [MEMATTR_OWB_INC]    = 0xf4, [MEMATTR_OWB_IWT]     = 0xfb, [MEMATTR_WB]           = 0xff,
    [MEMATTR_DEVICE_GRE] = 0x0c, [MEMATTR_DEVICE_nGRE] = 0x08, [MEMATTR_DEVICE_nGnRE] = 0x04, [MEMATTR_DEVICE_nGnRnE] = 0x00,
};
// clang-format on

bool memattr_arm64_leaf(enum memattr_model model, unsigned memattr, unsigned sh,
                        struct memattr_leaf *leaf)
{
    const unsigned reserved_sh = 1; /* table D8-102 */
    if (memattr > 15 || sh > 3 || sh == reserved_sh ||
        !encodings[model == MEMATTR_ARM64_FWB][memattr].valid)
        return false;
    *leaf = encodings[model == MEMATTR_ARM64_FWB][memattr].leaf;
    leaf->shareability = (enum memattr_shareability)sh;
    return true;
}

bool memattr_arm64_of_mair(uint8_t byte, enum memattr_type *type)
{
    static const enum memattr_type devices[4] = {
        MEMATTR_DEVICE_nGnRnE,
        MEMATTR_DEVICE_nGnRE,
        MEMATTR_DEVICE_nGRE,
        MEMATTR_DEVICE_GRE,
    };
    unsigned high = byte >> 4;
    unsigned low = byte & 0xf;
    if (high == 0) {
        *type = devices[low >> 2];
        return (low & 3) == 0;
    }
    *type = normal_types[nibbles[high]][nibbles[low]];
    return nibbles[low] != NONE;
}

uint8_t memattr_arm64_mair(enum memattr_type type)
{
    return mair_bytes[type];
}

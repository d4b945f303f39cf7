// SPDX-License-Identifier: GPL-2.0-only
/*
 * arm64: AttrIndx, bits 4:2 of a leaf, selects one of the eight bytes of MAIR_EL1 (DDI 0487,
 * D8.6.1). A kernel that runs at EL2 (VHE) names its own register MAIR_EL1 too: with
 * HCR_EL2.E2H the access goes to MAIR_EL2, which is the one that its page tables use (D8.2.1).
 */
#include <asm/sysreg.h>
#include <linux/bitfield.h>
#include <linux/bits.h>

#include "memory_type.h"

#define ENTRY_ATTRIBUTE_INDEX GENMASK_ULL(4, 2)

u64 memory_type_registers(void)
{
	return read_sysreg(mair_el1);
}

u32 memory_type_index(u64 entry, unsigned int shift)
{
	return FIELD_GET(ENTRY_ATTRIBUTE_INDEX, entry);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * x86: PWT, PCD and PAT select one of the eight bytes of the PAT MSR (SDM 3, 12.12.3). The MSR
 * is read, not remembered: it has the same value on all CPUs (12.12.4).
 */
#include <asm/msr.h>
#include <linux/bits.h>
#include <linux/mm.h>

#include "compat.h"
#include "memory_type.h"

/* SDM 3, 4.9.2: bit 7 in an entry for 4 KiB; there it is the page size in a larger one, whose
 * PAT is bit 12. */
#define ENTRY_PWT       BIT_ULL(3)
#define ENTRY_PCD       BIT_ULL(4)
#define ENTRY_PAT       BIT_ULL(7)
#define ENTRY_PAT_LARGE BIT_ULL(12)

u64 memory_type_registers(void)
{
	u64 types;

	rdmsrq(MSR_IA32_CR_PAT, types);
	return types;
}

u32 memory_type_index(u64 entry, unsigned int shift)
{
	bool pat = entry & (shift == PAGE_SHIFT ? ENTRY_PAT : ENTRY_PAT_LARGE);
	bool pcd = entry & ENTRY_PCD;
	bool pwt = entry & ENTRY_PWT;

	return 4 * pat + 2 * pcd + pwt;
}

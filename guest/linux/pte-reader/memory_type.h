/* SPDX-License-Identifier: GPL-2.0-only */
/* The register that names the memory types: one file for each architecture. */
#ifndef PTE_READER_MEMORY_TYPE_H
#define PTE_READER_MEMORY_TYPE_H

#include <linux/types.h>

/* The eight bytes of the register, as it is programmed on this CPU. */
u64 memory_type_registers(void);

/* Which of them the leaf ENTRY, of 1 << SHIFT bytes, selects. */
u32 memory_type_index(u64 entry, unsigned int shift);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/* Finds the leaf entry for an address in the caller's page table. */
#ifndef PTE_READER_WALK_H
#define PTE_READER_WALK_H

#include <linux/types.h>

struct leaf {
	u64 entry;
	u64 physical;       /* of the byte that was asked for */
	unsigned int level; /* PTE_READER_LEVEL_* */
	unsigned int shift; /* log2 of the bytes that the entry maps */
	u32 flags;          /* PTE_READER_* */
};

/* -EINVAL, -ENOMEM, -ENODATA and -EINTR as in pte_reader.h. */
int walk_caller(unsigned long address, struct leaf *leaf);

#endif

/* SPDX-License-Identifier: MIT */
/* The words for S1 attributes in the command line: wb, wc, device-ngnrne, ... */
#ifndef S2VMM_GUEST_ATTRIBUTE_H
#define S2VMM_GUEST_ATTRIBUTE_H

#include <stdbool.h>

#include "vmm/memattr.h"

struct guest;

/* The option `key`, one word; `fallback` (which may be MEMATTR_TYPE_COUNT) if it is not
 * given. A word for what mmu_map() does not know fails the scenario. */
bool attribute_option(struct guest *guest, const char *key, enum memattr_type fallback,
                      enum memattr_type *type);

/* The option `key`, words with commas between them: marks those types in `wanted`, all
 * that mmu_map() knows if it is not given. */
bool attribute_list_option(struct guest *guest, const char *key,
                           bool wanted[MEMATTR_TYPE_COUNT]);

#endif

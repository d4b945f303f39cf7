/* SPDX-License-Identifier: MIT */
/*
 * Platforms by name: what s2vmm can say about hosts that it does not run on. Each name
 * stands for a set of answers that platform_probe() could give; docs/memory-attributes.md
 * has the tables.
 */
#ifndef S2VMM_PLATFORM_NAMES_H
#define S2VMM_PLATFORM_NAMES_H

#include <stddef.h>

#include "vmm/memattr.h"

struct platform_name {
    const char *name; /* "arm64-fwb-dic" */
    const char *text; /* one line: what kind of host this is, and how it is recognized */
    struct memattr_platform memattr;
};

extern const struct platform_name platform_names[];
extern const size_t platform_name_count;

/* The platform of this name, or NULL. */
const struct platform_name *platform_name_find(const char *name);

#endif

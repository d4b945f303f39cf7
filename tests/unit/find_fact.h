/* SPDX-License-Identifier: MIT */
#ifndef S2VMM_TESTS_UNIT_FIND_FACT_H
#define S2VMM_TESTS_UNIT_FIND_FACT_H

#include "vmm/platform.h"

/* The fact of this name, or NULL. */
const struct platform_fact *find_fact(const struct platform *platform, const char *name);

/* Its value must be there and contain the text. */
void check_fact(const struct platform *platform, const char *name, const char *text);

#endif

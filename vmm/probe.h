/* SPDX-License-Identifier: MIT */
/* `s2vmm probe`: what this host is and can, or what is said about one dma-buf. */
#ifndef S2VMM_PROBE_H
#define S2VMM_PROBE_H

#include "vmm/error.h"
#include "vmm/options.h"

/* Prints to standard output. What the host lacks is a fact; ERROR_CONFIG_* when nothing can be
 * asked at all, or not about that dma-buf. */
bool probe_command(const struct options *options, struct error *error);

#endif

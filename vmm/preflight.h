/* SPDX-License-Identifier: MIT */
/*
 * The pre-flight table of `s2vmm probe`: which buffers can be mapped rightly on this host, and
 * with which map_info, by the attribute model. One fact for each kind of buffer:
 *
 *     RAM mapped WB, PFNMAP    map_info CACHED
 *     RAM mapped NC, PFNMAP    refused: the guest would get WB, whatever it asks for
 */
#ifndef S2VMM_PREFLIGHT_H
#define S2VMM_PREFLIGHT_H

#include "vmm/platform.h"

/* Adds the facts to a platform that was probed, or that is only named. */
void preflight_add(struct platform *platform);

#endif

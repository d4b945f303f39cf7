/* SPDX-License-Identifier: MIT */
/* The command `s2vmm update`: asks the supervisor of a run to put a new s2vmm under its guest. */
#ifndef S2VMM_UPDATE_H
#define S2VMM_UPDATE_H

#include "vmm/options.h"

/* Asks as often as the command line says, and prints the pauses. ERROR_CONFIG_FILE: nobody listens
 * there, or no such file; ERROR_HOST_SYSTEM: the guest goes on in the old s2vmm. */
bool update_command(const struct options *options, struct error *error);

#endif

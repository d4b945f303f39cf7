/* SPDX-License-Identifier: MIT */
/*
 * The process that a user starts as `s2vmm run --update-socket=PATH`: it stays outside of every
 * sandbox, as it has to execute the new VMM, and does nothing but this:
 *
 *   forks the VMM, waits for it, and ends with its exit status
 *   hands on SIGINT, SIGTERM, SIGHUP, SIGUSR1 and SIGUSR2
 *   listens on PATH; a client of its own user may send it a file: then it executes that with the
 *   VMM's command line, and gives both a socket to each other (vmm/update_wire.h)
 *
 * It knows nothing of the guest. When it dies, the VMM gets SIGTERM.
 */
#ifndef S2VMM_SUPERVISOR_H
#define S2VMM_SUPERVISOR_H

#include "vmm/error.h"

/* Returns in the VMM, with *control, its socket to the supervisor. The supervisor itself does not
 * return unless it could not start; in it, argv, as it was given to main(), stays in use.
 * ERROR_CONFIG_FILE: the path; ERROR_HOST_SYSTEM. */
bool supervisor_start(const char *path, char *const *argv, int *control,
                      struct error *error);

#endif

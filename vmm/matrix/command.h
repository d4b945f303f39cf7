/* SPDX-License-Identifier: MIT */
/* `s2vmm matrix`: a composition root of its own, beside vmm/main.c. */
#ifndef S2VMM_MATRIX_COMMAND_H
#define S2VMM_MATRIX_COMMAND_H

#include "vmm/error.h"
#include "vmm/options.h"
#include "vmm/platform.h"

/* Runs the command for this host, or for the platform that the options name (then NULL will
 * do). honour_guest_pat: lift KVM's quirk in the VMs. *explained: no difference lacks an
 * explanation. ERROR_GUEST_LIMIT: a signal ended it. */
bool matrix_command(const struct options *options, const struct platform *host,
                    bool honour_guest_pat, bool *explained, struct error *error);

#endif

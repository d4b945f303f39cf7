/* SPDX-License-Identifier: MIT */
/* `s2vmm experiment`: the gallery of what can go wrong with a mapping, each of it runnable. */
#ifndef S2VMM_EXPERIMENTS_COMMAND_H
#define S2VMM_EXPERIMENTS_COMMAND_H

#include "vmm/error.h"
#include "vmm/options.h"
#include "vmm/platform.h"

enum experiment_end {
    EXPERIMENT_AS_EXPECTED,
    EXPERIMENT_SURPRISE,     /* something else happened */
    EXPERIMENT_NOT_POSSIBLE, /* this host lacks what it needs, and that was said */
};

/* Runs options->experiment, "all" of them, or prints the list if it is NULL. *end: the worst of
 * them. False: it cannot be run at all. */
bool experiment_command(const struct options *options, const struct platform *host,
                        enum experiment_end *end, struct error *error);

#endif

/* SPDX-License-Identifier: MIT */
/* The experiments' functions; vmm/experiments/command.c has the table with their questions. */
#ifndef S2VMM_EXPERIMENTS_GALLERY_H
#define S2VMM_EXPERIMENTS_GALLERY_H

#include "vmm/experiments/experiment.h"

/* attributes.c */
void experiment_wish_is_not_truth(const struct experiment_host *host,
                                  struct experiment_log *log);
void experiment_fwb_overrides(const struct experiment_host *host,
                              struct experiment_log *log);
void experiment_ipat_hides(const struct experiment_host *host,
                           struct experiment_log *log);
/* changes.c */
void experiment_moving_buffer(const struct experiment_host *host,
                              struct experiment_log *log);
void experiment_attribute_change(const struct experiment_host *host,
                                 struct experiment_log *log);
void experiment_revoked(const struct experiment_host *host, struct experiment_log *log);
/* holders.c */
void experiment_held_by_a_device(const struct experiment_host *host,
                                 struct experiment_log *log);
/* access.c */
void experiment_needs_sync(const struct experiment_host *host,
                           struct experiment_log *log);
void experiment_pfn_zero_refcount(const struct experiment_host *host,
                                  struct experiment_log *log);
void experiment_read_then_write(const struct experiment_host *host,
                                struct experiment_log *log);
void experiment_debug_mangled(const struct experiment_host *host,
                              struct experiment_log *log);

#endif

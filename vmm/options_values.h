/* SPDX-License-Identifier: MIT */
/*
 * Values of options. All errors are ERROR_CONFIG_USAGE; they name the option, the value and
 * what is possible.
 */
#ifndef S2VMM_OPTIONS_VALUES_H
#define S2VMM_OPTIONS_VALUES_H

#include "vmm/options.h"

/* A whole decimal number. */
bool parse_number(const char *option, const char *text, uint64_t minimum,
                  uint64_t maximum, uint64_t *value, struct error *error);

/* Bytes, with K, M or G behind. */
bool parse_size(const char *option, const char *text, uint64_t *size,
                struct error *error);

/* Position of `text` in a NULL-terminated list of choices. */
bool parse_choice(const char *option, const char *text, const char *const *choices,
                  unsigned *choice, struct error *error);

/* --disk FILE[,readonly]: one more of options->disks. `text` stays in use, and may be cut. */
bool parse_disk(char *text, struct options *options, struct error *error);

/* --vfio ADDRESS[,trap]: one more of options->vfio. `text` stays in use, and may be cut. */
bool parse_vfio(char *text, struct options *options, struct error *error);

/* --display WxH[,WxH...]: the whole of options->displays. */
bool parse_displays(const char *text, struct options *options, struct error *error);

/* --quota NAME=VALUE[,NAME=VALUE...]: the limits that it names, quota_name() and command-time.
 * `text` may be cut. */
bool parse_quota(char *text, struct quota_limits *limits, struct error *error);

/* --take-over CONTROL,OLD, of the supervisor: two sockets. */
bool parse_take_over(const char *text, struct options *options, struct error *error);

/* --force-map-info cached|uncached|wc|NUMBER */
bool parse_forced_map_info(const char *text, struct options *options,
                           struct error *error);

#endif

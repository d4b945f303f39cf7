/* SPDX-License-Identifier: MIT */
/*
 * Between vmm/memattr.c, which has the rules that all models share, and the tables of each
 * family of models. Nobody else includes this.
 */
#ifndef S2VMM_MEMATTR_TABLES_H
#define S2VMM_MEMATTR_TABLES_H

#include "vmm/memattr.h"

/* The cache modes that can be right for a host type: at most two are tried. */
#define MEMATTR_CANDIDATES 2

/* Types that a function is given are types of the family: vmm/memattr.c sees to it. */
struct memattr_family {
    const bool *has;                  /* [MEMATTR_TYPE_COUNT] */
    const enum memattr_type *pgprots; /* [MEMATTR_MAP_WC + 1]: Linux' for each map_info */
    enum memattr_type strongest;      /* what a type of another family counts as */

    enum memattr_type (*s1_of_linux)(const struct memattr_platform *platform,
                                     enum memattr_type pgprot);
    const struct memattr_expected_leaf *(*leaf)(const struct memattr_platform *platform,
                                                const struct memattr_buffer *buffer);
    const struct memattr_expected_slot *(*slot)(const struct memattr_platform *platform,
                                                const struct memattr_buffer *buffer);
    struct memattr_effective (*combine)(const struct memattr_platform *platform,
                                        enum memattr_page page, struct memattr_leaf leaf,
                                        enum memattr_type s1);
    enum memattr_type (*host_effective)(enum memattr_page page, enum memattr_type host);

    /* Compares judgement->guest with judgement->host: fills in verdict and reason. */
    void (*compare)(enum memattr_page page, struct memattr_judgement *judgement);

    /* The cache modes to try for a host that has this effective type, MEMATTR_MAP_NONE
     * where there are fewer. */
    const enum memattr_map_info (*candidates)[MEMATTR_CANDIDATES];
    const char *(*accepted)(enum memattr_page page, enum memattr_map_info map_info,
                            enum memattr_type host);
    const char *(*no_match)(const struct memattr_platform *platform,
                            enum memattr_page page, struct memattr_leaf leaf,
                            enum memattr_type host);
    const char *
        kvm_faults; /* why an access can fail, other than for want of a struct page; or NULL */
};

extern const struct memattr_family memattr_x86;
extern const struct memattr_family memattr_arm64;

#endif

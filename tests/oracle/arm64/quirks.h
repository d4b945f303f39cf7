/* SPDX-License-Identifier: MIT */
/* Where QEMU's answer is not the manual's, and how that is known. */
#ifndef S2VMM_ORACLE_QUIRKS_H
#define S2VMM_ORACLE_QUIRKS_H

#include <stdbool.h>

#include "tests/oracle/arm64/translation.h"
#include "vmm/memattr.h"

/* What an access gets. */
struct answer {
    bool exists; /* false: no prediction; a fault, or a byte that is no type of ours */
    enum memattr_type type;
    enum memattr_shareability shareability;
};

struct combination {
    struct stages stages;
    enum memattr_type s1;
    struct memattr_leaf leaf;
    struct answer predicted;
    struct translation translation;
    struct answer observed; /* the translation in our words */
};

enum quirk_name {
    NON_CACHEABLE_STOPS_REORDERING,
    STAGE_2_WEAKENS_DEVICE,
    STAGE_2_FORGETS_TO_FORCE,
    QUIRK_COUNT,
    QUIRK_NONE = QUIRK_COUNT
};

/* A quirk knows the right type and the wrong one: any other is a failure. */
struct quirk {
    bool (*explains)(const struct combination *combination);
    const char *why;
    const char *where;
};

extern const struct quirk known_quirks[QUIRK_COUNT];

/* The quirk that explains how prediction and observation differ, or QUIRK_NONE. */
enum quirk_name quirk_of(const struct combination *combination);

#endif

/* SPDX-License-Identifier: MIT */
/* What the tests of the attribute model for arm64 share. */
#ifndef S2VMM_TESTS_ARM64_TYPES_H
#define S2VMM_TESTS_ARM64_TYPES_H

#include <string.h>

#include "vmm/memattr.h"
#include "vmm/types.h"

static const enum memattr_type all_types[] = {
    MEMATTR_WB,
    MEMATTR_WT,
    MEMATTR_NC,
    MEMATTR_ONC_IWT,
    MEMATTR_ONC_IWB,
    MEMATTR_OWT_INC,
    MEMATTR_OWT_IWB,
    MEMATTR_OWB_INC,
    MEMATTR_OWB_IWT,
    MEMATTR_DEVICE_GRE,
    MEMATTR_DEVICE_nGRE,
    MEMATTR_DEVICE_nGnRE,
    MEMATTR_DEVICE_nGnRnE,
};

/* Two letters for each type: outer and inner cacheability, or Device. */
static inline const char *code(enum memattr_type type)
{
    static const char *const codes[MEMATTR_TYPE_COUNT] = {
        [MEMATTR_WB] = "BB",
        [MEMATTR_WT] = "TT",
        [MEMATTR_NC] = "NN",
        [MEMATTR_ONC_IWT] = "NT",
        [MEMATTR_ONC_IWB] = "NB",
        [MEMATTR_OWT_INC] = "TN",
        [MEMATTR_OWT_IWB] = "TB",
        [MEMATTR_OWB_INC] = "BN",
        [MEMATTR_OWB_IWT] = "BT",
        [MEMATTR_DEVICE_GRE] = "GR",
        [MEMATTR_DEVICE_nGRE] = "gr",
        [MEMATTR_DEVICE_nGnRE] = "ne",
        [MEMATTR_DEVICE_nGnRnE] = "nn",
    };
    return codes[type] ? codes[type] : "??";
}

static inline bool is_device(enum memattr_type type)
{
    return strchr("Ggn", code(type)[0]) != NULL;
}

static inline bool is_one_line(const char *text)
{
    return text != NULL && strlen(text) > 10 && strlen(text) < 390 && !strchr(text, '\n');
}

static inline struct memattr_platform platform_of(bool fwb)
{
    return (struct memattr_platform){.model = fwb ? MEMATTR_ARM64_FWB : MEMATTR_ARM64,
                                     .rules = MEMATTR_RULES_6_17,
                                     .cacheable_pfnmap = fwb};
}

#endif

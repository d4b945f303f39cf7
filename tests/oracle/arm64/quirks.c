/* SPDX-License-Identifier: MIT */
#include "tests/oracle/arm64/quirks.h"

static bool is_device(enum memattr_type type)
{
    return type >= MEMATTR_DEVICE_GRE && type <= MEMATTR_DEVICE_nGnRnE;
}

static bool may_reorder(enum memattr_type type)
{
    return type == MEMATTR_DEVICE_nGRE || type == MEMATTR_DEVICE_GRE;
}

static bool is_inner_non_cacheable(enum memattr_type type)
{
    return type == MEMATTR_NC || type == MEMATTR_OWT_INC || type == MEMATTR_OWB_INC;
}

static bool non_cacheable_stops_reordering(const struct combination *combination)
{
    bool s1_is_device = may_reorder(combination->s1);
    enum memattr_type s1 = combination->s1, s2 = combination->leaf.type;
    enum memattr_type device = s1_is_device ? s1 : s2, normal = s1_is_device ? s2 : s1;
    return !combination->stages.fwb && may_reorder(device) &&
           is_inner_non_cacheable(normal) && combination->predicted.type == device &&
           combination->observed.type == MEMATTR_DEVICE_nGnRE;
}

static bool stage2_weakens_device(const struct combination *combination)
{
    enum memattr_type s1 = combination->s1, s2 = combination->leaf.type;
    return combination->stages.fwb && is_device(s1) && is_device(s2) &&
           combination->predicted.type == s1 && combination->observed.type == s2;
}

static bool stage2_forgets_to_force(const struct combination *combination)
{
    return combination->stages.fwb && combination->stages.s2 == 0xe &&
           combination->predicted.type == MEMATTR_WB &&
           combination->observed.type == combination->s1;
}

const struct quirk known_quirks[QUIRK_COUNT] = {
    [NON_CACHEABLE_STOPS_REORDERING] =
        {
            .explains = non_cacheable_stops_reordering,
            .why =
                "nGRE or GRE with inner non-cacheable becomes nGnRE; the low nibbles of "
                "MAIR bytes are compared, and inner non-cacheable has that of nGnRE",
            .where = "QEMU 7.2 to 11.1, target/arm/ptw.c, combined_attrs_nofwb()",
        },
    [STAGE_2_WEAKENS_DEVICE] =
        {
            .explains = stage2_weakens_device,
            .why =
                "a Device type of stage 2 replaces a stronger one of stage 1; the manual "
                "combines them (S2ApplyFWBMemAttrs, S2CombineS1Device)",
            .where = "QEMU 7.2 to 11.1, target/arm/ptw.c, combined_attrs_fwb()",
        },
    [STAGE_2_FORGETS_TO_FORCE] =
        {
            .explains = stage2_forgets_to_force,
            .why =
                "MemAttr 0b1110, forced write-back without tag access (FEAT_MTE_PERM), "
                "is taken for 0b1111 and leaves stage 1 as it is",
            .where = "QEMU 11.1, target/arm/ptw.c, combine_cacheattrs()",
        },
};

/* Whether the shareability is right for the type, even if that is wrong. */
static bool is_consistent(const struct combination *combination)
{
    const struct answer *observed = &combination->observed;
    return observed->exists &&
           observed->shareability ==
               memattr_arm64_shareability(combination->stages.sh1,
                                          combination->leaf.shareability, observed->type);
}

enum quirk_name quirk_of(const struct combination *combination)
{
    for (enum quirk_name quirk = 0; quirk < QUIRK_COUNT; quirk++)
        if (is_consistent(combination) && known_quirks[quirk].explains(combination))
            return quirk;
    return QUIRK_NONE;
}

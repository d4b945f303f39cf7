/* SPDX-License-Identifier: MIT */
/*
 * The tables of the attribute model for x86: Intel EPT with and without IPAT, AMD NPT,
 * shadow paging.
 *
 *     platform, page --leaves--> leaf --ept | npt | shadow--> effective type
 *                                 s1 ------------^
 *
 * A cell is {type, basis, source}. The manuals are cited by the numbers of their 2023 to
 * 2025 editions: "SDM 3" is the Intel SDM, volume 3; "APM 2" the AMD64 Architecture
 * Programmer's Manual, volume 2, of which no copy was at hand: cells that lean on it are
 * inferred from what others say that it says. Kernel line numbers are "version:line" of
 * Debian's 6.1.176, 6.12.107, 7.2.13 and 7.3.4.
 *
 * Freestanding: this file is also compiled into the guest.
 */
#include "vmm/memattr_tables.h"

#include <stddef.h>

/* The tables have no room for arm64's types, which follow those of x86. */
#define X86_TYPES (MEMATTR_UC + 1)

static const bool has[MEMATTR_TYPE_COUNT] = {
    [MEMATTR_WB] = true, [MEMATTR_WT] = true,       [MEMATTR_WP] = true,
    [MEMATTR_WC] = true, [MEMATTR_UC_MINUS] = true, [MEMATTR_UC] = true,
};

/* Linux' pgprot_noncached is UC- (arch/x86/include/asm/pgtable.h). */
static const enum memattr_type pgprots[] = {
    [MEMATTR_MAP_CACHED] = MEMATTR_WB,
    [MEMATTR_MAP_UNCACHED] = MEMATTR_UC_MINUS,
    [MEMATTR_MAP_WC] = MEMATTR_WC,
};

/* --- The leaf that KVM installs --- */

/* EPT has two tables: KVM sets IPAT on RAM leaves by default. */
enum variant { EPT_IPAT, EPT_HONOURS, NPT, SHADOW, VARIANT_COUNT };

static enum variant variant_of(const struct memattr_platform *platform)
{
    static const enum variant variants[MEMATTR_MODEL_COUNT] = {
        [MEMATTR_EPT] = EPT_HONOURS,
        [MEMATTR_NPT] = NPT,
        [MEMATTR_SHADOW] = SHADOW,
    };
    if (platform->model == MEMATTR_EPT && platform->ignores_guest_pat)
        return EPT_IPAT;
    return variants[platform->model];
}

// clang-format off
static const struct memattr_expected_leaf leaves[VARIANT_COUNT][MEMATTR_PAGE_COUNT] = {
    [EPT_IPAT] = {
        [MEMATTR_PAGE_RAM]  = {.leaf = {.type = MEMATTR_WB, .ignores_s1 = true}, .basis = MEMATTR_MEASURED,
            .source = "s2vmm matrix --measure in Bochs: 6.12, 7.2 (tests/check intel-*); vmx_get_mt_mask (6.1:7558, 6.12:7673, 7.3:7791)"},
        [MEMATTR_PAGE_MMIO] = {.leaf = {.type = MEMATTR_UC, .ignores_s1 = false}, .basis = MEMATTR_MEASURED,
            .source = "s2vmm matrix --measure in Bochs, BAR resource: 6.12, 7.2 (tests/check intel-*); vmx_get_mt_mask: kvm_is_mmio_pfn"},
    },
    [EPT_HONOURS] = {
        [MEMATTR_PAGE_RAM]  = {.leaf = {.type = MEMATTR_WB, .ignores_s1 = false}, .basis = MEMATTR_MEASURED,
            .source = "s2vmm matrix --measure --honor-guest-pat on, in Bochs: 6.12, 7.2 (tests/check intel-*); vmx_get_mt_mask (6.12:7673, 7.3:7791)"},
        [MEMATTR_PAGE_MMIO] = {.leaf = {.type = MEMATTR_UC, .ignores_s1 = false}, .basis = MEMATTR_MEASURED,
            .source = "s2vmm matrix --measure --honor-guest-pat on, in Bochs, BAR resource: 6.12, 7.2 (tests/check intel-*); vmx_get_mt_mask: kvm_is_mmio_pfn"},
    },
    [NPT] = {
        [MEMATTR_PAGE_RAM]  = {.leaf = {.type = MEMATTR_WB, .ignores_s1 = false}, .basis = MEMATTR_MEASURED,
            .source = "s2vmm matrix --measure: 6.1, 6.12, 7.2 (tests/check); svm has no get_mt_mask: PWT=PCD=PAT=0"},
        [MEMATTR_PAGE_MMIO] = {.leaf = {.type = MEMATTR_WB, .ignores_s1 = false}, .basis = MEMATTR_MEASURED,
            .source = "s2vmm matrix --measure, BAR resource: 6.1, 6.12, 7.2 (tests/check); svm has no get_mt_mask: PWT=PCD=PAT=0"},
    },
    [SHADOW] = {
        [MEMATTR_PAGE_RAM]  = {.leaf = {.type = MEMATTR_WB, .ignores_s1 = true}, .basis = MEMATTR_MEASURED,
            .source = "s2vmm matrix --measure: amd-shadow, 7.2 (tests/check); x86.c (7.3:7138): no get_mt_mask without TDP, no PAT bits"},
        [MEMATTR_PAGE_MMIO] = {.leaf = {.type = MEMATTR_WB, .ignores_s1 = true}, .basis = MEMATTR_MEASURED,
            .source = "s2vmm matrix --measure, BAR resource: amd-shadow, 7.2 (tests/check); x86.c (7.3:7138), vmx.c (7.3:8766): no get_mt_mask without TDP, the shadow entry has no PAT bits"},
    },
};

/* --- S1 x leaf --- */

/* Intel EPT without IPAT: the leaf's type takes the place of the MTRR's. */
#define SDM(value) {.type = (value), .basis = MEMATTR_READ, .source = "SDM 3, 29.3.7.2: table 12-7 as PAT x EPT type"}
#define NO_SUCH_LEAF(value) {.type = (value), .basis = MEMATTR_INFERRED, .source = "not an EPT type, KVM does not install it: taken as UC"}
static const struct memattr_effective ept[X86_TYPES][X86_TYPES] = {
    [MEMATTR_WB] = {
        [MEMATTR_WB] = SDM(MEMATTR_WB), [MEMATTR_WT]       = SDM(MEMATTR_WT), [MEMATTR_WP] = SDM(MEMATTR_WP),
        [MEMATTR_WC] = SDM(MEMATTR_WC), [MEMATTR_UC_MINUS] = SDM(MEMATTR_UC), [MEMATTR_UC] = SDM(MEMATTR_UC)},
    [MEMATTR_WT] = {
        [MEMATTR_WB] = SDM(MEMATTR_WT), [MEMATTR_WT]       = SDM(MEMATTR_WT), [MEMATTR_WP] = SDM(MEMATTR_WP),
        [MEMATTR_WC] = SDM(MEMATTR_WC), [MEMATTR_UC_MINUS] = SDM(MEMATTR_UC), [MEMATTR_UC] = SDM(MEMATTR_UC)},
    [MEMATTR_WP] = {
        [MEMATTR_WB] = SDM(MEMATTR_WP), [MEMATTR_WT]       = SDM(MEMATTR_WT), [MEMATTR_WP] = SDM(MEMATTR_WP),
        [MEMATTR_WC] = SDM(MEMATTR_WC), [MEMATTR_UC_MINUS] = SDM(MEMATTR_WC), [MEMATTR_UC] = SDM(MEMATTR_UC)},
    [MEMATTR_WC] = {
        [MEMATTR_WB] = SDM(MEMATTR_WC), [MEMATTR_WT]       = SDM(MEMATTR_UC), [MEMATTR_WP] = SDM(MEMATTR_UC),
        [MEMATTR_WC] = SDM(MEMATTR_WC), [MEMATTR_UC_MINUS] = SDM(MEMATTR_WC), [MEMATTR_UC] = SDM(MEMATTR_UC)},
    [MEMATTR_UC_MINUS] = {
        [MEMATTR_WB] = NO_SUCH_LEAF(MEMATTR_UC), [MEMATTR_WT]       = NO_SUCH_LEAF(MEMATTR_UC),
        [MEMATTR_WP] = NO_SUCH_LEAF(MEMATTR_UC), [MEMATTR_WC]       = NO_SUCH_LEAF(MEMATTR_WC),
        [MEMATTR_UC] = NO_SUCH_LEAF(MEMATTR_UC), [MEMATTR_UC_MINUS] = NO_SUCH_LEAF(MEMATTR_UC)},
    [MEMATTR_UC] = {
        [MEMATTR_WB] = SDM(MEMATTR_UC), [MEMATTR_WT]       = SDM(MEMATTR_UC), [MEMATTR_WP] = SDM(MEMATTR_UC),
        [MEMATTR_WC] = SDM(MEMATTR_WC), [MEMATTR_UC_MINUS] = SDM(MEMATTR_UC), [MEMATTR_UC] = SDM(MEMATTR_UC)},
};
#undef SDM

/* Intel EPT with IPAT: the leaf's type, whatever S1 says. */
#define SDM(value) {.type = (value), .basis = MEMATTR_READ, .source = "SDM 3, 29.3.7.2: IPAT=1, the EPT type alone"}
static const struct memattr_effective ept_ipat[X86_TYPES] = {
    [MEMATTR_WB] = SDM(MEMATTR_WB), [MEMATTR_WT] = SDM(MEMATTR_WT), [MEMATTR_WP] = SDM(MEMATTR_WP),
    [MEMATTR_WC] = SDM(MEMATTR_WC), [MEMATTR_UC] = SDM(MEMATTR_UC), [MEMATTR_UC_MINUS] = NO_SUCH_LEAF(MEMATTR_UC),
};
#undef SDM
#undef NO_SUCH_LEAF

/* AMD NPT, leaf WB (KVM makes no other): the guest's PAT type, then the host's MTRR of the
 * page, WB for RAM and UC for a BAR. */
#define APM(value, how) {.type = (value), .basis = MEMATTR_INFERRED, .source = "APM 2, 15.25.8 (tables not read): " how}
static const struct memattr_effective npt[MEMATTR_PAGE_COUNT][X86_TYPES] = {
    [MEMATTR_PAGE_RAM] = {
        [MEMATTR_WB]       = APM(MEMATTR_WB, "guest PAT, MTRR WB"),
        [MEMATTR_WT]       = APM(MEMATTR_WT, "guest PAT, MTRR WB"),
        [MEMATTR_WP]       = APM(MEMATTR_WP, "guest PAT, MTRR WB"),
        [MEMATTR_WC]       = APM(MEMATTR_WC, "as WC+, which snoops the caches"),
        [MEMATTR_UC_MINUS] = APM(MEMATTR_UC, "guest PAT, MTRR WB; as CD"),
        [MEMATTR_UC]       = APM(MEMATTR_UC, "guest PAT, MTRR WB"),
    },
    [MEMATTR_PAGE_MMIO] = {
        [MEMATTR_WB]       = APM(MEMATTR_UC, "MTRR UC, table 7-10 (third party)"),
        [MEMATTR_WT]       = APM(MEMATTR_UC, "MTRR UC, table 7-10 (third party)"),
        [MEMATTR_WP]       = APM(MEMATTR_UC, "MTRR UC, table 7-10 (third party)"),
        [MEMATTR_WC]       = APM(MEMATTR_WC, "MTRR UC, table 7-10 (third party)"),
        [MEMATTR_UC_MINUS] = APM(MEMATTR_UC, "MTRR UC, table 7-10 (third party)"),
        [MEMATTR_UC]       = APM(MEMATTR_UC, "MTRR UC, table 7-10 (third party)"),
    },
};
#undef APM

/* AMD NPT with another leaf: only a leaf that was read from KVM could say so. */
#define ODD(value) {.type = (value), .basis = MEMATTR_INFERRED, .source = "KVM on AMD does not install such a leaf: taken as uncached"}
static const struct memattr_effective npt_other_leaf[X86_TYPES] = {
    [MEMATTR_WB] = ODD(MEMATTR_UC), [MEMATTR_WT]       = ODD(MEMATTR_UC), [MEMATTR_WP] = ODD(MEMATTR_UC),
    [MEMATTR_WC] = ODD(MEMATTR_WC), [MEMATTR_UC_MINUS] = ODD(MEMATTR_UC), [MEMATTR_UC] = ODD(MEMATTR_UC),
};
#undef ODD

/* Shadow paging: one table, KVM's; its entries have no PAT bits, which selects PA0 of the
 * host, WB, and then the host's MTRR counts. */
static const struct memattr_effective shadow[MEMATTR_PAGE_COUNT] = {
    [MEMATTR_PAGE_RAM]  = {.type = MEMATTR_WB, .basis = MEMATTR_READ, .source = "x86.c (7.3:7138); SDM 3, table 12-7: PAT WB x MTRR WB"},
    [MEMATTR_PAGE_MMIO] = {.type = MEMATTR_UC, .basis = MEMATTR_READ, .source = "x86.c (7.3:7138); SDM 3, table 12-7: PAT WB x MTRR UC"},
};

/* --- The host's side --- */

static const enum memattr_type host_types[MEMATTR_PAGE_COUNT][X86_TYPES] = {
    [MEMATTR_PAGE_RAM] = {
        [MEMATTR_WB] = MEMATTR_WB, [MEMATTR_WT]       = MEMATTR_WT, [MEMATTR_WP] = MEMATTR_WP,
        [MEMATTR_WC] = MEMATTR_WC, [MEMATTR_UC_MINUS] = MEMATTR_UC, [MEMATTR_UC] = MEMATTR_UC},
    [MEMATTR_PAGE_MMIO] = {
        [MEMATTR_WB] = MEMATTR_UC, [MEMATTR_WT]       = MEMATTR_UC, [MEMATTR_WP] = MEMATTR_UC,
        [MEMATTR_WC] = MEMATTR_WC, [MEMATTR_UC_MINUS] = MEMATTR_UC, [MEMATTR_UC] = MEMATTR_UC},
};

/* --- What a mismatch costs --- */

/* Types by what can go wrong between them. */
enum behaviour { CACHED, COMBINING, UNCACHED, BEHAVIOUR_COUNT };

static const enum behaviour behaviours[X86_TYPES] = {
    [MEMATTR_WB] = CACHED,    [MEMATTR_WT]       = CACHED,   [MEMATTR_WP] = CACHED,
    [MEMATTR_WC] = COMBINING, [MEMATTR_UC_MINUS] = UNCACHED, [MEMATTR_UC] = UNCACHED,
};

/* [page][guest][host]. The partners of the guest's mapping are the host's user mapping and,
 * for RAM, the kernel's linear map: set_pages_array_wc() and _uc() change that one as well.
 * A host mapping of a BAR is never cached. */
static const char *const mismatches[MEMATTR_PAGE_COUNT][BEHAVIOUR_COUNT][BEHAVIOUR_COUNT] = {
    [MEMATTR_PAGE_RAM] = {
        [CACHED] = {
            [CACHED] = "the guest's mapping and the host's (user and linear map) are both cached, but not alike: "
                       "not supported (SDM 3, 12.12.4)",
            [COMBINING] = "the guest caches what the host's user mapping, and the linear map where the exporter changed it, "
                          "write around the caches: WC writes may not check them, so that either side reads stale data and "
                          "a late write-back undoes newer writes (SDM 3, 12.12.4; APM 2, 7.8)",
            [UNCACHED] = "the guest caches what the host's user mapping, and the linear map where the exporter changed it, "
                         "access uncached: either side can read stale data, and a late write-back can undo newer writes "
                         "(SDM 3, 12.12.4; APM 2, 7.8)",
        },
        [COMBINING] = {
            [CACHED] = "the guest writes around the caches that the host's user mapping and its linear map use: WC writes may "
                       "not check them, so that the host reads stale data and its write-backs undo the guest's writes "
                       "(SDM 3, 12.12.4; APM 2, 7.8)",
            [UNCACHED] = "the guest's writes wait in write-combining buffers, the host's do not: no stale data, but stores become "
                         "visible late and in another order until a fence (SDM 3, 12.3.1)",
        },
        [UNCACHED] = {
            [CACHED] = "the guest goes around the caches that the host's user mapping and its linear map use: not supported, and "
                       "undefined (SDM 3, 12.12.4; APM 2, 7.8)",
            [COMBINING] = "the host's writes wait in write-combining buffers, the guest's do not: no stale data, but stores become "
                          "visible late and in another order until a fence (SDM 3, 12.3.1)",
        },
    },
    [MEMATTR_PAGE_MMIO] = {
        [CACHED] = {
            [COMBINING] = "the guest caches a device's memory that the host's user mapping writes around the caches: stale data, "
                          "and machine checks on some devices (SDM 3, 12.12.4; APM 2, 7.8)",
            [UNCACHED] = "the guest caches a device's memory that the host's user mapping accesses uncached: stale data, "
                         "and machine checks on some devices (SDM 3, 12.12.4; APM 2, 7.8)",
        },
        [COMBINING] = {
            [UNCACHED] = "the guest's writes to the device's memory wait in write-combining buffers, those of the host's user mapping "
                         "do not: stores become visible late and in another order until a fence (SDM 3, 12.3.1)",
        },
        [UNCACHED] = {
            [COMBINING] = "the writes of the host's user mapping to the device's memory wait in write-combining buffers, the guest's "
                          "do not: stores become visible late and in another order until a fence (SDM 3, 12.3.1)",
        },
    },
};

/* --- Advice --- */

/* The cache mode that names a type; WT and WP have no name in virtio-gpu. */
static const enum memattr_map_info candidates[X86_TYPES][MEMATTR_CANDIDATES] = {
    [MEMATTR_WB] = {MEMATTR_MAP_CACHED}, [MEMATTR_WC] = {MEMATTR_MAP_WC}, [MEMATTR_UC] = {MEMATTR_MAP_UNCACHED},
};

static const char *const acceptances[] = {
    [MEMATTR_MAP_CACHED]   = "with CACHED the guest's accesses are write-back, like the host's",
    [MEMATTR_MAP_UNCACHED] = "with UNCACHED the guest's accesses are uncached, like the host's",
    [MEMATTR_MAP_WC]       = "with WC the guest's accesses are write-combining, like the host's",
};

#define REFUSED_SHADOW "shadow paging ignores the guest's PAT: KVM's tables give WB for RAM and UC for a BAR whatever map_info " \
                       "says, and the host uses another type: use a host with EPT or NPT"
#define REFUSED_NO_WORD "the host's mapping is WT or WP, and map_info can only say CACHED, WC or UNCACHED: use another exporter"
// clang-format on

static const char *accepted(enum memattr_page page, enum memattr_map_info map_info,
                            enum memattr_type host)
{
    (void)page;
    (void)host;
    return acceptances[map_info];
}

static const char *no_match(const struct memattr_platform *platform,
                            enum memattr_page page, struct memattr_leaf leaf,
                            enum memattr_type host)
{
    (void)platform;
    (void)page;
    (void)leaf;
    /* EPT's IPAT and the guest's MTRRs have refusals of their own: only shadow paging is left. */
    return host == MEMATTR_WT || host == MEMATTR_WP ? REFUSED_NO_WORD : REFUSED_SHADOW;
}

/* --- Look-ups --- */

/* A WB mapping of a range whose MTRR is not WB becomes UC- (pat_x_mtrr_type). */
static enum memattr_type s1_of_linux(const struct memattr_platform *platform,
                                     enum memattr_type pgprot)
{
    return pgprot == MEMATTR_WB && !platform->guest_mtrr_is_wb ? MEMATTR_UC_MINUS
                                                               : pgprot;
}

static const struct memattr_expected_leaf *expected_leaf(
    const struct memattr_platform *platform, const struct memattr_buffer *buffer)
{
    return &leaves[variant_of(platform)][buffer->page];
}

static const struct memattr_expected_slot *expected_slot(
    const struct memattr_platform *platform, const struct memattr_buffer *buffer)
{
    static const struct memattr_expected_slot any = {
        .refused = false,
        .basis = MEMATTR_MEASURED,
        .source =
            "s2vmm matrix --measure, dmabuf-lab, every VMA: 6.12, 7.2, 7.3 "
            "(tests/check); "
            "x86.c kvm_arch_prepare_memory_region (7.3): it does not look at VMAs",
    };
    (void)platform;
    (void)buffer;
    return &any;
}

static struct memattr_effective combine(const struct memattr_platform *platform,
                                        enum memattr_page page, struct memattr_leaf leaf,
                                        enum memattr_type s1)
{
    if (platform->model == MEMATTR_SHADOW)
        return shadow[page];
    if (platform->model == MEMATTR_NPT)
        return leaf.type == MEMATTR_WB ? npt[page][s1] : npt_other_leaf[s1];
    return leaf.ignores_s1 ? ept_ipat[leaf.type] : ept[leaf.type][s1];
}

static enum memattr_type host_effective(enum memattr_page page, enum memattr_type host)
{
    return host_types[page][host];
}

static void compare(enum memattr_page page, struct memattr_judgement *judgement)
{
    enum memattr_type guest = judgement->guest.type;
    if (guest == judgement->host) {
        judgement->verdict = MEMATTR_MATCH;
        judgement->reason =
            "the guest's mapping and the host's have the same memory type";
    } else {
        judgement->verdict = MEMATTR_MISMATCH;
        judgement->reason =
            mismatches[page][behaviours[guest]][behaviours[judgement->host]];
    }
}

const struct memattr_family memattr_x86 = {
    .has = has,
    .pgprots = pgprots,
    .strongest = MEMATTR_UC,
    .s1_of_linux = s1_of_linux,
    .leaf = expected_leaf,
    .slot = expected_slot,
    .combine = combine,
    .host_effective = host_effective,
    .compare = compare,
    .candidates = candidates,
    .accepted = accepted,
    .no_match = no_match,
};

/* SPDX-License-Identifier: MIT */
/*
 * The tables of the attribute model for arm64, without and with FEAT_S2FWB.
 *
 *     rules, page, VMA --choices--> leaf --combined | forced | S1's--> effective type
 *                                    s1 ----^                             |
 *                                                 host's page table --> compare()
 *
 * Sources: "Arm ARM" is DDI 0487, issue M.a.a; tables D8-96 to D8-103 are in D8.6. The same
 * rules as pseudocode: S2DecodeMemAttrs, S2CombineS1MemAttrs, S2CombineS1AttrHints,
 * S2CombineS1Device, AArch64_S2ApplyFWBMemAttrs, EffectiveShareability in Arm's ASL, which
 * was read in its Sail form (rems-project/sail-arm, arm-v9.4-a). Kernel line numbers are
 * "version:line" of Debian's 6.1.176, 6.12.107 and 7.3.4, arch/arm64/kvm/mmu.c where no file
 * is named. The encodings of stage 1 and stage 2 are in vmm/memattr_arm64_encoding.c.
 *
 * Freestanding: this file is also compiled into the guest.
 */
#include "vmm/memattr_tables.h"

#include <stddef.h>

/* Short names for the tables: N is NC, T is WT, B is WB, the outer one first. */
enum {
    WB = MEMATTR_WB,
    WT = MEMATTR_WT,
    NC = MEMATTR_NC,
    NT = MEMATTR_ONC_IWT,
    NB = MEMATTR_ONC_IWB,
    TN = MEMATTR_OWT_INC,
    TB = MEMATTR_OWT_IWB,
    BN = MEMATTR_OWB_INC,
    BT = MEMATTR_OWB_IWT,
    GRE = MEMATTR_DEVICE_GRE,
    nGRE = MEMATTR_DEVICE_nGRE,
    nGnRE = MEMATTR_DEVICE_nGnRE,
    nGnRnE = MEMATTR_DEVICE_nGnRnE,
};

static const bool has[MEMATTR_TYPE_COUNT] = {
    [WB] = true,   [WT] = true,    [NC] = true,     [NT] = true, [NB] = true,
    [TN] = true,   [TB] = true,    [BN] = true,     [BT] = true, [GRE] = true,
    [nGRE] = true, [nGnRE] = true, [nGnRnE] = true,
};

/* arch/arm64/include/asm/pgtable.h: pgprot_noncached, pgprot_writecombine. */
static const enum memattr_type pgprots[] = {
    [MEMATTR_MAP_CACHED] = MEMATTR_WB,
    [MEMATTR_MAP_UNCACHED] = MEMATTR_DEVICE_nGnRnE,
    [MEMATTR_MAP_WC] = MEMATTR_NC,
};

// clang-format off

/* --- The leaf that KVM installs --- */

/* What KVM's fault handler makes of a page. CACHEABLE is what 6.17 asks for where the host maps
 * a page outside of the memory map cacheable: Normal where the capability says so, or EFAULT. */
enum choice { RAM_NORMAL, MMIO_DEVICE, MMIO_NC, MMIO_PAGES, CACHEABLE, EFAULT_AT_ACCESS, CHOICE_COUNT };

/* [rules][vma][vma_is_uncacheable], for pages outside of the memory map. */
static const unsigned char mmio_choices[MEMATTR_RULES_COUNT][MEMATTR_VMA_COUNT][2] = {
    [MEMATTR_RULES_FIRST] = {
        [MEMATTR_VMA_PLAIN]  = {MMIO_DEVICE, MMIO_DEVICE},
        [MEMATTR_VMA_PFNMAP] = {MMIO_DEVICE, MMIO_DEVICE},
        [MEMATTR_VMA_VFIO]   = {MMIO_DEVICE, MMIO_DEVICE},
    },
    [MEMATTR_RULES_6_9] = {
        [MEMATTR_VMA_PLAIN]  = {MMIO_DEVICE, MMIO_DEVICE},
        [MEMATTR_VMA_PFNMAP] = {MMIO_DEVICE, MMIO_DEVICE},
        [MEMATTR_VMA_VFIO]   = {MMIO_NC,     MMIO_NC},
    },
    [MEMATTR_RULES_6_17] = { /* cacheable  not cacheable */
        [MEMATTR_VMA_PLAIN]  = {MMIO_PAGES, MMIO_PAGES},
        [MEMATTR_VMA_PFNMAP] = {CACHEABLE,  MMIO_DEVICE},
        [MEMATTR_VMA_VFIO]   = {CACHEABLE,  MMIO_NC},
    },
};

/* How each choice is known: one line each, so that a measurement changes one line. */
#define KNOWN_RAM     MEMATTR_MEASURED, "s2vmm matrix --measure: Linux 6.1 to 7.3, all four CPU classes (tests/check has the list); " \
                      "user_mem_abort (6.1:1272, 6.12:1582): pfn_is_map_memory; kvm_s2_fault_pin_pfn (7.3:1915)"
#define KNOWN_DEVICE  MEMATTR_MEASURED, "s2vmm matrix --measure, BAR resource and resource_wc: Linux 6.1 to 7.3, all four CPU classes " \
                      "(tests/check); user_mem_abort (6.1:1343, 6.12:1667): PROT_DEVICE; kvm_s2_fault_compute_prot (7.3:1943)"
#define KNOWN_NC      MEMATTR_MEASURED, "s2vmm matrix --measure, BAR vfio-pci: 7.2 x fwb-dic, nofwb; dmabuf-lab any-uncached: 6.12, 7.2, 7.3 (tests/check); user_mem_abort (6.12:1667): VM_ALLOW_ANY_UNCACHED; kvm_s2_fault_compute_prot (7.3:1943)"
#define KNOWN_PAGES   MEMATTR_READ, "kvm_s2_fault_pin_pfn (7.3:1915): only VM_PFNMAP and VM_MIXEDMAP mappings can be of a device"
#define KNOWN_CACHED  MEMATTR_MEASURED, "s2vmm matrix --measure, dmabuf-lab:bar, WB and TTM: 7.2, 7.3 x fwb-dic (tests/check); kvm_s2_fault_pin_pfn (7.3:1915), kvm_supports_cacheable_pfnmap (kvm_mmu.h 7.3:387)"
#define KNOWN_EFAULT  MEMATTR_MEASURED, "s2vmm matrix --measure, dmabuf-lab:bar, WB and TTM, late: 7.2, 7.3 x fwb, nofwb (tests/check); kvm_s2_fault_pin_pfn (7.3:1929): -EFAULT without kvm_supports_cacheable_pfnmap"

/* What KVM writes for each prot: stage2_set_prot_attr (pgtable.c 6.1:633, 6.12:675, 7.3:702),
 * always Inner Shareable. MemAttr of Normal is 0b1111, with FWB 0b0110. */
#define NORMAL_LEAF     {.type = MEMATTR_WB, .shareability = MEMATTR_INNER_SHAREABLE}
#define NORMAL_LEAF_FWB {.type = MEMATTR_WB, .ignores_s1 = true, .shareability = MEMATTR_INNER_SHAREABLE}
#define NC_LEAF         {.type = MEMATTR_NC, .shareability = MEMATTR_INNER_SHAREABLE}
#define DEVICE_LEAF     {.type = MEMATTR_DEVICE_nGnRE, .shareability = MEMATTR_INNER_SHAREABLE}

#define WORKS MEMATTR_ACCESS_WORKS
#define FAILS MEMATTR_ACCESS_FAILS

/* [choice][FWB]. Where the access fails no leaf is installed; the one that would be is given. */
static const struct memattr_expected_leaf leaves[CHOICE_COUNT][2] = {
    [RAM_NORMAL]       = {{NORMAL_LEAF, KNOWN_RAM,    WORKS}, {NORMAL_LEAF_FWB, KNOWN_RAM,    WORKS}},
    [MMIO_DEVICE]      = {{DEVICE_LEAF, KNOWN_DEVICE, WORKS}, {DEVICE_LEAF,     KNOWN_DEVICE, WORKS}},
    [MMIO_NC]          = {{NC_LEAF,     KNOWN_NC,     WORKS}, {NC_LEAF,         KNOWN_NC,     WORKS}},
    [MMIO_PAGES]       = {{NORMAL_LEAF, KNOWN_PAGES,  WORKS}, {NORMAL_LEAF_FWB, KNOWN_PAGES,  WORKS}},
    [CACHEABLE]        = {{NORMAL_LEAF, KNOWN_CACHED, WORKS}, {NORMAL_LEAF_FWB, KNOWN_CACHED, WORKS}},
    [EFAULT_AT_ACCESS] = {{NORMAL_LEAF, KNOWN_EFAULT, FAILS}, {NORMAL_LEAF_FWB, KNOWN_EFAULT, FAILS}},
};

static const struct memattr_expected_slot slot_accepted = {false, MEMATTR_MEASURED,
    "s2vmm matrix --measure (tests/check); kvm_arch_prepare_memory_region (6.1:1779, 6.12:2154, 7.3:2663): no rule against this mapping"};
static const struct memattr_expected_slot slot_refused = {true, MEMATTR_MEASURED,
    "s2vmm matrix --measure, udmabuf and virtio-gpu: 7.2 x fwb, nofwb, nvhe, 7.3 x nofwb; dmabuf-lab, WB and TTM, RAM and BAR: " \
    "7.2, 7.3 x fwb, nofwb (tests/check); " \
    "kvm_arch_prepare_memory_region (7.3:2663): VM_PFNMAP, kvm_vma_is_cacheable, no kvm_supports_cacheable_pfnmap"};

/* --- S1 x leaf --- */

/* Tables D8-97 (types) and D8-98 (cacheability, the inner and the outer one each for itself):
 * without FWB, and with FWB for the leaves that do not say otherwise. Columns: the leaf. */
#define ROW(s1, wb, wt, nc, nt, nb, tn, tb, bn, bt, gre, ngre, ngnre, ngnrne) \
    [s1] = {[WB] = wb, [WT] = wt, [NC] = nc, [NT] = nt, [NB] = nb, [TN] = tn, [TB] = tb, [BN] = bn, [BT] = bt, \
            [GRE] = gre, [nGRE] = ngre, [nGnRE] = ngnre, [nGnRnE] = ngnrne}
static const unsigned char combined[MEMATTR_TYPE_COUNT][MEMATTR_TYPE_COUNT] = {
    /*  S1      WB      WT      NC      NT      NB      TN      TB      BN      BT      GRE     nGRE    nGnRE   nGnRnE */
    ROW(WB,     WB,     WT,     NC,     NT,     NB,     TN,     TB,     BN,     BT,     GRE,    nGRE,   nGnRE,  nGnRnE),
    ROW(WT,     WT,     WT,     NC,     NT,     NT,     TN,     WT,     TN,     WT,     GRE,    nGRE,   nGnRE,  nGnRnE),
    ROW(NC,     NC,     NC,     NC,     NC,     NC,     NC,     NC,     NC,     NC,     GRE,    nGRE,   nGnRE,  nGnRnE),
    ROW(NT,     NT,     NT,     NC,     NT,     NT,     NC,     NT,     NC,     NT,     GRE,    nGRE,   nGnRE,  nGnRnE),
    ROW(NB,     NB,     NT,     NC,     NT,     NB,     NC,     NB,     NC,     NT,     GRE,    nGRE,   nGnRE,  nGnRnE),
    ROW(TN,     TN,     TN,     NC,     NC,     NC,     TN,     TN,     TN,     TN,     GRE,    nGRE,   nGnRE,  nGnRnE),
    ROW(TB,     TB,     WT,     NC,     NT,     NB,     TN,     TB,     TN,     WT,     GRE,    nGRE,   nGnRE,  nGnRnE),
    ROW(BN,     BN,     TN,     NC,     NC,     NC,     TN,     TN,     BN,     BN,     GRE,    nGRE,   nGnRE,  nGnRnE),
    ROW(BT,     BT,     WT,     NC,     NT,     NT,     TN,     WT,     BN,     BT,     GRE,    nGRE,   nGnRE,  nGnRnE),
    ROW(GRE,    GRE,    GRE,    GRE,    GRE,    GRE,    GRE,    GRE,    GRE,    GRE,    GRE,    nGRE,   nGnRE,  nGnRnE),
    ROW(nGRE,   nGRE,   nGRE,   nGRE,   nGRE,   nGRE,   nGRE,   nGRE,   nGRE,   nGRE,   nGRE,   nGRE,   nGnRE,  nGnRnE),
    ROW(nGnRE,  nGnRE,  nGnRE,  nGnRE,  nGnRE,  nGnRE,  nGnRE,  nGnRE,  nGnRE,  nGnRE,  nGnRE,  nGnRE,  nGnRE,  nGnRnE),
    ROW(nGnRnE, nGnRnE, nGnRnE, nGnRnE, nGnRnE, nGnRnE, nGnRnE, nGnRnE, nGnRnE, nGnRnE, nGnRnE, nGnRnE, nGnRnE, nGnRnE),
};
#undef ROW

/* How a combination is known. The oracle compares each one with QEMU's AT S12E1R; where QEMU
 * does not do what the manual says (target/arm/ptw.c), the manual alone counts. */
#define ORACLE "tests/oracle: QEMU 10.0 AT S12E1R; "
enum rule { NORMAL_RULE, DEVICE_RULE, NC_STOPS_REORDERING, WEAKER_DEVICE, FORCED_RULE, YIELDS_RULE, RULE_COUNT };
static const struct { enum memattr_basis basis; const char *source; } rules[RULE_COUNT] = {
    [NORMAL_RULE] = {MEMATTR_MEASURED, ORACLE "Arm ARM D8.6.5.2, table D8-98; with FWB D8.6.6, table D8-101"},
    [DEVICE_RULE] = {MEMATTR_MEASURED, ORACLE "Arm ARM D8.6.5.1, table D8-97; with FWB D8.6.6, R_GSDKZ"},
    [FORCED_RULE] = {MEMATTR_MEASURED, ORACLE "Arm ARM D8.6.6, table D8-101: MemAttr 0b0110"},
    [YIELDS_RULE] = {MEMATTR_MEASURED, ORACLE "Arm ARM D8.6.6, table D8-101: MemAttr 0b0111"},
    [NC_STOPS_REORDERING] = {MEMATTR_READ,
        "Arm ARM D8.6.5.1, table D8-97; not so QEMU's combined_attrs_nofwb(): inner non-cacheable makes -GRE and -nGRE -nGnRE"},
    [WEAKER_DEVICE] = {MEMATTR_READ,
        "Arm ARM D8.6.6, R_GSDKZ; not so QEMU's combined_attrs_fwb(): the Device type of stage 2 takes the place of S1's"},
};

/* --- What a mismatch costs --- */

/* Types by what can go wrong between them. */
enum behaviour { CACHES, COMBINES, DEVICE, BEHAVIOUR_COUNT };
static const unsigned char behaviours[MEMATTR_TYPE_COUNT] = {
    [WB] = CACHES, [WT] = CACHES, [NT] = CACHES, [NB] = CACHES, [TN] = CACHES, [TB] = CACHES, [BN] = CACHES, [BT] = CACHES,
    [NC] = COMBINES, [GRE] = DEVICE, [nGRE] = DEVICE, [nGnRE] = DEVICE, [nGnRnE] = DEVICE,
};

/* Arm ARM B2.11. Its two milder cases: (1) readers agree with the writers as long as all writes
 * are made through one attribute; (2) among Device and Normal-NC only the order is at stake. A
 * cacheable mapping is inner shareable and the others are outer shareable, so that the repair
 * is its second list: clean and invalidate before and after each access. */
#define REPAIR "; while only one side writes, its own view stays right; both right takes a clean and invalidate before and after " \
               "each access (Arm ARM B2.11)"
#define ORDER_ONLY "no stale data, but accesses through the two mappings may be reordered, and Device's promises (no gathering, no " \
                   "speculative reads) may be lost: a DMB between them keeps order (Arm ARM B2.11, Device and Normal-NC only)"
static const char *const mismatches[BEHAVIOUR_COUNT][BEHAVIOUR_COUNT] = { /* [guest][host] */
    [CACHES] = {
        [CACHES]   = "the guest's mapping and the host's are both cached, but not alike: coherency between them may be lost, and a "
                     "write-back may undo newer writes" REPAIR,
        [COMBINES] = "the guest caches what the host's user mapping accesses non-cacheable: either side can read stale data, and a "
                     "write-back of the guest's can undo newer writes of the host" REPAIR,
        [DEVICE]   = "the guest caches what the host's user mapping accesses as Device: either side can read stale data, a "
                     "write-back can undo newer writes, and the guest may read speculatively" REPAIR,
    },
    [COMBINES] = {
        [CACHES]   = "the guest goes around the caches that the host's user mapping and its linear map use: either side can read "
                     "stale data, and the host's write-backs can undo the guest's writes" REPAIR,
        [COMBINES] = "never seen: two non-cacheable mappings are alike",
        [DEVICE]   = "the guest's mapping is Normal-NC, the host's Device: " ORDER_ONLY,
    },
    [DEVICE] = {
        [CACHES]   = "the guest goes around the caches that the host's user mapping and its linear map use, as Device: either side "
                     "can read stale data, and the host's write-backs can undo the guest's writes" REPAIR,
        [COMBINES] = "the guest's mapping is Device, the host's Normal-NC: " ORDER_ONLY,
        [DEVICE]   = "the guest's mapping and the host's are different types of Device: " ORDER_ONLY,
    },
};

#define MATCH "the guest's mapping and the host's have the same memory type and shareability"
#define SHAREABILITY "the guest's mapping and the host's are cached alike, but not in the same shareability domain: coherency between " \
                     "them may be lost" REPAIR
#define DEPENDS "stage 2 forces write-back over a guest mapping that is Device or Normal-NC: whether the CPU treats it as inner " \
                "shareable, like the host's, or as outer shareable, and how it treats unaligned, atomic and exclusive accesses, is " \
                "up to the CPU (Arm ARM D8.6.2 R_NSCNC, D8.6.6 R_RMTWN)"

/* --- Advice --- */

/* First the mode that names the type; a host's Device that has no name is what WC becomes where
 * the leaf is that type of Device. */
static const enum memattr_map_info candidates[MEMATTR_TYPE_COUNT][MEMATTR_CANDIDATES] = {
    [WB]     = {MEMATTR_MAP_CACHED,   MEMATTR_MAP_WC},
    [NC]     = {MEMATTR_MAP_WC},
    [nGnRnE] = {MEMATTR_MAP_UNCACHED, MEMATTR_MAP_WC},
    [nGnRE]  = {MEMATTR_MAP_WC},
    [nGRE]   = {MEMATTR_MAP_WC},
    [GRE]    = {MEMATTR_MAP_WC},
};

#define LINEAR_MAP "; the kernel's linear map of this RAM stays write-back, as it does without a guest (set_pages_array_wc is x86's): " \
                   "harmless while nobody writes through it (Arm ARM B2.11)"
static const char *const acceptances[MEMATTR_PAGE_COUNT][BEHAVIOUR_COUNT] = { /* [page][host] */
    [MEMATTR_PAGE_RAM] = {
        [CACHES]   = "with CACHED the guest's accesses are write-back, like the host's",
        [COMBINES] = "with WC the guest's accesses are Normal-NC, like those of the host's user mapping" LINEAR_MAP,
        [DEVICE]   = "with UNCACHED the guest's accesses are Device-nGnRnE, like those of the host's user mapping" LINEAR_MAP,
    },
    [MEMATTR_PAGE_MMIO] = {
        [CACHES]   = "with CACHED the guest's accesses to the BAR are write-back, like the host's",
        [COMBINES] = "with WC the guest's accesses to the BAR are Normal-NC, like the host's",
        [DEVICE]   = "with this map_info the guest's accesses to the BAR are of the host's type of Device memory",
    },
};

#define REFUSED_FWB     "stage 2 forces write-back (FEAT_S2FWB) whatever map_info says, and the host maps the buffer otherwise: use a " \
                        "host without FEAT_S2FWB, or a cached buffer"
#define REFUSED_FWB_BAR "KVM takes this BAR for cacheable, as its VMA does not say otherwise (TTM sets the attribute in the page table " \
                        "only), and stage 2 forces write-back, which the host's page table is not: use a buffer in system memory"
#define REFUSED_DEVICE  "KVM maps this BAR as Device-nGnRE, and the host's mapping is another type: map it Device-nGnRE in the host " \
                        "(sysfs resourceN, not resourceN_wc), or through vfio-pci on Linux 6.9 and later, which makes it Normal-NC"
#define REFUSED_NC      "KVM maps a BAR of vfio-pci as Normal-NC, so that the guest can have NC or Device-nGnRnE, and the host has " \
                        "another type: map it write-combining or uncached in the host"
#define REFUSED_NO_WORD "map_info can only say CACHED, WC or UNCACHED, which Linux makes WB, Normal-NC and Device-nGnRnE, and the host's " \
                        "mapping is none of them: use another exporter"
#define KVM_FAULTS      "the VMA of this BAR is cacheable, and KVM (6.17 and later) lets a guest have such pages only with FEAT_S2FWB and " \
                        "CTR_EL0.DIC (KVM_CAP_ARM_CACHEABLE_PFNMAP_SUPPORTED): KVM_RUN would end with EFAULT at the first access: use a " \
                        "buffer in system memory"
// clang-format on

/* --- Look-ups --- */

static bool is_device(enum memattr_type type)
{
    return behaviours[type] == DEVICE;
}

static bool is_non_cacheable(enum memattr_type type)
{
    return type == MEMATTR_NC;
}

static bool is_inner_non_cacheable(enum memattr_type type)
{
    return type == MEMATTR_NC || type == MEMATTR_OWT_INC || type == MEMATTR_OWB_INC;
}

static bool may_reorder(enum memattr_type type)
{
    return type == MEMATTR_DEVICE_GRE || type == MEMATTR_DEVICE_nGRE;
}

static bool is_stronger_device(enum memattr_type s1, enum memattr_type s2)
{
    return is_device(s1) && combined[s1][s2] != s2;
}

static enum memattr_type s1_of_linux(const struct memattr_platform *platform,
                                     enum memattr_type pgprot)
{
    (void)platform;
    return pgprot;
}

static bool has_fwb(const struct memattr_platform *platform)
{
    return platform->model == MEMATTR_ARM64_FWB;
}

static enum choice choose(const struct memattr_platform *platform,
                          const struct memattr_buffer *buffer)
{
    if (buffer->page == MEMATTR_PAGE_RAM)
        return RAM_NORMAL;
    enum choice choice = (enum choice)
        mmio_choices[platform->rules][buffer->vma][buffer->vma_is_uncacheable];
    if (choice == CACHEABLE && !platform->cacheable_pfnmap)
        return EFAULT_AT_ACCESS;
    return choice;
}

static const struct memattr_expected_leaf *expected_leaf(
    const struct memattr_platform *platform, const struct memattr_buffer *buffer)
{
    return &leaves[choose(platform, buffer)][has_fwb(platform)];
}

static const struct memattr_expected_slot *expected_slot(
    const struct memattr_platform *platform, const struct memattr_buffer *buffer)
{
    bool has_check = platform->rules == MEMATTR_RULES_6_17;
    bool is_pfnmap = buffer->vma == MEMATTR_VMA_PFNMAP || buffer->vma == MEMATTR_VMA_VFIO;
    return has_check && is_pfnmap && !buffer->vma_is_uncacheable &&
                   !platform->cacheable_pfnmap
               ? &slot_refused
               : &slot_accepted;
}

static enum rule combining_rule(bool fwb, enum memattr_type s1, enum memattr_type s2)
{
    if (!is_device(s1) && !is_device(s2))
        return NORMAL_RULE;
    if (fwb)
        return is_device(s2) && is_stronger_device(s1, s2) ? WEAKER_DEVICE : DEVICE_RULE;
    return (may_reorder(s1) && is_inner_non_cacheable(s2)) ||
                   (may_reorder(s2) && is_inner_non_cacheable(s1))
               ? NC_STOPS_REORDERING
               : DEVICE_RULE;
}

static struct memattr_effective combine(const struct memattr_platform *platform,
                                        enum memattr_page page, struct memattr_leaf leaf,
                                        enum memattr_type s1)
{
    (void)page;
    enum rule rule = leaf.ignores_s1 ? FORCED_RULE
                     : leaf.yields_to_s1
                         ? YIELDS_RULE
                         : combining_rule(has_fwb(platform), s1, leaf.type);
    enum memattr_type type = leaf.ignores_s1 ? leaf.type
                             : leaf.yields_to_s1
                                 ? s1
                                 : (enum memattr_type)combined[s1][leaf.type];
    return (struct memattr_effective){
        .type = type,
        .basis = rules[rule].basis,
        .source = rules[rule].source,
        .shareability =
            memattr_arm64_shareability(MEMATTR_INNER_SHAREABLE, leaf.shareability, type),
        .is_implementation_defined =
            leaf.ignores_s1 && (is_device(s1) || is_non_cacheable(s1)),
    };
}

static enum memattr_type host_effective(enum memattr_page page, enum memattr_type host)
{
    (void)page;
    return host;
}

/* Linux maps what is cacheable inner shareable (PTE_SHARED). */
static void compare(enum memattr_page page, struct memattr_judgement *judgement)
{
    (void)page;
    enum memattr_shareability host_shareability = memattr_arm64_shareability(
        MEMATTR_INNER_SHAREABLE, MEMATTR_INNER_SHAREABLE, judgement->host);
    if (judgement->guest.type != judgement->host) {
        judgement->verdict = MEMATTR_MISMATCH;
        judgement->reason =
            mismatches[behaviours[judgement->guest.type]][behaviours[judgement->host]];
    } else if (judgement->guest.shareability != host_shareability) {
        judgement->verdict = MEMATTR_MISMATCH;
        judgement->reason = SHAREABILITY;
    } else if (judgement->guest.is_implementation_defined) {
        judgement->verdict = MEMATTR_DEPENDS;
        judgement->reason = DEPENDS;
    } else {
        judgement->verdict = MEMATTR_MATCH;
        judgement->reason = MATCH;
    }
}

static const char *accepted(enum memattr_page page, enum memattr_map_info map_info,
                            enum memattr_type host)
{
    (void)map_info;
    return acceptances[page][behaviours[host]];
}

static const char *no_match(const struct memattr_platform *platform,
                            enum memattr_page page, struct memattr_leaf leaf,
                            enum memattr_type host)
{
    (void)platform;
    (void)host;
    if (leaf.ignores_s1)
        return page == MEMATTR_PAGE_RAM ? REFUSED_FWB : REFUSED_FWB_BAR;
    if (is_device(leaf.type))
        return REFUSED_DEVICE;
    return is_non_cacheable(leaf.type) ? REFUSED_NC : REFUSED_NO_WORD;
}

enum memattr_shareability memattr_arm64_shareability(enum memattr_shareability s1,
                                                     enum memattr_shareability s2,
                                                     enum memattr_type type)
{
    if (is_device(type) || is_non_cacheable(type))
        return MEMATTR_OUTER_SHAREABLE;
    if (s1 == MEMATTR_OUTER_SHAREABLE || s2 == MEMATTR_OUTER_SHAREABLE)
        return MEMATTR_OUTER_SHAREABLE;
    return s1 == MEMATTR_INNER_SHAREABLE ? s1 : s2;
}

const struct memattr_family memattr_arm64 = {
    .has = has,
    .pgprots = pgprots,
    .strongest = MEMATTR_DEVICE_nGnRnE,
    .s1_of_linux = s1_of_linux,
    .leaf = expected_leaf,
    .slot = expected_slot,
    .combine = combine,
    .host_effective = host_effective,
    .compare = compare,
    .candidates = candidates,
    .accepted = accepted,
    .no_match = no_match,
    .kvm_faults = KVM_FAULTS,
};

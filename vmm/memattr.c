/* SPDX-License-Identifier: MIT */
/*
 * The rules that all models share; the tables are in vmm/memattr_x86.c and
 * vmm/memattr_arm64.c.
 *
 *     platform, buffer --leaf()--> leaf --combine()--> effective type --compare()--> verdict
 *                                    s1 ----^             host type ------^
 *
 * Freestanding: this file is also compiled into the guest.
 */
#include "vmm/memattr_tables.h"

#include <stddef.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

// clang-format off
#define NEEDS_SYNC "CPU accesses to this buffer are coherent only between DMA_BUF_IOCTL_SYNC start and end, which a guest " \
                   "cannot call: use a buffer of a device that snoops the CPU caches"
#define MAY_CHANGE "the exporter may move this buffer or change its attribute while it is mapped, and the guest keeps the one " \
                   "map_info that it was given: pin it, or allocate it where it stays"
#define NO_PAGE    "the mapping is VM_MIXEDMAP by entries without a struct page, of which KVM takes none (hva_to_pfn): KVM_RUN would " \
                   "end with EFAULT at the first access: use an exporter that maps VM_PFNMAP, or struct pages"
#define PLACEMENT_UNKNOWN "the attribute depends on where the exporter has put this buffer, in system memory or in the device's, and no " \
                          "source says where: use a kernel that answers DMA_BUF_IOCTL_INFO (module dmabuf-info), or an exporter with a " \
                          "fixed placement"
#define GUEST_PAT "Intel EPT ignores the guest's PAT (IPAT): the guest would use WB whatever map_info says, and the host does " \
                  "not: lift that (s2vmm: --honor-guest-pat=auto or on), on a kernel with KVM_X86_QUIRK_IGNORE_GUEST_PAT (6.16, " \
                  "6.12.78) and a CPU with self-snoop"
#define GUEST_MTRR "the guest's MTRRs are not WB over the window, so that Linux turns CACHED into UC- (pat_x_mtrr_type), and " \
                   "the host uses WB: make the guest's firmware leave the window WB"

/* get_user_pages() refuses a special entry, and follow_pfnmap_start() is only asked where the
 * mapping is VM_PFNMAP or VM_IO. No leaf is installed; one that could be is given. */
static const struct memattr_expected_leaf no_page = {
    .leaf = {.type = MEMATTR_WB, .shareability = MEMATTR_INNER_SHAREABLE},
    .basis = MEMATTR_MEASURED,
    .source = "s2vmm matrix --measure, dmabuf-lab mixed: 6.12, 7.2, 7.3, x86 and arm64 (tests/check); hva_to_pfn (kvm_main.c 6.1:2667, 6.12:2954, 7.3:3044): VM_MIXEDMAP only, special entries",
    .access = MEMATTR_ACCESS_FAILS,
};
// clang-format on

static const struct memattr_family *family_of(enum memattr_model model)
{
    static const struct memattr_family *const families[MEMATTR_MODEL_COUNT] = {
        [MEMATTR_EPT] = &memattr_x86,         [MEMATTR_NPT] = &memattr_x86,
        [MEMATTR_SHADOW] = &memattr_x86,      [MEMATTR_ARM64] = &memattr_arm64,
        [MEMATTR_ARM64_FWB] = &memattr_arm64,
    };
    return families[model];
}

bool memattr_model_has(enum memattr_model model, enum memattr_type type)
{
    return family_of(model)->has[type];
}

enum memattr_type memattr_s1_of_map_info(enum memattr_model model,
                                         enum memattr_map_info map_info)
{
    const enum memattr_type *pgprots = family_of(model)->pgprots;
    switch (map_info) {
    case MEMATTR_MAP_WC:
    case MEMATTR_MAP_UNCACHED:
        return pgprots[map_info];
    case MEMATTR_MAP_NONE:
    case MEMATTR_MAP_CACHED:
        break;
    }
    return pgprots[MEMATTR_MAP_CACHED];
}

enum memattr_type memattr_s1_of_linux(const struct memattr_platform *platform,
                                      enum memattr_map_info map_info)
{
    return family_of(platform->model)
        ->s1_of_linux(platform, memattr_s1_of_map_info(platform->model, map_info));
}

const struct memattr_expected_leaf *memattr_expected_leaf(
    const struct memattr_platform *platform, const struct memattr_buffer *buffer)
{
    if (buffer->vma == MEMATTR_VMA_MIXED)
        return &no_page;
    return family_of(platform->model)->leaf(platform, buffer);
}

struct memattr_leaf memattr_leaf_of(const struct memattr_platform *platform,
                                    const struct memattr_buffer *buffer)
{
    return memattr_expected_leaf(platform, buffer)->leaf;
}

const struct memattr_expected_slot *memattr_expected_slot(
    const struct memattr_platform *platform, const struct memattr_buffer *buffer)
{
    return family_of(platform->model)->slot(platform, buffer);
}

struct memattr_effective memattr_combine(const struct memattr_platform *platform,
                                         enum memattr_page page, struct memattr_leaf leaf,
                                         enum memattr_type s1)
{
    const struct memattr_family *family = family_of(platform->model);
    if (family->has[s1] && family->has[leaf.type])
        return family->combine(platform, page, leaf, s1);
    return (struct memattr_effective){
        .type = family->strongest,
        .basis = MEMATTR_INFERRED,
        .source = "a type that this architecture does not have: taken as its strongest",
        .shareability = MEMATTR_OUTER_SHAREABLE,
    };
}

enum memattr_type memattr_host_effective(enum memattr_model model, enum memattr_page page,
                                         enum memattr_type host)
{
    const struct memattr_family *family = family_of(model);
    return family->has[host] ? family->host_effective(page, host) : family->strongest;
}

struct memattr_judgement memattr_judge(const struct memattr_platform *platform,
                                       const struct memattr_buffer *buffer,
                                       struct memattr_leaf leaf, enum memattr_type s1)
{
    struct memattr_judgement judgement = {
        .guest = memattr_combine(platform, buffer->page, leaf, s1),
        .host = memattr_host_effective(platform->model, buffer->page, buffer->host),
    };
    family_of(platform->model)->compare(buffer->page, &judgement);
    return judgement;
}

/* Tries the cache modes that may be right: one that is makes the advice an acceptance. */
static bool find_match(const struct memattr_platform *platform,
                       const struct memattr_buffer *buffer, struct memattr_advice *advice)
{
    const struct memattr_family *family = family_of(platform->model);
    struct memattr_leaf leaf = memattr_leaf_of(platform, buffer);
    enum memattr_type host =
        memattr_host_effective(platform->model, buffer->page, buffer->host);
    for (unsigned i = 0; i < MEMATTR_CANDIDATES; i++) {
        enum memattr_map_info map_info = family->candidates[host][i];
        if (map_info == MEMATTR_MAP_NONE)
            break;
        enum memattr_type s1 = memattr_s1_of_linux(platform, map_info);
        struct memattr_judgement judgement = memattr_judge(platform, buffer, leaf, s1);
        if (judgement.verdict == MEMATTR_MATCH) {
            advice->refusal = MEMATTR_ACCEPTED;
            advice->map_info = map_info;
            advice->judgement = judgement;
            advice->reason = family->accepted(buffer->page, map_info, host);
            return true;
        }
    }
    /* No other map_info would do either: the unit tests try them all. */
    return false;
}

/* Why there is no match: the one thing that could be different, or nothing that can. */
static void explain_no_match(const struct memattr_platform *platform,
                             const struct memattr_buffer *buffer,
                             struct memattr_advice *advice)
{
    struct memattr_platform with_pat = *platform;
    struct memattr_platform with_mtrr = *platform;
    struct memattr_advice ignored;
    with_pat.ignores_guest_pat = false;
    with_mtrr.guest_mtrr_is_wb = true;
    if (find_match(&with_mtrr, buffer, &ignored)) {
        advice->refusal = MEMATTR_REFUSED_GUEST_MTRR;
        advice->reason = GUEST_MTRR;
    } else if (find_match(&with_pat, buffer, &ignored)) {
        advice->refusal = MEMATTR_REFUSED_GUEST_PAT;
        advice->needs_guest_pat = true;
        advice->reason = GUEST_PAT;
    } else {
        advice->refusal = MEMATTR_REFUSED_NO_MATCH;
        advice->reason =
            family_of(platform->model)
                ->no_match(
                    platform, buffer->page, memattr_leaf_of(platform, buffer),
                    memattr_host_effective(platform->model, buffer->page, buffer->host));
    }
}

/* The order is that of the ways out: a copy of the buffer (needs SYNC) makes all that follows
 * irrelevant; without the placement nothing below can be said; following a change leaves what
 * is below to be decided; a fault of KVM comes before the types. */
struct memattr_advice memattr_advise(const struct memattr_platform *platform,
                                     const struct memattr_buffer *buffer)
{
    const struct memattr_expected_leaf *expected =
        memattr_expected_leaf(platform, buffer);
    bool works = expected->access == MEMATTR_ACCESS_WORKS;
    struct memattr_advice advice = {
        .map_info = MEMATTR_MAP_NONE,
        .needs_late_mapping = works && memattr_expected_slot(platform, buffer)->refused,
    };
    if (buffer->needs_sync) {
        advice.refusal = MEMATTR_REFUSED_NEEDS_SYNC;
        advice.reason = NEEDS_SYNC;
    } else if (buffer->placement_is_unknown) {
        advice.refusal = MEMATTR_REFUSED_PLACEMENT_UNKNOWN;
        advice.reason = PLACEMENT_UNKNOWN;
    } else if (buffer->may_change) {
        advice.refusal = MEMATTR_REFUSED_MAY_CHANGE;
        advice.reason = MAY_CHANGE;
    } else if (!works) {
        advice.refusal = MEMATTR_REFUSED_BY_KVM;
        advice.reason =
            expected == &no_page ? NO_PAGE : family_of(platform->model)->kvm_faults;
    } else if (find_match(platform, buffer, &advice)) {
        return advice;
    } else {
        explain_no_match(platform, buffer, &advice);
    }
    enum memattr_type s1 = memattr_s1_of_linux(platform, MEMATTR_MAP_CACHED);
    advice.judgement = memattr_judge(platform, buffer, expected->leaf, s1);
    return advice;
}

/* --- Names --- */

static const char *name_of(const char *const *names, size_t count, unsigned value)
{
    return value < count && names[value] ? names[value] : "unknown";
}

const char *memattr_type_name(enum memattr_type type)
{
    static const char *const names[] = {
        [MEMATTR_WB] = "WB",
        [MEMATTR_WT] = "WT",
        [MEMATTR_WP] = "WP",
        [MEMATTR_WC] = "WC",
        [MEMATTR_UC_MINUS] = "UC-",
        [MEMATTR_UC] = "UC",
        [MEMATTR_NC] = "NC",
        [MEMATTR_ONC_IWT] = "ONC-IWT",
        [MEMATTR_ONC_IWB] = "ONC-IWB",
        [MEMATTR_OWT_INC] = "OWT-INC",
        [MEMATTR_OWT_IWB] = "OWT-IWB",
        [MEMATTR_OWB_INC] = "OWB-INC",
        [MEMATTR_OWB_IWT] = "OWB-IWT",
        [MEMATTR_DEVICE_GRE] = "Device-GRE",
        [MEMATTR_DEVICE_nGRE] = "Device-nGRE",
        [MEMATTR_DEVICE_nGnRE] = "Device-nGnRE",
        [MEMATTR_DEVICE_nGnRnE] = "Device-nGnRnE",
    };
    return name_of(names, COUNT(names), type);
}

const char *memattr_map_info_name(enum memattr_map_info map_info)
{
    static const char *const names[] = {
        [MEMATTR_MAP_NONE] = "NONE",
        [MEMATTR_MAP_CACHED] = "CACHED",
        [MEMATTR_MAP_UNCACHED] = "UNCACHED",
        [MEMATTR_MAP_WC] = "WC",
    };
    return name_of(names, COUNT(names), map_info);
}

const char *memattr_model_name(enum memattr_model model)
{
    static const char *const names[] = {
        [MEMATTR_EPT] = "Intel EPT",         [MEMATTR_NPT] = "AMD NPT",
        [MEMATTR_SHADOW] = "shadow paging",  [MEMATTR_ARM64] = "arm64",
        [MEMATTR_ARM64_FWB] = "arm64 (FWB)",
    };
    return name_of(names, COUNT(names), model);
}

const char *memattr_page_name(enum memattr_page page)
{
    static const char *const names[] = {
        [MEMATTR_PAGE_RAM] = "RAM",
        [MEMATTR_PAGE_MMIO] = "MMIO",
    };
    return name_of(names, COUNT(names), page);
}

const char *memattr_basis_name(enum memattr_basis basis)
{
    static const char *const names[] = {
        [MEMATTR_MEASURED] = "measured",
        [MEMATTR_READ] = "read",
        [MEMATTR_INFERRED] = "inferred",
    };
    return name_of(names, COUNT(names), basis);
}

const char *memattr_verdict_name(enum memattr_verdict verdict)
{
    static const char *const names[] = {
        [MEMATTR_MATCH] = "match",
        [MEMATTR_MISMATCH] = "mismatch",
        [MEMATTR_DEPENDS] = "depends",
    };
    return name_of(names, COUNT(names), verdict);
}

const char *memattr_refusal_name(enum memattr_refusal refusal)
{
    static const char *const names[] = {
        [MEMATTR_ACCEPTED] = "accepted",
        [MEMATTR_REFUSED_NEEDS_SYNC] = "needs-sync",
        [MEMATTR_REFUSED_MAY_CHANGE] = "may-change",
        [MEMATTR_REFUSED_NO_MATCH] = "no-match",
        [MEMATTR_REFUSED_BY_KVM] = "kvm-faults",
        [MEMATTR_REFUSED_PLACEMENT_UNKNOWN] = "placement-unknown",
        [MEMATTR_REFUSED_GUEST_PAT] = "guest-pat-ignored",
        [MEMATTR_REFUSED_GUEST_MTRR] = "guest-mtrr",
        [MEMATTR_REFUSED_HOST_UNKNOWN] = "host-unknown",
        [MEMATTR_REFUSED_CONTRADICTION] = "contradiction",
    };
    return name_of(names, COUNT(names), refusal);
}

const char *memattr_vma_name(enum memattr_vma vma)
{
    static const char *const names[] = {
        [MEMATTR_VMA_PLAIN] = "plain",
        [MEMATTR_VMA_PFNMAP] = "PFNMAP",
        [MEMATTR_VMA_VFIO] = "vfio",
        [MEMATTR_VMA_MIXED] = "MIXEDMAP",
    };
    return name_of(names, COUNT(names), vma);
}

const char *memattr_rules_name(enum memattr_rules rules)
{
    static const char *const names[] = {
        [MEMATTR_RULES_FIRST] = "up to 6.8",
        [MEMATTR_RULES_6_9] = "6.9 to 6.16",
        [MEMATTR_RULES_6_17] = "6.17 and later",
    };
    return name_of(names, COUNT(names), rules);
}

const char *memattr_shareability_name(enum memattr_shareability shareability)
{
    static const char *const names[] = {
        [MEMATTR_NON_SHAREABLE] = "non-shareable",
        [MEMATTR_OUTER_SHAREABLE] = "outer shareable",
        [MEMATTR_INNER_SHAREABLE] = "inner shareable",
    };
    return name_of(names, COUNT(names), shareability);
}

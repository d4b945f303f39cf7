/* SPDX-License-Identifier: MIT */
/*
 * The attribute model: what an access of the guest to a host page really gets.
 *
 *      guest's S1 attribute ----+
 *                               +--> effective type --+
 *      KVM's S2 leaf -----------+                     +--> match or mismatch
 *                                host's own mapping --+
 *
 * Pure: tables and look-ups, no system calls, no allocation, no state. The same files are
 * linked into s2vmm, into the tiny guest (freestanding), into the tests, and into the
 * library libs2memattr, with which another VMM can use them. Each cell of
 * a table names its source: a manual section or a kernel function, and says whether it
 * was measured, read, or only inferred. docs/memory-attributes.md is printed from these
 * tables.
 *
 * Terms: S1 = the guest's page tables; S2 = KVM's (arm64's stage 2, Intel EPT, AMD NPT, or
 * the shadow tables that replace both); leaf = the last-level S2 entry; host attribute = what the
 * page table of the host process has for the page, not what its VMA asked for.
 */
#ifndef S2VMM_MEMATTR_H
#define S2VMM_MEMATTR_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A memory type, in the words of the manuals: Intel SDM vol. 3, 12.3; Arm ARM (DDI 0487),
 * B2.10. Not every model has every type: memattr_model_has(). */
enum memattr_type {
    MEMATTR_WB, /* write-back; arm64: Normal, inner and outer write-back */
    MEMATTR_WT, /* write-through; arm64: Normal, inner and outer write-through */
    /* x86 */
    MEMATTR_WP,       /* write-protected */
    MEMATTR_WC,       /* write-combining */
    MEMATTR_UC_MINUS, /* uncached, an MTRR of WC overrides it */
    MEMATTR_UC,       /* uncached */
    /* arm64, Normal; O is the outer cacheability, I the inner */
    MEMATTR_NC, /* non-cacheable: what Linux uses for write-combining */
    MEMATTR_ONC_IWT,
    MEMATTR_ONC_IWB,
    MEMATTR_OWT_INC,
    MEMATTR_OWT_IWB,
    MEMATTR_OWB_INC,
    MEMATTR_OWB_IWT,
    /* arm64, Device: gathering, reordering, early write acknowledgement, or not */
    MEMATTR_DEVICE_GRE,
    MEMATTR_DEVICE_nGRE,
    MEMATTR_DEVICE_nGnRE,
    MEMATTR_DEVICE_nGnRnE,
    MEMATTR_TYPE_COUNT
};

/* The cache modes that virtio-gpu can say; the values are those of map_info (virtio
 * specification, GPU device, VIRTIO_GPU_MAP_CACHE_*). */
enum memattr_map_info {
    MEMATTR_MAP_NONE = 0,
    MEMATTR_MAP_CACHED = 1,
    MEMATTR_MAP_UNCACHED = 2,
    MEMATTR_MAP_WC = 3,
};

/* How S2 is made on this host. Separate tables, not variations of one. */
enum memattr_model {
    MEMATTR_EPT,    /* Intel EPT */
    MEMATTR_NPT,    /* AMD nested paging */
    MEMATTR_SHADOW, /* x86, no second stage: KVM (or its PVM flavour) shadows the guest's
                          tables */
    MEMATTR_ARM64,  /* stage 2 without FEAT_S2FWB: the stages combine */
    MEMATTR_ARM64_FWB, /* stage 2 with FEAT_S2FWB: stage 2 can override stage 1 */
    MEMATTR_MODEL_COUNT
};

/* arm64: which rules KVM follows when it chooses the S2 attribute. The numbers are those of
 * the first Linux version that has them. */
enum memattr_rules {
    MEMATTR_RULES_FIRST, /* up to 6.8: RAM is Normal, all else Device */
    MEMATTR_RULES_6_9, /* a BAR in a VM_ALLOW_ANY_UNCACHED mapping (vfio-pci) is Normal-NC */
    MEMATTR_RULES_6_17, /* and what is mapped cacheable is Normal, or refused */
    MEMATTR_RULES_COUNT
};

/* What lies behind the host mapping. */
enum memattr_page {
    MEMATTR_PAGE_RAM, /* E820 RAM, arm64's memory map: udmabuf, shmem, system heap, GTT */
    MEMATTR_PAGE_MMIO, /* a PCI BAR: VRAM */
    MEMATTR_PAGE_COUNT
};

/* How the host's mapping is made; KVM looks at it. */
enum memattr_vma {
    MEMATTR_VMA_PLAIN,  /* struct pages: memfd, anonymous memory */
    MEMATTR_VMA_PFNMAP, /* VM_PFNMAP (smaps: "pf"): most dma-bufs, sysfs BARs */
    MEMATTR_VMA_VFIO,   /* VM_PFNMAP and VM_ALLOW_ANY_UNCACHED: vfio-pci */
    /* VM_MIXEDMAP only, by entries without a struct page (vmf_insert_mixed): KVM can take no
     * page of it */
    MEMATTR_VMA_MIXED,
    MEMATTR_VMA_COUNT
};

struct memattr_platform {
    enum memattr_model model;
    bool ignores_guest_pat; /* EPT only: KVM sets IPAT on RAM leaves */
    /* x86: the guest's MTRRs leave the window WB; our firmware's do. */
    bool guest_mtrr_is_wb;
    enum memattr_rules rules; /* arm64 */
    /* arm64: KVM_CAP_ARM_CACHEABLE_PFNMAP_SUPPORTED, which means FWB and DIC. */
    bool cacheable_pfnmap;
};

/* The shareability domain; the values are those of the SH field of a descriptor. */
enum memattr_shareability {
    MEMATTR_NON_SHAREABLE = 0,
    MEMATTR_OUTER_SHAREABLE = 2,
    MEMATTR_INNER_SHAREABLE = 3,
};

/* The S2 leaf. */
struct memattr_leaf {
    enum memattr_type type;
    bool ignores_s1; /* EPT's IPAT bit, shadow paging, FWB's "force write-back" */
    /* FWB's 0b0111: the type is S1's. Never together with ignores_s1. */
    bool yields_to_s1;
    enum memattr_shareability shareability; /* arm64: the SH field */
};

/* The buffer, as far as the decision needs to know it. */
struct memattr_buffer {
    enum memattr_page page;
    enum memattr_type host; /* the host attribute */
    enum memattr_vma vma;   /* how the host maps it */
    /* vm_page_prot is not cacheable; false for a TTM driver's VMA, whose attribute is only in
     * the page table (ttm_bo_vm_fault). */
    bool vma_is_uncacheable;
    bool may_change; /* the exporter may move it or change its attribute while mapped */
    /* The attribute depends on where the exporter put the buffer, and nobody says where:
     * `host` is not known. */
    bool placement_is_unknown;
    bool needs_sync; /* CPU access is only coherent inside DMA_BUF_IOCTL_SYNC */
};

/* How a cell of the model is known. */
enum memattr_basis {
    MEMATTR_MEASURED, /* a test of this project saw it, named in `source` */
    MEMATTR_READ,     /* read in a manual or in kernel source */
    MEMATTR_INFERRED, /* follows from what was read, seen by nobody */
    MEMATTR_BASIS_COUNT
};

/* What KVM does with a page of the guest that this buffer is behind. */
enum memattr_access {
    MEMATTR_ACCESS_WORKS,
    MEMATTR_ACCESS_FAILS, /* KVM_RUN ends with EFAULT at the guest's first access */
    MEMATTR_ACCESS_COUNT
};

/* What the model expects KVM to install for a page. */
struct memattr_expected_leaf {
    struct memattr_leaf leaf;
    enum memattr_basis basis;
    const char *source; /* manual section, kernel function or test */
    enum memattr_access access;
};

/* Whether KVM accepts a new memslot over the host's mapping. */
struct memattr_expected_slot {
    bool refused; /* EINVAL from KVM_SET_USER_MEMORY_REGION */
    enum memattr_basis basis;
    const char *source;
};

struct memattr_effective {
    enum memattr_type type; /* never UC-: see memattr_host_effective() */
    enum memattr_basis basis;
    const char *source;                     /* manual section, kernel function or test */
    enum memattr_shareability shareability; /* arm64 */
    bool is_implementation_defined; /* arm64, FWB forces WB on an S1 that is NC or Device:
                                       shareability, alignment and exclusives may be S1's
                                       (DDI 0487, D8.6.2 R_NSCNC, R_RMTWN) */
};

enum memattr_verdict {
    MEMATTR_MATCH,    /* every live mapping of the page has one effective type */
    MEMATTR_MISMATCH, /* two mappings disagree: see the reason */
    MEMATTR_DEPENDS,  /* arm64: the architecture leaves it to the implementation */
    MEMATTR_VERDICT_COUNT
};

struct memattr_judgement {
    enum memattr_verdict verdict;
    struct memattr_effective guest; /* what the guest's accesses get */
    enum memattr_type host;         /* what the host's accesses get */
    const char *reason;             /* one line; for a mismatch, what it costs and why */
};

/* Why a buffer is not mapped. */
enum memattr_refusal {
    MEMATTR_ACCEPTED,
    MEMATTR_REFUSED_NEEDS_SYNC, /* the guest has no way to bracket its accesses */
    MEMATTR_REFUSED_MAY_CHANGE, /* one map_info cannot be right for all of its life */
    MEMATTR_REFUSED_NO_MATCH, /* no map_info gives the host attribute on this platform */
    MEMATTR_REFUSED_BY_KVM,   /* KVM_RUN would end with EFAULT */
    MEMATTR_REFUSED_PLACEMENT_UNKNOWN, /* see struct memattr_buffer */
    MEMATTR_REFUSED_GUEST_PAT,  /* a match but for EPT's IPAT bit: see needs_guest_pat */
    MEMATTR_REFUSED_GUEST_MTRR, /* a match if the guest's MTRRs left the window WB */
    /* The caller's, never of memattr_advise(): */
    MEMATTR_REFUSED_HOST_UNKNOWN, /* no trusted source knows the host attribute */
    MEMATTR_REFUSED_CONTRADICTION, /* the exporter says one thing, the page table another */
    MEMATTR_REFUSAL_COUNT
};

struct memattr_advice {
    enum memattr_refusal refusal;
    enum memattr_map_info map_info; /* valid when accepted */
    /* Refused as MEMATTR_REFUSED_GUEST_PAT: a platform that does not ignore the guest's PAT
     * would accept it (KVM_X86_QUIRK_IGNORE_GUEST_PAT can be lifted). */
    bool needs_guest_pat;
    /* KVM refuses a new memslot over it, but the pages can be mapped into a memslot that is
     * there already (arm64, 6.17, no FWB and DIC). Also said of a buffer that is refused. */
    bool needs_late_mapping;
    /* Of that map_info; of CACHED when refused. Without a known placement its host side, and
     * so the verdict, means nothing. */
    struct memattr_judgement judgement;
    const char *reason; /* one line, for people */
};

/* Every enum that is handed in holds one of its named values; what comes from a guest is
 * checked by the caller. */

/* Whether page tables or leaves of this model can have the type. */
bool memattr_model_has(enum memattr_model model, enum memattr_type type);

/* The attribute that a Linux kernel, guest or host, asks for in its page tables: CACHED
 * pgprot as it is, WC pgprot_writecombine, UNCACHED pgprot_noncached. On x86 they are WB, WC,
 * UC-; on arm64 Normal-WB, Normal-NC, Device-nGnRnE (arch/arm64/include/asm/pgtable.h).
 * Anything else counts as CACHED (virtio_gpu_vram_mmap). */
enum memattr_type memattr_s1_of_map_info(enum memattr_model model,
                                         enum memattr_map_info map_info);

/* The attribute that a Linux guest ends up with: a WB mapping of a range whose MTRR is
 * not WB becomes UC- without an error (pat_x_mtrr_type). */
enum memattr_type memattr_s1_of_linux(const struct memattr_platform *platform,
                                      enum memattr_map_info map_info);

/* The leaf that KVM installs for a page of this buffer, with how that is known. It depends on
 * page, vma and vma_is_uncacheable. */
const struct memattr_expected_leaf *memattr_expected_leaf(
    const struct memattr_platform *platform, const struct memattr_buffer *buffer);
struct memattr_leaf memattr_leaf_of(const struct memattr_platform *platform,
                                    const struct memattr_buffer *buffer);

/* Whether KVM takes a new memslot over a mapping of this buffer. */
const struct memattr_expected_slot *memattr_expected_slot(
    const struct memattr_platform *platform, const struct memattr_buffer *buffer);

/* The type of an access through S1 attribute `s1` and the given leaf. arm64: with the
 * shareability that Linux' S1 has, inner shareable. */
struct memattr_effective memattr_combine(const struct memattr_platform *platform,
                                         enum memattr_page page, struct memattr_leaf leaf,
                                         enum memattr_type s1);

/* The type of the host's own accesses through a mapping with this attribute. x86: the host's
 * MTRR is WB for RAM and UC for a BAR, so that UC- is UC, and on a BAR only WC is not UC
 * (SDM 3, 12.5.2.2, table 12-7). arm64: the same type. */
enum memattr_type memattr_host_effective(enum memattr_model model, enum memattr_page page,
                                         enum memattr_type host);

/* Judges one guest mapping (attribute `s1`) against the host's mapping of the same
 * buffer, with the leaf that KVM is expected to install, or one that was read from KVM.
 */
struct memattr_judgement memattr_judge(const struct memattr_platform *platform,
                                       const struct memattr_buffer *buffer,
                                       struct memattr_leaf leaf, enum memattr_type s1);

/* The decision rule: the map_info that makes guest and host agree, or why there is none.
 * It is the one that names the host's own type, so that a guest is never told CACHED
 * about a page that only its S2 leaf makes uncached; on arm64 WC where only that gives the
 * host's Device type. Of several reasons against a mapping the first one is given, in this
 * order: needs SYNC, placement unknown, may change, KVM faults, the guest's MTRRs, its PAT, no
 * match. */
struct memattr_advice memattr_advise(const struct memattr_platform *platform,
                                     const struct memattr_buffer *buffer);

/* --- arm64's encodings --- */

/* Decodes MemAttr[3:0] and SH[1:0] of a stage 2 descriptor (DDI 0487, D8.6.4 to D8.6.6, for
 * MEMATTR_ARM64 or MEMATTR_ARM64_FWB). False: the architecture reserves the encoding. */
bool memattr_arm64_leaf(enum memattr_model model, unsigned memattr, unsigned sh,
                        struct memattr_leaf *leaf);

/* An attribute byte of MAIR_EL1 or PAR_EL1, allocation hints apart (D24.2.127). False: the byte
 * is reserved, or of an extension (XS, MTE) that no type here stands for. */
bool memattr_arm64_of_mair(uint8_t byte, enum memattr_type *type);

/* The byte for a type of arm64, with the allocation hints that Linux uses: read and write
 * allocate where it is cacheable. */
uint8_t memattr_arm64_mair(enum memattr_type type);

/* The shareability of an access whose effective type is `type`, from both stages' SH
 * (D8.6.7; DDI 0487 pseudocode EffectiveShareability). */
enum memattr_shareability memattr_arm64_shareability(enum memattr_shareability s1,
                                                     enum memattr_shareability s2,
                                                     enum memattr_type type);

/* Names: "WB", "UC-", "CACHED", "Intel EPT", "match", ... Never NULL. */
const char *memattr_type_name(enum memattr_type type);
const char *memattr_map_info_name(enum memattr_map_info map_info);
const char *memattr_model_name(enum memattr_model model);
const char *memattr_page_name(enum memattr_page page);
const char *memattr_basis_name(enum memattr_basis basis);
const char *memattr_verdict_name(enum memattr_verdict verdict);
const char *memattr_refusal_name(enum memattr_refusal refusal);
const char *memattr_vma_name(enum memattr_vma vma);
const char *memattr_rules_name(enum memattr_rules rules);
const char *memattr_shareability_name(enum memattr_shareability shareability);

#ifdef __cplusplus
}
#endif

#endif

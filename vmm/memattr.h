/* SPDX-License-Identifier: MIT */
/*
 * The attribute model: what an access of the guest to a host page really gets.
 *
 *      guest's S1 attribute ----+
 *                               +--> effective type --+
 *      KVM's S2 leaf -----------+                     +--> match or mismatch
 *                                host's own mapping --+
 *
 * Pure: tables and look-ups, no system calls, no allocation, no state. The same file is
 * linked into s2vmm, into the tiny guest (freestanding) and into the tests. Each cell of
 * a table names its source: a manual section or a kernel function, and says whether it
 * was measured, read, or only inferred. docs/memory-attributes.md is printed from these
 * tables.
 *
 * Terms: S1 = the guest's page tables; S2 = KVM's (Intel EPT, AMD NPT, or the shadow
 * tables that replace both); leaf = the last-level S2 entry; host attribute = what the
 * page table of the host process has for the page, not what its VMA asked for.
 */
#ifndef S2VMM_MEMATTR_H
#define S2VMM_MEMATTR_H

#include <stdbool.h>
#include <stdint.h>

/* A memory type, in the words of the x86 manuals (Intel SDM vol. 3, 12.3). */
enum memattr_type {
    MEMATTR_WB,       /* write-back */
    MEMATTR_WT,       /* write-through */
    MEMATTR_WP,       /* write-protected */
    MEMATTR_WC,       /* write-combining */
    MEMATTR_UC_MINUS, /* uncached, an MTRR of WC overrides it */
    MEMATTR_UC,       /* uncached */
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

/* How S2 is made on this host. Three separate tables, not variations of one. */
enum memattr_model {
    MEMATTR_EPT,    /* Intel EPT */
    MEMATTR_NPT,    /* AMD nested paging */
    MEMATTR_SHADOW, /* no second stage: KVM (or its PVM flavour) shadows the guest's
                       tables */
    MEMATTR_MODEL_COUNT
};

/* What lies behind the host mapping. */
enum memattr_page {
    MEMATTR_PAGE_RAM,  /* E820 RAM: udmabuf, shmem, system heap, GTT */
    MEMATTR_PAGE_MMIO, /* a PCI BAR: VRAM */
    MEMATTR_PAGE_COUNT
};

struct memattr_platform {
    enum memattr_model model;
    bool ignores_guest_pat; /* EPT only: KVM sets IPAT on RAM leaves */
    bool guest_mtrr_is_wb; /* the guest's MTRRs leave the window WB (our firmware: yes) */
};

/* The S2 leaf. */
struct memattr_leaf {
    enum memattr_type type;
    bool ignores_s1; /* EPT's IPAT bit, or shadow paging */
};

/* The buffer, as far as the decision needs to know it. */
struct memattr_buffer {
    enum memattr_page page;
    enum memattr_type host; /* the host attribute */
    bool may_change; /* the exporter may move it or change its attribute while mapped */
    bool needs_sync; /* CPU access is only coherent inside DMA_BUF_IOCTL_SYNC */
};

/* How a cell of the model is known. */
enum memattr_basis {
    MEMATTR_MEASURED, /* a test of this project saw it, named in `source` */
    MEMATTR_READ,     /* read in a manual or in kernel source */
    MEMATTR_INFERRED, /* follows from what was read, seen by nobody */
    MEMATTR_BASIS_COUNT
};

/* A leaf as the model expects it. */
struct memattr_expected_leaf {
    struct memattr_leaf leaf;
    enum memattr_basis basis;
    const char *source; /* manual section, kernel function or test */
};

struct memattr_effective {
    enum memattr_type type; /* never UC-: see memattr_host_effective() */
    enum memattr_basis basis;
    const char *source; /* manual section, kernel function or test */
};

enum memattr_verdict {
    MEMATTR_MATCH,    /* every live mapping of the page has one effective type */
    MEMATTR_MISMATCH, /* two mappings disagree: see the reason */
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
    MEMATTR_REFUSAL_COUNT
};

struct memattr_advice {
    enum memattr_refusal refusal;
    enum memattr_map_info map_info;     /* valid when accepted */
    struct memattr_judgement judgement; /* of that map_info; of CACHED when refused */
    const char *reason;                 /* one line, for people */
};

/* Every enum that is handed in holds one of its named values; what comes from a guest is
 * checked by the caller. */

/* The attribute that a guest kernel asks for in S1 for this map_info: Linux' pgprot for
 * it (virtio_gpu_vram_mmap: CACHED pgprot as it is, WC pgprot_writecombine, UNCACHED
 * pgprot_noncached, which is UC- on x86; anything else counts as CACHED). */
enum memattr_type memattr_s1_of_map_info(enum memattr_map_info map_info);

/* The attribute that a Linux guest ends up with: a WB mapping of a range whose MTRR is
 * not WB becomes UC- without an error (pat_x_mtrr_type). */
enum memattr_type memattr_s1_of_linux(const struct memattr_platform *platform,
                                      enum memattr_map_info map_info);

/* The leaf that KVM installs for a page of this kind, with how that is known. */
const struct memattr_expected_leaf *memattr_expected_leaf(
    const struct memattr_platform *platform, enum memattr_page page);
struct memattr_leaf memattr_leaf_of(const struct memattr_platform *platform,
                                    enum memattr_page page);

/* The type of an access through S1 attribute `s1` and the given leaf. */
struct memattr_effective memattr_combine(const struct memattr_platform *platform,
                                         enum memattr_page page, struct memattr_leaf leaf,
                                         enum memattr_type s1);

/* The type of the host's own accesses through a mapping with this attribute: the host's
 * MTRR is WB for RAM and UC for a BAR, so that UC- is UC, and on a BAR only WC is not UC
 * (SDM 3, 12.5.2.2, table 12-7). */
enum memattr_type memattr_host_effective(enum memattr_page page, enum memattr_type host);

/* Judges one guest mapping (attribute `s1`) against the host's mapping of the same
 * buffer, with the leaf that KVM is expected to install, or one that was read from KVM.
 */
struct memattr_judgement memattr_judge(const struct memattr_platform *platform,
                                       const struct memattr_buffer *buffer,
                                       struct memattr_leaf leaf, enum memattr_type s1);

/* The decision rule: the map_info that makes guest and host agree, or why there is none.
 * It is the one that names the host's own type, so that a guest is never told CACHED
 * about a page that only its S2 leaf makes uncached. */
struct memattr_advice memattr_advise(const struct memattr_platform *platform,
                                     const struct memattr_buffer *buffer);

/* Names: "WB", "UC-", "CACHED", "Intel EPT", "match", ... Never NULL. */
const char *memattr_type_name(enum memattr_type type);
const char *memattr_map_info_name(enum memattr_map_info map_info);
const char *memattr_model_name(enum memattr_model model);
const char *memattr_page_name(enum memattr_page page);
const char *memattr_basis_name(enum memattr_basis basis);
const char *memattr_verdict_name(enum memattr_verdict verdict);
const char *memattr_refusal_name(enum memattr_refusal refusal);

#endif

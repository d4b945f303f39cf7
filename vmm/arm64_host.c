/* SPDX-License-Identifier: MIT */
#include "vmm/arm64_host.h"

#include <stdio.h>
#include <stdlib.h>

/* ID_AA64MMFR2_EL1.FWB, bits 43:40 (DDI 0487, D24.2.90). KVM shows a vCPU the host's value
 * (arch/arm64/kvm/sys_regs.c). */
#define FEATURES_FWB(features) ((features) >> 40 & 15)

/* CTR_EL0 (D24.2.42): no clean to the point of unification is needed for what is written to be
 * fetched (IDC), no invalidation of the instruction cache (DIC). */
#define CTR_IDC(ctr) ((ctr) >> 28 & 1)
#define CTR_DIC(ctr) ((ctr) >> 29 & 1)

struct version {
    unsigned long major, minor, patch;
};

/* The numbers at the beginning of a release; what is not there is 0. Debian's 6.1 has no patch
 * level in its release. */
static struct version parse_release(const char *release)
{
    struct version version = {0};
    char *end;
    version.major = strtoul(release, &end, 10);
    if (*end == '.')
        version.minor = strtoul(end + 1, &end, 10);
    if (*end == '.')
        version.patch = strtoul(end + 1, &end, 10);
    return version;
}

static bool is_at_least(struct version version, unsigned long major, unsigned long minor)
{
    return version.major > major || (version.major == major && version.minor >= minor);
}

/* At least this patch level of this series. */
static bool is_in_series(struct version version, unsigned long major, unsigned long minor,
                         unsigned long patch)
{
    return version.major == major && version.minor == minor && version.patch >= patch;
}

static void add_flag(struct platform *platform, const char *name, bool value,
                     const char *where)
{
    platform_add_fact(platform, name, value ? "yes" : "no", where);
}

/* --- what KVM makes of stage 2 --- */

/* Without an answer the weaker claim: nothing is forced. Cap 243 implies FWB
 * (kvm_supports_cacheable_pfnmap, arch/arm64/include/asm/kvm_mmu.h). */
static void judge_model(const struct arm64_host *host, struct platform *platform)
{
    bool has_fwb = (host->has_features && FEATURES_FWB(host->features) != 0) ||
                   (host->has_kvm && host->cacheable_pfnmap);
    platform->memattr.model = has_fwb ? MEMATTR_ARM64_FWB : MEMATTR_ARM64;
    platform->memattr.cacheable_pfnmap = host->has_kvm && host->cacheable_pfnmap;
    if (host->has_features)
        add_flag(platform, "FEAT_S2FWB", has_fwb, "ID_AA64MMFR2_EL1 of a vCPU");
    else
        platform_add_fact(platform, "FEAT_S2FWB",
                          has_fwb ? "yes" : "not known, taken for no",
                          "no vCPU to ask for ID_AA64MMFR2_EL1");
    platform_add_fact(platform, "S2 model", memattr_model_name(platform->memattr.model),
                      "FEAT_S2FWB");
}

static void judge_caches(const struct arm64_host *host, struct platform *platform)
{
    add_flag(platform, "IDC", CTR_IDC(host->ctr), "CTR_EL0");
    add_flag(platform, "DIC", CTR_DIC(host->ctr), "CTR_EL0");
}

static void add_slot(const struct arm64_host *host, struct platform *platform)
{
    static const char where[] = "KVM_SET_USER_MEMORY_REGION over a udmabuf";
    char text[96];
    switch (host->slot) {
    case ARM64_SLOT_NOT_ASKED:
        snprintf(text, sizeof text, "not asked: %s", host->slot_problem);
        platform_add_fact(platform, "PFNMAP memslot", text, where);
        return;
    case ARM64_SLOT_ACCEPTED:
        platform_add_fact(platform, "PFNMAP memslot", "accepted", where);
        return;
    case ARM64_SLOT_REFUSED:
        platform_add_fact(platform, "PFNMAP memslot", "refused, EINVAL", where);
        return;
    }
}

/* Linux 6.17 is told from older ones by what it does: it has cap 243, or refuses a cacheable
 * VM_PFNMAP memslot (kvm_arch_prepare_memory_region). 6.9's rule shows only on a vfio device,
 * which nobody may have to spare. */
static void judge_rules(const struct arm64_host *host, struct platform *platform)
{
    struct version version = parse_release(host->release);
    enum memattr_rules by_version = MEMATTR_RULES_FIRST;
    if (is_at_least(version, 6, 17))
        by_version = MEMATTR_RULES_6_17;
    else if (is_at_least(version, 6, 9))
        by_version = MEMATTR_RULES_6_9;

    enum memattr_rules rules = by_version;
    const char *where = "by version";
    if (host->has_kvm && host->cacheable_pfnmap) {
        rules = MEMATTR_RULES_6_17;
        where = "by capability 243";
    } else if (host->slot == ARM64_SLOT_REFUSED) {
        rules = MEMATTR_RULES_6_17;
        where = "by behaviour: the PFNMAP memslot";
    } else if (host->slot == ARM64_SLOT_ACCEPTED) {
        rules =
            by_version == MEMATTR_RULES_FIRST ? MEMATTR_RULES_FIRST : MEMATTR_RULES_6_9;
        where = "older than 6.17 by behaviour, 6.9 by version";
    }
    platform->memattr.rules = rules;
    platform_add_fact(platform, "KVM's rules", memattr_rules_name(rules), where);
}

/* --- hazards of VM_PFNMAP mappings --- */

/* get_vma_page_shift() takes a VM_PFNMAP mapping for physically contiguous, and may map 2 MiB
 * from the first page on: other pages than the buffer's. 71cc2c67fb8f ("KVM: arm64: Use stage-1
 * leaf size for VM_PFNMAP") ended that; it is in 6.12.113, 7.2.11 and 7.3.4 (that 7.3.0 has it is
 * inferred from its date). To see it, a guest would have to reach memory that is not its own: so by
 * version. Debian's 6.1.192 was measured to have it as well, which its release "6.1.0-56" does not
 * tell: it counts as affected, and costs only the use of blocks. */
static void judge_block_size(struct version version, struct platform *platform)
{
    bool fixed = is_in_series(version, 6, 12, 113) || is_in_series(version, 7, 2, 11) ||
                 is_at_least(version, 7, 3);
    platform->pfnmap_block_hazard = !fixed;
    platform_add_fact(platform, "PFNMAP block hazard",
                      fixed ? "no"
                            : "yes: 2 MiB may be mapped where the buffer's pages are not "
                              "contiguous",
                      "by version: get_vma_page_shift() before 6.12.113, 7.2.11, 7.3");
}

/* 28e3918179aa gave drm_gem_shmem_helper a pfn_mkwrite: a mapping that was only read has a
 * read-only PTE, for which hva_to_pfn_remapped() gives KVM_PFN_ERR_RO_FAULT, and KVM_RUN
 * EFAULT. Measured by s2vmm matrix: 7.2 and 7.3, not 6.12; that it began with 7.0 is inferred
 * from the commit's date. */
static void judge_write_fault(struct version version, struct platform *platform)
{
    bool affected = is_at_least(version, 7, 0);
    platform->pfnmap_write_hazard = affected;
    platform_add_fact(platform, "PFNMAP write hazard",
                      affected ? "yes: EFAULT where the guest writes first to what the "
                                 "host only read"
                               : "no",
                      "by version: pfn_mkwrite of drm_gem_shmem_helper since 7.0");
}

/* --- the rest --- */

static void add_kvm_facts(const struct arm64_host *host, struct platform *platform)
{
    char text[32];
    snprintf(text, sizeof text, "%u", host->address_bits ? host->address_bits : 40);
    platform_add_fact(platform, "guest address bits", text, "KVM_CAP_ARM_VM_IPA_SIZE");
    if (host->gic_version)
        snprintf(text, sizeof text, "GICv%u%s", host->gic_version,
                 host->has_its ? ", ITS" : "");
    else
        snprintf(text, sizeof text, "none");
    platform_add_fact(platform, "interrupt controller", text, "KVM_CREATE_DEVICE");
    add_flag(platform, "cacheable PFNMAP", host->cacheable_pfnmap,
             "KVM_CAP_ARM_CACHEABLE_PFNMAP_SUPPORTED (243) of a VM");
    add_slot(host, platform);
}

void arm64_host_judge(const struct arm64_host *host, struct platform *platform)
{
    struct version version = parse_release(host->release);
    judge_caches(host, platform);
    judge_model(host, platform);
    if (host->has_kvm)
        add_kvm_facts(host, platform);
    judge_rules(host, platform);
    judge_block_size(version, platform);
    judge_write_fault(version, platform);
}

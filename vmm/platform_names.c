/* SPDX-License-Identifier: MIT */
#include "vmm/platform_names.h"

#include <string.h>

#include "vmm/types.h"

#define ARM64(fwb, its_rules, capability)                                                \
    {                                                                                    \
        .model = (fwb) ? MEMATTR_ARM64_FWB : MEMATTR_ARM64, .rules = (its_rules),        \
        .cacheable_pfnmap = (capability)                                                 \
    }
#define X86(its_model, ipat)                                                             \
    {                                                                                    \
        .model = (its_model), .ignores_guest_pat = (ipat), .guest_mtrr_is_wb = true      \
    }

/* CPU features: FEAT_S2FWB is ID_AA64MMFR2_EL1.FWB, DIC is CTR_EL0.DIC. Rules: the names give
 * the oldest of Debian's kernels that has them; the capability is KVM's answer to
 * KVM_CAP_ARM_CACHEABLE_PFNMAP_SUPPORTED, which older kernels do not know. */
// clang-format off
const struct platform_name platform_names[] = {
    {"arm64-fwb-dic",      "arm64 with FEAT_S2FWB and DIC, Linux 6.17 or later (capability set)",  ARM64(true,  MEMATTR_RULES_6_17,  true)},
    {"arm64-fwb",          "arm64 with FEAT_S2FWB, no DIC, Linux 6.17 or later (capability clear)", ARM64(true,  MEMATTR_RULES_6_17,  false)},
    {"arm64-fwb-6.12",     "arm64 with FEAT_S2FWB, DIC or not, Linux 6.9 to 6.16",                 ARM64(true,  MEMATTR_RULES_6_9,   false)},
    {"arm64-fwb-6.1",      "arm64 with FEAT_S2FWB, DIC or not, Linux up to 6.8",                   ARM64(true,  MEMATTR_RULES_FIRST, false)},
    {"arm64-nofwb",        "arm64 without FEAT_S2FWB, Linux 6.17 or later",                        ARM64(false, MEMATTR_RULES_6_17,  false)},
    {"arm64-nofwb-6.12",   "arm64 without FEAT_S2FWB, Linux 6.9 to 6.16",                          ARM64(false, MEMATTR_RULES_6_9,   false)},
    {"arm64-nofwb-6.1",    "arm64 without FEAT_S2FWB, Linux up to 6.8",                            ARM64(false, MEMATTR_RULES_FIRST, false)},
    {"amd-npt",            "AMD, nested paging (kvm_amd.npt=Y)",                                   X86(MEMATTR_NPT, false)},
    {"intel-ept",          "Intel, EPT, KVM's default: the guest's PAT is ignored on RAM",         X86(MEMATTR_EPT, true)},
    {"intel-ept-honor-pat", "Intel, EPT, KVM_X86_QUIRK_IGNORE_GUEST_PAT disabled (6.16, 6.12.78, self-snoop)", X86(MEMATTR_EPT, false)},
    {"x86-shadow",         "x86 without EPT or NPT, or KVM's PVM flavour: shadow paging",          X86(MEMATTR_SHADOW, false)},
};
// clang-format on
const size_t platform_name_count = ARRAY_SIZE(platform_names);

const struct platform_name *platform_name_find(const char *name)
{
    for (size_t i = 0; i < platform_name_count; i++) {
        if (strcmp(platform_names[i].name, name) == 0)
            return &platform_names[i];
    }
    return NULL;
}

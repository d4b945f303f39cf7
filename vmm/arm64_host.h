/* SPDX-License-Identifier: MIT */
/*
 * What an arm64 host answers to our questions, and what follows for the attribute model.
 *
 *     vmm/arch/arm64/platform_arm64.c asks --> struct arm64_host --> arm64_host_judge()
 *                                                                          |
 *                                              model, rules, hazards, facts with their source
 *
 * Nothing in here looks at the machine, so that tests can make up a host. What a kernel does is
 * taken from its behaviour where that can be seen; where only the version number tells, the
 * fact says "by version": a distribution may have changed it.
 */
#ifndef S2VMM_ARM64_HOST_H
#define S2VMM_ARM64_HOST_H

#include <stdint.h>

#include "vmm/platform.h"

/* What KVM said to a memslot over a cacheable VM_PFNMAP mapping of RAM, a udmabuf. */
enum arm64_slot {
    ARM64_SLOT_NOT_ASKED, /* see slot_problem */
    ARM64_SLOT_ACCEPTED,
    ARM64_SLOT_REFUSED, /* EINVAL, while the same slot over other memory was accepted */
};

struct arm64_host {
    const char *release; /* of the kernel, "7.2.12+deb13-arm64" */
    uint64_t ctr;        /* CTR_EL0 */

    bool has_kvm; /* what follows is known */
    bool has_features;
    uint64_t features;     /* ID_AA64MMFR2_EL1 of a vCPU */
    unsigned address_bits; /* KVM_CAP_ARM_VM_IPA_SIZE; 0: 40, an old kernel */
    bool cacheable_pfnmap; /* KVM_CAP_ARM_CACHEABLE_PFNMAP_SUPPORTED */
    unsigned gic_version;  /* the best that KVM makes: 3, 2, or 0 for none */
    bool has_its;
    enum arm64_slot slot;
    char slot_problem[64]; /* why it was not asked */
};

/* Fills in the platform's `memattr` and hazards, and adds the facts. */
void arm64_host_judge(const struct arm64_host *host, struct platform *platform);

#endif

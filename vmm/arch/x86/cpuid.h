/* SPDX-License-Identifier: MIT */
/*
 * The CPU model: all that KVM supports on this host, with the topology of this VM.
 *
 * What KVM_GET_SUPPORTED_CPUID returns is the host's own topology, with the APIC id of
 * whichever CPU ran the ioctl. The leaves that speak of topology are rewritten: one
 * package, one thread in each core, APIC id = vCPU index. Everything else passes through.
 */
#ifndef S2VMM_ARCH_X86_CPUID_H
#define S2VMM_ARCH_X86_CPUID_H

#include "vmm/vm.h"

/* Gives the vCPU its CPU model; must precede KVM_SET_SREGS (see registers.c).
 * ERROR_HOST_KVM or ERROR_HOST_MEMORY. */
bool cpuid_init(const struct vcpu *vcpu, struct error *error);

/* Rewrites the topology leaves for vCPU `index` of `cpu_count`. Pure, for tests. */
void cpuid_set_topology(struct kvm_cpuid_entry2 *entries, unsigned count, unsigned index,
                        unsigned cpu_count);

#endif

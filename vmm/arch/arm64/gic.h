/* SPDX-License-Identifier: MIT */
/*
 * The interrupt controller, inside KVM: a GICv3 with an ITS, or a GICv2 where the host's own
 * controller is one (KVM emulates a GICv2 only with its help).
 *
 *   gic_create()    before the vCPUs: the device, its places (vmm/layout.h), its size
 *   gic_start()     after the last vCPU: a redistributor or CPU interface for each; from here
 *                   on kvm_irqfd() works
 *
 * Sources: Documentation/virt/kvm/devices/arm-vgic-v3.rst, arm-vgic-its.rst, arm-vgic.rst.
 */
#ifndef S2VMM_ARCH_ARM64_GIC_H
#define S2VMM_ARCH_ARM64_GIC_H

#include "vmm/vm.h"

/* Sets gic_version, has_its and their descriptors in the VM. ERROR_CONFIG_HOST if KVM has
 * neither version, or ERROR_HOST_KVM. */
bool gic_create(struct vm *vm, struct error *error);

/* ERROR_HOST_KVM. */
bool gic_start(struct vm *vm, struct error *error);

#endif

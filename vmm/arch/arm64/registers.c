/* SPDX-License-Identifier: MIT */
/*
 * Registers of a vCPU: at creation, at entry, and for crash reports.
 *
 *   every vCPU      the CPU model of the host, with PSCI; all but vCPU 0 are off until the
 *                   guest calls CPU_ON for them
 *   vCPU 0          EL1, MMU and caches off, interrupts masked, as KVM resets a vCPU
 *                   (arch/arm64/kvm/reset.c); PC and X0 from the entry
 *
 * No optional feature is asked for (SVE, pointer authentication, PMU, EL2): the guest does
 * not see those. Floating point is always there.
 */
#include <asm/ptrace.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "vmm/arch/arch.h"

/* Names of registers for KVM_GET_ONE_REG and KVM_SET_ONE_REG (api.rst, arm64). */
#define CORE(field)                                                                      \
    (KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE |                               \
     (uint64_t)(offsetof(struct kvm_regs, field) / sizeof(uint32_t)))
#define MPIDR_EL1 ARM64_SYS_REG(3, 0, 0, 0, 5)
#define ESR_EL1   ARM64_SYS_REG(3, 0, 5, 2, 0)
#define FAR_EL1   ARM64_SYS_REG(3, 0, 6, 0, 0)

#define MPIDR_AFFINITY 0xff00ffffffull /* Aff3, Aff2, Aff1, Aff0 (DDI 0487, MPIDR_EL1) */

#define PSTATE_AT_ENTRY (PSR_MODE_EL1h | PSR_D_BIT | PSR_A_BIT | PSR_I_BIT | PSR_F_BIT)

static bool get_register(const struct vcpu *vcpu, uint64_t id, uint64_t *value)
{
    const struct kvm_one_reg request = {.id = id, .addr = (uintptr_t)value};
    return kvm_ioctl(vcpu->fd, KVM_GET_ONE_REG, &request) == 0;
}

static bool set_register(const struct vcpu *vcpu, uint64_t id, uint64_t value,
                         struct error *error)
{
    const struct kvm_one_reg request = {.id = id, .addr = (uintptr_t)&value};
    if (kvm_ioctl(vcpu->fd, KVM_SET_ONE_REG, &request) != 0)
        return error_set(error, ERROR_HOST_KVM,
                         "KVM_SET_ONE_REG 0x%" PRIx64 " of vCPU %u to 0x%" PRIx64 ": %s",
                         id, vcpu->index, value, strerror(errno));
    return true;
}

/* Sixteen vCPUs in a cluster, as the target list of a GICv3's SGI has 16 bits
 * (arch/arm64/kvm/sys_regs.c, reset_mpidr). */
uint64_t arch_vcpu_mpidr(unsigned index)
{
    return (index & 0xf) | (uint64_t)(index >> 4 & 0xff) << 8 |
           (uint64_t)(index >> 12 & 0xff) << 16;
}

/* What firmware says about the processors is made without asking KVM; so ask here. */
static bool check_mpidr(const struct vcpu *vcpu, struct error *error)
{
    uint64_t value;
    if (!get_register(vcpu, MPIDR_EL1, &value))
        return error_set(error, ERROR_HOST_KVM,
                         "KVM_GET_ONE_REG, MPIDR_EL1 of vCPU %u: %s", vcpu->index,
                         strerror(errno));
    if ((value & MPIDR_AFFINITY) != arch_vcpu_mpidr(vcpu->index))
        return error_set(error, ERROR_HOST_KVM,
                         "vCPU %u has MPIDR_EL1 0x%" PRIx64
                         ", expected affinity 0x%" PRIx64,
                         vcpu->index, value, arch_vcpu_mpidr(vcpu->index));
    return true;
}

bool arch_vcpu_init(struct vcpu *vcpu, struct error *error)
{
    struct kvm_vcpu_init model;
    if (kvm_ioctl(vcpu->vm->fd, KVM_ARM_PREFERRED_TARGET, &model) != 0)
        return error_set(error, ERROR_HOST_KVM, "KVM_ARM_PREFERRED_TARGET: %s",
                         strerror(errno));
    model.features[0] |= 1u << KVM_ARM_VCPU_PSCI_0_2;
    if (vcpu->index != 0)
        model.features[0] |= 1u << KVM_ARM_VCPU_POWER_OFF;
    if (kvm_ioctl(vcpu->fd, KVM_ARM_VCPU_INIT, &model) != 0)
        return error_set(error, ERROR_HOST_KVM, "KVM_ARM_VCPU_INIT of vCPU %u: %s",
                         vcpu->index, strerror(errno));
    return check_mpidr(vcpu, error);
}

bool arch_vcpu_set_entry(struct vcpu *vcpu, struct vm_entry entry, struct error *error)
{
    return set_register(vcpu, CORE(regs.pc), entry.address.value, error) &&
           set_register(vcpu, CORE(regs.regs[0]), entry.argument.value, error) &&
           set_register(vcpu, CORE(regs.pstate), PSTATE_AT_ENTRY, error);
}

/* 1de7ec7edbadc0de in a system register: nothing has been written to it since the reset
 * (arch/arm64/kvm/sys_regs.h, reset_unknown). */
void arch_vcpu_describe(const struct vcpu *vcpu, char *text, size_t size)
{
    static const struct {
        const char *name;
        uint64_t id;
    } registers[] = {
        {"pc", CORE(regs.pc)},       {"pstate", CORE(regs.pstate)},
        {"sp_el1", CORE(sp_el1)},    {"elr_el1", CORE(elr_el1)},
        {"esr_el1", ESR_EL1},        {"far_el1", FAR_EL1},
        {"lr", CORE(regs.regs[30])},
    };
    size_t length = 0;
    text[0] = '\0';
    for (size_t i = 0; i < ARRAY_SIZE(registers) && length < size; i++) {
        uint64_t value;
        if (!get_register(vcpu, registers[i].id, &value)) {
            snprintf(text, size, "no registers: %s", strerror(errno));
            return;
        }
        length += (size_t)snprintf(text + length, size - length, "%s%s=%" PRIx64,
                                   i == 0 ? "" : " ", registers[i].name, value);
    }
}

/* SPDX-License-Identifier: MIT */
/*
 * Exits that only arm64 has.
 *
 *   the guest turned itself off or      KVM_EXIT_SYSTEM_EVENT      the run is over
 *   asked for a reset, by PSCI
 *
 *   an access to what is not memory,    KVM_EXIT_ARM_NISV,         an external abort for
 *   by an instruction that the CPU      KVM_EXIT_ARM_LDST64B       the guest, a warning,
 *   does not describe (machine.c)                                  and it goes on
 *                                       or KVM_RUN: ENOSYS,        the run is over
 *                                       without the capability
 *
 * On hardware a device would answer those accesses; KVM has not decoded the instruction, and
 * we do not: no driver that is written for a virtual machine uses them on a device.
 */
#include <inttypes.h>
#include <string.h>

#include "vmm/arch/arch.h"
#include "vmm/vcpu.h"

/* Linux 7.0 (api.rst, KVM_EXIT_ARM_LDST64B): LD64B and ST64B, with NISV's struct. */
#define KVM_EXIT_ARM_LDST64B_NUMBER 42

/* The bits of ESR_EL2.ISS that KVM leaves in arm_nisv.esr_iss (DDI 0487, ESR_ELx, data abort;
 * arch/arm64/include/asm/kvm_emulate.h, kvm_vcpu_dabt_iss_nisv_sanitized). */
#define ISS_WRITE             (1u << 6)
#define ISS_CACHE_MAINTENANCE (1u << 8)

static const char *access_name(uint64_t syndrome)
{
    if ((syndrome & ISS_CACHE_MAINTENANCE) != 0)
        return "cache maintenance";
    return (syndrome & ISS_WRITE) != 0 ? "write" : "read";
}

/* KVM takes the faulting virtual address for FAR_EL1 from the exit itself (api.rst,
 * KVM_SET_VCPU_EVENTS, ext_dabt_pending). */
static void exit_undescribed_access(struct vcpu *vcpu)
{
    uint64_t address = vcpu->run->arm_nisv.fault_ipa;
    uint64_t syndrome = vcpu->run->arm_nisv.esr_iss;
    trace_warning(vcpu->vm->trace, "bus",
                  "vCPU %u: %s at GPA 0x%" PRIx64
                  ", where no memory is, by an "
                  "instruction that the CPU does not describe (LDP, DC ZVA, SIMD, "
                  "write-back): answered with an external abort",
                  vcpu->index, access_name(syndrome), address);

    struct kvm_vcpu_events events = {.exception.ext_dabt_pending = 1};
    if (kvm_ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &events) != 0)
        vcpu_end(vcpu, VM_END_HOST, ERROR_HOST_KVM,
                 "an external abort for GPA 0x%" PRIx64 ": KVM_SET_VCPU_EVENTS: %s",
                 address, strerror(errno));
}

static void exit_system_event(struct vcpu *vcpu)
{
    uint32_t type = vcpu->run->system_event.type;
    switch (type) {
    case KVM_SYSTEM_EVENT_SHUTDOWN:
        vcpu_end(vcpu, VM_END_POWER_OFF, ERROR_GUEST_STATE,
                 "the guest switched itself off (PSCI SYSTEM_OFF)");
        break;
    case KVM_SYSTEM_EVENT_RESET:
        vcpu_end(vcpu, VM_END_RESET, ERROR_GUEST_STATE,
                 "the guest asked for a reset (PSCI SYSTEM_RESET)");
        break;
    default:
        vcpu_end(vcpu, VM_END_CRASH, ERROR_GUEST_STATE,
                 "the guest crashed: KVM_EXIT_SYSTEM_EVENT %u", type);
    }
}

bool arch_vcpu_exit(struct vcpu *vcpu)
{
    switch (vcpu->run->exit_reason) {
    case KVM_EXIT_ARM_NISV:
    case KVM_EXIT_ARM_LDST64B_NUMBER:
        exit_undescribed_access(vcpu);
        return true;
    case KVM_EXIT_SYSTEM_EVENT:
        exit_system_event(vcpu);
        return true;
    default:
        return false;
    }
}

/* arch/arm64/kvm/mmio.c, io_mem_abort(). KVM does not say which address it was. */
bool arch_vcpu_delivers_nothing(const struct vcpu *vcpu)
{
    (void)vcpu;
    return false;
}

bool arch_vcpu_run_failed(struct vcpu *vcpu, int number)
{
    if (number != ENOSYS)
        return false;
    vcpu_end(vcpu, VM_END_CRASH, ERROR_GUEST_STATE,
             "the guest crashed: it accessed an address where no memory is by an "
             "instruction that the CPU does not describe (LDP, DC ZVA, SIMD, "
             "write-back), and this kernel lacks KVM_CAP_ARM_NISV_TO_USER (Linux 5.5)");
    return true;
}

/* SPDX-License-Identifier: MIT */
/*
 * The parts of an arm64 VM that exist before its first vCPU: how wide its addresses are, where
 * RAM lies, what is asked of KVM, and the interrupt controller (gic.c).
 *
 * Nothing is made for the timer: KVM has the generic timer of the architecture in each vCPU,
 * with the PPIs that the Base System Architecture recommends (INTID 27 virtual, 30 physical),
 * unless told otherwise (Documentation/virt/kvm/devices/vcpu.rst, 2).
 *
 * Nor for external aborts: what the host's memory or a host device answers with an abort, and
 * an instruction fetch from Device memory, KVM gives back to the guest as a synchronous
 * external abort (arch/arm64/kvm/mmu.c, kvm_handle_guest_abort); the VMM sees no exit. Memory
 * that the host has found broken raises SIGBUS, which ends us.
 */
#include <elf.h>
#include <inttypes.h>
#include <string.h>

#include "vmm/arch/arch.h"
#include "vmm/arch/arm64/gic.h"
#include "vmm/layout.h"

/* The widest RAM (256 GiB) and the widest window (64 GiB) fit, and a stage 2 of 40 bits starts
 * at level 1, one level less to walk than 48 bits have. It is what KVM gives by default. */
#define ADDRESS_BITS 40u

/* For hosts with any page size. */
#define RAM_GRANULE (64 * KIB)

const uint16_t arch_elf_machine = EM_AARCH64;

const char *const arch_kvm_advice =
    "the kernel has KVM only when it is started at EL2 (see dmesg | grep kvm)";

/* arch/arm64/kvm/mmu.c, kvm_s2_fault_pin_pfn() (before 7.0: user_mem_abort()) and
 * kvm_handle_guest_abort(); virt/kvm/kvm_main.c, hva_to_pfn_remapped(). */
const char *const arch_fault_causes =
    "not accessible; or device memory mapped cacheable, without FWB and DIC; or written "
    "by the guest while the exporter's pages are read-only; or unaligned in Device "
    "memory";

static const struct kvm_requirement requirements[] = {
    {KVM_CAP_ONE_REG, "KVM_CAP_ONE_REG", "set the registers of a vCPU"},
    {KVM_CAP_ARM_PSCI_0_2, "KVM_CAP_ARM_PSCI_0_2", "let the guest start its processors"},
    {KVM_CAP_DEVICE_CTRL, "KVM_CAP_DEVICE_CTRL", "make an interrupt controller"},
};

/* KVM_CAP_ARM_VM_IPA_SIZE is the widest that the host can; a kernel without it (before 4.20)
 * and type 0 have 40 bits (api.rst, KVM_CREATE_VM). Some hosts have fewer. */
bool arch_vm_type(const struct kvm *kvm, unsigned long *type, unsigned *address_bits,
                  struct error *error)
{
    int widest = kvm_check(kvm->fd, KVM_CAP_ARM_VM_IPA_SIZE);
    (void)error;
    if (widest == 0) {
        *type = 0;
        *address_bits = 40;
        return true;
    }
    *address_bits = (unsigned)widest < ADDRESS_BITS ? (unsigned)widest : ADDRESS_BITS;
    *type = KVM_VM_TYPE_ARM_IPA_SIZE(*address_bits);
    return true;
}

unsigned arch_ram_ranges(uint64_t memory_size, struct gpa_range *ranges,
                         struct error *error)
{
    if (memory_size < LAYOUT_RAM_SIZE_MIN || memory_size > LAYOUT_RAM_SIZE_MAX ||
        !is_aligned(memory_size, RAM_GRANULE)) {
        error_set(error, ERROR_CONFIG_USAGE,
                  "guest RAM of %" PRIu64
                  " bytes: from %llu MiB to %llu GiB in multiples "
                  "of 64 KiB are possible",
                  memory_size, LAYOUT_RAM_SIZE_MIN / MIB, LAYOUT_RAM_SIZE_MAX / GIB);
        return 0;
    }
    ranges[0] = (struct gpa_range){gpa(LAYOUT_LOW_RAM_START), memory_size};
    return 1;
}

/* An access to what is not memory reaches the VMM only if the CPU describes it (ESR_EL2.ISV):
 * LDP, DC ZVA, SIMD, and loads and stores with write-back it does not. With these two (Linux
 * 5.5) such an access is an exit, which exits.c answers with an external abort. */
static bool ask_for_undescribed_accesses(const struct vm *vm, struct error *error)
{
    if (kvm_check(vm->fd, KVM_CAP_ARM_NISV_TO_USER) == 0 ||
        kvm_check(vm->fd, KVM_CAP_ARM_INJECT_EXT_DABT) == 0) {
        trace_detail(vm->trace, "kvm",
                     "no KVM_CAP_ARM_NISV_TO_USER: a guest that accesses what is not "
                     "memory with LDP, DC ZVA or the like ends its VM");
        return true;
    }
    struct kvm_enable_cap request = {.cap = KVM_CAP_ARM_NISV_TO_USER};
    if (kvm_ioctl(vm->fd, KVM_ENABLE_CAP, &request) != 0)
        return error_set(error, ERROR_HOST_KVM,
                         "KVM_ENABLE_CAP, KVM_CAP_ARM_NISV_TO_USER: %s", strerror(errno));
    return true;
}

bool arch_vm_init(struct vm *vm, struct error *error)
{
    return kvm_require(kvm_check, vm->fd, requirements, ARRAY_SIZE(requirements),
                       error) &&
           ask_for_undescribed_accesses(vm, error) && gic_create(vm, error);
}

bool arch_vm_ready(struct vm *vm, struct error *error)
{
    return gic_start(vm, error);
}

void arch_vm_finish(struct vm *vm)
{
    (void)vm;
}

bool arch_vm_honour_guest_pat(struct vm *vm, struct error *error)
{
    (void)vm;
    return error_set(error, ERROR_CONFIG_HOST, "arm64 has no PAT that KVM could ignore");
}

bool arch_vm_guest_mtrr_is_wb(const struct vm *vm, struct gpa_range range)
{
    (void)vm;
    (void)range;
    return true;
}

struct bus *arch_serial_bus(struct vm *vm)
{
    return &vm->mmio;
}

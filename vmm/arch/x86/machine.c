/* SPDX-License-Identifier: MIT */
/*
 * The parts of an x86-64 VM that exist before its first vCPU: where RAM lies, the
 * interrupt controllers inside KVM, and the quirk that decides whether the guest's PAT
 * counts.
 */
#include <cpuid.h>
#include <elf.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/arch/arch.h"
#include "vmm/arch/x86/mtrr.h"
#include "vmm/layout.h"

/* Linux 6.0 (the capability) and 6.16, also 6.12.78 (the quirk); older headers lack them.
 */
#ifndef KVM_CAP_DISABLE_QUIRKS2
#define KVM_CAP_DISABLE_QUIRKS2 213
#endif
#ifndef KVM_X86_QUIRK_IGNORE_GUEST_PAT
#define KVM_X86_QUIRK_IGNORE_GUEST_PAT (1 << 9)
#endif

const uint16_t arch_elf_machine = EM_X86_64;

const char *const arch_kvm_advice =
    "load kvm_intel or kvm_amd, enable virtualisation in the firmware";

const char *const arch_fault_causes =
    "not accessible, or a high-order page and a kernel before 6.13";

static const struct kvm_requirement requirements[] = {
    {KVM_CAP_SET_TSS_ADDR, "KVM_CAP_SET_TSS_ADDR", "run real-mode code on Intel CPUs"},
    {KVM_CAP_SET_IDENTITY_MAP_ADDR, "KVM_CAP_SET_IDENTITY_MAP_ADDR",
     "run real-mode code on Intel CPUs"},
    {KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID", "give the guest a CPU model"},
    {KVM_CAP_MP_STATE, "KVM_CAP_MP_STATE",
     "hold processors back until the guest starts them"},
};

/* The guest gets the physical addresses of the host: CPUID 0x80000008, EAX[7:0] (SDM vol. 2A,
 * CPUID), 36 bits where there is no such leaf. */
bool arch_vm_type(const struct kvm *kvm, unsigned long *type, unsigned *address_bits,
                  struct error *error)
{
    unsigned eax;
    unsigned ebx;
    unsigned ecx;
    unsigned edx;
    (void)kvm;
    (void)error;
    *type = 0;
    *address_bits = __get_cpuid(0x80000008, &eax, &ebx, &ecx, &edx) ? eax & 0xff : 36;
    return true;
}

unsigned arch_ram_ranges(uint64_t memory_size, struct gpa_range *ranges,
                         struct error *error)
{
    if (memory_size < LAYOUT_RAM_SIZE_MIN || memory_size > LAYOUT_RAM_SIZE_MAX ||
        !is_aligned(memory_size, 4 * KIB)) {
        error_set(error, ERROR_CONFIG_USAGE,
                  "guest RAM of %" PRIu64
                  " bytes: from %llu MiB to %llu GiB in whole 4 KiB "
                  "pages are possible",
                  memory_size, LAYOUT_RAM_SIZE_MIN / MIB, LAYOUT_RAM_SIZE_MAX / GIB);
        return 0;
    }
    if (memory_size <= LAYOUT_LOW_RAM_END) {
        ranges[0] = (struct gpa_range){gpa(0), memory_size};
        return 1;
    }
    ranges[0] = (struct gpa_range){gpa(0), LAYOUT_LOW_RAM_END};
    ranges[1] =
        (struct gpa_range){gpa(LAYOUT_HIGH_RAM_START), memory_size - LAYOUT_LOW_RAM_END};
    return 2;
}

/* By default KVM ignores the guest's PAT on Intel: every RAM leaf of EPT has WB and IPAT.
 * A kernel that lists bit 9 among the quirks that can be disabled lets us lift that
 * (arch/x86/kvm/vmx/vmx.c, vmx_get_mt_mask; Documentation/virt/kvm/api.rst,
 * KVM_X86_QUIRK_IGNORE_GUEST_PAT). It cannot be undone for this VM.
 *
 * It may be lifted at any time: kvm_vm_ioctl_enable_cap (x86.c) sets a bit of the VM and asks
 * neither for vCPUs nor for leaves, and vmx_get_mt_mask reads the bit whenever a leaf is made
 * (both read; tests/lab/intel-in-l1 does it under a running guest on 6.12 and 7.2). What has its
 * leaf already keeps IPAT until KVM zaps it, as it does on every deletion of a memslot: RAM and
 * blobs that the guest maps WB, which are WB with IPAT and without. The memslot of the blob that
 * needs it is made afterwards, so that its leaves are new. */
static bool can_honour_guest_pat(const struct vm *vm)
{
    return (kvm_check(vm->fd, KVM_CAP_DISABLE_QUIRKS2) &
            KVM_X86_QUIRK_IGNORE_GUEST_PAT) != 0;
}

bool arch_vm_honour_guest_pat(struct vm *vm, struct error *error)
{
    if (!can_honour_guest_pat(vm))
        return error_set(
            error, ERROR_CONFIG_HOST,
            "the quirk \"ignore guest PAT\" cannot be disabled on this host: "
            "use Linux 6.16 or newer (or 6.12.78) on a CPU with self-snoop");
    struct kvm_enable_cap request = {
        .cap = KVM_CAP_DISABLE_QUIRKS2,
        .args = {KVM_X86_QUIRK_IGNORE_GUEST_PAT},
    };
    if (kvm_ioctl(vm->fd, KVM_ENABLE_CAP, &request) != 0)
        return error_set(error, ERROR_HOST_KVM,
                         "disabling KVM's quirk \"ignore guest PAT\": KVM_ENABLE_CAP: %s",
                         strerror(errno));
    vm->guest_pat_honoured = true;
    trace_detail(vm->trace, "kvm", "the quirk \"ignore guest PAT\" is disabled");
    return true;
}

static bool honour_guest_pat_from_the_start(struct vm *vm, struct error *error)
{
    if (!vm->config.honour_guest_pat)
        return true;
    if (can_honour_guest_pat(vm))
        return arch_vm_honour_guest_pat(vm, error);
    trace_detail(vm->trace, "kvm",
                 "the quirk \"ignore guest PAT\" cannot be disabled on this host");
    return true;
}

bool arch_vm_guest_mtrr_is_wb(const struct vm *vm, struct gpa_range range)
{
    return mtrr_watch_is_wb(vm->mtrrs, vm, range);
}

static bool watch_mtrrs(struct vm *vm, struct error *error)
{
    struct mtrr_watch *watch = malloc(sizeof *watch);
    if (watch == NULL)
        return error_set(error, ERROR_HOST_MEMORY, "no memory to watch MTRRs");
    if (!mtrr_watch_init(watch, vm->fd, !vm->config.no_device_memory, error)) {
        free(watch);
        return false;
    }
    vm->mtrrs = watch;
    if (!watch->watching && !vm->config.no_device_memory)
        trace_detail(vm->trace, "kvm",
                     "writes of the guest to its MTRRs are not reported "
                     "(KVM_CAP_X86_USER_SPACE_MSR): they count as WB");
    return true;
}

void arch_vm_finish(struct vm *vm)
{
    if (vm->mtrrs == NULL)
        return;
    mtrr_watch_finish(vm->mtrrs);
    free(vm->mtrrs);
    vm->mtrrs = NULL;
}

/* The 8259s are there with KVM's other interrupt controllers, and no guest is told of them. Out
 * of reset they pass every interrupt on, and the boot CPU's LINT0 takes them: a Linux that uses
 * the I/O APIC only would get each interrupt below 16 a second time, as an exception. So all
 * their inputs are masked. */
static bool mask_8259s(const struct vm *vm, struct error *error)
{
    static const uint32_t chips[] = {KVM_IRQCHIP_PIC_MASTER, KVM_IRQCHIP_PIC_SLAVE};
    for (size_t i = 0; i < ARRAY_SIZE(chips); i++) {
        struct kvm_irqchip chip = {.chip_id = chips[i]};
        bool done = kvm_ioctl(vm->fd, KVM_GET_IRQCHIP, &chip) == 0;
        chip.chip.pic.imr = 0xff;
        if (!done || kvm_ioctl(vm->fd, KVM_SET_IRQCHIP, &chip) != 0)
            return error_set(error, ERROR_HOST_KVM, "masking 8259 number %zu: %s", i,
                             strerror(errno));
    }
    return true;
}

/* Both addresses must be set before the first vCPU (api.rst, KVM_SET_IDENTITY_MAP_ADDR).
 * The interrupt controllers are the two PICs, the I/O APIC and a local APIC for each
 * vCPU. */
bool arch_vm_init(struct vm *vm, struct error *error)
{
    if (!kvm_require(kvm_check, vm->fd, requirements, ARRAY_SIZE(requirements), error))
        return false;
    if (!honour_guest_pat_from_the_start(vm, error) || !watch_mtrrs(vm, error))
        return false;

    uint64_t identity_map = LAYOUT_KVM_IDENTITY_MAP;
    if (kvm_ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity_map) != 0)
        return error_set(error, ERROR_HOST_KVM,
                         "KVM_SET_IDENTITY_MAP_ADDR 0x%" PRIx64 ": %s", identity_map,
                         strerror(errno));
    if (ioctl(vm->fd, KVM_SET_TSS_ADDR, (unsigned long)LAYOUT_KVM_TSS) != 0)
        return error_set(error, ERROR_HOST_KVM, "KVM_SET_TSS_ADDR 0x%llx: %s",
                         LAYOUT_KVM_TSS, strerror(errno));
    if (ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0) != 0)
        return error_set(error, ERROR_HOST_KVM, "KVM_CREATE_IRQCHIP: %s",
                         strerror(errno));
    return mask_8259s(vm, error);
}

bool arch_vm_ready(struct vm *vm, struct error *error)
{
    (void)vm;
    (void)error;
    return true;
}

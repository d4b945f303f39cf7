/* SPDX-License-Identifier: MIT */
/*
 * Registers of a vCPU: at creation, at entry, and for crash reports.
 *
 *   every vCPU      CPU model, then the MSRs of the memory types. KVM leaves vCPU 0
 * runnable and the others waiting for INIT and SIPI, as after power-on. vCPU 0 64-bit
 * mode with paging on, as firmware/x86/boot.c describes
 *
 * The CPU model comes first: since Linux 7.2 KVM_SET_SREGS refuses EFER.LME with EINVAL
 * on a vCPU whose CPUID does not offer long mode yet.
 *
 * The guest's MTRRs say write-back for all of memory (default type WB, no ranges), and
 * the caches are on (CR0.CD = 0), so that the PAT of the guest alone speaks for the guest
 * (Intel SDM vol. 3, 12.11.2.1 and table 12-7).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/arch/arch.h"
#include "vmm/arch/x86/cpuid.h"
#include "vmm/arch/x86/mtrr.h"
#include "vmm/layout.h"

#define MSR_MISC_ENABLE         0x1a0
#define MISC_ENABLE_FAST_STRING 1
#define MSR_PAT                 0x277
#define PAT_AT_RESET                                                                     \
    0x0007040600070406 /* WB WT UC- UC, twice (SDM vol. 3, table 12-12) */

#define CR0_PE       0x1u
#define CR0_ET       0x10u
#define CR0_NE       0x20u
#define CR0_WP       0x10000u
#define CR0_PG       0x80000000u
#define CR4_PAE      0x20u
#define EFER_LME     0x100u
#define EFER_LMA     0x400u
#define RFLAGS_FIXED 0x2u

static bool set_msrs(const struct vcpu *vcpu, struct error *error)
{
    static const struct kvm_msr_entry entries[] = {
        {.index = MSR_MTRR_DEF_TYPE, .data = MTRR_ALL_WB},
        {.index = MSR_PAT, .data = PAT_AT_RESET},
        {.index = MSR_MISC_ENABLE, .data = MISC_ENABLE_FAST_STRING},
    };
    struct kvm_msrs *msrs = calloc(1, sizeof *msrs + sizeof entries);
    if (msrs == NULL)
        return error_set(error, ERROR_HOST_MEMORY, "no memory for the MSRs");
    msrs->nmsrs = ARRAY_SIZE(entries);
    memcpy(msrs->entries, entries, sizeof entries);

    /* Returns how many were set before one was refused. */
    int count = kvm_ioctl(vcpu->fd, KVM_SET_MSRS, msrs);
    free(msrs);
    if (count < 0)
        return error_set(error, ERROR_HOST_KVM, "KVM_SET_MSRS for vCPU %u: %s",
                         vcpu->index, strerror(errno));
    if ((unsigned)count < ARRAY_SIZE(entries))
        return error_set(error, ERROR_HOST_KVM, "KVM refused to set MSR 0x%x to 0x%llx",
                         entries[count].index, entries[count].data);
    return true;
}

bool arch_vcpu_init(struct vcpu *vcpu, struct error *error)
{
    return cpuid_init(vcpu, error) && set_msrs(vcpu, error);
}

/* The descriptors that firmware/x86/boot.c has put into the GDT, or those for 32 bits. */
static void set_segments(struct kvm_sregs *registers, bool is_long)
{
    struct kvm_segment code = {
        .selector = LAYOUT_BOOT_CODE_SELECTOR,
        .limit = UINT32_MAX,
        .type = 11, /* execute, read, accessed */
        .present = 1,
        .s = 1,
        .l = is_long,
        .db = !is_long,
        .g = 1,
    };
    struct kvm_segment data = {
        .selector = LAYOUT_BOOT_DATA_SELECTOR,
        .limit = UINT32_MAX,
        .type = 3, /* read, write, accessed */
        .present = 1,
        .s = 1,
        .db = 1,
        .g = 1,
    };
    /* VM entry to 64-bit mode wants a busy 64-bit TSS (SDM vol. 3, 27.3.1.2). */
    struct kvm_segment task = {.limit = 0xffff, .type = 11, .present = 1};

    registers->cs = code;
    registers->ds = registers->es = registers->fs = registers->gs = registers->ss = data;
    registers->tr = task;
    registers->ldt = (struct kvm_segment){.unusable = 1};
    registers->gdt = (struct kvm_dtable){.base = LAYOUT_BOOT_GDT, .limit = 4 * 8 - 1};
    registers->idt = (struct kvm_dtable){0};
}

/* Xen's docs/misc/pvh.pandoc: protection on, paging off, flat segments. */
static void set_special_pvh(struct kvm_sregs *special)
{
    set_segments(special, false);
    special->cr0 = CR0_PE | CR0_ET;
    special->cr4 = 0;
    special->efer = 0;
}

static void set_special_64(struct kvm_sregs *special)
{
    set_segments(special, true);
    special->cr0 = CR0_PE | CR0_ET | CR0_NE | CR0_WP | CR0_PG;
    special->cr3 = LAYOUT_BOOT_PAGE_TABLES;
    special->cr4 = CR4_PAE;
    special->efer = EFER_LME | EFER_LMA;
}

bool arch_vcpu_set_entry(struct vcpu *vcpu, struct vm_entry entry, struct error *error)
{
    struct kvm_sregs special;
    if (kvm_ioctl(vcpu->fd, KVM_GET_SREGS, &special) != 0)
        return error_set(error, ERROR_HOST_KVM, "KVM_GET_SREGS: %s", strerror(errno));
    struct kvm_regs general = {
        .rip = entry.address.value,
        .rsp = LAYOUT_BOOT_STACK_TOP,
        .rflags = RFLAGS_FIXED,
    };
    switch (entry.mode) {
    case VM_ENTRY_64:
        set_special_64(&special);
        general.rdi = entry.argument.value;
        break;
    case VM_ENTRY_LINUX_64:
        set_special_64(&special);
        general.rsi = entry.argument.value;
        break;
    case VM_ENTRY_PVH:
        set_special_pvh(&special);
        general.rbx = entry.argument.value;
        break;
    }
    if (kvm_ioctl(vcpu->fd, KVM_SET_SREGS, &special) != 0)
        return error_set(error, ERROR_HOST_KVM, "KVM_SET_SREGS: %s", strerror(errno));
    if (kvm_ioctl(vcpu->fd, KVM_SET_REGS, &general) != 0)
        return error_set(error, ERROR_HOST_KVM, "KVM_SET_REGS: %s", strerror(errno));
    return true;
}

/* KVM does not emulate an access that an exception or interrupt makes while it is delivered. On AMD
 * it believes, from Linux 6.14 on, that this is so if EXITINTINFO has a type, without a look at its
 * valid bit (arch/x86/kvm/svm/svm.c, svm_check_emulate_instruction()); QEMU's TCG leaves a type there
 * when it clears that bit (measured: docs/findings.md). What was really under way KVM
 * has taken out of EXITINTINFO before (svm_complete_interrupts()), and says so. */
bool arch_vcpu_delivers_nothing(const struct vcpu *vcpu)
{
    struct kvm_vcpu_events events;
    return kvm_ioctl(vcpu->fd, KVM_GET_VCPU_EVENTS, &events) == 0 &&
           !events.exception.injected && !events.interrupt.injected &&
           !events.nmi.injected;
}

/* The bytes that KVM could not emulate, "" if it does not say (api.rst,
 * KVM_INTERNAL_ERROR_EMULATION). */
static void describe_instruction(const struct kvm_run *run, char *text, size_t size)
{
    text[0] = '\0';
    if (run->exit_reason != KVM_EXIT_INTERNAL_ERROR ||
        run->emulation_failure.suberror != KVM_INTERNAL_ERROR_EMULATION ||
        run->emulation_failure.ndata < 3 ||
        (run->emulation_failure.flags &
         KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES) == 0)
        return;
    unsigned count = run->emulation_failure.insn_size;
    if (count > sizeof run->emulation_failure.insn_bytes)
        count = sizeof run->emulation_failure.insn_bytes;
    size_t length = (size_t)snprintf(text, size, "code");
    for (unsigned i = 0; i < count && length < size; i++)
        length += (size_t)snprintf(text + length, size - length, " %02x",
                                   run->emulation_failure.insn_bytes[i]);
    if (length < size)
        snprintf(text + length, size - length, ", ");
}

/* On AMD the state is undefined after a shutdown, so that KVM resets the vCPU before it tells
 * us (arch/x86/kvm/svm/svm.c, shutdown_interception): what is left says nothing. */
static bool is_after_reset(const struct kvm_run *run, const struct kvm_sregs *special)
{
    return run->exit_reason == KVM_EXIT_SHUTDOWN && (special->cr0 & CR0_PE) == 0;
}

void arch_vcpu_describe(const struct vcpu *vcpu, char *text, size_t size)
{
    struct kvm_regs r;
    struct kvm_sregs s;
    if (kvm_ioctl(vcpu->fd, KVM_GET_REGS, &r) != 0 ||
        kvm_ioctl(vcpu->fd, KVM_GET_SREGS, &s) != 0) {
        snprintf(text, size, "no registers: %s", strerror(errno));
        return;
    }
    if (is_after_reset(vcpu->run, &s)) {
        snprintf(text, size, "the registers are lost, KVM has reset the vCPU");
        return;
    }
    char instruction[64];
    describe_instruction(vcpu->run, instruction, sizeof instruction);
    snprintf(text, size,
             "%srip=%llx rsp=%llx cr0=%llx cr2=%llx cr3=%llx cr4=%llx efer=%llx rax=%llx "
             "rbx=%llx rcx=%llx rdx=%llx rsi=%llx rdi=%llx",
             instruction, r.rip, r.rsp, s.cr0, s.cr2, s.cr3, s.cr4, s.efer, r.rax, r.rbx,
             r.rcx, r.rdx, r.rsi, r.rdi);
}

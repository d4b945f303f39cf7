/* SPDX-License-Identifier: MIT */
#include "vmm/vcpu.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "vmm/arch/arch.h"

/* Linux 6.8; the headers of older distributions lack it. */
#ifndef KVM_EXIT_MEMORY_FAULT
#define KVM_EXIT_MEMORY_FAULT 39
#endif

/* struct kvm_run's memory_fault (include/uapi/linux/kvm.h). */
struct memory_fault {
    uint64_t flags;
    uint64_t gpa;
    uint64_t size;
};

static int kick_signal(void)
{
    return SIGRTMIN;
}

/* The signal only has to interrupt; vcpu.h says why nothing is done here. */
static void kicked(int number)
{
    (void)number;
}

static void exit_mmio(struct vcpu *vcpu)
{
    struct kvm_run *run = vcpu->run;
    struct vm *vm = vcpu->vm;
    uint64_t address = run->mmio.phys_addr;
    unsigned size = run->mmio.len;
    uint64_t value = 0;
    BUG_ON(size > sizeof value);

    if (run->mmio.is_write) {
        memcpy(&value, run->mmio.data, size);
        if (!bus_write(&vm->mmio, address, size, value))
            trace_warning(vm->trace, "bus",
                          "vCPU %u: write of %u bytes, 0x%" PRIx64 ", to GPA 0x%" PRIx64
                          ": nothing is there, ignored",
                          vcpu->index, size, value, address);
    } else {
        if (!bus_read(&vm->mmio, address, size, &value))
            trace_warning(vm->trace, "bus",
                          "vCPU %u: read of %u bytes at GPA 0x%" PRIx64
                          ": nothing is there, answered all ones",
                          vcpu->index, size, address);
        memcpy(run->mmio.data, &value, size);
    }
}

void vcpu_end(struct vcpu *vcpu, enum vm_end how, enum error_code code,
              const char *format, ...)
{
    char what[320];
    char registers[320];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    arch_vcpu_describe(vcpu, registers, sizeof registers);

    struct error error;
    error_set(&error, code, "vCPU %u: %s; %s", vcpu->index, what, registers);
    vm_end_with(vcpu->vm, how, 0, &error);
}

/* KVM_RUN fails with EFAULT when it cannot fault in the host page behind a memslot; nothing is
 * checked earlier, KVM_SET_USER_MEMORY_REGION accepts nearly anything. KVM may say which GPA
 * (api.rst, KVM_EXIT_MEMORY_FAULT), but x86 kernels up to 7.2 do not for a page that is just
 * not accessible, and arm64 never does (both measured): then the registers have to do. */
static void end_bad_address(struct vcpu *vcpu)
{
    char where[80] = "";
    if (vcpu->run->exit_reason == KVM_EXIT_MEMORY_FAULT) {
        struct memory_fault fault;
        memcpy(&fault, vcpu->run->padding, sizeof fault);
        struct memslot slot = {.name = "none"};
        memslot_find(&vcpu->vm->memslots, gpa(fault.gpa), &slot);
        snprintf(where, sizeof where, " at GPA 0x%" PRIx64 ", slot \"%s\"", fault.gpa,
                 slot.name);
    }
    vcpu_end(
        vcpu, VM_END_HOST, ERROR_HOST_KVM,
        "KVM_RUN: EFAULT%s: the host page behind a memslot cannot be faulted in (%s)",
        where, arch_fault_causes);
}

static uint64_t milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* A host page behind a memslot could not be had: it may have been there all the time, or
 * something can be done about it. */
static bool may_try_again(struct vcpu *vcpu)
{
    const struct vm *vm = vcpu->vm;
    if (fault_retry(&vcpu->fault_retry, milliseconds()))
        return true;
    fault_retry_reset(&vcpu->fault_retry);
    return vm->page_lost && vm->page_lost(vm->page_lost_context);
}

/* The instruction is executed once more, and again, until the next interrupt of the guest sets right
 * what KVM looks at: mostly its timer's, within milliseconds. */
#define DELIVERS_NOTHING_MAX 1000 /* milliseconds */

static bool may_deliver_again(struct vcpu *vcpu)
{
    if (vcpu->run->internal.suberror != KVM_INTERNAL_ERROR_DELIVERY_EV ||
        !arch_vcpu_delivers_nothing(vcpu))
        return false;
    if (vcpu->delivers_nothing == 0)
        vcpu->delivers_nothing = milliseconds();
    return milliseconds() - vcpu->delivers_nothing < DELIVERS_NOTHING_MAX;
}

/* KVM_RUN returned an error. */
static void run_failed(struct vcpu *vcpu, int number)
{
    switch (number) {
    case EINTR:  /* kicked, or a signal of somebody else's */
    case EAGAIN: /* a waiting processor was woken (arch/x86/kvm/x86.c,
                    kvm_arch_vcpu_ioctl_run) */
        break;
    case EFAULT:
        if (!may_try_again(vcpu))
            end_bad_address(vcpu);
        break;
    default:
        if (!arch_vcpu_run_failed(vcpu, number))
            vcpu_end(vcpu, VM_END_HOST, ERROR_HOST_KVM, "KVM_RUN: %s", strerror(number));
    }
}

static void handle_exit(struct vcpu *vcpu)
{
    struct kvm_run *run = vcpu->run;
    fault_retry_reset(&vcpu->fault_retry);
    if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR && may_deliver_again(vcpu))
        return;
    vcpu->delivers_nothing = 0;
    switch (run->exit_reason) {
    case KVM_EXIT_MMIO:
        exit_mmio(vcpu);
        break;
    case KVM_EXIT_SHUTDOWN:
        vcpu_end(vcpu, VM_END_CRASH, ERROR_GUEST_STATE,
                 "the guest crashed: triple fault");
        break;
    case KVM_EXIT_INTERNAL_ERROR:
        vcpu_end(vcpu, VM_END_CRASH, ERROR_GUEST_STATE,
                 "the guest crashed: KVM cannot go on (KVM_EXIT_INTERNAL_ERROR %u%s)",
                 run->internal.suberror,
                 run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION
                     ? ": an instruction that it cannot emulate"
                     : "");
        break;
    case KVM_EXIT_FAIL_ENTRY:
        vcpu_end(
            vcpu, VM_END_CRASH, ERROR_GUEST_STATE,
            "the guest crashed: the CPU refused its state (KVM_EXIT_FAIL_ENTRY 0x%llx)",
            (unsigned long long)run->fail_entry.hardware_entry_failure_reason);
        break;
    default:
        if (!arch_vcpu_exit(vcpu))
            vcpu_end(vcpu, VM_END_HOST, ERROR_HOST_KVM,
                     "KVM_RUN: unexpected exit reason %u", run->exit_reason);
    }
}

/* What an exit leaves to be done in the guest's registers - put in what was read, go on to the
 * next instruction - KVM does at the start of the next KVM_RUN, even one that immediate_exit
 * turns back (api.rst, KVM_EXIT_IO, the note). Not until then are the registers those of a
 * definite place; whoever changes the PC of a vCPU with an access half done sees it go 4 bytes
 * further on arm64 (kvm_handle_mmio_return, arch/arm64/kvm/mmio.c). */
static void finish_exit(struct vcpu *vcpu)
{
    __atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
    kvm_run(vcpu->fd);
}

/* Whether the vCPU runs on; in a pause it waits here. */
static bool may_run(struct vcpu *vcpu, bool *has_run)
{
    struct vm *vm = vcpu->vm;
    if (!atomic_load(&vm->stopping) && !atomic_load(&vm->paused))
        return true;
    if (*has_run) /* a KVM_RUN before a state is loaded would be the first */
        finish_exit(vcpu);
    *has_run = false;
    if (!vm_park(vm))
        return false;
    __atomic_store_n(&vcpu->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
    return !atomic_load(&vm->stopping);
}

static void *thread_main(void *argument)
{
    struct vcpu *vcpu = argument;
    bool has_run = false;
    struct error error;
    char name[16];
    snprintf(name, sizeof name, "vcpu%u", vcpu->index);
    pthread_setname_np(pthread_self(), name);
    if (!sandbox_enter(vcpu->vm->config.sandbox, SANDBOX_VCPU, &error)) {
        vm_end_with(vcpu->vm, VM_END_HOST, 0, &error);
        return NULL;
    }
    while (may_run(vcpu, &has_run)) {
        int number = kvm_run(vcpu->fd);
        has_run = true;
        if (number == 0)
            handle_exit(vcpu);
        else
            run_failed(vcpu, number);
    }
    return NULL;
}

/* A thread inherits the mask of its creator: only the kick may interrupt a vCPU, so that
 * ^C and the like go to the threads that want them. */
static int create_thread(struct vcpu *vcpu)
{
    sigset_t all_but_kick;
    sigset_t before;
    sigfillset(&all_but_kick);
    sigdelset(&all_but_kick, kick_signal());
    pthread_sigmask(SIG_SETMASK, &all_but_kick, &before);
    int number = pthread_create(&vcpu->thread, NULL, thread_main, vcpu);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return number;
}

bool vcpu_start(struct vcpu *vcpu, struct error *error)
{
    struct sigaction action = {.sa_handler = kicked};
    if (sigaction(kick_signal(), &action, NULL) != 0)
        return error_set(error, ERROR_HOST_SYSTEM, "sigaction for signal %d: %s",
                         kick_signal(), strerror(errno));
    int number = create_thread(vcpu);
    if (number != 0)
        return error_set(error, ERROR_HOST_SYSTEM, "thread of vCPU %u: %s", vcpu->index,
                         strerror(number));
    vcpu->thread_runs = true;
    return true;
}

void vcpu_kick(struct vcpu *vcpu)
{
    if (!vcpu->thread_runs)
        return;
    __atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
    pthread_kill(vcpu->thread, kick_signal());
}

void vcpu_join(struct vcpu *vcpu)
{
    if (!vcpu->thread_runs)
        return;
    pthread_join(vcpu->thread, NULL);
    vcpu->thread_runs = false;
}

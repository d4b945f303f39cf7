/* SPDX-License-Identifier: MIT */
/*
 * The state of an x86 VM, beside that of its vCPUs (state.c), which is loaded first: PICs and I/O
 * APIC deliver what they hold back to the local APICs at once (arch/x86/kvm/ioapic.c,
 * kvm_set_ioapic). Then the quirks, and the clock.
 */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "vmm/arch/arch.h"
#include "vmm/vm_state.h"

#define IRQCHIPS                                                                         \
    3u /* KVM_IRQCHIP_PIC_MASTER, KVM_IRQCHIP_PIC_SLAVE, KVM_IRQCHIP_IOAPIC */

static bool irqchip_failed(const char *request, uint32_t number, struct error *error)
{
    return error_set(error, ERROR_HOST_KVM, "%s %u: %s", request, number,
                     strerror(errno));
}

static uint64_t host_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_RAW, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void save_quirks(const struct vm *vm, struct state_writer *writer)
{
    state_begin(writer, "QUIR", 0, 1);
    state_put32(writer, vm->guest_pat_honoured);
    state_end(writer);
}

/* Before the first leaf is made: machine.c. */
static bool load_quirks(struct vm *vm, struct state_reader *reader, struct error *error)
{
    struct state_section *section;
    if (!state_open(reader, "QUIR", 0, 1, &section, error))
        return false;
    bool honoured = state_get32(section) != 0;
    if (!state_close(section, error))
        return false;
    return !honoured || vm->guest_pat_honoured || arch_vm_honour_guest_pat(vm, error);
}

bool arch_vm_save(const struct vm *vm, struct state_writer *writer, struct error *error)
{
    for (uint32_t i = 0; i < IRQCHIPS; i++) {
        struct kvm_irqchip chip = {.chip_id = i};
        if (kvm_ioctl(vm->fd, KVM_GET_IRQCHIP, &chip) != 0)
            return irqchip_failed("KVM_GET_IRQCHIP", i, error);
        state_begin(writer, "CHIP", i, 1);
        state_put_bytes(writer, &chip.chip, sizeof chip.chip);
        state_end(writer);
    }
    save_quirks(vm, writer);
    struct kvm_clock_data clock = {0};
    uint64_t host = host_clock();
    if (kvm_ioctl(vm->fd, KVM_GET_CLOCK, &clock) != 0)
        return error_set(error, ERROR_HOST_KVM, "KVM_GET_CLOCK: %s", strerror(errno));
    state_begin(writer, "CLCK", 0, 1);
    state_put64(writer, clock.clock);
    state_put64(writer, host);
    state_end(writer);
    return true;
}

/* kvmclock goes on: by the time that has passed on the host, on the clock that KVM itself derives
 * it from (arch/x86/kvm/x86.c, get_kvmclock_base_ns). */
static bool load_clock(const struct vm *vm, struct state_reader *reader,
                       struct error *error)
{
    struct state_section *section;
    if (!state_open(reader, "CLCK", 0, 1, &section, error))
        return false;
    struct kvm_clock_data clock = {.clock = state_get64(section)};
    uint64_t then = state_get64(section);
    if (!state_close(section, error))
        return false;
    uint64_t now = host_clock();
    if (now < then)
        return state_refuse(section, error,
                            "it was saved when this host had been up for %" PRIu64
                            " ns, and it has only been for %" PRIu64
                            ": load the state in the boot where it was saved",
                            then, now);
    clock.clock += now - then;
    if (kvm_ioctl(vm->fd, KVM_SET_CLOCK, &clock) != 0)
        return error_set(error, ERROR_HOST_KVM, "KVM_SET_CLOCK: %s", strerror(errno));
    return true;
}

bool arch_vm_load(struct vm *vm, struct state_reader *reader, struct error *error)
{
    for (uint32_t i = 0; i < IRQCHIPS; i++) {
        struct state_section *section;
        struct kvm_irqchip chip = {.chip_id = i};
        if (!state_open(reader, "CHIP", i, 1, &section, error))
            return false;
        const void *bytes = state_get_bytes(section, sizeof chip.chip);
        if (!state_close(section, error))
            return false;
        memcpy(&chip.chip, bytes, sizeof chip.chip);
        if (kvm_ioctl(vm->fd, KVM_SET_IRQCHIP, &chip) != 0)
            return irqchip_failed("KVM_SET_IRQCHIP", i, error);
    }
    return load_quirks(vm, reader, error) && load_clock(vm, reader, error);
}

/* SPDX-License-Identifier: MIT */
/*
 * The state of arm64 vCPUs and of the counter. Which sections there are: docs/live-update.md.
 *
 *   vCPU   all registers of KVM_GET_REG_LIST, in its order; events, and whether it runs
 *   VM     the GIC (gic_state.c), then the virtual counter
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/arch/arm64/gic_state.h"
#include "vmm/vm_state.h"

#define REGISTERS_MAX     4096u
#define REGISTER_SIZE_MAX 256u /* KVM_REG_SIZE_U2048 */

/* Linux 6.4; the headers of older distributions lack it. */
#ifndef KVM_REG_ARM_PTIMER_CNT
#define KVM_REG_ARM_PTIMER_CNT ARM64_SYS_REG(3, 3, 14, 0, 1)
#endif

static bool kvm_failed(const struct vcpu *vcpu, const char *what, struct error *error)
{
    return error_set(error, ERROR_HOST_KVM, "%s of vCPU %u: %s", what, vcpu->index,
                     strerror(errno));
}

/* --- registers --- */

static size_t register_size(uint64_t id)
{
    return (size_t)1 << ((id & KVM_REG_SIZE_MASK) >> KVM_REG_SIZE_SHIFT);
}

static bool access_register(const struct vcpu *vcpu, unsigned long request, uint64_t id,
                            void *value)
{
    const struct kvm_one_reg one = {.id = id, .addr = (uintptr_t)value};
    return ioctl(vcpu->fd, request, &one) == 0;
}

/* The counters: of the VM, and not of a vCPU. The physical one is the host's, as long as nobody
 * writes it (arch/arm64/kvm/arch_timer.c, timer_set_offset); the virtual one is in "TIME". */
static bool is_counter(uint64_t id)
{
    return id == KVM_REG_ARM_TIMER_CNT || id == KVM_REG_ARM_PTIMER_CNT;
}

static struct kvm_reg_list *list_registers(const struct vcpu *vcpu, struct error *error)
{
    struct kvm_reg_list *list =
        calloc(1, sizeof *list + REGISTERS_MAX * sizeof list->reg[0]);
    if (list == NULL) {
        error_set(error, ERROR_HOST_MEMORY, "no memory for a list of registers");
        return NULL;
    }
    list->n = REGISTERS_MAX;
    if (kvm_ioctl(vcpu->fd, KVM_GET_REG_LIST, list) != 0) {
        kvm_failed(vcpu, "KVM_GET_REG_LIST", error);
        free(list);
        return NULL;
    }
    return list;
}

static bool save_registers(const struct vcpu *vcpu, struct state_writer *writer,
                           struct error *error)
{
    struct kvm_reg_list *list = list_registers(vcpu, error);
    if (list == NULL)
        return false;
    bool good = true;
    state_begin(writer, "REGS", vcpu->index, 1);
    for (uint64_t i = 0; i < list->n && good; i++) {
        uint64_t value[REGISTER_SIZE_MAX / sizeof(uint64_t)] = {0};
        uint64_t id = list->reg[i];
        BUG_ON(register_size(id) > sizeof value);
        if (is_counter(id))
            continue;
        good = access_register(vcpu, KVM_GET_ONE_REG, id, value) ||
               error_set(error, ERROR_HOST_KVM,
                         "KVM_GET_ONE_REG, register 0x%" PRIx64 " of vCPU %u: %s", id,
                         vcpu->index, strerror(errno));
        state_put64(writer, id);
        state_put_bytes(writer, value, register_size(id));
    }
    state_end(writer);
    free(list);
    return good;
}

/* Some registers tell what the CPU is, and KVM refuses another value. */
static bool load_register(const struct vcpu *vcpu, uint64_t id, const uint64_t *value,
                          struct error *error)
{
    uint64_t present[REGISTER_SIZE_MAX / sizeof(uint64_t)] = {0};
    if (access_register(vcpu, KVM_SET_ONE_REG, id, (void *)(uintptr_t)value))
        return true;
    int number = errno;
    if (access_register(vcpu, KVM_GET_ONE_REG, id, present) &&
        memcmp(present, value, register_size(id)) == 0)
        return true;
    return error_set(error, ERROR_HOST_KVM,
                     "KVM_SET_ONE_REG, register 0x%" PRIx64 " of vCPU %u, 0x%" PRIx64
                     " where the new one has 0x%" PRIx64
                     ": %s: load the state on the host, and with the kernel, where it "
                     "was saved",
                     id, vcpu->index, value[0], present[0], strerror(number));
}

static bool load_registers(const struct vcpu *vcpu, struct state_reader *reader,
                           struct error *error)
{
    struct state_section *section;
    if (!state_open(reader, "REGS", vcpu->index, 1, &section, error))
        return false;
    while (state_left(section) > 0) {
        uint64_t value[REGISTER_SIZE_MAX / sizeof(uint64_t)] = {0};
        uint64_t id = state_get64(section);
        if (!section->too_short && (register_size(id) > sizeof value || is_counter(id)))
            return state_refuse(section, error, "register 0x%" PRIx64 " is never saved",
                                id);
        const void *bytes = state_get_bytes(section, register_size(id));
        if (bytes == NULL)
            break;
        memcpy(value, bytes, register_size(id));
        if (!load_register(vcpu, id, value, error))
            return false;
    }
    return state_close(section, error);
}

/* --- a vCPU --- */

static bool save_rest(const struct vcpu *vcpu, struct state_writer *writer,
                      struct error *error)
{
    struct kvm_vcpu_events events = {0};
    struct kvm_mp_state state = {0};
    if (kvm_ioctl(vcpu->fd, KVM_GET_VCPU_EVENTS, &events) != 0)
        return kvm_failed(vcpu, "KVM_GET_VCPU_EVENTS", error);
    if (kvm_ioctl(vcpu->fd, KVM_GET_MP_STATE, &state) != 0)
        return kvm_failed(vcpu, "KVM_GET_MP_STATE", error);
    state_begin(writer, "EVNT", vcpu->index, 1);
    state_put_bytes(writer, &events, sizeof events);
    state_put32(writer, state.mp_state);
    state_end(writer);
    return true;
}

static bool load_rest(const struct vcpu *vcpu, struct state_reader *reader,
                      struct error *error)
{
    struct kvm_vcpu_events events = {0};
    struct kvm_mp_state state = {0};
    struct state_section *section;
    if (!state_open(reader, "EVNT", vcpu->index, 1, &section, error))
        return false;
    const void *bytes = state_get_bytes(section, sizeof events);
    state.mp_state = state_get32(section);
    if (!state_close(section, error))
        return false;
    memcpy(&events, bytes, sizeof events);
    if (kvm_ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &events) != 0)
        return kvm_failed(vcpu, "KVM_SET_VCPU_EVENTS", error);
    return kvm_ioctl(vcpu->fd, KVM_SET_MP_STATE, &state) == 0 ||
           kvm_failed(vcpu, "KVM_SET_MP_STATE", error);
}

bool arch_vcpu_save(const struct vcpu *vcpu, struct state_writer *writer,
                    struct error *error)
{
    return save_registers(vcpu, writer, error) && save_rest(vcpu, writer, error);
}

bool arch_vcpu_load(struct vcpu *vcpu, struct state_reader *reader, struct error *error)
{
    return load_registers(vcpu, reader, error) && load_rest(vcpu, reader, error);
}

/* --- the VM --- */

/* The host's counter, at the rate of the guest's (CNTFRQ_EL0). Linux lets EL0 read it. */
static uint64_t host_counter(void)
{
    uint64_t value;
    __asm__ volatile("isb\n mrs %0, cntvct_el0" : "=r"(value));
    return value;
}

/* The counter of the guest and that of the host, read one after the other: the guest's goes on
 * while there is no VM. What KVM keeps is the difference, one for all vCPUs. There is an ioctl to
 * set it, but it sets that of the physical counter to the same value (api.rst,
 * KVM_ARM_SET_COUNTER_OFFSET). */
static bool save_counter(const struct vm *vm, struct state_writer *writer,
                         struct error *error)
{
    uint64_t guest;
    uint64_t host = host_counter();
    if (!access_register(&vm->vcpus[0], KVM_GET_ONE_REG, KVM_REG_ARM_TIMER_CNT, &guest))
        return kvm_failed(&vm->vcpus[0], "KVM_GET_ONE_REG, the virtual counter", error);
    state_begin(writer, "TIME", 0, 1);
    state_put64(writer, guest);
    state_put64(writer, host);
    state_end(writer);
    return true;
}

static bool load_counter(const struct vm *vm, struct state_reader *reader,
                         struct error *error)
{
    struct state_section *section;
    if (!state_open(reader, "TIME", 0, 1, &section, error))
        return false;
    uint64_t guest = state_get64(section);
    uint64_t then = state_get64(section);
    if (!state_close(section, error))
        return false;
    uint64_t now = host_counter();
    if (now < then)
        return state_refuse(section, error,
                            "this host's counter was at %" PRIu64
                            ", and is only at %" PRIu64
                            ": load the state in the boot where it was saved",
                            then, now);
    guest += now - then;
    return access_register(&vm->vcpus[0], KVM_SET_ONE_REG, KVM_REG_ARM_TIMER_CNT,
                           &guest) ||
           kvm_failed(&vm->vcpus[0], "KVM_SET_ONE_REG, the virtual counter", error);
}

bool arch_vm_save(const struct vm *vm, struct state_writer *writer, struct error *error)
{
    return gic_save(vm, writer, error) && save_counter(vm, writer, error);
}

bool arch_vm_load(struct vm *vm, struct state_reader *reader, struct error *error)
{
    return gic_load(vm, reader, error) && load_counter(vm, reader, error);
}

/* SPDX-License-Identifier: MIT */
#include "vmm/vm_state.h"

#include <inttypes.h>

/* --- what the new VM must have in common with the old one --- */

static void save_shape(const struct vm *vm, struct state_writer *writer)
{
    state_begin(writer, "SHAP", 0, 1);
    state_put32(writer, vm->vcpu_count);
    state_put32(writer, vm->memory.region_count);
    for (unsigned i = 0; i < vm->memory.region_count; i++) {
        state_put64(writer, vm->memory.regions[i].range.start.value);
        state_put64(writer, vm->memory.regions[i].range.size);
    }
    state_end(writer);
}

static bool check_shape(const struct vm *vm, struct state_reader *reader,
                        struct error *error)
{
    struct state_section *section;
    if (!state_open(reader, "SHAP", 0, 1, &section, error))
        return false;
    uint32_t vcpus = state_get32(section);
    uint32_t regions = state_get32(section);
    if (vcpus != vm->vcpu_count || regions != vm->memory.region_count)
        return state_refuse(section, error,
                            "%u vCPUs and %u regions of RAM, the new VM has %u and %u: "
                            "give it the same --cpus and --memory",
                            vcpus, regions, vm->vcpu_count, vm->memory.region_count);
    for (unsigned i = 0; i < regions; i++) {
        const struct gpa_range range = vm->memory.regions[i].range;
        uint64_t start = state_get64(section);
        uint64_t size = state_get64(section);
        if (start != range.start.value || size != range.size)
            return state_refuse(section, error,
                                "RAM of 0x%" PRIx64 " bytes at GPA 0x%" PRIx64
                                ", the new VM has 0x%" PRIx64 " at 0x%" PRIx64
                                ": give it the same --memory",
                                size, start, range.size, range.start.value);
    }
    return state_close(section, error);
}

/* --- all of a VM --- */

bool vm_state_save(const struct vm *vm, struct state_writer *writer, struct error *error)
{
    save_shape(vm, writer);
    for (unsigned i = 0; i < vm->vcpu_count; i++)
        if (!arch_vcpu_save(&vm->vcpus[i], writer, error))
            return false;
    return arch_vm_save(vm, writer, error);
}

bool vm_state_load(struct vm *vm, struct state_reader *reader, struct error *error)
{
    if (!check_shape(vm, reader, error))
        return false;
    for (unsigned i = 0; i < vm->vcpu_count; i++)
        if (!arch_vcpu_load(&vm->vcpus[i], reader, error))
            return false;
    return arch_vm_load(vm, reader, error);
}

/* --- routes --- */

void irq_routes_save(struct irq_routes *routes, struct state_writer *writer)
{
    pthread_mutex_lock(&routes->lock);
    state_begin(writer, "ROUT", 0, 1);
    state_put32(writer, routes->count);
    for (unsigned i = 0; i < routes->count; i++) {
        const struct irq_message *message = &routes->messages[i];
        state_put32(writer, routes->routed[i]);
        state_put64(writer, message->address);
        state_put32(writer, message->data);
        state_put32(writer, message->device);
    }
    state_end(writer);
    pthread_mutex_unlock(&routes->lock);
}

bool irq_routes_load(struct irq_routes *routes, struct state_reader *reader,
                     struct error *error)
{
    struct state_section *section;
    if (!state_open(reader, "ROUT", 0, 1, &section, error))
        return false;
    uint32_t count = state_get32(section);
    if (count != routes->count)
        return state_refuse(section, error,
                            "%u message-signalled interrupts, the new VM's devices have "
                            "%u: give it the same devices",
                            count, routes->count);
    for (uint32_t i = 0; i < count; i++) {
        bool routed = state_get32(section) != 0;
        struct irq_message message;
        message.address = state_get64(section);
        message.data = state_get32(section);
        message.device = state_get32(section);
        if (routed && !section->too_short &&
            !irq_routes_set(routes, arch_irq_pin_count() + i, message, error))
            return false;
    }
    return state_close(section, error);
}

/* SPDX-License-Identifier: MIT */
#include "devices/pvpanic.h"

#include "vmm/layout.h"

static uint64_t pvpanic_read(void *device, uint64_t offset, unsigned size)
{
    (void)device;
    (void)offset;
    (void)size;
    return PVPANIC_PANICKED | PVPANIC_CRASH_LOADED;
}

static void pvpanic_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct vm *vm = device;
    struct error error;
    (void)offset;
    (void)size;
    if ((value & PVPANIC_PANICKED) != 0) {
        error_set(
            &error, ERROR_GUEST_STATE,
            "the guest crashed: its kernel reports a panic; the console has the cause");
        vm_end_with(vm, VM_END_CRASH, 0, &error);
    } else if ((value & PVPANIC_CRASH_LOADED) != 0) {
        trace_warning(vm->trace, "pvpanic",
                      "the guest's kernel has panicked, and its crash kernel takes over");
    }
}

static const struct bus_ops pvpanic_ops = {
    .read = pvpanic_read,
    .write = pvpanic_write,
};

bool pvpanic_add(struct vm *vm, struct error *error)
{
    const struct bus_entry entry = {
        "pvpanic", LAYOUT_PVPANIC_BASE, LAYOUT_PVPANIC_SIZE, &pvpanic_ops, vm,
    };
    return bus_add(&vm->mmio, entry, error);
}

/* SPDX-License-Identifier: MIT */
#include "devices/exit.h"

static uint64_t exit_read(void *device, uint64_t offset, unsigned size)
{
    (void)device;
    return offset == EXIT_REGISTER_MAGIC && size == 4 ? EXIT_MAGIC : 0;
}

static void exit_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct vm *vm = device;
    if (offset == EXIT_REGISTER_VERDICT && size == 4)
        vm_end_with(vm, VM_END_VERDICT, (uint32_t)value, NULL);
    else
        trace_warning(
            vm->trace, "exit",
            "write of %u bytes at offset 0x%llx: the verdict is 4 bytes at 0x%x; "
            "ignored",
            size, (unsigned long long)offset, EXIT_REGISTER_VERDICT);
}

const struct bus_ops exit_bus_ops = {
    .read = exit_read,
    .write = exit_write,
};

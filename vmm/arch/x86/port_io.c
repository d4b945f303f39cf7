/* SPDX-License-Identifier: MIT */
/*
 * Exits that only x86 has: port I/O. One exit carries `count` accesses of `size` bytes to
 * the same port, for the string instructions; the data lies in the vCPU's shared page and
 * advances, the port does not (Documentation/virt/kvm/api.rst, KVM_EXIT_IO).
 */
#include <string.h>

#include "vmm/arch/arch.h"
#include "vmm/arch/x86/mtrr.h"

static void write_port(struct vcpu *vcpu, uint16_t port, unsigned size,
                       const uint8_t *data)
{
    uint64_t value = 0;
    memcpy(&value, data, size);
    if (!bus_write(&vcpu->vm->ports, port, size, value))
        trace_warning(
            vcpu->vm->trace, "bus",
            "vCPU %u: write of %u bytes, 0x%llx, to port 0x%x: nothing is there, "
            "ignored",
            vcpu->index, size, (unsigned long long)value, port);
}

static void read_port(struct vcpu *vcpu, uint16_t port, unsigned size, uint8_t *data)
{
    uint64_t value;
    if (!bus_read(&vcpu->vm->ports, port, size, &value))
        trace_warning(
            vcpu->vm->trace, "bus",
            "vCPU %u: read of %u bytes at port 0x%x: nothing is there, answered all "
            "ones",
            vcpu->index, size, port);
    memcpy(data, &value, size);
}

bool arch_vcpu_exit(struct vcpu *vcpu)
{
    struct kvm_run *run = vcpu->run;
    if (run->exit_reason == KVM_EXIT_X86_WRMSR)
        return mtrr_watch_write(vcpu->vm->mtrrs, vcpu);
    if (run->exit_reason != KVM_EXIT_IO)
        return false;

    uint8_t *data = (uint8_t *)run + run->io.data_offset;
    unsigned size = run->io.size;
    BUG_ON(size > sizeof(uint64_t));
    for (uint32_t i = 0; i < run->io.count; i++, data += size) {
        if (run->io.direction == KVM_EXIT_IO_OUT)
            write_port(vcpu, run->io.port, size, data);
        else
            read_port(vcpu, run->io.port, size, data);
    }
    return true;
}

bool arch_vcpu_run_failed(struct vcpu *vcpu, int number)
{
    (void)vcpu;
    (void)number;
    return false;
}

struct bus *arch_serial_bus(struct vm *vm)
{
    return &vm->ports;
}

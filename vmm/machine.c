/* SPDX-License-Identifier: MIT */
#include "vmm/machine.h"

#include <linux/virtio_mmio.h>
#include <stdio.h>

#include "devices/exit.h"
#include "vmm/arch/arch.h"
#include "vmm/layout.h"
#include "vmm/machine_parts.h"

void machine_announce(struct machine *machine, enum boot_device_kind kind, uint32_t irq,
                      uint64_t base, uint64_t size)
{
    BUG_ON(machine->boot_device_count == BOOT_DEVICES_MAX);
    machine->boot_devices[machine->boot_device_count++] =
        (struct boot_device){.kind = kind, .irq = irq, .base = base, .size = size};
}

/* --- devices --- */

/* A line at a time, so that the guest's lines and ours do not mix. */
static void console_output(void *context, uint8_t byte)
{
    FILE *out = context;
    fputc(byte, out);
    if (byte == '\n')
        fflush(out);
}

/* The one that this architecture's guests expect. */
static bool add_serial_port(struct machine *machine, struct error *error)
{
    struct vm *vm = &machine->vm;
    FILE *out = machine->options->json ? stderr : stdout;
    struct bus_entry entry = {
        .name = "serial", .start = LAYOUT_SERIAL_BASE, .size = LAYOUT_SERIAL_SIZE};
    int interrupt_fd;
    if (LAYOUT_SERIAL_PL011) {
        if (!pl011_init(&machine->pl011, console_output, out, error))
            return false;
        entry.ops = &pl011_bus_ops;
        entry.device = &machine->pl011;
        interrupt_fd = machine->pl011.interrupt_fd;
    } else {
        if (!serial_init(&machine->serial, console_output, out, error))
            return false;
        entry.ops = &serial_bus_ops;
        entry.device = &machine->serial;
        interrupt_fd = machine->serial.interrupt_fd;
    }
    machine_announce(machine, BOOT_DEVICE_SERIAL, LAYOUT_SERIAL_IRQ, entry.start,
                     entry.size);
    return kvm_irqfd(vm->fd, LAYOUT_SERIAL_IRQ, interrupt_fd, error) &&
           bus_add(arch_serial_bus(vm), entry, error);
}

static bool add_rtc(struct machine *machine, struct error *error)
{
    const struct bus_entry rtc = {
        .name = "rtc",
        .start = LAYOUT_RTC_BASE,
        .size = LAYOUT_RTC_SIZE,
        .ops = &pl031_bus_ops,
        .device = &machine->rtc,
    };
    pl031_init(&machine->rtc, pl031_host_clock, NULL);
    return bus_add(&machine->vm.mmio, rtc, error);
}

static bool add_basic_devices(struct machine *machine, struct error *error)
{
    struct vm *vm = &machine->vm;
    const struct bus_entry exit_device = {
        .name = "exit",
        .start = LAYOUT_EXIT_BASE,
        .size = EXIT_DEVICE_SIZE,
        .ops = &exit_bus_ops,
        .device = vm,
    };
    if (!add_serial_port(machine, error) ||
        (LAYOUT_RTC_SIZE > 0 && !add_rtc(machine, error)) ||
        !bus_add(&vm->mmio, exit_device, error))
        return false;
    machine_announce(machine, BOOT_DEVICE_EXIT, 0, exit_device.start, exit_device.size);
    return true;
}

bool machine_add_virtio(struct machine *machine, struct virtio_device *device,
                        struct error *error)
{
    const struct vm *vm = &machine->vm;
    unsigned index = machine->virtio_count;
    BUG_ON(index == MACHINE_VIRTIO_MAX);
    struct virtio_mmio *mmio = &machine->mmio[index];
    const struct bus_entry entry = {
        .name = device->name,
        .start = LAYOUT_VIRTIO_MMIO_BASE + index * (uint64_t)VIRTIO_MMIO_SIZE,
        .size = VIRTIO_MMIO_SIZE,
        .ops = &virtio_mmio_bus_ops,
        .device = mmio,
    };
    uint32_t irq = LAYOUT_VIRTIO_MMIO_IRQ + index;
    virtio_mmio_init(mmio, device);
    if (!bus_add(&machine->vm.mmio, entry, error) ||
        !kvm_irqfd(vm->fd, irq, device->interrupt_fd, error))
        return false;
    for (unsigned i = 0; i < device->queue_count; i++)
        if (!kvm_ioeventfd(vm->fd, entry.start + VIRTIO_MMIO_QUEUE_NOTIFY, 4, true, i,
                           device->kick_fds[i], error))
            return false;
    machine->virtio_count++;
    machine_announce(machine, BOOT_DEVICE_VIRTIO_MMIO, irq, entry.start, entry.size);
    return true;
}

/* --- the whole --- */

bool machine_decide_guest_pat(struct platform *platform, const struct options *options,
                              bool auto_is_on, bool *honour, struct error *error)
{
    if (options->guest_pat == OPTIONS_GUEST_PAT_ON &&
        platform->memattr.ignores_guest_pat && !platform->guest_pat_liftable)
        return error_set(
            error, ERROR_CONFIG_HOST,
            "--honor-guest-pat=on: this kernel cannot (KVM_CAP_DISABLE_QUIRKS2 lacks "
            "KVM_X86_QUIRK_IGNORE_GUEST_PAT); use Linux 6.16 or newer on a CPU "
            "with self-snoop");
    *honour = (options->guest_pat == OPTIONS_GUEST_PAT_ON ||
               (options->guest_pat == OPTIONS_GUEST_PAT_AUTO && auto_is_on)) &&
              platform->memattr.ignores_guest_pat && platform->guest_pat_liftable;
    if (*honour)
        platform->memattr.ignores_guest_pat = false;
    return true;
}

bool machine_init(struct machine *machine, const struct options *options,
                  struct error *error)
{
    struct vm_config config = {
        .memory_size = options->memory_size,
        .cpu_count = options->cpu_count,
    };
    machine->options = options;
    trace_init(&machine->trace, stderr, options->trace);
    return platform_probe(&machine->platform, NULL, error) &&
           machine_decide_guest_pat(&machine->platform, options, false,
                                    &config.honour_guest_pat, error) &&
           vm_init(&machine->vm, &config, &machine->trace, error) &&
           boot_load(&machine->vm.memory, options->guest, options->initrd,
                     &machine->image, error);
}

static bool prepare(struct machine *machine, struct vm_entry *entry, struct error *error)
{
    const struct vm *vm = &machine->vm;
    const struct boot_config config = {
        .cpu_count = machine->options->cpu_count,
        .command_line = machine->options->append,
        .device_count = machine->boot_device_count,
        .devices = machine->boot_devices,
        .gic_version = vm->gic_version,
        .has_its = vm->has_its,
    };
    return boot_prepare(&vm->memory, &config, &machine->image, entry, error);
}

bool machine_run(struct machine *machine, struct vm_outcome *outcome, struct error *error)
{
    const struct options *options = machine->options;
    struct vm_entry entry;
    return add_basic_devices(machine, error) &&
           (!options_has_gpu(options) || machine_add_gpu(machine, error)) &&
           prepare(machine, &entry, error) &&
           stop_signals_start(&machine->signals, &machine->vm, error) &&
           vm_run(&machine->vm, entry, options->timeout, outcome, error);
}

void machine_finish(struct machine *machine)
{
    stop_signals_finish(&machine->signals);
    gpu_finish(&machine->gpu);
    s2_observer_finish(&machine->observer);
    serial_finish(&machine->serial);
    pl011_finish(&machine->pl011);
    pl031_finish(&machine->rtc);
    vm_finish(&machine->vm);
    if (machine->recorder.json_file)
        fclose(machine->recorder.json_file);
    trace_finish(&machine->trace);
}

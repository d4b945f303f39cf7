/* SPDX-License-Identifier: MIT */
#include "vmm/machine.h"

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "devices/exit.h"
#include "devices/legacy_ports.h"
#include "devices/power.h"
#include "devices/pvpanic.h"
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

static void serial_output(void *context, uint8_t byte)
{
    struct machine *machine = context;
    terminal_output(&machine->terminal, byte);
}

/* The one that this architecture's guests expect. */
static bool add_serial_port(struct machine *machine, struct error *error)
{
    struct vm *vm = &machine->vm;
    struct bus_entry entry = {
        .name = "serial", .start = LAYOUT_SERIAL_BASE, .size = LAYOUT_SERIAL_SIZE};
    int interrupt_fd;
    if (LAYOUT_SERIAL_PL011) {
        if (!pl011_init(&machine->pl011, serial_output, machine, error))
            return false;
        entry.ops = &pl011_bus_ops;
        entry.device = &machine->pl011;
        interrupt_fd = machine->pl011.interrupt_fd;
    } else {
        if (!serial_init(&machine->serial, serial_output, machine, error))
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

static bool add_pvpanic(struct machine *machine, struct error *error)
{
    machine_announce(machine, BOOT_DEVICE_PVPANIC, 0, LAYOUT_PVPANIC_BASE,
                     LAYOUT_PVPANIC_SIZE);
    return pvpanic_add(&machine->vm, error);
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
        (LAYOUT_POWER_SIZE > 0 && (!power_add(&machine->vm, error) ||
                                   !legacy_ports_add(&machine->vm.ports, error))) ||
        (LAYOUT_PVPANIC_SIZE > 0 && !add_pvpanic(machine, error)) ||
        !bus_add(&vm->mmio, exit_device, error))
        return false;
    machine_announce(machine, BOOT_DEVICE_EXIT, 0, exit_device.start, exit_device.size);
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

/* Each blob has descriptors, here and in the render server, which inherits the limit; the usual
 * soft limit of 1024 is for programs that use select(). */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static bool start_sandbox(struct machine *machine, struct error *error)
{
    const struct options *options = machine->options;
    machine->sandbox = (struct sandbox){
        .mode = options->sandbox,
        .drm_node = options->drm_node,
        .screenshot = options->screenshot,
        .tracefs = options->observe_s2 && options_has_gpu(options) ? TRACEFS_PATH : NULL,
        .exporters = options->blobs_from != NULL,
    };
    if (!sandbox_init(&machine->sandbox, error))
        return false;
    if (machine->sandbox.mode == SANDBOX_ON && machine->sandbox.landlock == 0)
        trace_detail(&machine->trace, "sandbox",
                     "the file system stays open to the threads that open files: this "
                     "kernel has no Landlock, see /sys/kernel/security/lsm");
    return true;
}

/* Before there is memory of the guest, or another thread. */
static bool start_launcher(struct machine *machine, struct error *error)
{
    const struct options *options = machine->options;
    const struct renderer_process_config process = {
        .virgl = options->virgl,
        .venus = options->venus,
        .drm_node = options->drm_node,
        .trace = &machine->trace,
    };
    if (options->renderer_process && machine->update.takeover >= 0) {
        renderer_remote_await(&machine->remote, &machine->trace);
        return true;
    }
    if (options->renderer_process)
        return renderer_remote_init(&machine->remote, &process, &machine->sandbox,
                                    &machine->trace, error);
    return !options->venus || options->blobs_from ||
           render_server_init(&machine->server, &machine->sandbox, &machine->trace,
                              error);
}

/* A guest that is taken over has it in memory. */
static bool load_guest(struct machine *machine, struct error *error)
{
    const struct options *options = machine->options;
    return machine->update.takeover >= 0 ||
           boot_load(&machine->vm.memory, options->guest, options->initrd,
                     &machine->image, error);
}

static bool init_terminal(struct machine *machine, struct error *error)
{
    FILE *output = machine->console_output.stream;
    return machine->update.takeover >= 0
               ? terminal_init_over(&machine->terminal, STDIN_FILENO, output,
                                    &machine->update.hello, error)
               : terminal_init(&machine->terminal, STDIN_FILENO, output, error);
}

bool machine_init(struct machine *machine, const struct options *options,
                  struct error *error)
{
    struct vm_config config = {
        .memory_size = options->memory_size,
        .cpu_count = options->cpu_count,
        .private_ram = !options_has_gpu(options) && options->update_control < 0,
        .guest_memfd = options->memory_backend == OPTIONS_MEMORY_GUEST_MEMFD,
        .no_device_memory = !options_has_gpu(options) && options->vfio_count == 0,
        .sandbox = &machine->sandbox,
    };
    machine->options = options;
    raise_descriptor_limit();
    trace_init(&machine->trace, stderr, options->trace);
    machine->terminal.sandbox = &machine->sandbox;
    if (!machine_update_init(machine, error))
        return false;
    config.memory_fd = machine->update.memory_fd > 0 ? machine->update.memory_fd : 0;
    return start_sandbox(machine, error) && start_launcher(machine, error) &&
           platform_probe(&machine->platform, NULL, error) &&
           machine_decide_guest_pat(&machine->platform, options, false,
                                    &config.honour_guest_pat, error) &&
           vm_init(&machine->vm, &config, &machine->trace, error) &&
           load_guest(machine, error) &&
           output_open(&machine->console_output,
                       options->json ? STDERR_FILENO : STDOUT_FILENO, OUTPUT_FOREVER,
                       &machine->vm.stopping, error) &&
           init_terminal(machine, error);
}

/* --- the user's side of the console --- */

static size_t serial_input(void *context, const uint8_t *bytes, size_t count)
{
    struct machine *machine = context;
    return LAYOUT_SERIAL_PL011 ? pl011_receive(&machine->pl011, bytes, count)
                               : serial_receive(&machine->serial, bytes, count);
}

static size_t console_input(void *context, const uint8_t *bytes, size_t count)
{
    struct machine *machine = context;
    return virtio_console_receive(&machine->console, bytes, count);
}

static void console_resized(void *context, uint16_t columns, uint16_t rows)
{
    struct machine *machine = context;
    virtio_console_resize(&machine->console, columns, rows);
}

/* The tiny guest reads nothing, and is ended by ^C: the terminal stays as it is. */
static bool start_terminal(struct machine *machine, struct error *error)
{
    const struct terminal_sink serial = {
        .receive = serial_input,
        .room_fd = LAYOUT_SERIAL_PL011 ? machine->pl011.room_fd : machine->serial.room_fd,
        .context = machine,
    };
    const struct terminal_sink console = {
        .receive = console_input,
        .room_fd = machine->console.room_fd,
        .resized = console_resized,
        .context = machine,
    };
    return !machine->image.is_linux ||
           terminal_start(&machine->terminal,
                          machine->options->virtio_console ? &console : &serial, error);
}

/* --- the run --- */

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
        .pci = machine->pci,
    };
    return boot_prepare(&vm->memory, &config, &machine->image, entry, error);
}

/* A new guest. */
static bool run_first(struct machine *machine, struct vm_outcome *outcome,
                      struct error *error)
{
    struct vm_entry entry;
    return machine_start_devices(machine, error) && prepare(machine, &entry, error) &&
           start_terminal(machine, error) &&
           stop_signals_start(&machine->signals, &machine->vm, error) &&
           machine_update_start(machine, error) &&
           vm_run(&machine->vm, entry, machine->options->timeout, outcome, error);
}

static bool run_on(struct machine *machine, struct vm_outcome *outcome,
                   struct error *error)
{
    return start_terminal(machine, error) &&
           stop_signals_start(&machine->signals, &machine->vm, error) &&
           machine_take_over(machine, outcome, error);
}

bool machine_run(struct machine *machine, struct vm_outcome *outcome, struct error *error)
{
    machine->signals = (struct stop_signals){
        .user_signal = machine_take_user_signal,
        .user_signal_context = machine,
    };
    bool ran = add_basic_devices(machine, error) &&
               machine_choose_transport(machine, error) &&
               machine_add_devices(machine, error) &&
               (machine->update.takeover >= 0 ? run_on(machine, outcome, error)
                                              : run_first(machine, outcome, error));
    if (ran && outcome->end != VM_END_UPDATE)
        machine_report(machine);
    return ran;
}

void machine_leave(struct machine *machine)
{
    render_server_finish(&machine->server);
    s2_observer_finish(&machine->observer);
}

void machine_finish(struct machine *machine)
{
    machine_update_finish(machine);
    stop_signals_finish(&machine->signals);
    terminal_finish(&machine->terminal);
    output_close(&machine->console_output, "console");
    machine_finish_virtio(machine);
    renderer_remote_finish(&machine->remote);
    render_server_finish(&machine->server);
    s2_observer_finish(&machine->observer);
    serial_finish(&machine->serial);
    pl011_finish(&machine->pl011);
    pl031_finish(&machine->rtc);
    vm_finish(&machine->vm);
    machine_close_records(machine);
    trace_finish(&machine->trace);
}

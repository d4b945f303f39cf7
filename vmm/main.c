/* SPDX-License-Identifier: MIT */
/*
 * The composition root: with vmm/probe.c, vmm/matrix/ and vmm/experiments/, the only one that sees
 * everything. Reads the command line, puts the machine together, runs it, and turns its outcome
 * into an exit status:
 *
 *   0 success, 1 the guest reported failure, 2 usage or configuration, 3 the host failed,
 *   4 the guest crashed, 5 it asked for a reset, 124 the time limit, 128 + n signal n
 */
#include <errno.h>
#include <linux/virtio_mmio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "devices/exit.h"
#include "devices/gpu/gpu.h"
#include "devices/gpu/lost.h"
#include "devices/gpu/witness.h"
#include "devices/gpu/witness_abi.h"
#include "devices/pl011.h"
#include "devices/pl031.h"
#include "devices/serial.h"
#include "firmware/boot.h"
#include "virtio/mmio.h"
#include "vmm/arch/arch.h"
#include "vmm/experiments/command.h"
#include "vmm/layout.h"
#include "vmm/matrix/command.h"
#include "vmm/options.h"
#include "vmm/platform.h"
#include "vmm/probe.h"
#include "vmm/s2_observer.h"
#include "vmm/stop_signals.h"
#include "vmm/version.h"

enum exit_status {
    STATUS_SUCCESS = 0,
    STATUS_GUEST_FAILED = 1,
    STATUS_DIFFERS = 1, /* matrix, experiment: an observation that nothing explains */
    STATUS_CONFIG = 2,
    STATUS_HOST = 3,
    STATUS_GUEST_CRASHED = 4,
    STATUS_RESET = 5,
    STATUS_TIME_LIMIT = 124,
};

struct machine {
    struct trace trace;
    struct platform platform;
    struct vm vm;
    struct serial serial; /* or the PL011 */
    struct pl011 pl011;
    struct pl031 rtc;
    struct gpu gpu;
    struct virtio_mmio gpu_transport;
    struct witness witness;
    struct s2_observer observer;
    struct recorder recorder;
    struct stop_signals signals;
    unsigned boot_device_count;
    struct boot_device boot_devices[BOOT_DEVICES_MAX];
};

static int report(const struct error *error)
{
    fprintf(stderr, "s2vmm: %s\n", error->text);
    return error_code_group(error->code) == ERROR_GROUP_CONFIG ? STATUS_CONFIG
                                                               : STATUS_HOST;
}

/* --- run --- */

static void announce(struct machine *machine, enum boot_device_kind kind, uint32_t irq,
                     uint64_t base, uint64_t size)
{
    BUG_ON(machine->boot_device_count == BOOT_DEVICES_MAX);
    machine->boot_devices[machine->boot_device_count++] =
        (struct boot_device){.kind = kind, .irq = irq, .base = base, .size = size};
}

/* A line at a time, so that the guest's lines and ours do not mix. */
static void console_output(void *context, uint8_t byte)
{
    FILE *out = context;
    fputc(byte, out);
    if (byte == '\n')
        fflush(out);
}

/* The one that this architecture's guests expect. */
static bool add_serial_port(struct machine *machine, const struct options *options,
                            struct error *error)
{
    struct vm *vm = &machine->vm;
    FILE *out = options->json ? stderr : stdout;
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
    announce(machine, BOOT_DEVICE_SERIAL, LAYOUT_SERIAL_IRQ, entry.start, entry.size);
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

static bool add_basic_devices(struct machine *machine, const struct options *options,
                              struct error *error)
{
    struct vm *vm = &machine->vm;
    const struct bus_entry exit_device = {
        .name = "exit",
        .start = LAYOUT_EXIT_BASE,
        .size = EXIT_DEVICE_SIZE,
        .ops = &exit_bus_ops,
        .device = vm,
    };
    if (!add_serial_port(machine, options, error) ||
        (LAYOUT_RTC_SIZE > 0 && !add_rtc(machine, error)) ||
        !bus_add(&vm->mmio, exit_device, error))
        return false;
    announce(machine, BOOT_DEVICE_EXIT, 0, exit_device.start, exit_device.size);
    return true;
}

static bool open_records(struct machine *machine, const struct options *options,
                         struct error *error)
{
    struct recorder *recorder = &machine->recorder;
    recorder->platform = &machine->gpu.config.platform;
    recorder->trace = &machine->trace;
    recorder->observer = options->observe_s2 ? &machine->observer : NULL;
    recorder->text = options->json ? NULL : stdout;
    recorder->json = options->json ? stdout : NULL;
    if (!options->records)
        return true;
    recorder->json_file = fopen(options->records, "we");
    return recorder->json_file || error_set(error, ERROR_CONFIG_FILE, "--records %s: %s",
                                            options->records, strerror(errno));
}

static bool honour_guest_pat(void *context, struct error *error)
{
    return vm_honour_guest_pat(context, error);
}

static bool guest_mtrr_is_wb(void *context, struct gpa_range range)
{
    return vm_guest_mtrr_is_wb(context, range);
}

static bool add_gpu(struct machine *machine, const struct options *options,
                    struct error *error)
{
    struct vm *vm = &machine->vm;
    const struct gpu_config config = {
        .virgl = options->virgl,
        .venus = options->venus,
        .drm_node = options->drm_node,
        .window = {vm_free_address(vm, GIB), options->window_size},
        .platform = machine->platform.memattr,
        .pfnmap_block_hazard = machine->platform.pfnmap_block_hazard,
        .permissive = options->permissive,
        .copy_unsynced = options->copy_unsynced,
        .follow_changes = options->follow_changes,
        .blobs_from = options->blobs_from,
        .honour_guest_pat = machine->platform.memattr.ignores_guest_pat &&
                                    machine->platform.guest_pat_liftable &&
                                    options->guest_pat == OPTIONS_GUEST_PAT_AUTO
                                ? honour_guest_pat
                                : NULL,
        .honour_guest_pat_context = vm,
        .guest_mtrr_is_wb = guest_mtrr_is_wb,
        .guest_mtrr_is_wb_context = vm,
        .force_map_info = options->force_map_info,
    };
    const struct bus_entry transport = {
        .name = "virtio-gpu",
        .start = LAYOUT_VIRTIO_MMIO_BASE,
        .size = VIRTIO_MMIO_SIZE,
        .ops = &virtio_mmio_bus_ops,
        .device = &machine->gpu_transport,
    };
    const struct bus_entry witness = {
        .name = "witness",
        .start = LAYOUT_WITNESS_BASE,
        .size = WITNESS_DEVICE_SIZE,
        .ops = &witness_bus_ops,
        .device = &machine->witness,
    };
    if (!vm_check_range(vm, "the window of the GPU", config.window, error) ||
        !open_records(machine, options, error))
        return false;
    if (machine->recorder.observer)
        s2_observer_init(&machine->observer, NULL, machine->platform.memattr.model,
                         config.window);
    if (machine->observer.reason[0])
        trace_detail(&machine->trace, "s2", "%s", machine->observer.reason);
    if (!gpu_init(&machine->gpu, &config, &vm->memory, &vm->memslots, &machine->recorder,
                  &machine->trace, error))
        return false;
    virtio_mmio_init(&machine->gpu_transport, &machine->gpu.virtio);
    machine->witness = (struct witness){
        .ops = &witness_gpu_ops,
        .context = &machine->gpu,
        .model = config.platform.model,
        .memory = &vm->memory,
        .trace = &machine->trace,
    };

    if (!bus_add(&vm->mmio, transport, error) || !bus_add(&vm->mmio, witness, error) ||
        !kvm_irqfd(vm->fd, LAYOUT_VIRTIO_MMIO_IRQ, machine->gpu.virtio.interrupt_fd,
                   error))
        return false;
    for (unsigned i = 0; i < GPU_QUEUE_COUNT; i++) {
        if (!kvm_ioeventfd(vm->fd, transport.start + VIRTIO_MMIO_QUEUE_NOTIFY, 4, true, i,
                           machine->gpu.virtio.kick_fds[i], error))
            return false;
    }
    announce(machine, BOOT_DEVICE_VIRTIO_MMIO, LAYOUT_VIRTIO_MMIO_IRQ, transport.start,
             transport.size);
    announce(machine, BOOT_DEVICE_WITNESS, 0, witness.start, witness.size);
    vm->page_lost = gpu_page_lost;
    vm->page_lost_context = &machine->gpu;
    return gpu_start(&machine->gpu, error);
}

static bool boot(struct machine *machine, const struct options *options,
                 struct vm_entry *entry, struct error *error)
{
    const struct vm *vm = &machine->vm;
    const struct boot_config config = {
        .cpu_count = options->cpu_count,
        .command_line = options->append,
        .device_count = machine->boot_device_count,
        .devices = machine->boot_devices,
        .gic_version = vm->gic_version,
        .has_its = vm->has_its,
    };
    struct boot_image image;
    return boot_load(&vm->memory, options->guest, options->initrd, &image, error) &&
           boot_prepare(&vm->memory, &config, &image, entry, error);
}

/* Whether to lift KVM's quirk when a VM is made, and what that makes of the platform. With
 * "auto" it is lifted by the first blob that needs it; in the VMs of the matrix, which have
 * no such moment, at once. */
static bool decide_guest_pat(struct platform *platform, const struct options *options,
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

static bool assemble_and_run(struct machine *machine, const struct options *options,
                             struct vm_outcome *outcome, struct error *error)
{
    struct vm_config config = {
        .memory_size = options->memory_size,
        .cpu_count = options->cpu_count,
    };
    struct vm_entry entry;
    return platform_probe(&machine->platform, NULL, error) &&
           decide_guest_pat(&machine->platform, options, false, &config.honour_guest_pat,
                            error) &&
           vm_init(&machine->vm, &config, &machine->trace, error) &&
           add_basic_devices(machine, options, error) &&
           (!(options->venus || options->virgl || options->blobs_from) ||
            add_gpu(machine, options, error)) &&
           boot(machine, options, &entry, error) &&
           stop_signals_start(&machine->signals, &machine->vm, error) &&
           vm_run(&machine->vm, entry, options->timeout, outcome, error);
}

static int status_of(const struct vm_outcome *outcome)
{
    switch (outcome->end) {
    case VM_END_VERDICT:
        if (outcome->verdict == EXIT_VERDICT_SUCCESS)
            return STATUS_SUCCESS;
        fprintf(stderr, "s2vmm: the guest reports failure, verdict %u\n",
                outcome->verdict);
        return outcome->verdict == EXIT_VERDICT_CRASH ? STATUS_GUEST_CRASHED
                                                      : STATUS_GUEST_FAILED;
    case VM_END_POWER_OFF:
        return STATUS_SUCCESS;
    case VM_END_RESET:
        fprintf(stderr, "s2vmm: the guest asked for a reset\n");
        return STATUS_RESET;
    case VM_END_CRASH:
        fprintf(stderr, "s2vmm: %s\n", outcome->error.text);
        return STATUS_GUEST_CRASHED;
    case VM_END_HOST:
        return report(&outcome->error);
    case VM_END_SIGNAL: /* the verdict is the signal's number; 0: the time limit */
        fprintf(stderr, "s2vmm: %s\n", outcome->error.text);
        return outcome->verdict ? 128 + (int)outcome->verdict : STATUS_TIME_LIMIT;
    case VM_END_NONE:
        break;
    }
    BUG_ON(true);
}

static int run(const struct options *options)
{
    struct error error;
    struct vm_outcome outcome;
    struct machine *machine = calloc(1, sizeof *machine);
    if (!machine) {
        error_set(&error, ERROR_HOST_MEMORY, "no memory for the machine");
        return report(&error);
    }
    trace_init(&machine->trace, stderr, options->trace);
    int status = assemble_and_run(machine, options, &outcome, &error)
                     ? status_of(&outcome)
                     : report(&error);
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
    free(machine);
    return status;
}

/* --- probe --- */

static int probe(const struct options *options)
{
    struct error error;
    return probe_command(options, &error) ? STATUS_SUCCESS : report(&error);
}

/* --- matrix --- */

static int matrix(const struct options *options)
{
    struct error error;
    struct platform platform;
    bool honour = false;
    bool explained;
    bool is_host = options->platform == NULL;
    if (is_host && (!platform_probe(&platform, NULL, &error) ||
                    !decide_guest_pat(&platform, options, true, &honour, &error)))
        return report(&error);
    if (!matrix_command(options, is_host ? &platform : NULL, honour, &explained, &error))
        return report(&error);
    return explained ? STATUS_SUCCESS : STATUS_DIFFERS;
}

/* --- experiment --- */

static int experiment(const struct options *options)
{
    struct error error;
    struct platform platform;
    enum experiment_end end;
    if (!platform_probe(&platform, NULL, &error) ||
        !experiment_command(options, &platform, &end, &error))
        return report(&error);
    switch (end) {
    case EXPERIMENT_AS_EXPECTED:
        return STATUS_SUCCESS;
    case EXPERIMENT_SURPRISE:
        return STATUS_DIFFERS;
    case EXPERIMENT_NOT_POSSIBLE:
        break;
    }
    return STATUS_CONFIG;
}

int main(int argc, char **argv)
{
    struct options options;
    struct error error;
    if (!options_parse(argc, argv, &options, &error)) {
        fprintf(stderr, "s2vmm: %s\n", error.text);
        return STATUS_CONFIG;
    }
    switch (options.command) {
    case OPTIONS_RUN:
        return run(&options);
    case OPTIONS_PROBE:
        return probe(&options);
    case OPTIONS_MATRIX:
        return matrix(&options);
    case OPTIONS_EXPERIMENT:
        return experiment(&options);
    case OPTIONS_HELP:
        options_print_help(stdout);
        return STATUS_SUCCESS;
    case OPTIONS_VERSION:
        puts("s2vmm " S2VMM_VERSION);
        return STATUS_SUCCESS;
    }
    return STATUS_CONFIG;
}

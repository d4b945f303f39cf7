/* SPDX-License-Identifier: MIT */
#include "vmm/matrix/machine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "devices/exit.h"
#include "devices/gpu/hostmem.h"
#include "devices/gpu/witness.h"
#include "devices/gpu/witness_abi.h"
#include "devices/pl011.h"
#include "devices/serial.h"
#include "firmware/boot.h"
#include "vmm/arch/arch.h"
#include "vmm/layout.h"
#include "vmm/stop_signals.h"
#include "vmm/touch.h"

struct matrix_machine {
    const struct matrix_machine_config *config;
    struct target *target;
    struct vm vm;
    struct serial serial; /* or the PL011 */
    struct pl011 pl011;
    struct witness witness;
    struct hostmem hostmem;
    struct hostmem_mapping mapping;
    struct s2_observer own_observer;
    struct s2_observer *observer; /* that, or the caller's */
    struct stop_signals signals;
    unsigned device_count;
    struct boot_device devices[BOOT_DEVICES_MAX];
};

/* --- the witness' side --- */

static bool acquire(void *context, uint32_t resource_id, struct witness_view *view)
{
    const struct matrix_machine *machine = context;
    const struct target *target = machine->target;
    *view = (struct witness_view){
        .has_file = target->backing.fd >= 0,
        .fd = target->backing.fd,
        .offset = target->file_offset,
        .size = target->backing.size,
        .host = target->backing.host,
        .is_dmabuf = target->backing.kind == BACKING_DMABUF,
        .is_bar = target->buffer.page == MEMATTR_PAGE_MMIO,
    };
    return resource_id == BOOT_TARGET_RESOURCE;
}

/* The only thread that looks at the target is the vCPU's. */
static void release(void *context)
{
    (void)context;
}

/* The guest has used the first pages and the last. A kernel that maps a block where there is
 * none to map gets the first one right (vmm/placement.h). */
static void look_at_pages(struct matrix_machine *machine, struct matrix_sight *sight)
{
    const struct backing *backing = &machine->target->backing;
    const uint64_t page_size = (uint64_t)sysconf(_SC_PAGESIZE);
    const uint64_t offsets[] = {0, page_size, backing->size - page_size};
    sight->pages_are_right = true;
    for (size_t i = 0; i < ARRAY_SIZE(offsets); i++) {
        struct s2_leaf leaf;
        bool same;
        gpa_t address = gpa(machine->mapping.address.value + offsets[i]);
        if (!s2_observer_find(machine->observer, address, &leaf) ||
            !s2_observer_same_page(machine->observer, backing->host + offsets[i],
                                   leaf.hpa, &same))
            return;
        sight->pages_are_right = sight->pages_are_right && same;
    }
    sight->pages_known = true;
}

static void observed(void *context, uint32_t resource_id,
                     const struct guest_observation *observation)
{
    struct matrix_machine *machine = context;
    struct s2_observer *observer = machine->observer;
    struct matrix_sight sight = {.guest = *observation, .reason = "--observe-s2=off"};
    (void)resource_id;
    if (machine->config->observe_s2) {
        sight.leaf_known =
            s2_observer_find(observer, machine->mapping.address, &sight.leaf);
        sight.reason = observer->reason[0] ? observer->reason
                                           : "no leaf was seen for the first page";
    }
    if (sight.leaf_known) {
        look_at_pages(machine, &sight);
        sight.host_known = s2_observer_host_type(observer, machine->target->backing.host,
                                                 sight.leaf.hpa, &sight.host);
    }
    machine->config->seen(machine->config->context, &sight);
}

static const struct witness_ops target_ops = {
    .acquire = acquire,
    .release = release,
    .observed = observed,
};

/* --- the machine --- */

static void announce(struct matrix_machine *machine, enum boot_device_kind kind,
                     uint64_t base, uint64_t size)
{
    machine->devices[machine->device_count++] =
        (struct boot_device){.kind = kind, .base = base, .size = size};
}

static void console_output(void *context, uint8_t byte)
{
    fputc(byte, context);
}

/* Without an interrupt: the guest only writes. */
static bool add_console(struct matrix_machine *machine, struct error *error)
{
    struct bus_entry entry = {.name = "serial",
                              .start = LAYOUT_SERIAL_BASE,
                              .size = LAYOUT_SERIAL_SIZE,
                              .ops = &serial_bus_ops,
                              .device = &machine->serial};
    FILE *out = machine->config->console;
    if (LAYOUT_SERIAL_PL011) {
        entry.ops = &pl011_bus_ops;
        entry.device = &machine->pl011;
    }
    announce(machine, BOOT_DEVICE_SERIAL, entry.start, entry.size);
    return (LAYOUT_SERIAL_PL011
                ? pl011_init(&machine->pl011, console_output, out, error)
                : serial_init(&machine->serial, console_output, out, error)) &&
           bus_add(arch_serial_bus(&machine->vm), entry, error);
}

static bool add_devices(struct matrix_machine *machine, struct error *error)
{
    struct vm *vm = &machine->vm;
    const struct bus_entry exit_device = {.name = "exit",
                                          .start = LAYOUT_EXIT_BASE,
                                          .size = EXIT_DEVICE_SIZE,
                                          .ops = &exit_bus_ops,
                                          .device = vm};
    const struct bus_entry witness = {.name = "witness",
                                      .start = LAYOUT_WITNESS_BASE,
                                      .size = WITNESS_DEVICE_SIZE,
                                      .ops = &witness_bus_ops,
                                      .device = &machine->witness};
    machine->witness = (struct witness){
        .ops = &target_ops,
        .context = machine,
        .model = machine->config->platform->model,
        .memory = &vm->memory,
        .trace = machine->config->trace,
    };
    announce(machine, BOOT_DEVICE_EXIT, exit_device.start, exit_device.size);
    announce(machine, BOOT_DEVICE_WITNESS, witness.start, witness.size);
    return bus_add(&vm->mmio, exit_device, error) && bus_add(&vm->mmio, witness, error) &&
           (!machine->config->console || add_console(machine, error));
}

/* One that could not be made once, and says so, is not tried again. */
static void observe(struct matrix_machine *machine, struct gpa_range range)
{
    struct s2_observer *observer = machine->observer;
    if (observer->ops)
        s2_observer_restart(observer, range);
    else if (!observer->reason[0])
        s2_observer_init(observer, NULL, machine->config->platform->model, range);
}

/* KVM of 6.1 to 7.2.10 would map blocks of unrelated memory (vmm/placement.h): the mapping is
 * placed where it cannot on every kernel, so that all of them are asked the same. */
static bool add_target(struct matrix_machine *machine, enum matrix_strategy strategy,
                       struct error *error)
{
    struct target *target = machine->target;
    struct vm *vm = &machine->vm;
    const struct hostmem_placement placement = {
        .late = strategy == MATRIX_LATE,
        .avoid_blocks = target->buffer.vma != MEMATTR_VMA_PLAIN,
    };
    const struct gpa_range window = {vm_free_address(vm, GIB), target->backing.size};
    bool touches =
        strategy != MATRIX_UNTOUCHED && target->buffer.page == MEMATTR_PAGE_RAM;
    machine->hostmem = (struct hostmem){.memslots = &vm->memslots, .window = window};
    announce(machine, BOOT_DEVICE_TARGET, window.start.value, window.size);
    if (!vm_check_range(vm, "the target", window, error) ||
        (touches && !touch_pages(target->backing.host, target->backing.size, error)))
        return false;
    if (machine->config->observe_s2)
        observe(machine, window);
    return hostmem_map(&machine->hostmem, &target->backing, placement,
                       BOOT_TARGET_RESOURCE, 0, &machine->mapping, error);
}

static bool boot(struct matrix_machine *machine, const char *command_line,
                 struct vm_entry *entry, struct error *error)
{
    const struct vm *vm = &machine->vm;
    const struct boot_config config = {
        .cpu_count = 1,
        .command_line = command_line,
        .device_count = machine->device_count,
        .devices = machine->devices,
        .gic_version = vm->gic_version,
        .has_its = vm->has_its,
    };
    struct boot_image image;
    return boot_load(&vm->memory, machine->config->guest, NULL, &image, error) &&
           boot_prepare(&vm->memory, &config, &image, entry, error);
}

/* vm_page_lost_function: once only, as there is one mapping. */
static bool drop_target(void *context)
{
    struct matrix_machine *machine = context;
    const struct backing *backing = &machine->target->backing;
    struct error error;
    return machine->mapping.mapped &&
           !touch_pages(backing->host, backing->size, &error) &&
           hostmem_unmap(&machine->hostmem, &machine->mapping, &error);
}

/* --- how it ended --- */

/* The texts are those of kvm_set_memory_region() and vmm/vcpu.c. */
static bool says(const struct error *error, const char *text)
{
    return error->code == ERROR_HOST_KVM && strstr(error->text, text) != NULL;
}

static enum matrix_machine_end end_of(const struct vm_outcome *outcome,
                                      struct error *error)
{
    *error = outcome->error;
    switch (outcome->end) {
    case VM_END_VERDICT:
        if (outcome->verdict == EXIT_VERDICT_SUCCESS)
            return MATRIX_MACHINE_RAN;
        error_set(error, ERROR_GUEST_STATE,
                  "the guest reports failure, verdict %u; --trace shows its console",
                  outcome->verdict);
        return MATRIX_MACHINE_FAILED;
    case VM_END_SIGNAL: /* verdict 0: the time limit */
        return outcome->verdict ? MATRIX_MACHINE_INTERRUPTED : MATRIX_MACHINE_FAILED;
    case VM_END_HOST:
        return says(error, "EFAULT") ? MATRIX_MACHINE_FAULTED : MATRIX_MACHINE_FAILED;
    case VM_END_POWER_OFF:
    case VM_END_RESET:
    case VM_END_CRASH:
    case VM_END_UPDATE:
    case VM_END_NONE:
        break;
    }
    return MATRIX_MACHINE_FAILED;
}

static enum matrix_machine_end run(struct matrix_machine *machine,
                                   enum matrix_strategy strategy,
                                   const char *command_line, struct error *error)
{
    const struct matrix_machine_config *config = machine->config;
    const struct vm_config vm_config = {
        .memory_size = config->memory_size,
        .cpu_count = 1,
        .honour_guest_pat = config->honour_guest_pat,
    };
    struct vm_entry entry;
    struct vm_outcome outcome;
    if (!vm_init(&machine->vm, &vm_config, config->trace, error) ||
        !add_devices(machine, error))
        return MATRIX_MACHINE_NOT_MADE;
    if (config->drop_lost) {
        machine->vm.page_lost = drop_target;
        machine->vm.page_lost_context = machine;
    }
    if (!add_target(machine, strategy, error))
        return says(error, strerror(EINVAL)) ? MATRIX_MACHINE_REFUSED
                                             : MATRIX_MACHINE_FAILED;
    if (!boot(machine, command_line, &entry, error) ||
        !stop_signals_start(&machine->signals, &machine->vm, error) ||
        !vm_run(&machine->vm, entry, config->timeout, &outcome, error))
        return MATRIX_MACHINE_NOT_MADE;
    return end_of(&outcome, error);
}

enum matrix_machine_end matrix_machine_run(const struct matrix_machine_config *config,
                                           struct target *target,
                                           enum matrix_strategy strategy,
                                           const char *command_line, struct error *error)
{
    struct matrix_machine *machine = calloc(1, sizeof *machine);
    if (!machine) {
        error_set(error, ERROR_HOST_MEMORY, "no memory for a VM");
        return MATRIX_MACHINE_FAILED;
    }
    machine->config = config;
    machine->target = target;
    machine->observer = config->observer ? config->observer : &machine->own_observer;
    enum matrix_machine_end end = run(machine, strategy, command_line, error);
    stop_signals_finish(&machine->signals);
    s2_observer_finish(&machine->own_observer);
    serial_finish(&machine->serial);
    pl011_finish(&machine->pl011);
    vm_finish(&machine->vm);
    free(machine);
    return end;
}

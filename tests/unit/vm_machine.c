/* SPDX-License-Identifier: MIT */
#include "tests/unit/vm_machine.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "devices/exit.h"
#include "firmware/boot.h"
#include "tests/unit/skip.h"
#include "vmm/arch/arch.h"
#include "vmm/layout.h"

const struct vm_config small_machine = {.memory_size = 16 * MIB, .cpu_count = 1};

static void collect(void *context, uint8_t byte)
{
    struct machine *machine = context;
    ck_assert_uint_lt(machine->output_length, sizeof machine->output - 1);
    machine->output[machine->output_length++] = (char)byte;
}

bool machine_init(struct machine *machine, const char *test, struct vm_config config)
{
    struct error error;
    memset(machine, 0, sizeof *machine);
    if (access("/dev/kvm", R_OK | W_OK) != 0) {
        test_skip(test, "no /dev/kvm");
        return false;
    }
    machine->log = open_memstream(&machine->log_text, &machine->log_size);
    trace_init(&machine->trace, machine->log, true);
    ck_assert_msg(vm_init(&machine->vm, &config, &machine->trace, &error), "%s",
                  error.text);
    ck_assert(serial_init(&machine->serial, collect, machine, &error));
    ck_assert(bus_add(arch_serial_bus(&machine->vm),
                      (struct bus_entry){"serial", LAYOUT_SERIAL_BASE, LAYOUT_SERIAL_SIZE,
                                         &serial_bus_ops, &machine->serial},
                      &error));
    ck_assert(bus_add(&machine->vm.mmio,
                      (struct bus_entry){"exit", LAYOUT_EXIT_BASE, EXIT_DEVICE_SIZE,
                                         &exit_bus_ops, &machine->vm},
                      &error));
    return true;
}

void machine_finish(struct machine *machine)
{
    vm_finish(&machine->vm);
    serial_finish(&machine->serial);
    fclose(machine->log);
    free(machine->log_text);
}

void put_code(struct machine *machine, uint64_t address, const uint8_t *code,
              const uint8_t *end)
{
    struct error error;
    ck_assert(guest_memory_write(&machine->vm.memory, gpa(address), code,
                                 (uint64_t)(end - code), &error));
}

void machine_run(struct machine *machine, unsigned seconds)
{
    struct error error;
    struct vm_entry entry;
    struct boot_config config = {
        .cpu_count = machine->vm.config.cpu_count,
        .command_line = "",
        .gic_version = machine->vm.gic_version,
        .has_its = machine->vm.has_its,
    };
    struct boot_image image = {.start = gpa(LAYOUT_IMAGE_START)};
    ck_assert_msg(boot_prepare(&machine->vm.memory, &config, &image, &entry, &error),
                  "%s", error.text);
    ck_assert_msg(vm_run(&machine->vm, entry, seconds, &machine->outcome, &error), "%s",
                  error.text);
    fflush(machine->log);
}

/* SPDX-License-Identifier: MIT */
#include "devices/exit_abi.h"
#include "guest/arch.h"
#include "guest/guest.h"
#include "guest/mmio.h"
#include "guest/scenarios.h"
#include "guest/string.h"
#include "vmm/layout.h"

const struct boot_device *guest_device(const struct guest *guest,
                                       enum boot_device_kind kind)
{
    for (unsigned i = 0; i < guest->boot.device_count && i < BOOT_DEVICES_MAX; i++) {
        if (guest->boot.devices[i].kind == kind)
            return &guest->boot.devices[i];
    }
    return NULL;
}

_Noreturn void guest_exit(struct guest *guest, uint32_t verdict)
{
    const struct boot_device *device = guest_device(guest, BOOT_DEVICE_EXIT);
    console_flush(&guest->console);
    if (device != NULL)
        mmio_write32(device->base + EXIT_REGISTER_VERDICT, verdict);
    arch_crash(); /* no exit device: at least the VM ends, and not as a success */
}

static void list_scenarios(struct guest *guest)
{
    for (unsigned i = 0; i < scenario_count; i++)
        console_printf(&guest->console, "  %s: %s\n", scenarios[i].name,
                       scenarios[i].about);
}

/* The scenario that the command line names; ends the guest when it names none. */
static const struct scenario *choose_scenario(struct guest *guest)
{
    const char *command_line = (const char *)(uintptr_t)guest->boot.command_line;
    if (!options_parse(&guest->options, command_line)) {
        console_printf(
            &guest->console,
            "guest: the command line is not \"scenario=NAME key=value ...\" of at "
            "most %u bytes and %u keys: %s\n",
            OPTIONS_TEXT_MAX - 1, OPTIONS_MAX, command_line);
        guest_exit(guest, EXIT_VERDICT_SETUP);
    }
    const char *name = options_text(&guest->options, "scenario", "");
    for (unsigned i = 0; i < scenario_count; i++) {
        if (string_equal(scenarios[i].name, name))
            return &scenarios[i];
    }
    console_printf(&guest->console, "guest: no scenario \"%s\"; there are\n", name);
    list_scenarios(guest);
    guest_exit(guest, EXIT_VERDICT_SETUP);
}

static uint32_t run_scenario(struct guest *guest, const struct scenario *scenario)
{
    guest->scenario = scenario->name;
    if (!scenario->run(guest))
        return EXIT_VERDICT_FAILURE;
    const char *unused = options_unused(&guest->options);
    if (unused != NULL) {
        console_printf(&guest->console,
                       "guest: scenario %s does not know the option %s\n", scenario->name,
                       unused);
        return EXIT_VERDICT_SETUP;
    }
    console_printf(&guest->console, "PASS %s\n", scenario->name);
    return EXIT_VERDICT_SUCCESS;
}

_Noreturn void guest_main(const struct boot_info *boot)
{
    struct guest guest = {.boot = *boot, .scenario = "start"};
    const struct boot_device *serial = guest_device(&guest, BOOT_DEVICE_SERIAL);
    if (serial != NULL)
        guest.console.port = serial->base;
    heap_init(&guest.heap, &guest, LAYOUT_LOW_RAM_START + guest.boot.low_ram_size);
    arch_init(&guest);
    if (guest.boot.magic != BOOT_INFO_MAGIC || guest.boot.version != BOOT_INFO_VERSION) {
        console_printf(&guest.console, "guest: boot_info has magic 0x%x and version %u\n",
                       guest.boot.magic, guest.boot.version);
        guest_exit(&guest, EXIT_VERDICT_SETUP);
    }
    guest.mmu = mmu_create(&guest.heap);
    guest_exit(&guest, run_scenario(&guest, choose_scenario(&guest)));
}

/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "firmware/boot.h"
#include "vmm/layout.h"

static bool write_command_line(const struct guest_memory *memory, const char *text,
                               struct error *error)
{
    size_t size = strlen(text) + 1;
    if (size > LAYOUT_BOOT_COMMAND_LINE_SIZE)
        return error_set(
            error, ERROR_CONFIG_USAGE,
            "the guest's command line has %zu bytes, at most %llu are possible: shorten "
            "--append",
            size - 1, LAYOUT_BOOT_COMMAND_LINE_SIZE - 1);
    return guest_memory_write(memory, gpa(LAYOUT_BOOT_COMMAND_LINE), text, size, error);
}

bool boot_write_info(const struct guest_memory *memory, const struct boot_config *config,
                     struct error *error)
{
    BUG_ON(config->device_count > BOOT_DEVICES_MAX);
    struct boot_info info = {
        .magic = BOOT_INFO_MAGIC,
        .version = BOOT_INFO_VERSION,
        .cpu_count = config->cpu_count,
        .device_count = config->device_count,
        .low_ram_size = memory->regions[0].range.size,
        .command_line = LAYOUT_BOOT_COMMAND_LINE,
    };
    for (unsigned i = 0; i < config->device_count; i++)
        info.devices[i] = config->devices[i];
    return write_command_line(memory, config->command_line, error) &&
           guest_memory_write(memory, gpa(LAYOUT_BOOT_INFO), &info, sizeof info, error);
}

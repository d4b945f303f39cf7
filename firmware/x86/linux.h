/* SPDX-License-Identifier: MIT */
/*
 * What a Linux kernel for x86 finds in memory beside its command line and its initial RAM disk:
 * a map of the memory, and where ACPI's tables are; by the 64-bit boot protocol in struct
 * boot_params, by PVH in struct hvm_start_info. The 64-bit boot protocol has a seed for the random
 * number generator as well, PVH has no place for it.
 *
 *   0x00000000  RAM         to 0xa0000; what firmware left (firmware/x86/boot.c) lies in it
 *   0x000a0000  reserved    to 1 MiB: ACPI's tables
 *   0x00100000  RAM         to its end, or to LAYOUT_LOW_RAM_END
 *   ECAM        reserved    if there is PCI
 *   4 GiB       RAM         what did not fit below
 */
#ifndef S2VMM_FIRMWARE_X86_LINUX_H
#define S2VMM_FIRMWARE_X86_LINUX_H

#include "firmware/boot.h"

/* Writes them for image->mode to LAYOUT_BOOT_PARAMETERS, the seed to LAYOUT_BOOT_SETUP_DATA, and
 * the command line to LAYOUT_BOOT_COMMAND_LINE; the ACPI tables are at LAYOUT_BOOT_ACPI. ERROR_CONFIG_USAGE when
 * the command line is too long for this kernel. */
bool linux_write_parameters(const struct guest_memory *memory,
                            const struct boot_config *config,
                            const struct boot_image *image, struct error *error);

#endif

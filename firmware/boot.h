/* SPDX-License-Identifier: MIT */
/*
 * What firmware would have left in memory for the tiny guest; firmware/<arch>/boot.c says
 * what that is, and in what state the guest is entered.
 */
#ifndef S2VMM_FIRMWARE_BOOT_H
#define S2VMM_FIRMWARE_BOOT_H

#include "firmware/boot_abi.h"
#include "vmm/guest_memory.h"
#include "vmm/vm.h"

struct boot_config {
    unsigned cpu_count;
    const char *command_line;
    unsigned device_count; /* at most BOOT_DEVICES_MAX */
    const struct boot_device *devices;
};

/* Writes everything that the guest finds in memory; start is the first instruction of its
 * image. *entry is for vm_run(). ERROR_CONFIG_USAGE when the command line is too long. */
bool boot_prepare(const struct guest_memory *memory, const struct boot_config *config,
                  gpa_t start, struct vm_entry *entry, struct error *error);

#endif

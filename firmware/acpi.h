/* SPDX-License-Identifier: MIT */
/*
 * The ACPI tables of an x86 machine: what a Linux guest knows of it (ACPI Specification 6.5).
 *
 *   RSDP --> XSDT --+--> FADT   "hardware-reduced": no PM timer, no SCI, no legacy devices (no
 *                   |     |     8259, 8254, 8042, RTC, VGA); reset and sleep registers at ports
 *                   |     +---> DSDT   the devices, in AML (acpi_devices.c)
 *                   +--> MADT   local APICs, the I/O APIC
 *                   +--> MCFG   PCI's ECAM; only with PCI
 *
 * A pure function of its argument, so that it needs no x86 to be tested.
 */
#ifndef S2VMM_FIRMWARE_ACPI_H
#define S2VMM_FIRMWARE_ACPI_H

#include "firmware/aml.h"
#include "firmware/boot.h"
#include "vmm/error.h"

struct acpi_config {
    unsigned cpu_count; /* APIC ids from 0 */
    unsigned device_count;
    const struct boot_device *devices; /* irq: a pin of the I/O APIC; an edge */
    struct boot_pci pci;

    /* I/O ports of one byte each (devices/power.h). */
    uint16_t sleep_control_port;
    uint16_t sleep_status_port;
    uint16_t reset_port;
};

#define ACPI_S5_SLEEP_TYPE 5u /* what \_S5 says: 4.8.3.7, SLP_TYP */

/* Writes the tables into the buffer, which the guest has at `address`, a multiple of 16; the
 * RSDP is the first. ERROR_CONFIG_USAGE when it does not fit: too many devices. */
bool acpi_build(const struct acpi_config *config, gpa_t address, void *buffer,
                size_t capacity, struct error *error);

/* The AML of the DSDT, without its header; for acpi_build(). */
void acpi_write_devices(struct aml_writer *writer, const struct acpi_config *config);

#endif

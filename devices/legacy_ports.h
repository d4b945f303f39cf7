/* SPDX-License-Identifier: MIT */
/*
 * I/O ports at which Linux looks for devices of a PC that this machine does not have, and that
 * ACPI does not forbid it to look for. They answer as ports without a device do, all ones, and
 * without a warning: an access to any other empty port has one.
 *
 *   0x2e, 0x4e        configuration of a Super I/O chip (drivers/parport/parport_pc.c and others)
 *   0x2e8 0x2f8 0x3e8 serial ports 2 to 4 (drivers/tty/serial/8250)
 *   0x60              the 8042's data port
 *   0x70              clock and CMOS memory
 *   0x80 to 0x8f      pages of the DMA controller, and the port that old code writes to wait
 */
#ifndef S2VMM_DEVICES_LEGACY_PORTS_H
#define S2VMM_DEVICES_LEGACY_PORTS_H

#include "vmm/bus.h"

/* Puts them on a bus of ports. ERROR_CONFIG_USAGE when one is taken. */
bool legacy_ports_add(struct bus *ports, struct error *error);

#endif

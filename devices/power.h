/* SPDX-License-Identifier: MIT */
/*
 * How an x86 guest switches itself off and asks for a reset; on arm64 PSCI does both.
 *
 *   0x600  sleep control   ACPI 6.5, 4.8.3.7: SLP_EN switches off. Only S5 is offered, so that
 *                          the sleep type is not looked at
 *   0x601  sleep status    4.8.3.8: 0, there is nothing to wake up from
 *   0x602  reset           any write (the FADT's reset register)
 *   0xcf9  reset control   bit 2 written as 1 (of chipsets since the PIIX3)
 *   0x64   the 8042's command port: 0xfe pulses its reset line
 *
 * The last two are for guests that do not ask ACPI, and for Linux when nothing else helped. 0xcf9
 * lies within the ports of PCI's configuration mechanism 1, which Linux tries before it knows of
 * the ECAM: those are here, too, and answer that there is nothing.
 */
#ifndef S2VMM_DEVICES_POWER_H
#define S2VMM_DEVICES_POWER_H

#include "vmm/vm.h"

/* Puts all of them on the VM's bus of ports. The run ends with VM_END_POWER_OFF or
 * VM_END_RESET. ERROR_CONFIG_USAGE when a port is taken. */
bool power_add(struct vm *vm, struct error *error);

#endif

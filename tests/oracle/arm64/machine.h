/* SPDX-License-Identifier: MIT */
/* What the oracle knows of its machine: QEMU's `virt`, 128 MiB. Also read by start.S. */
#ifndef S2VMM_ORACLE_MACHINE_H
#define S2VMM_ORACLE_MACHINE_H

#define PL011_BASE      0x09000000 /* VIRT_UART0, hw/arm/virt.c */
#define PL011_FLAGS     0x18       /* UARTFR */
#define PL011_FLAG_FULL (1 << 5)   /* TXFF */

/* A word in the last page of RAM, 0 unless tests/oracle/run --verbose has QEMU's generic
 * loader write it: the machine has no simpler way to hand a flag to a bare program. */
#define VERBOSE_FLAG 0x47fff000

#define PSCI_SYSTEM_OFF 0x84000008
#define CURRENT_EL_2    8 /* CurrentEL.EL is in bits 3:2 */

#endif

/* SPDX-License-Identifier: MIT */
/*
 * How the tiny guest is started: the same structure on every architecture.
 *
 * The guest is a static ELF. It is entered on the boot CPU with the first argument register
 * (x86: rdi, arm64: x0) holding the GPA of a struct boot_info; the architecture's state at
 * entry is described in firmware/<arch>/boot.c. Included by the VMM and by the guest.
 */
#ifndef S2VMM_BOOT_ABI_H
#define S2VMM_BOOT_ABI_H

#include <stdint.h>

#define BOOT_INFO_MAGIC   0x4d4d5632u /* "2VMM" */
#define BOOT_INFO_VERSION 1u
#define BOOT_DEVICES_MAX  16u

enum boot_device_kind {
    BOOT_DEVICE_NONE = 0,
    BOOT_DEVICE_SERIAL = 1,      /* x86: 16550A at an I/O port; arm64: PL011 */
    BOOT_DEVICE_EXIT = 2,        /* devices/exit_abi.h, MMIO */
    BOOT_DEVICE_VIRTIO_MMIO = 3, /* virtio-mmio version 2 */
    BOOT_DEVICE_WITNESS = 4,     /* devices/gpu/witness_abi.h, MMIO */
    BOOT_DEVICE_TARGET = 5,      /* no device: host memory to examine; for the witness it
                                    is resource BOOT_TARGET_RESOURCE */
    BOOT_DEVICE_PCI = 6,         /* bus 0: its ECAM; BARs are assigned already */
    BOOT_DEVICE_PVPANIC = 7,     /* x86, for Linux: MMIO, one byte */
};

#define BOOT_TARGET_RESOURCE 1u

struct boot_device {
    uint32_t kind;
    uint32_t irq;  /* global interrupt number; 0 = none */
    uint64_t base; /* GPA, or I/O port for SERIAL on x86 */
    uint64_t size; /* bytes */
};

struct boot_info {
    uint32_t magic;
    uint32_t version;
    uint32_t cpu_count;
    uint32_t device_count;
    uint64_t low_ram_size; /* bytes of RAM from LAYOUT_LOW_RAM_START */
    uint64_t command_line; /* GPA of a NUL-terminated string */
    struct boot_device devices[BOOT_DEVICES_MAX];
};

_Static_assert(sizeof(struct boot_device) == 24, "wire layout");
_Static_assert(sizeof(struct boot_info) == 32 + 24 * BOOT_DEVICES_MAX, "wire layout");

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The guest physical memory map. Included by the VMM and by the tiny guest; constants
 * only.
 *
 * x86-64, not to scale:
 *
 *   0x0000_0000  +----------------------------------------------+
 *                | low RAM: 0 .. min(memory size, 3 GiB)        |
 *                |   0x0000_1000  boot: GDT, page tables, ...   |  below 64 KiB
 *                |   0x0001_0000  free for the guest            |
 *                |   0x000e_0000  Linux: ACPI tables            |
 *                |   0x000f_fff0  Linux: asks for a reset       |  to 1 MiB
 *                |   0x0010_0000  the guest's image and upwards |
 *   0xc000_0000  +----------------------------------------------+  3 GiB
 *                | nothing                                      |
 *   0xd000_0000  | virtio-mmio devices, 4 KiB each              |  MMIO exits
 *   0xd010_0000  | exit device                                  |
 *   0xd010_1000  | witness device                               |
 *   0xd010_2000  | pvpanic                                      |
 *   0xd020_0000  | PCI: BARs below 4 GiB                        |  MMIO exits
 *   0xe000_0000  | PCI: ECAM of bus 0, 1 MiB                    |  MMIO exits
 *                | nothing                                      |
 *   0xfec0_0000  | I/O APIC                                     |  inside KVM
 *   0xfee0_0000  | local APICs                                  |  inside KVM
 *   0xfeff_c000  | identity map page, then 3 pages of TSS       |  inside KVM, Intel only
 *   0x1_0000_0000+----------------------------------------------+  4 GiB
 *                | high RAM: what did not fit below             |
 *                +----------------------------------------------+
 *                | the window of the GPU, aligned upwards from  |  vm_free_address()
 *                | the end of high RAM                          |
 *                +----------------------------------------------+
 *
 *   ports: 0x3f8 .. 0x3ff  serial port, 16550A
 *          0x600 .. 0x602  ACPI's sleep control, sleep status and reset
 *
 * Interrupt numbers are pins of the I/O APIC.
 *
 * arm64, not to scale (the places of QEMU's "virt" machine, where they are the same things):
 *
 *   0x0800_0000  +----------------------------------------------+
 *                | GIC distributor, 64 KiB                      |  inside KVM
 *   0x0801_0000  | GICv2 only: CPU interface, 64 KiB            |  inside KVM
 *   0x0808_0000  | GICv3: ITS, 128 KiB                          |  inside KVM
 *   0x080a_0000  | GICv3: redistributors, 128 KiB for each vCPU |  inside KVM
 *   0x0900_0000  | serial port, PL011                           |  MMIO exits
 *   0x0901_0000  | real-time clock, PL031                       |
 *   0x0a00_0000  | virtio-mmio devices, 4 KiB each              |
 *   0x0a10_0000  | exit device                                  |
 *   0x0a10_1000  | witness device                               |
 *   0x1000_0000  | PCI: BARs below 4 GiB                        |  MMIO exits
 *   0x3f00_0000  | PCI: ECAM of bus 0, 1 MiB                    |  MMIO exits
 *                | nothing                                      |
 *   0x4000_0000  +----------------------------------------------+
 *                | RAM                                          |
 *                |   + 0       boot info                        |
 *                |   + 4 KiB   command line                     |
 *                |   + 64 KiB  the stack of the tiny guest ends |
 *                |   + 128 KiB device tree                      |
 *                |   + 2 MiB   the guest's image and upwards    |
 *                +----------------------------------------------+
 *                | the window of the GPU, above 4 GiB           |  vm_free_address()
 *                +----------------------------------------------+
 *
 * Interrupt numbers are SPIs, counted from 0: INTID minus 32, what KVM calls a GSI.
 */
#ifndef S2VMM_LAYOUT_H
#define S2VMM_LAYOUT_H

#if defined(__x86_64__)

#define LAYOUT_LOW_RAM_START  0ull
#define LAYOUT_LOW_RAM_END    0xc0000000ull
#define LAYOUT_HIGH_RAM_START 0x100000000ull
#define LAYOUT_WINDOW_MIN     0x100000000ull /* the GPU's window is not below */

/* RAM that a guest can have, in bytes. */
#define LAYOUT_RAM_SIZE_MIN 0x1000000ull    /* 16 MiB */
#define LAYOUT_RAM_SIZE_MAX 0x4000000000ull /* 256 GiB: addresses of 39 bits suffice */
#define LAYOUT_IMAGE_START  0x100000ull     /* nothing is loaded below */

/* What firmware leaves in low RAM (firmware/x86/boot.c). */
#define LAYOUT_BOOT_GDT               0x1000ull
#define LAYOUT_BOOT_PAGE_TABLES       0x2000ull /* PML4, PDPT, four page directories */
#define LAYOUT_BOOT_INFO              0x8000ull
#define LAYOUT_BOOT_PARAMETERS        0x8000ull /* Linux: in the place of the boot info */
#define LAYOUT_BOOT_COMMAND_LINE      0x9000ull
#define LAYOUT_BOOT_COMMAND_LINE_SIZE 0x1000ull
#define LAYOUT_BOOT_SETUP_DATA        0xa000ull  /* Linux: in the place of the stack */
#define LAYOUT_BOOT_STACK_TOP         0x10000ull /* grows down to 0xa000 */
#define LAYOUT_BOOT_RESERVED          0xa0000ull /* from here to 1 MiB is not RAM for Linux */
#define LAYOUT_BOOT_ACPI              0xe0000ull /* RSDP and tables */
#define LAYOUT_BOOT_RESET_VECTOR      0xffff0ull /* to 1 MiB: where real mode begins */

/* As Linux asks for (Documentation/arch/x86/boot.rst, "64-bit Boot Protocol"). */
#define LAYOUT_BOOT_CODE_SELECTOR 0x10u
#define LAYOUT_BOOT_DATA_SELECTOR 0x18u

/* Device i: base + i * 4 KiB, interrupt IRQ + i; at most LAYOUT_VIRTIO_MMIO_COUNT. */
#define LAYOUT_VIRTIO_MMIO_BASE  0xd0000000ull
#define LAYOUT_VIRTIO_MMIO_IRQ   5u
#define LAYOUT_VIRTIO_MMIO_COUNT 7u
#define LAYOUT_EXIT_BASE         0xd0100000ull
#define LAYOUT_WITNESS_BASE      0xd0101000ull
#define LAYOUT_PVPANIC_BASE      0xd0102000ull
#define LAYOUT_PVPANIC_SIZE      0x1ull

#define LAYOUT_PCI_MEMORY32_BASE 0xd0200000ull
#define LAYOUT_PCI_MEMORY32_SIZE 0x0fe00000ull
#define LAYOUT_PCI_ECAM_BASE     0xe0000000ull
#define LAYOUT_PCI_ECAM_SIZE     0x100000ull
#define LAYOUT_PCI_INTX_IRQ      16u

#define LAYOUT_SERIAL_PL011 0
#define LAYOUT_SERIAL_BASE  0x3f8ull /* an I/O port */
#define LAYOUT_SERIAL_SIZE  8ull
#define LAYOUT_SERIAL_IRQ   4u

#define LAYOUT_RTC_BASE 0ull /* none */
#define LAYOUT_RTC_SIZE 0ull

/* I/O ports of one byte each, devices/power.h. */
#define LAYOUT_POWER_BASE          0x600ull
#define LAYOUT_POWER_SIZE          3ull
#define LAYOUT_POWER_SLEEP_CONTROL 0x600u
#define LAYOUT_POWER_SLEEP_STATUS  0x601u
#define LAYOUT_POWER_RESET         0x602u

#define LAYOUT_KVM_IDENTITY_MAP 0xfeffc000ull
#define LAYOUT_KVM_TSS          0xfeffd000ull

#elif defined(__aarch64__)

#define LAYOUT_LOW_RAM_START 0x40000000ull
#define LAYOUT_WINDOW_MIN    0x100000000ull

#define LAYOUT_RAM_SIZE_MIN           0x1000000ull /* 16 MiB */
#define LAYOUT_RAM_SIZE_MAX           0x4000000000ull /* 256 GiB: addresses of 39 bits suffice */
#define LAYOUT_IMAGE_START            0x40200000ull /* nothing is loaded below */

/* What firmware leaves in RAM (firmware/arm64/boot.c). */
#define LAYOUT_BOOT_INFO              0x40000000ull
#define LAYOUT_BOOT_COMMAND_LINE      0x40001000ull
#define LAYOUT_BOOT_COMMAND_LINE_SIZE 0x1000ull
#define LAYOUT_BOOT_STACK_TOP         0x40010000ull /* grows down to 0x40002000 */
#define LAYOUT_BOOT_FDT               0x40020000ull /* to the image's start */

#define LAYOUT_GIC_DISTRIBUTOR        0x08000000ull
#define LAYOUT_GIC_DISTRIBUTOR_SIZE   0x10000ull
#define LAYOUT_GIC_CPU_INTERFACE      0x08010000ull /* GICv2 */
#define LAYOUT_GIC_CPU_INTERFACE_SIZE 0x10000ull
#define LAYOUT_GIC_ITS                0x08080000ull /* GICv3 */
#define LAYOUT_GIC_ITS_SIZE           0x20000ull
#define LAYOUT_GIC_REDISTRIBUTOR      0x080a0000ull
#define LAYOUT_GIC_REDISTRIBUTOR_SIZE 0x20000ull /* for each vCPU */

#define LAYOUT_VIRTIO_MMIO_BASE  0x0a000000ull
#define LAYOUT_VIRTIO_MMIO_IRQ   16u
#define LAYOUT_VIRTIO_MMIO_COUNT 7u
#define LAYOUT_EXIT_BASE         0x0a100000ull
#define LAYOUT_WITNESS_BASE      0x0a101000ull

#define LAYOUT_PCI_MEMORY32_BASE 0x10000000ull
#define LAYOUT_PCI_MEMORY32_SIZE 0x2f000000ull
#define LAYOUT_PCI_ECAM_BASE     0x3f000000ull
#define LAYOUT_PCI_ECAM_SIZE     0x100000ull
#define LAYOUT_PCI_INTX_IRQ      3u

#define LAYOUT_SERIAL_PL011 1
#define LAYOUT_SERIAL_BASE  0x09000000ull
#define LAYOUT_SERIAL_SIZE  0x1000ull
#define LAYOUT_SERIAL_IRQ   1u

#define LAYOUT_RTC_BASE 0x09010000ull
#define LAYOUT_RTC_SIZE 0x1000ull

#define LAYOUT_POWER_BASE   0ull /* none: PSCI does it */
#define LAYOUT_POWER_SIZE   0ull
#define LAYOUT_PVPANIC_BASE 0ull /* none */
#define LAYOUT_PVPANIC_SIZE 0ull

#else
#error "no guest physical memory map for this architecture yet"
#endif

#endif

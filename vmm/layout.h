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
 *                |   0x0010_0000  the guest's image and upwards |
 *   0xc000_0000  +----------------------------------------------+  3 GiB
 *                | nothing                                      |
 *   0xd000_0000  | virtio-mmio devices, 4 KiB each              |  MMIO exits
 *   0xd010_0000  | exit device                                  |
 *   0xd010_1000  | witness device                               |
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
 *
 * Interrupt numbers are pins of the I/O APIC.
 */
#ifndef S2VMM_LAYOUT_H
#define S2VMM_LAYOUT_H

#if defined(__x86_64__)

#define LAYOUT_LOW_RAM_END    0xc0000000ull
#define LAYOUT_HIGH_RAM_START 0x100000000ull

/* RAM that a guest can have, in bytes. */
#define LAYOUT_RAM_SIZE_MIN 0x1000000ull    /* 16 MiB */
#define LAYOUT_RAM_SIZE_MAX 0x4000000000ull /* 256 GiB: addresses of 39 bits suffice */
#define LAYOUT_IMAGE_START  0x100000ull     /* nothing is loaded below */

/* What firmware leaves in low RAM (firmware/x86/boot.c). */
#define LAYOUT_BOOT_GDT          0x1000ull
#define LAYOUT_BOOT_PAGE_TABLES  0x2000ull /* PML4, PDPT, four page directories */
#define LAYOUT_BOOT_INFO         0x8000ull
#define LAYOUT_BOOT_COMMAND_LINE 0x9000ull
#define LAYOUT_BOOT_STACK_TOP    0x10000ull /* grows down to 0xa000 */

#define LAYOUT_BOOT_CODE_SELECTOR 0x8u
#define LAYOUT_BOOT_DATA_SELECTOR 0x10u

#define LAYOUT_VIRTIO_MMIO_BASE 0xd0000000ull
#define LAYOUT_VIRTIO_MMIO_IRQ  5u
#define LAYOUT_EXIT_BASE        0xd0100000ull
#define LAYOUT_WITNESS_BASE     0xd0101000ull

#define LAYOUT_SERIAL_BASE 0x3f8ull /* an I/O port */
#define LAYOUT_SERIAL_SIZE 8ull
#define LAYOUT_SERIAL_IRQ  4u

#define LAYOUT_KVM_IDENTITY_MAP 0xfeffc000ull
#define LAYOUT_KVM_TSS          0xfeffd000ull

#else
#error "no guest physical memory map for this architecture yet"
#endif

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The first instructions, of the boot CPU and of the others. At entry: EL1, MMU and
 * caches off, exceptions masked, x0 = GPA of struct boot_info (boot CPU) or of struct
 * smp_cpu; no stack, no vectors.
 *
 * With the MMU off every access goes past the caches, and the host's half of the memory
 * is in them. So nothing is read or written before the MMU is on: the tables are part of
 * the image, and their walks go through the caches.
 */
#include "guest/arch/arm64/tables.h"

    /* A constant of 64 bits without a literal pool, which would be a read. */
    .macro move register, value
    movz \register, #((\value) & 0xffff)
    movk \register, #(((\value) >> 16) & 0xffff), lsl #16
    movk \register, #(((\value) >> 32) & 0xffff), lsl #32
    movk \register, #(((\value) >> 48) & 0xffff), lsl #48
    .endm

    .section .text.start, "ax"
    .globl _start
_start:
    mov x20, x0
    bl enable_mmu
    adrp x1, stack_top
    add x1, x1, :lo12:stack_top
    mov sp, x1
    mov x29, xzr                /* the end of the frames, for a debugger */
    mov x30, xzr
    mov x0, x20
    bl guest_main               /* does not return */
    brk #0

    .globl smp_start
smp_start:
    mov x20, x0
    bl enable_mmu
    ldr x1, [x20]               /* smp_cpu.stack_top */
    mov sp, x1
    mov x29, xzr
    mov x30, xzr
    mov x0, x20
    bl smp_cpu_main             /* does not return */
    brk #0

    /* Changes x1 and x2. */
enable_mmu:
    move x1, MAIR_VALUE
    msr mair_el1, x1
    /* IPS is PARange, but 48 bits at most: more takes other descriptors (DDI 0487,
     * TCR_EL1.IPS). */
    mrs x1, id_aa64mmfr0_el1
    and x1, x1, #0xf
    mov x2, #5
    cmp x1, x2
    csel x1, x1, x2, lo
    move x2, TCR_VALUE
    orr x2, x2, x1, lsl #TCR_IPS_SHIFT
    msr tcr_el1, x2
    adrp x1, level1
    msr ttbr0_el1, x1
    /* Both tables get into stage 2 now: KVM of 7.2 and 7.3, not 6.12, on a Cortex-A57 (erratum
     * 834220) repeats for ever a walk that finds one missing there
     * (arch/arm64/kvm/hyp/include/hyp/fault.h, __hpfar_valid). */
    ldr x2, [x1]
    ldr x2, [x1, TABLE_SIZE]
    dsb sy
    isb
    tlbi vmalle1
    dsb nsh
    isb
    move x1, SCTLR_VALUE
    msr sctlr_el1, x1
    isb
    ret

    .section .data
    .balign TABLE_SIZE
level1:
    .quad ENTRY_DEVICE
    .quad level2 + ENTRY_TABLE
    .fill TABLE_ENTRIES - 2, 8, 0

level2:
    .set page, 0
    .rept BOOT_RAM_PAGES
    .quad (BOOT_RAM_START + page * PAGE_SIZE) | ENTRY_RAM
    .set page, page + 1
    .endr
    .fill TABLE_ENTRIES - BOOT_RAM_PAGES, 8, 0

    .section .bss
    .balign 16
    .skip 16384
stack_top:

    .section .note.GNU-stack, "", %progbits

/* SPDX-License-Identifier: MIT */
/*
 * The first instructions. At entry: 64-bit mode, paging on, the first 4 GiB mapped one to one
 * by 2 MiB pages, interrupts off, rdi = GPA of struct boot_info; no stack, no IDT.
 */
    .section .text.start, "ax"
    .globl _start
_start:
    leaq stack_top(%rip), %rsp
    xorl %ebp, %ebp             /* the end of the frames, for a debugger */
    call guest_main             /* does not return */
    ud2

    .section .bss
    .balign 16
    .skip 16384
stack_top:

    .section .note.GNU-stack, "", @progbits

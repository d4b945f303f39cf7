/* SPDX-License-Identifier: MIT */
/*
 * A guest that is nothing but its first instructions: it writes "go!" and a newline to the serial
 * port, byte by byte, and crashes. minimal_kvm.c runs the same instructions in its own way.
 */
    .section .text.start, "ax"
    .globl _start
_start:
#if defined(__x86_64__)
    movw $0x3f8, %dx            /* LAYOUT_SERIAL_BASE */
    movb $'g', %al
    outb %al, %dx
    movb $'o', %al
    outb %al, %dx
    movb $'!', %al
    outb %al, %dx
    movb $'\n', %al
    outb %al, %dx
    ud2
#else
    movz x1, #0x0900, lsl #16   /* LAYOUT_SERIAL_BASE: UARTDR of the PL011 */
    mov w0, #'g'
    str w0, [x1]
    mov w0, #'o'
    str w0, [x1]
    mov w0, #'!'
    str w0, [x1]
    mov w0, #'\n'
    str w0, [x1]
    brk #0
#endif

    .section .note.GNU-stack, "", @progbits

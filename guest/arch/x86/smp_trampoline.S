/* SPDX-License-Identifier: MIT */
/*
 * The first instructions of the other CPUs. A SIPI starts them in real mode at
 * SMP_TRAMPOLINE:0; they go to 64-bit mode in one step (protection and paging are turned on
 * together), take a number and the stack that belongs to it, and call smp_cpu_main().
 * This code runs at a copy: every address in it is SMP_TRAMPOLINE plus an offset.
 */
#include "guest/arch/x86/smp.h"

#define AT(label) (SMP_TRAMPOLINE + label - smp_trampoline)

#define CR0_PE_ET_PG 0x80000011
#define CR4_PAE      0x20
#define MSR_EFER     0xc0000080
#define EFER_LME     0x100

    .section .rodata
    .globl smp_trampoline, smp_trampoline_end, smp_parameters
    .balign 16
    .code16
smp_trampoline:
    cli
    movw %cs, %ax
    movw %ax, %ds
    lgdtl gdt_operand - smp_trampoline
    movl $CR4_PAE, %eax
    movl %eax, %cr4
    movl smp_parameters - smp_trampoline, %eax
    movl %eax, %cr3
    movl $MSR_EFER, %ecx
    movl $EFER_LME, %eax
    xorl %edx, %edx
    wrmsr
    movl $CR0_PE_ET_PG, %eax    /* also clears CD and NW, which INIT sets */
    movl %eax, %cr0
    ljmpl $8, $AT(long_mode)

    .code64
long_mode:
    movl $16, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    leaq smp_parameters(%rip), %rbx
    movl $1, %edi
    lock xaddl %edi, 24(%rbx)
    incl %edi                   /* the boot CPU is 0 */
    movl %edi, %eax
    imulq $SMP_STACK_SIZE, %rax
    movq 8(%rbx), %rsp
    addq %rax, %rsp             /* the top of stack number edi - 1 */
    movq 16(%rbx), %rsi
    xorl %ebp, %ebp
    movabsq $smp_cpu_main, %rax
    call *%rax
1:  cli
    hlt
    jmp 1b

    .balign 8
gdt:
    .quad 0
    .quad 0x00af9b000000ffff    /* code, 64 bits */
    .quad 0x00cf93000000ffff    /* data */
gdt_operand:
    .word gdt_operand - gdt - 1
    .long AT(gdt)
    .balign 8
smp_parameters:
    .skip 32
smp_trampoline_end:

    .section .note.GNU-stack, "", @progbits

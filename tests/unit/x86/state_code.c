/* SPDX-License-Identifier: MIT */
/*
 * Guest code for tests/unit/test_vm_state.c. RBX: struct state_words, at 0x20000. RSI: the local
 * APIC. Interrupt vector 0x40, with an IDT at 0x21000 and its descriptor at 0x22000.
 */
#include "tests/unit/state_machine.h"

const uint64_t state_words_address = 0x20000;
const uint64_t state_vector_address = 0; /* the handler is in the code */

GUEST_CODE(state_vector, "");

#define EXIT_WITH(value) "mov $" #value ", %eax\n jmp 99f\n"
#define EXIT_WITH_EAX    "99: mov $0xd0100004, %edx\n mov %eax, (%rdx)\n"

/* The IDT's one entry leads to label 90: a 64-bit interrupt gate of the code segment. The local
 * APIC is enabled by software (SDM 3, 11.4.7.2). */
#define SET_UP                                                                           \
    "cli\n mov $0x20000, %ebx\n mov $0xfee00000, %esi\n"                                 \
    "lea 90f(%rip), %rax\n mov $0x21400, %edi\n mov %ax, (%rdi)\n movw $0x10, 2(%rdi)\n" \
    "movw $0x8e00, 4(%rdi)\n shr $16, %rax\n mov %ax, 6(%rdi)\n movq $0, 8(%rdi)\n"      \
    "mov $0x22000, %edi\n movw $0xfff, (%rdi)\n movq $0x21000, 2(%rdi)\n lidt (%rdi)\n"  \
    "movl $0x1ff, 0xf0(%rsi)\n"

/* Counts in memory, R12, XMM0, each 256th turn in the MSR
 * KERNEL_GS_BASE; DR0 stays. The TSC never goes back. An interrupt that nobody waits for is one too
 * many; the test sees one that is missing. */
GUEST_CODE(
    keeps_count, SET_UP
    "xor %r12, %r12\n xor %r13, %r13\n xor %r14, %r14\n mov 32(%rbx), %r15\n"
    "mov $0x1234560, %eax\n mov %rax, %dr0\n"
    "test $1, %r15\n jz 1f\n"
    "mov %cr4, %rax\n or $0x600, %eax\n mov %rax, %cr4\n"
    "mov $1, %eax\n movq %rax, %xmm1\n pxor %xmm0, %xmm0\n"
    "1: test $2, %r15\n jz 4f\n"
    "mov $0x40040, %eax\n" /* a deadline of the TSC, vector 0x40 */
    "test $4, %r15\n jz 2f\n mov $0x40, %eax\n movl $0xb, 0x3e0(%rsi)\n"
    "2: mov %eax, 0x320(%rsi)\n sti\n"
    /* one turn */
    "4: incq (%rbx)\n inc %r12\n cmp %r12, (%rbx)\n jne 12f\n"
    "test $1, %r15\n jz 5f\n"
    "paddq %xmm1, %xmm0\n movq %xmm0, %rax\n cmp %r12, %rax\n jne 13f\n"
    "5: test $0xff, %r12b\n jnz 6f\n"
    "mov $0xc0000102, %ecx\n rdmsr\n cmp %r13d, %eax\n jne 14f\n"
    "mov %r12d, %r13d\n mov %r13d, %eax\n xor %edx, %edx\n wrmsr\n"
    "mov %dr0, %rax\n cmp $0x1234560, %rax\n jne 16f\n"
    "6: rdtsc\n shl $32, %rdx\n or %rdx, %rax\n cmp %r14, %rax\n jb 15f\n"
    "mov %rax, %r14\n"
    "test $2, %r15\n jz 8f\n cmpq $0, 24(%rbx)\n jne 8f\n movq $1, 24(%rbx)\n"
    "test $4, %r15\n jz 7f\n movl $2000000, 0x380(%rsi)\n jmp 8f\n"
    "7: add $2000000, %rax\n mov %rax, %rdx\n shr $32, %rdx\n mov $0x6e0, %ecx\n"
    "wrmsr\n"
    "8: cmpq $0, 16(%rbx)\n je 4b\n" EXIT_WITH(7) "12:" EXIT_WITH(2) "13:" EXIT_WITH(
        3) "14:" EXIT_WITH(4) "15:" EXIT_WITH(5) "16:" EXIT_WITH(6)
    /* the interrupt */
    "90: push %rax\n test $4, %r15\n jnz 1f\n cmpq $1, 24(%rbx)\n jne 91f\n 1: movq $0, "
    "24(%rbx)\n"
    "incq 8(%rbx)\n movl $0, 0xb0(%rsi)\n pop %rax\n iretq\n"
    "91:" EXIT_WITH(8) EXIT_WITH_EAX "1: jmp 1b\n");

/* An IPI to itself, with interrupts off; then on. It must come, and not again. */
GUEST_CODE(
    sends_itself, SET_UP
    "testb $16, 32(%rbx)\n jnz 1f\n movl $0x40040, 0x300(%rsi)\n 1:\n"
    "mov $0xd0100004, %edx\n movl $1, (%rdx)\n"
    "sti\n mov $1000000, %ecx\n 1: pause\n dec %ecx\n jnz 1b\n"
    "mov $7, %eax\n cmpq $1, 8(%rbx)\n je 99f\n mov 8(%rbx), %eax\n add $100, %eax\n"
    "jmp 99f\n"
    "90: incq 8(%rbx)\n movl $0, 0xb0(%rsi)\n iretq\n" EXIT_WITH_EAX "1: jmp 1b\n");

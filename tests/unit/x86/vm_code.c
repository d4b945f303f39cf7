/* SPDX-License-Identifier: MIT */
/*
 * Guest code for tests/unit/test_vm.c. Only general registers, polling and 2 MiB pages, so that
 * the PVM flavour of KVM, which emulates every instruction, runs all but one.
 */
#include "tests/unit/vm_machine.h"

#define EXIT_WITH_EAX "mov $0xd0100004, %edx\n mov %eax, (%rdx)\n 1: jmp 1b\n"

const uint64_t vm_code_empty = 0xd0200000;
const uint64_t vm_code_slot = 0xe0000000;
const uint64_t vm_code_other = 0x10000;
const char *const vm_code_slot_sign = "rdx=e0000000";

GUEST_CODE(verdict, "mov $7, %eax\n" EXIT_WITH_EAX);
GUEST_CODE(argument, "mov %rdi, %rax\n" EXIT_WITH_EAX);
GUEST_CODE(empty_mmio,
           "mov $0xd0200000, %edx\n mov (%rdx), %rbx\n mov %rbx, 8(%rdx)\n"
           "xor %eax, %eax\n inc %rbx\n setz %al\n" EXIT_WITH_EAX);
GUEST_CODE(spin, "1: jmp 1b\n");
GUEST_CODE(bad_slot, "mov $0xe0000000, %edx\n mov (%rdx), %eax\n" EXIT_WITH_EAX);

/* Software-enables the local APIC, sends INIT and SIPI (vector 0x10: start at 0x10000) to
 * all others, and waits until both have counted themselves. */
GUEST_CODE(start_others,
           "mov $0xfee00000, %ebx\n movl $0x1ff, 0xf0(%rbx)\n"
           "movl $0xc4500, 0x300(%rbx)\n movl $0xc4610, 0x300(%rbx)\n"
           "mov $0x10100, %esi\n 2: pause\n cmpw $2, (%rsi)\n jne 2b\n"
           "mov $2, %eax\n" EXIT_WITH_EAX);
GUEST_CODE(other, ".code16\n lock incw %cs:0x100\n 1: hlt\n jmp 1b\n.code64\n");

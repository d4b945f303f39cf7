/* SPDX-License-Identifier: MIT */
/*
 * One stub for each of the 32 exceptions, EXCEPTION_STUB_SIZE bytes apart. All end in
 * exception_report() with a struct exception_frame (exception.h) on the stack, and never
 * return: an exception in this guest is a bug, and a report is all that is wanted of it.
 */
#include "guest/arch/x86/exception.h"

    .text
    .globl exception_stubs
    .balign EXCEPTION_STUB_SIZE
exception_stubs:
    .set vector, 0
    .rept EXCEPTION_COUNT
    .balign EXCEPTION_STUB_SIZE
    .if ((EXCEPTION_HAS_ERROR_CODE >> vector) & 1) == 0
    pushq $0                    /* the CPU pushed no error code */
    .endif
    pushq $vector
    jmp exception_common
    .set vector, vector + 1
    .endr

exception_common:
    pushq %rax
    pushq %rbx
    pushq %rcx
    pushq %rdx
    pushq %rsi
    pushq %rdi
    pushq %rbp
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    cld
    movq %rsp, %rdi
    andq $-16, %rsp
    call exception_report
    ud2

    .section .note.GNU-stack, "", @progbits

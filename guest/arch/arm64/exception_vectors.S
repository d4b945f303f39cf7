/* SPDX-License-Identifier: MIT */
/*
 * The 16 vectors, EXCEPTION_VECTOR_SIZE bytes apart. All go through exception_handle()
 * with a struct exception_frame (exception.h) on the stack; when it returns, so do they.
 */
#include "guest/arch/arm64/exception.h"

    .text
    .globl exception_vectors
    .balign 2048
exception_vectors:
    .set vector, 0
    .rept EXCEPTION_COUNT
    .balign EXCEPTION_VECTOR_SIZE
    sub sp, sp, #EXCEPTION_FRAME_SIZE
    stp x0, x1, [sp]
    mov x0, #vector
    b exception_common
    .set vector, vector + 1
    .endr

exception_common:
    stp x2, x3, [sp, #16]
    stp x4, x5, [sp, #32]
    stp x6, x7, [sp, #48]
    stp x8, x9, [sp, #64]
    stp x10, x11, [sp, #80]
    stp x12, x13, [sp, #96]
    stp x14, x15, [sp, #112]
    stp x16, x17, [sp, #128]
    stp x18, x19, [sp, #144]
    stp x20, x21, [sp, #160]
    stp x22, x23, [sp, #176]
    stp x24, x25, [sp, #192]
    stp x26, x27, [sp, #208]
    stp x28, x29, [sp, #224]
    add x1, sp, #EXCEPTION_FRAME_SIZE
    stp x30, x1, [sp, #240]     /* x30, sp */
    mrs x1, elr_el1
    mrs x2, spsr_el1
    stp x1, x2, [sp, #256]      /* pc, pstate */
    mrs x1, esr_el1
    mrs x2, far_el1
    stp x1, x2, [sp, #272]      /* syndrome, address */
    str x0, [sp, #288]          /* vector */
    mov x0, sp
    bl exception_handle

    ldp x1, x2, [sp, #256]
    msr elr_el1, x1
    msr spsr_el1, x2
    ldr x30, [sp, #240]
    ldp x28, x29, [sp, #224]
    ldp x26, x27, [sp, #208]
    ldp x24, x25, [sp, #192]
    ldp x22, x23, [sp, #176]
    ldp x20, x21, [sp, #160]
    ldp x18, x19, [sp, #144]
    ldp x16, x17, [sp, #128]
    ldp x14, x15, [sp, #112]
    ldp x12, x13, [sp, #96]
    ldp x10, x11, [sp, #80]
    ldp x8, x9, [sp, #64]
    ldp x6, x7, [sp, #48]
    ldp x4, x5, [sp, #32]
    ldp x2, x3, [sp, #16]
    ldp x0, x1, [sp], #EXCEPTION_FRAME_SIZE
    eret

    /* uint64_t exception_try_read(const volatile void *address) */
    .globl exception_try_read, exception_try_read_load
exception_try_read:
    mov x1, x0
    mov x0, xzr
exception_try_read_load:
    ldr w1, [x1]                /* if it faults, x0 becomes the syndrome */
    ret

    /* uint64_t exception_try_read_pair(const volatile void *address) */
    .globl exception_try_read_pair, exception_try_read_pair_load
exception_try_read_pair:
    mov x1, x0
    mov x0, xzr
exception_try_read_pair_load:
    ldp x1, x2, [x1]            /* as above */
    ret

    .section .note.GNU-stack, "", %progbits

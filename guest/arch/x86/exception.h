/* SPDX-License-Identifier: MIT */
/*
 * Exceptions are reported, not handled. Where KVM cannot deliver one, it ends the VM
 * without a report. Also included by exception_stubs.S.
 */
#ifndef S2VMM_GUEST_X86_EXCEPTION_H
#define S2VMM_GUEST_X86_EXCEPTION_H

#define EXCEPTION_COUNT     32
#define EXCEPTION_STUB_SIZE 16

/* Bit n: the CPU pushes an error code for vector n (Intel SDM vol. 3, table 6-1; AMD APM
 * vol. 2, 8.2): #DF, #TS, #NP, #SS, #GP, #PF, #AC, #CP, #VC, #SX. */
#define EXCEPTION_HAS_ERROR_CODE 0x60227d00

#ifndef __ASSEMBLER__
#include <stdint.h>

/* As exception_common pushes it, and above it what the CPU pushed. */
struct exception_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t vector, error_code;
    uint64_t rip, cs, rflags, rsp, ss;
};

struct guest;

/* Loads an IDT on this CPU and remembers the guest for the report. */
void exception_init(struct guest *guest);
#endif

#endif

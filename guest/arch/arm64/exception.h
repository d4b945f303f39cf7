/* SPDX-License-Identifier: MIT */
/*
 * Exceptions are reported, not handled, but for two: the reads of arch_unaligned_read() and
 * arch_pair_read(), which may fault. Also included by exception_vectors.S.
 */
#ifndef S2VMM_GUEST_ARM64_EXCEPTION_H
#define S2VMM_GUEST_ARM64_EXCEPTION_H

#define EXCEPTION_COUNT       16
#define EXCEPTION_VECTOR_SIZE 0x80 /* DDI 0487, D1.4.1.6 */
#define EXCEPTION_SYNCHRONOUS 4    /* from this EL, which uses its own stack pointer */
#define EXCEPTION_FRAME_SIZE  304

#ifndef __ASSEMBLER__
#include <stdint.h>

/* As exception_vectors.S stores it. */
struct exception_frame {
    uint64_t x[31];
    uint64_t sp, pc, pstate, syndrome, address, vector;
    uint64_t padding;
};

_Static_assert(sizeof(struct exception_frame) == EXCEPTION_FRAME_SIZE, "as in assembly");

struct guest;

/* Sets this CPU's vectors and remembers the guest for the report. */
void exception_init(struct guest *guest);

/* Reads 32 bits. Returns 0, or the syndrome (ESR_EL1) if that was an alignment fault. */
uint64_t exception_try_read(const volatile void *address);

/* Reads two words of 64 bits with one instruction. Returns 0, or the syndrome if that was an
 * external abort. */
uint64_t exception_try_read_pair(const volatile void *address);
#endif

#endif

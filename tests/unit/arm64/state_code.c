/* SPDX-License-Identifier: MIT */
/*
 * Guest code for tests/unit/test_vm_state.c. The MMU is off. X19: struct state_words. X20 and up
 * are the main code's, X9 to X15 those of the interrupt.
 */
#include "tests/unit/state_machine.h"

const uint64_t state_words_address = 0x40230000;
const uint64_t state_vector_address = 0x40240280; /* IRQ at the current level, SP_ELx */

#define EXIT_WITH(value) "mov w0, #" #value "\n b 99f\n"
#define EXIT_WITH_W0     "99: mov x1, #0x0a100000\n str w0, [x1, #4]\n"

/* Registers of the CPU interface by their encodings, as old assemblers know no names. */
#define ICC_PMR_EL1     "s3_0_c4_c6_0"
#define ICC_SGI1R_EL1   "s3_0_c12_c11_5"
#define ICC_IAR1_EL1    "s3_0_c12_c12_0"
#define ICC_EOIR1_EL1   "s3_0_c12_c12_1"
#define ICC_IGRPEN1_EL1 "s3_0_c12_c12_7"

/* Vectors, the GIC, and in it SGI 1 and PPI 27, which the virtual timer has. X22: features. */
#define SET_UP                                                                           \
    "mov x19, #0x40230000\n ldr x22, [x19, #32]\n"                                       \
    "mov x0, #0x40240000\n msr vbar_el1, x0\n"                                           \
    "mov x0, #0x300000\n msr cpacr_el1, x0\n isb\n"                                      \
    "mov w2, #2\n movk w2, #0x800, lsl #16\n"                                            \
    "mov x0, #0x08000000\n"                                                              \
    "tbnz x22, #3, 2f\n"                                                                 \
    "mov w1, #2\n str w1, [x0]\n"                                                        \
    "mov x0, #0x080b0000\n str w2, [x0, #0x100]\n"                                       \
    "mov x0, #0xff\n msr " ICC_PMR_EL1 ", x0\n mov x0, #1\n msr " ICC_IGRPEN1_EL1        \
    ", x0\n isb\n b 3f\n"                                                                \
    "2: mov w1, #1\n str w1, [x0]\n str w2, [x0, #0x100]\n"                              \
    "mov x0, #0x08010000\n mov w2, #0xff\n str w2, [x0, #4]\n str w1, [x0]\n"            \
    "3:\n"

/* 27: the timer. 1 and LPIs: somebody sent it. 1023: nothing any more. */
GUEST_CODE(state_vector,
           "mov x11, #0x08010000\n"
           "tbnz x22, #3, 1f\n mrs x9, " ICC_IAR1_EL1
           "\n b 2f\n"
           "1: ldr w9, [x11, #12]\n"
           "2: and w10, w9, #0xffffff\n cmp w10, #1023\n b.eq 5f\n"
           "cmp w10, #27\n b.ne 3f\n"
           "msr cntv_ctl_el0, xzr\n isb\n"
           "ldr x12, [x19, #24]\n cmp x12, #1\n b.ne 6f\n"
           "str xzr, [x19, #24]\n"
           "3: ldr x12, [x19, #8]\n add x12, x12, #1\n str x12, [x19, #8]\n"
           "tbnz x22, #3, 4f\n msr " ICC_EOIR1_EL1
           ", x9\n isb\n b 5f\n"
           "4: str w9, [x11, #16]\n"
           "5: eret\n"
           "6:" EXIT_WITH(8) EXIT_WITH_W0 "1: b 1b\n");

/* Counts in memory, X20, V0, and each 256th turn in TPIDR_EL1. The virtual counter never goes back.
 * The timer is set 1/512 of a second ahead. */
GUEST_CODE(
    keeps_count, SET_UP
    "mov x20, #0\n mov x21, #0\n mov x23, #0\n msr tpidr_el1, xzr\n"
    "movi d0, #0\n mov x0, #1\n fmov d1, x0\n mrs x24, cntfrq_el0\n"
    "lsr x24, x24, #9\n tbz x22, #1, 4f\n msr daifclr, #2\n"
    /* one turn */
    "4: ldr x0, [x19]\n add x0, x0, #1\n str x0, [x19]\n add x20, x20, #1\n"
    "cmp x0, x20\n b.ne 12f\n"
    "add d0, d0, d1\n fmov x0, d0\n cmp x0, x20\n b.ne 13f\n"
    "tst x20, #0xff\n b.ne 6f\n"
    "mrs x0, tpidr_el1\n cmp x0, x23\n b.ne 14f\n mov x23, x20\n msr tpidr_el1, x23\n"
    "6: isb\n mrs x0, cntvct_el0\n cmp x0, x21\n b.lo 15f\n mov x21, x0\n"
    "tbz x22, #1, 8f\n ldr x1, [x19, #24]\n cbnz x1, 8f\n"
    "mov x1, #1\n str x1, [x19, #24]\n add x0, x0, x24\n msr cntv_cval_el0, x0\n"
    "msr cntv_ctl_el0, x1\n isb\n"
    "8: ldr x0, [x19, #16]\n cbz x0, 4b\n" EXIT_WITH(7) "12:" EXIT_WITH(
        2) "13:" EXIT_WITH(3) "14:" EXIT_WITH(4) "15:" EXIT_WITH(5) EXIT_WITH_W0
    "1: b 1b\n");

/* SGI 1 to itself, with interrupts masked; then unmasked. It must come, and not again. */
GUEST_CODE(sends_itself, SET_UP
           "tbnz x22, #4, 2f\n tbnz x22, #3, 1f\n mov x0, #1\n movk x0, #0x100, lsl #16\n"
           "msr " ICC_SGI1R_EL1
           ", x0\n isb\n b 2f\n"
           "1: mov x1, #0x08000000\n mov w0, #1\n movk w0, #0x200, lsl #16\n"
           "str w0, [x1, #0xf00]\n"
           "2: mov x1, #0x0a100000\n mov w0, #1\n str w0, [x1, #4]\n"
           "msr daifclr, #2\n mov x2, #0x80000\n 3: subs x2, x2, #1\n b.ne 3b\n"
           "mov w0, #7\n ldr x2, [x19, #8]\n cmp x2, #1\n b.eq 99f\n add w0, w2, "
           "#100\n" EXIT_WITH_W0 "1: b 1b\n");

/* SPDX-License-Identifier: MIT */
/*
 * Guest code for tests/unit/test_vm.c. The MMU is off: every access is one to Device memory, so
 * it is aligned, and counters are words of their own instead of exclusives.
 */
#include "tests/unit/vm_machine.h"

#define EXIT_WITH_W0 "mov x1, #0x0a100000\n str w0, [x1, #4]\n 1: b 1b\n"

const uint64_t vm_code_empty = 0x0a200000;
const uint64_t vm_code_slot = 0x80000000;
const uint64_t vm_code_other = 0x40210000;
const char *const vm_code_slot_sign = "pc=40200004 ";

GUEST_CODE(verdict, "mov w0, #7\n" EXIT_WITH_W0);
GUEST_CODE(argument, EXIT_WITH_W0);
GUEST_CODE(empty_mmio,
           "mov x1, #0x0a200000\n ldr x2, [x1]\n str x2, [x1, #8]\n"
           "cmn x2, #1\n cset w0, eq\n" EXIT_WITH_W0);
GUEST_CODE(spin, "1: b 1b\n");
GUEST_CODE(bad_slot, "mov x2, #0x80000000\n ldr w0, [x2]\n" EXIT_WITH_W0);

/* PSCI CPU_ON (DEN0022, 5.6): X1 is the MPIDR, X2 the entry, X3 goes to X0 there. Here it is
 * the word in which the other vCPU says that it runs. */
GUEST_CODE(start_others,
           "mov x4, #0x40220000\n mov x5, #1\n"
           "2: mov x0, #3\n movk x0, #0xc400, lsl #16\n mov x1, x5\n"
           "mov x2, #0x40210000\n add x3, x4, x5, lsl #2\n hvc #0\n"
           "cbnz x0, 4f\n add x5, x5, #1\n cmp x5, #2\n b.ls 2b\n"
           "3: ldr w0, [x4, #4]\n ldr w1, [x4, #8]\n add w0, w0, w1\n"
           "cmp w0, #2\n b.ne 3b\n"
           "4:\n" EXIT_WITH_W0);
GUEST_CODE(other, "mov w1, #1\n str w1, [x0]\n 1: wfi\n b 1b\n");

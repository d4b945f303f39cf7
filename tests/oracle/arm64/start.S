/* SPDX-License-Identifier: MIT */
/*
 * The first instructions at EL2, the way out, and one answer to every exception: report
 * it and stop. MMU and caches of EL2 stay off, interrupts stay masked.
 */
#include "tests/oracle/arm64/machine.h"

    .section .text.start, "ax"
    .globl _start
_start:
    adrp x0, stack_top
    add x0, x0, :lo12:stack_top
    mov sp, x0
    mrs x0, CurrentEL
    cmp x0, #CURRENT_EL_2
    b.ne 1f                     /* oracle_main() complains */
    adr x0, vectors
    msr vbar_el2, x0
    isb
1:  bl oracle_main
    /* fall through */

/* Never returns. Without EL2, QEMU's PSCI listens to hvc. */
    .globl power_off
power_off:
    mrs x1, CurrentEL
    ldr w0, =PSCI_SYSTEM_OFF
    cmp x1, #CURRENT_EL_2
    b.ne 1f
    smc #0
    b 2f
1:  hvc #0
2:  wfi
    b 2b

    .balign 2048
vectors:
    .rept 16
    .balign 128
    mrs x0, esr_el2
    mrs x1, elr_el2
    mrs x2, far_el2
    b oracle_exception
    .endr

    .bss
    .balign 16
    .skip 16384
stack_top:

    .section .note.GNU-stack, "", @progbits

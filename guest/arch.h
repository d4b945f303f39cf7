/* SPDX-License-Identifier: MIT */
/*
 * What the guest needs of its architecture; guest/arch/NAME/ implements it. Nothing
 * outside of that folder knows which one it is.
 */
#ifndef S2VMM_GUEST_ARCH_H
#define S2VMM_GUEST_ARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct guest;

/* Prepares the boot CPU: from here on an exception is reported on the console. */
void arch_init(struct guest *guest);

/* Writes bytes to the serial port at `base` (of struct boot_device). */
void arch_serial_write(uint64_t base, const char *bytes, size_t count);

/* One turn of a polling loop. */
void arch_pause(void);

/* All earlier accesses are done and visible to other CPUs and to devices before any later
 * one; also empties the CPU's write-combining buffers. */
void arch_barrier(void);

/* A clock that only bounds how long we wait. A second has at most ARCH_TICKS_PER_SECOND
 * of its ticks, so that a bound is never shorter than it says. */
uint64_t arch_ticks(void);
uint64_t arch_ticks_per_second(void);

/* Makes this CPU stop in a way that the VMM sees as the guest's crash. */
_Noreturn void arch_crash(void);
_Noreturn void arch_stop(void);

/*
 * Interrupts are watched, not taken: delivery to the CPU stays off, and the interrupt
 * controller is asked whether one waits. KVM's PVM flavour delivers none in long mode.
 * A watch is good for one interrupt; each of a run needs its own `slot`, 0 to 7.
 */
void arch_interrupt_watch(uint32_t irq, unsigned slot);
bool arch_interrupt_is_pending(unsigned slot);

/* Starts the other CPUs: each calls function(argument, index), index 1 to cpu_count - 1,
 * and stops when it returns. False if not all are up after a second. Once only. */
bool arch_start_cpus(struct guest *guest,
                     void (*function)(void *argument, uint32_t index), void *argument);

#endif

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

#include "vmm/memattr.h"

struct guest;

/* The rules that S1 follows. They are the same for all models of one architecture: which
 * of them the host has, the guest cannot know. */
#if defined(__aarch64__)
#define ARCH_MEMATTR_MODEL MEMATTR_ARM64
#else
#define ARCH_MEMATTR_MODEL MEMATTR_NPT
#endif

/* Prepares the boot CPU: from here on an exception is reported on the console. */
void arch_init(struct guest *guest);

/* Writes bytes to the serial port at `base` (of struct boot_device). */
void arch_serial_write(uint64_t base, const char *bytes, size_t count);

/* One turn of a polling loop. */
void arch_pause(void);

/* All earlier accesses are done and visible to other CPUs and to devices before any later
 * one; also empties the CPU's write-combining buffers. */
void arch_barrier(void);

/* Writes back and drops what caches hold of the range, which was used through a cacheable
 * mapping and is going to be used through another one. */
void arch_cache_flush(const volatile void *start, uint64_t size);

/* What the CPU says about its own translation of the address: PAR_EL1 after AT S1E1R on
 * arm64. False if it says that there is none; always on x86, which has no such
 * instruction. */
bool arch_translate(const volatile void *address, uint64_t *attributes);

enum arch_access {
    ARCH_ACCESS_WORKS,
    ARCH_ACCESS_FAULTED,
};

/* Reads the 32-bit word that begins one byte behind `address`, which is aligned. On arm64
 * that may be an alignment fault on Device memory: of the first stage that says Device
 * (DDI 0487, B2.10). Where that is KVM's, KVM_RUN ends with EFAULT: to be tried only where
 * the VM may end. On x86 it always works. */
enum arch_access arch_unaligned_read(const volatile void *address);

/* Reads 16 bytes. On arm64 with one LDP, which the CPU does not describe to KVM when it traps
 * (DDI 0487, ESR_EL2.ISS.ISV is 0): where no memory is it should be an external abort. On x86
 * with two ordinary reads: it always works. */
enum arch_access arch_pair_read(const volatile void *address);

/* x86: gives a range of physical addresses (size: a power of 2 from 4 KiB, which the start is a
 * multiple of) the type UC in this CPU's first variable MTRR, or takes that register out of use
 * again. False where there are no MTRRs: on arm64. */
bool arch_set_mtrr_uc(uint64_t start, uint64_t size, bool on);

/* A clock that only bounds how long we wait. A second has at most ARCH_TICKS_PER_SECOND
 * of its ticks, so that a bound is never shorter than it says. */
uint64_t arch_ticks(void);
uint64_t arch_ticks_per_second(void);

/* How many ticks a second really has; takes 20 ms on x86. */
uint64_t arch_measure_ticks_per_second(void);

/* Makes this CPU stop in a way that the VMM sees as the guest's crash. */
_Noreturn void arch_crash(void);
_Noreturn void arch_stop(void);

/*
 * Interrupts are watched, not taken: delivery to the CPU stays off, and the interrupt
 * controller is asked whether one waits. KVM's PVM flavour delivers none in long mode.
 * A watch is good for one interrupt; each of a run needs its own `slot`, 0 to 7.
 */
void arch_interrupt_watch(uint32_t irq, unsigned slot);
bool arch_interrupt_is_pending(uint32_t irq, unsigned slot);
/* A watch for a message: what a device has to write where; arch_interrupt_is_pending() with any
 * irq tells whether it did. False on arm64. */
bool arch_message_watch(unsigned slot, uint64_t *address, uint32_t *data);

/* A level-triggered pin, whose interrupt is taken: watch, take (true: it came), make the device
 * let go, end. It comes again if the device has not let go, or asks again. Not together with a
 * watch of the pin as above. */
void arch_level_watch(uint32_t irq, unsigned slot);
bool arch_level_take(uint32_t irq, unsigned slot);
void arch_level_end(uint32_t irq, unsigned slot);

/* Starts the other CPUs: each calls function(argument, index), index 1 to cpu_count - 1,
 * and stops when it returns. False if not all are up after a second. Once only. */
bool arch_start_cpus(struct guest *guest,
                     void (*function)(void *argument, uint32_t index), void *argument);

#endif

/* SPDX-License-Identifier: MIT */
#include "guest/arch.h"

#include "guest/arch/arm64/cpu.h"
#include "guest/arch/arm64/exception.h"
#include "guest/arch/arm64/psci.h"
#include "guest/mmio.h"

#define PL011_DATA 0x0u /* DDI 0183, 3.3.1 */

#define PAR_FAULT 1u /* PAR_EL1.F (DDI 0487) */

void arch_init(struct guest *guest)
{
    exception_init(guest);
}

/* One exit for each byte. The transmitter is always ready (devices/pl011.c), so that the
 * flag register is not polled. */
void arch_serial_write(uint64_t base, const char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        mmio_write32(base + PL011_DATA, (uint8_t)bytes[i]);
}

void arch_pause(void)
{
    __asm__ volatile("yield" : : : "memory");
}

void arch_barrier(void)
{
    cpu_wait_for_memory();
}

/* To the point of coherency: where all observers agree, whatever their attributes are
 * (DDI 0487, D7.5.9.5 and D8.18.3). */
void arch_cache_flush(const volatile void *start, uint64_t size)
{
    uint64_t line = 4u << (cpu_read_ctr_el0() >> 16 & 0xf); /* CTR_EL0.DminLine */
    uint64_t first = (uintptr_t)start & ~(line - 1);
    cpu_wait_for_memory();
    for (uint64_t address = first; address < (uintptr_t)start + size; address += line)
        __asm__ volatile("dc civac, %0" : : "r"(address) : "memory");
    cpu_wait_for_memory();
}

bool arch_translate(const volatile void *address, uint64_t *attributes)
{
    __asm__ volatile("at s1e1r, %0" : : "r"(address) : "memory");
    cpu_synchronize();
    *attributes = cpu_read_par_el1();
    return (*attributes & PAR_FAULT) == 0;
}

enum arch_access arch_unaligned_read(const volatile void *address)
{
    uint64_t syndrome = exception_try_read((const volatile char *)address + 1);
    return syndrome == 0 ? ARCH_ACCESS_WORKS : ARCH_ACCESS_FAULTED;
}

bool arch_set_mtrr_uc(uint64_t start, uint64_t size, bool on)
{
    (void)start;
    (void)size;
    (void)on;
    return false;
}

enum arch_access arch_pair_read(const volatile void *address)
{
    uint64_t syndrome = exception_try_read_pair(address);
    return syndrome == 0 ? ARCH_ACCESS_WORKS : ARCH_ACCESS_FAULTED;
}

/* Not before what precedes it in the program (DDI 0487, D12.2.2.1). */
uint64_t arch_ticks(void)
{
    cpu_synchronize();
    return cpu_read_cntvct_el0();
}

uint64_t arch_ticks_per_second(void)
{
    return cpu_read_cntfrq_el0();
}

uint64_t arch_measure_ticks_per_second(void)
{
    return cpu_read_cntfrq_el0();
}

/* There is no triple fault here: the exception's handler gives the verdict. */
_Noreturn void arch_crash(void)
{
    __asm__ volatile("udf #0");
    arch_stop();
}

_Noreturn void arch_stop(void)
{
    for (;;)
        __asm__ volatile("wfi");
}

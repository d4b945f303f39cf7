/* SPDX-License-Identifier: MIT */
#include "guest/arch.h"

#include "guest/arch/x86/cpu.h"
#include "guest/arch/x86/exception.h"
#include "guest/arch/x86/lapic.h"
#include "guest/mmio.h"

void arch_init(struct guest *guest)
{
    exception_init(guest);
}

/* One instruction for the whole line: KVM hands a string output to the VMM as one exit.
 * The port's transmitter is always ready (devices/serial.c), so that LSR is not polled.
 */
void arch_serial_write(uint64_t base, const char *bytes, size_t count)
{
    __asm__ volatile("rep outsb"
                     : "+S"(bytes), "+c"(count)
                     : "d"((uint16_t)base)
                     : "memory");
}

void arch_pause(void)
{
    __asm__ volatile("pause" : : : "memory");
}

/* A locked instruction and not MFENCE: it orders as much for memory of every type and
 * empties the write-combining buffers too (Intel SDM vol. 3, 8.2.5 and 12.3.1), and KVM's
 * instruction emulator, which runs all of this guest on the PVM flavour, does not know
 * MFENCE. */
void arch_barrier(void)
{
    __asm__ volatile("lock orl $0, (%%rsp)" : : : "memory", "cc");
}

/* Nothing: an access of any type snoops this CPU's own caches (Intel SDM vol. 2,
 * CPUID.01H, EDX.SS; AMD APM vol. 2, 7.3). */
void arch_cache_flush(const volatile void *start, uint64_t size)
{
    (void)start;
    (void)size;
}

bool arch_translate(const volatile void *address, uint64_t *attributes)
{
    (void)address;
    *attributes = 0;
    return false;
}

enum arch_access arch_unaligned_read(const volatile void *address)
{
    uint32_t word;
    __asm__ volatile("movl 1(%1), %0" : "=r"(word) : "r"(address) : "memory");
    return ARCH_ACCESS_WORKS;
}

/* As 12.11.2.3 of the SDM, vol. 3; a mask has a bit for each bit of a physical address (CPUID
 * 0x80000008), and bit 11 makes it count. The procedure of 12.11.8 - caches off and empty - is
 * about a CPU that uses its MTRRs, and KVM does not use the guest's. */
bool arch_set_mtrr_uc(uint64_t start, uint64_t size, bool on)
{
    enum { TYPE_UC = 0, VALID = 1 << 11 };
    uint32_t eax = 0x80000008u, ebx, ecx = 0, edx;
    __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
    uint64_t all = ((uint64_t)1 << (eax & 0xff)) - 1;
    cpu_write_msr(MSR_IA32_MTRR_PHYSMASK0, 0);
    cpu_write_msr(MSR_IA32_MTRR_PHYSBASE0, on ? start | TYPE_UC : 0);
    if (on)
        cpu_write_msr(MSR_IA32_MTRR_PHYSMASK0, (all & ~(size - 1)) | VALID);
    return true;
}

enum arch_access arch_pair_read(const volatile void *address)
{
    const volatile uint64_t *words = address;
    (void)words[0];
    (void)words[1];
    return ARCH_ACCESS_WORKS;
}

uint64_t arch_ticks(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

/* No CPU that we know has a faster time-stamp counter. */
uint64_t arch_ticks_per_second(void)
{
    return 5000000000;
}

/* Against the local APIC's timer, which KVM lets count nanoseconds (APIC_BUS_CYCLE_NS in
 * arch/x86/kvm/lapic.h). */
uint64_t arch_measure_ticks_per_second(void)
{
    const uint32_t nanoseconds = 20000000;
    mmio_write32(LAPIC_BASE + LAPIC_SPURIOUS, LAPIC_SPURIOUS_ON | LAPIC_VECTOR_NOTHING);
    mmio_write32(LAPIC_BASE + LAPIC_TIMER, LAPIC_TIMER_MASKED);
    mmio_write32(LAPIC_BASE + LAPIC_TIMER_DIVIDE, LAPIC_TIMER_DIVIDE_1);
    mmio_write32(LAPIC_BASE + LAPIC_TIMER_START, UINT32_MAX);
    uint32_t first = mmio_read32(LAPIC_BASE + LAPIC_TIMER_NOW);
    uint64_t start = arch_ticks();
    uint32_t now = first;
    while (first - now < nanoseconds)
        now = mmio_read32(LAPIC_BASE + LAPIC_TIMER_NOW);
    uint64_t ticks = arch_ticks() - start;
    mmio_write32(LAPIC_BASE + LAPIC_TIMER_START, 0);
    return ticks * 1000000000 / (first - now);
}

/* With an empty IDT an exception becomes a double fault, and that a triple fault, which
 * is a shutdown (Intel SDM vol. 3, 6.15, interrupt 8). */
_Noreturn void arch_crash(void)
{
    cpu_load_idt(&(struct cpu_table){0});
    __asm__ volatile("ud2");
    __builtin_unreachable();
}

_Noreturn void arch_stop(void)
{
    for (;;)
        __asm__ volatile("cli; hlt");
}

/* SPDX-License-Identifier: MIT */
/*
 * A level-triggered pin, whose interrupt is really taken: only the end of interrupt lets the I/O
 * APIC, and what is behind it, forget it (82093AA data sheet, 3.2.4, Remote IRR). RFLAGS.IF is set
 * for one instruction, with an IDT of one gate.
 */
#include "guest/arch.h"
#include "guest/arch/x86/cpu.h"
#include "guest/arch/x86/lapic.h"
#include "guest/mmio.h"

#define IOAPIC_BASE     0xfec00000u
#define IOAPIC_SELECT   0x00u
#define IOAPIC_WINDOW   0x10u
#define IOAPIC_REDIRECT 0x10u
#define IOAPIC_LEVEL    0x8000u

#define FIRST_VECTOR 0x48u /* behind those of interrupt.c */
#define VECTORS      256u
#define GATE_INTERRUPT                                                                   \
    0x8e00u /* present, 64-bit interrupt gate (Intel SDM vol. 3, 6.14.1) */
#define LAPIC_END 0x0b0u

struct gate {
    uint64_t low;
    uint64_t high;
};

extern const char level_interrupt[];
__asm__(
    ".text\n"
    "level_interrupt:\n"
    "iretq\n");

static void ioapic_write(uint32_t index, uint32_t value)
{
    mmio_write32(IOAPIC_BASE + IOAPIC_SELECT, index);
    mmio_write32(IOAPIC_BASE + IOAPIC_WINDOW, value);
}

void arch_level_watch(uint32_t irq, unsigned slot)
{
    uint32_t destination = mmio_read32(LAPIC_BASE + LAPIC_ID) & 0xff000000u;
    mmio_write32(LAPIC_BASE + LAPIC_SPURIOUS, LAPIC_SPURIOUS_ON | LAPIC_VECTOR_NOTHING);
    ioapic_write(IOAPIC_REDIRECT + 2 * irq + 1, destination);
    ioapic_write(IOAPIC_REDIRECT + 2 * irq, IOAPIC_LEVEL | (FIRST_VECTOR + slot));
}

/* Vectors of the same IDT that nobody expects become a double fault, and the end. */
static void take(uint32_t vector)
{
    static struct gate gates[VECTORS];
    uint64_t handler = (uintptr_t)level_interrupt;
    struct cpu_table before;
    uint16_t selector;
    __asm__ volatile("mov %%cs, %0" : "=r"(selector));
    gates[vector] = (struct gate){
        .low = (handler & 0xffff) | (uint64_t)selector << 16 |
               (uint64_t)GATE_INTERRUPT << 32 | (handler >> 16 & 0xffff) << 48,
        .high = handler >> 32,
    };
    __asm__ volatile("sidt %0" : "=m"(before));
    cpu_load_idt(
        &(struct cpu_table){.limit = sizeof gates - 1, .base = (uintptr_t)gates});
    __asm__ volatile("sti; nop; cli" : : : "memory");
    cpu_load_idt(&before);
}

bool arch_level_take(uint32_t irq, unsigned slot)
{
    (void)irq;
    uint32_t vector = FIRST_VECTOR + slot;
    uint32_t request = mmio_read32(LAPIC_BASE + LAPIC_REQUEST + vector / 32 * 16);
    if ((request >> vector % 32 & 1) == 0)
        return false;
    take(vector);
    return true;
}

void arch_level_end(uint32_t irq, unsigned slot)
{
    (void)irq;
    (void)slot;
    mmio_write32(LAPIC_BASE + LAPIC_END, 0);
}

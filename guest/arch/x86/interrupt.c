/* SPDX-License-Identifier: MIT */
/*
 * Interrupts, seen without being taken. RFLAGS.IF stays 0; the I/O APIC sends the line's
 * edge to a vector of the boot CPU's local APIC, and the vector's bit in the interrupt
 * request register says that it came. Nothing ever clears the bit: hence one vector for
 * each watch.
 */
#include "guest/arch.h"
#include "guest/arch/x86/lapic.h"
#include "guest/mmio.h"

#define IOAPIC_BASE     0xfec00000u /* 82093AA data sheet, 3.0 */
#define IOAPIC_SELECT   0x00u
#define IOAPIC_WINDOW   0x10u
#define IOAPIC_REDIRECT 0x10u /* two registers for each line */

#define FIRST_VECTOR 0x40u

static void ioapic_write(uint32_t index, uint32_t value)
{
    mmio_write32(IOAPIC_BASE + IOAPIC_SELECT, index);
    mmio_write32(IOAPIC_BASE + IOAPIC_WINDOW, value);
}

void arch_interrupt_watch(uint32_t irq, unsigned slot)
{
    uint32_t vector = FIRST_VECTOR + slot;
    uint32_t destination = mmio_read32(LAPIC_BASE + LAPIC_ID) & 0xff000000u;
    mmio_write32(LAPIC_BASE + LAPIC_SPURIOUS, LAPIC_SPURIOUS_ON | LAPIC_VECTOR_NOTHING);
    /* Fixed delivery, physical destination, active high, edge triggered, not masked. */
    ioapic_write(IOAPIC_REDIRECT + 2 * irq + 1, destination);
    ioapic_write(IOAPIC_REDIRECT + 2 * irq, vector);
}

bool arch_interrupt_is_pending(uint32_t irq, unsigned slot)
{
    (void)irq;
    uint32_t vector = FIRST_VECTOR + slot;
    uint32_t request = mmio_read32(LAPIC_BASE + LAPIC_REQUEST + vector / 32 * 16);
    return (request >> vector % 32 & 1) != 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * Interrupts, seen without being taken. PSTATE.I stays 1; the interrupt controller sends
 * the line's edge to the boot CPU, whose CPU interface then names it as the pending
 * interrupt of the highest priority, and ISR_EL1.I says that the CPU would take it. A
 * new watch takes back what is pending. One line at a time is enabled: that of the last
 * watch.
 */
#include "guest/arch.h"
#include "guest/arch/arm64/cpu.h"
#include "guest/arch/arm64/gic.h"
#include "guest/mmio.h"

#define PFR0_GIC       (0xfull << 24) /* ID_AA64PFR0_EL1.GIC: not 0 for GICv3 */
#define ISR_IRQ        (1u << 7)
#define MPIDR_AFFINITY 0xff00ffffffull

static bool is_v3(void)
{
    return (cpu_read_id_aa64pfr0_el1() & PFR0_GIC) != 0;
}

/* The register with the bit of an interrupt, and the bit. */
static uint64_t bit_register(uint64_t base, uint32_t intid)
{
    return base + intid / 32 * 4;
}

static uint32_t bit_of(uint32_t intid)
{
    return 1u << intid % 32;
}

static void set_trigger(uint32_t intid, bool edge)
{
    uint64_t address = GICD_ICFGR + intid / 16 * 4;
    uint32_t others = mmio_read32(address) & ~(GICD_ICFGR_EDGE << intid % 16 * 2);
    mmio_write32(address, others | (edge ? GICD_ICFGR_EDGE : 0) << intid % 16 * 2);
}

static void wait_for_distributor(void)
{
    while ((mmio_read32(GICD_CTLR) & GICD_CTLR_PENDING) != 0)
        arch_pause();
}

static void prepare_v3(uint32_t intid)
{
    uint64_t group = bit_register(GICD_IGROUPR, intid);
    mmio_write32(GICR_WAKER, mmio_read32(GICR_WAKER) & ~GICR_WAKER_SLEEP);
    while ((mmio_read32(GICR_WAKER) & GICR_WAKER_CHILDREN) != 0)
        arch_pause();
    mmio_write32(GICD_CTLR, GICD_CTLR_V3_ENABLE);
    wait_for_distributor();
    mmio_write32(group, mmio_read32(group) | bit_of(intid));
    mmio_write64(GICD_IROUTER + (uint64_t)intid * 8,
                 cpu_read_mpidr_el1() & MPIDR_AFFINITY);
    cpu_write_icc_sre_el1(1);
    cpu_synchronize();
    cpu_write_icc_pmr_el1(GIC_ALL_PRIORITIES);
    cpu_write_icc_igrpen1_el1(1);
    cpu_synchronize();
}

/* All is in group 0 after reset, which is what KVM expects of a guest without groups. */
static void prepare_v2(uint32_t intid)
{
    uint64_t targets = GICD_ITARGETSR + intid / 4 * 4;
    uint32_t self = mmio_read32(GICD_ITARGETSR) & 0xff; /* as every CPU reads it */
    uint32_t shift = intid % 4 * 8;
    mmio_write32(targets, (mmio_read32(targets) & ~(0xffu << shift)) | self << shift);
    mmio_write32(GICD_CTLR, GICD_CTLR_V2_ENABLE);
    mmio_write32(GICC_PMR, GIC_ALL_PRIORITIES);
    mmio_write32(GICC_CTLR, GICC_CTLR_ENABLE);
}

static void watch(uint32_t irq, bool edge)
{
    uint32_t intid = GIC_FIRST_SPI + irq;
    mmio_write32(bit_register(GICD_ICENABLER, intid), bit_of(intid));
    if (is_v3())
        wait_for_distributor();
    set_trigger(intid, edge);
    if (is_v3())
        prepare_v3(intid);
    else
        prepare_v2(intid);
    mmio_write32(bit_register(GICD_ICPENDR, intid), bit_of(intid));
    mmio_write32(bit_register(GICD_ISENABLER, intid), bit_of(intid));
}

void arch_interrupt_watch(uint32_t irq, unsigned slot)
{
    (void)slot;
    watch(irq, true);
}

bool arch_interrupt_is_pending(uint32_t irq, unsigned slot)
{
    (void)slot;
    uint64_t pending =
        is_v3() ? cpu_read_icc_hppir1_el1() : mmio_read32(GICC_HPPIR) & GICC_HPPIR_INTID;
    return pending == GIC_FIRST_SPI + irq && (cpu_read_isr_el1() & ISR_IRQ) != 0;
}

/* Acknowledged, without the exception: the interrupt is active then, and KVM asks the host's
 * controller to tell it the end, as the pin is level-triggered (IHI 0069, 4.8). */
void arch_level_watch(uint32_t irq, unsigned slot)
{
    (void)slot;
    watch(irq, false);
}

bool arch_level_take(uint32_t irq, unsigned slot)
{
    if (!arch_interrupt_is_pending(irq, slot))
        return false;
    uint64_t taken = is_v3() ? cpu_read_icc_iar1_el1() : mmio_read32(GICC_IAR);
    return (taken & GICC_HPPIR_INTID) == GIC_FIRST_SPI + irq;
}

void arch_level_end(uint32_t irq, unsigned slot)
{
    (void)slot;
    if (is_v3())
        cpu_write_icc_eoir1_el1(GIC_FIRST_SPI + irq);
    else
        mmio_write32(GICC_EOIR, GIC_FIRST_SPI + irq);
    cpu_synchronize();
}

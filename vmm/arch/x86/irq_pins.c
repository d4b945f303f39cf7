/* SPDX-License-Identifier: MIT */
/* The pins of the interrupt controllers as KVM connects them when it makes them
 * (arch/x86/kvm/irq_comm.c, default_routing; since 6.16 in irq.c): GSI n is pin n of the I/O
 * APIC, and those below 16 are pins of the two PICs as well. */
#include "vmm/irq_routes.h"

#define PIC_PINS    8u
#define PIC_GSIS    16u
#define IOAPIC_PINS 24u

unsigned arch_irq_pin_count(void)
{
    return IOAPIC_PINS;
}

static struct kvm_irq_routing_entry pin_route(uint32_t gsi, uint32_t controller,
                                              uint32_t pin)
{
    return (struct kvm_irq_routing_entry){
        .gsi = gsi,
        .type = KVM_IRQ_ROUTING_IRQCHIP,
        .u.irqchip = {.irqchip = controller, .pin = pin},
    };
}

unsigned arch_irq_pin_routes(struct kvm_irq_routing_entry *entries)
{
    unsigned count = 0;
    for (uint32_t gsi = 0; gsi < IOAPIC_PINS; gsi++) {
        entries[count++] = pin_route(gsi, KVM_IRQCHIP_IOAPIC, gsi);
        if (gsi < PIC_GSIS)
            entries[count++] = pin_route(
                gsi, gsi < PIC_PINS ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE,
                gsi % PIC_PINS);
    }
    return count;
}

void arch_irq_message_route(struct kvm_irq_routing_entry *entry, uint32_t device)
{
    (void)entry;
    (void)device;
}

uint32_t arch_irq_line(uint32_t irq)
{
    return irq;
}

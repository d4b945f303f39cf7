/* SPDX-License-Identifier: MIT */
/* The SPIs as KVM connects them when the GIC is started: GSI n is SPI n, INTID 32 + n
 * (arch/arm64/kvm/vgic/vgic-irqfd.c, kvm_vgic_setup_default_irq_routing). */
#include "vmm/irq_routes.h"

#define SPI_COUNT       96u /* of gic.c's INTIDs, without the 32 that each CPU has alone */
#define FIRST_SPI_INTID 32u

_Static_assert(SPI_COUNT <= ARCH_IRQ_PIN_ROUTES_MAX, "room for the pins");

unsigned arch_irq_pin_count(void)
{
    return SPI_COUNT;
}

unsigned arch_irq_pin_routes(struct kvm_irq_routing_entry *entries)
{
    for (uint32_t gsi = 0; gsi < SPI_COUNT; gsi++)
        entries[gsi] = (struct kvm_irq_routing_entry){
            .gsi = gsi,
            .type = KVM_IRQ_ROUTING_IRQCHIP,
            .u.irqchip = {.irqchip = 0, .pin = gsi},
        };
    return SPI_COUNT;
}

/* The ITS finds a device's table by its ID (Documentation/virt/kvm/api.rst,
 * KVM_SET_GSI_ROUTING, KVM_MSI_VALID_DEVID). */
void arch_irq_message_route(struct kvm_irq_routing_entry *entry, uint32_t device)
{
    entry->flags = KVM_MSI_VALID_DEVID;
    entry->u.msi.devid = device;
}

/* api.rst, KVM_IRQ_LINE: bits 27 to 24 are the type, bits 15 to 0 the INTID. */
uint32_t arch_irq_line(uint32_t irq)
{
    return (uint32_t)KVM_ARM_IRQ_TYPE_SPI << KVM_ARM_IRQ_TYPE_SHIFT |
           (FIRST_SPI_INTID + irq);
}

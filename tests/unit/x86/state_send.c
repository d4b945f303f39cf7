/* SPDX-License-Identifier: MIT */
#include <check.h>

#include "tests/unit/state_machine.h"

#define VECTOR 0x40u /* of state_code.c */
#define PIN    10u

/* Out of reset the entry is masked; this one is edge-triggered, fixed, for APIC 0 (82093AA,
 * 3.2.4). A message needs nothing. */
bool state_prepare(struct machine *machine, bool as_message)
{
    struct kvm_irqchip chip = {.chip_id = KVM_IRQCHIP_IOAPIC};
    if (as_message)
        return true;
    ck_assert_int_eq(kvm_ioctl(machine->vm.fd, KVM_GET_IRQCHIP, &chip), 0);
    chip.chip.ioapic.redirtbl[PIN].bits = VECTOR;
    ck_assert_int_eq(kvm_ioctl(machine->vm.fd, KVM_SET_IRQCHIP, &chip), 0);
    return true;
}

void state_send(struct machine *machine, bool as_message)
{
    const struct kvm_msi message = {.address_lo = 0xfee00000, .data = VECTOR};
    struct error error;
    if (as_message)
        ck_assert_int_eq(kvm_ioctl(machine->vm.fd, KVM_SIGNAL_MSI, &message), 1);
    else
        ck_assert_msg(kvm_irq_line(machine->vm.fd, PIN, true, &error), "%s", error.text);
}

/* SPDX-License-Identifier: MIT */
#include <check.h>

#include "tests/unit/state_machine.h"

#define VECTOR 0x40u /* of state_code.c */
#define PIN    10u

/* Out of reset the entry is masked; this one is edge-triggered, fixed, for APIC 0 (82093AA,
 * 3.2.4). */
static void send_by_pin(struct machine *machine)
{
    struct kvm_irqchip chip = {.chip_id = KVM_IRQCHIP_IOAPIC};
    struct error error;
    ck_assert_int_eq(kvm_ioctl(machine->vm.fd, KVM_GET_IRQCHIP, &chip), 0);
    chip.chip.ioapic.redirtbl[PIN].bits = VECTOR;
    ck_assert_int_eq(kvm_ioctl(machine->vm.fd, KVM_SET_IRQCHIP, &chip), 0);
    ck_assert_msg(kvm_irq_line(machine->vm.fd, PIN, true, &error), "%s", error.text);
}

bool state_send(struct machine *machine, bool as_message)
{
    const struct kvm_msi message = {.address_lo = 0xfee00000, .data = VECTOR};
    if (as_message)
        ck_assert_int_eq(kvm_ioctl(machine->vm.fd, KVM_SIGNAL_MSI, &message), 1);
    else
        send_by_pin(machine);
    return true;
}

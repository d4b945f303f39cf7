/* SPDX-License-Identifier: MIT */
/* The GIC is set up for one more interrupt as a guest would do it, but from outside: through the
 * registers that KVM gives user space. */
#include <check.h>

#include "tests/unit/state_machine.h"
#include "vmm/irq_routes.h"
#include "vmm/layout.h"

#define SPI   10u /* INTID 42 */
#define INTID (32u + SPI)

static void set(int fd, uint32_t group, uint64_t attribute, uint64_t value)
{
    struct error error;
    ck_assert_msg(
        kvm_set_device_attribute(fd, group, attribute, &value, "a register", &error),
        "%s", error.text);
}

/* Edge-triggered, enabled, for CPU 0; in a GICv3 that is where it goes out of reset. */
static void prepare_line(const struct vm *vm)
{
    const uint32_t group = KVM_DEV_ARM_VGIC_GRP_DIST_REGS;
    set(vm->gic_fd, group, 0xc00 + INTID / 16 * 4, 2u << (INTID % 16 * 2));
    if (vm->gic_version == 2)
        set(vm->gic_fd, group, 0x800 + INTID / 4 * 4, 0x01010101);
    set(vm->gic_fd, group, 0x100 + INTID / 32 * 4, 1u << INTID % 32);
}

/* In RAM: the LPIs' configuration and what is pending, the tables of devices and collections, the
 * commands, and one device's table of interrupts. */
#define CONFIGURATION 0x40400000ull
#define PENDING       0x40500000ull
#define DEVICES       0x40600000ull
#define COLLECTIONS   0x40610000ull
#define COMMANDS      0x40620000ull
#define INTERRUPTS    0x40630000ull
#define VALID         (1ull << 63)
#define DEVICE        3ull
#define EVENT         5ull
#define LPI           8192ull

/* MAPD, MAPC and MAPTI (IHI 0069, 5.3): event 5 of device 3 is LPI 8192, of collection 0, which is
 * that of CPU 0. */
static void prepare_its(const struct vm *vm)
{
    const uint32_t redistributor = KVM_DEV_ARM_VGIC_GRP_REDIST_REGS;
    const uint32_t its = KVM_DEV_ARM_VGIC_GRP_ITS_REGS;
    static const uint64_t commands[][4] = {
        {0x08 | DEVICE << 32, 4, VALID | INTERRUPTS, 0},
        {0x09, 0, VALID, 0},
        {0x0a | DEVICE << 32, EVENT | LPI << 32, 0, 0},
    };
    static const uint8_t enabled = 0xa1; /* LPI 8192 is the first; priority 0xa0 */
    struct error error;
    ck_assert(guest_memory_write(&vm->memory, gpa(CONFIGURATION), &enabled, 1, &error) &&
              guest_memory_write(&vm->memory, gpa(COMMANDS), commands, sizeof commands,
                                 &error));
    set(vm->gic_fd, redistributor, 0x70, CONFIGURATION | 15); /* INTIDs have 16 bits */
    set(vm->gic_fd, redistributor, 0x78, PENDING);
    set(vm->gic_fd, redistributor, 0x00, 1);
    set(vm->its_fd, its, 0x100, VALID | DEVICES | 2 << 8); /* one page of 64 KiB */
    set(vm->its_fd, its, 0x108, VALID | COLLECTIONS | 2 << 8);
    set(vm->its_fd, its, 0x080, VALID | COMMANDS);
    set(vm->its_fd, its, 0x000, 1);
    set(vm->its_fd, its, 0x088, sizeof commands);
}

bool state_prepare(struct machine *machine, bool as_message)
{
    if (as_message && !machine->vm.has_its)
        return false;
    if (as_message)
        prepare_its(&machine->vm);
    else
        prepare_line(&machine->vm);
    return true;
}

void state_send(struct machine *machine, bool as_message)
{
    const uint64_t translater = LAYOUT_GIC_ITS + 0x10040;
    const struct kvm_msi message = {
        .address_lo = (uint32_t)translater,
        .data = EVENT,
        .devid = DEVICE,
        .flags = KVM_MSI_VALID_DEVID,
    };
    struct error error;
    if (as_message)
        ck_assert_int_eq(kvm_ioctl(machine->vm.fd, KVM_SIGNAL_MSI, &message), 1);
    else
        ck_assert_msg(kvm_irq_line(machine->vm.fd, arch_irq_line(SPI), true, &error),
                      "%s", error.text);
}

/* SPDX-License-Identifier: MIT */
#include "devices/power.h"

#include "vmm/layout.h"

#define SLEEP_ENABLE 0x20u /* SLP_EN */

#define PCI_PORTS         0xcf8u /* to 0xcff: PCI's configuration mechanism 1 */
#define PCI_PORTS_SIZE    8u
#define RESET_CONTROL     1u /* one byte in them: 0xcf9 */
#define RESET_CONTROL_CPU 0x04u

#define KEYBOARD_PORT  0x64u
#define KEYBOARD_RESET 0xfeu

static void end(struct vm *vm, enum vm_end how, const char *what)
{
    struct error error;
    error_set(&error, ERROR_GUEST_STATE, "%s", what);
    vm_end_with(vm, how, 0, &error);
}

static uint64_t power_read(void *device, uint64_t offset, unsigned size)
{
    (void)device;
    (void)offset;
    (void)size;
    return 0;
}

static void power_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    (void)size;
    enum { SLEEP_CONTROL = 0, RESET = 2 };
    if (offset == SLEEP_CONTROL && (value & SLEEP_ENABLE) != 0)
        end(device, VM_END_POWER_OFF, "the guest switched itself off (ACPI, S5)");
    else if (offset == RESET)
        end(device, VM_END_RESET, "the guest asked for a reset (ACPI's reset register)");
}

static const struct bus_ops power_ops = {.read = power_read, .write = power_write};

/* Nothing answers but to the reset: all ones, as without the chip. */
static uint64_t empty_read(void *device, uint64_t offset, unsigned size)
{
    (void)device;
    (void)offset;
    (void)size;
    return UINT64_MAX;
}

static void pci_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    if (offset == RESET_CONTROL && size == 1 && (value & RESET_CONTROL_CPU) != 0)
        end(device, VM_END_RESET, "the guest asked for a reset (port 0xcf9)");
}

static const struct bus_ops pci_ops = {.read = empty_read, .write = pci_write};

static void keyboard_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    (void)offset;
    (void)size;
    if (value == KEYBOARD_RESET)
        end(device, VM_END_RESET, "the guest asked for a reset (8042, port 0x64)");
}

/* Status 0: it takes a command. Linux waits up to 65536 reads for that (arch/x86/kernel/reboot.c,
 * kb_wait). */
static const struct bus_ops keyboard_ops = {
    .read = power_read,
    .write = keyboard_write,
};

bool power_add(struct vm *vm, struct error *error)
{
    const struct bus_entry entries[] = {
        {"power", LAYOUT_POWER_BASE, LAYOUT_POWER_SIZE, &power_ops, vm},
        {"reset control", PCI_PORTS, PCI_PORTS_SIZE, &pci_ops, vm},
        {"8042", KEYBOARD_PORT, 1, &keyboard_ops, vm},
    };
    for (size_t i = 0; i < ARRAY_SIZE(entries); i++)
        if (!bus_add(&vm->ports, entries[i], error))
            return false;
    return true;
}

/* SPDX-License-Identifier: MIT */
/*
 * The DSDT: devices that nothing can find by itself.
 *
 *   \_SB.COM0        PNP0501   the serial port
 *   \_SB.VR00 ...    LNRO0005  virtio-mmio (drivers/virtio/virtio_mmio.c)
 *   \_SB.PVPN        QEMU0001  pvpanic (drivers/misc/pvpanic/pvpanic-mmio.c)
 *   \_SB.PCI0        PNP0A08   the PCI host bridge, with its windows
 *   \_SB.ECAM        PNP0C02   reserves the ECAM, without which Linux refuses to use it
 *                              (PCI Firmware Specification 3.3, 4.1.2; Linux,
 *                              arch/x86/pci/mmconfig-shared.c, is_acpi_reserved)
 *   \_S5                       what to write to power off
 */
#include "firmware/acpi.h"

#include <stdio.h>

#define PCI_SLOTS 32u
#define PCI_PINS  4u

static void write_serial(struct aml_writer *writer, const struct boot_device *device)
{
    size_t begin = aml_device_begin(writer, "COM0");
    aml_name_eisa_id(writer, "_HID", "PNP0501");
    aml_name_integer(writer, "_UID", 0);
    size_t resources = aml_resources_begin(writer, "_CRS");
    aml_io(writer, (uint16_t)device->base, (uint8_t)device->size);
    aml_interrupt(writer, device->irq);
    aml_resources_end(writer, resources);
    aml_end(writer, begin);
}

static void write_virtio(struct aml_writer *writer, const struct boot_device *device,
                         unsigned index)
{
    char name[8];
    snprintf(name, sizeof name, "VR%02u", index % 100);
    size_t begin = aml_device_begin(writer, name);
    aml_name_string(writer, "_HID", "LNRO0005");
    aml_name_integer(writer, "_UID", index);
    aml_name_integer(writer, "_CCA", 1); /* its DMA is coherent */
    size_t resources = aml_resources_begin(writer, "_CRS");
    aml_memory32(writer, (uint32_t)device->base, (uint32_t)device->size);
    aml_interrupt(writer, device->irq);
    aml_resources_end(writer, resources);
    aml_end(writer, begin);
}

static void write_pvpanic(struct aml_writer *writer, const struct boot_device *device)
{
    size_t begin = aml_device_begin(writer, "PVPN");
    aml_name_string(writer, "_HID", "QEMU0001");
    aml_name_integer(writer, "_UID", 0);
    size_t resources = aml_resources_begin(writer, "_CRS");
    aml_memory32(writer, (uint32_t)device->base, (uint32_t)device->size);
    aml_resources_end(writer, resources);
    aml_end(writer, begin);
}

/* INTA to INTD of every slot go to one pin of the I/O APIC (6.2.13): {slot << 16 | any
 * function, pin, no link device, global interrupt number}. */
static void write_interrupt_routes(struct aml_writer *writer, uint32_t irq)
{
    size_t routes = aml_package_begin(writer, "_PRT", PCI_SLOTS * PCI_PINS);
    for (uint32_t slot = 0; slot < PCI_SLOTS; slot++) {
        for (uint32_t pin = 0; pin < PCI_PINS; pin++) {
            size_t route = aml_package_begin(writer, NULL, 4);
            aml_integer(writer, slot << 16 | 0xffff);
            aml_integer(writer, pin);
            aml_integer(writer, 0);
            aml_integer(writer, irq);
            aml_end(writer, route);
        }
    }
    aml_end(writer, routes);
}

static void write_pci(struct aml_writer *writer, const struct boot_pci *pci)
{
    size_t bridge = aml_device_begin(writer, "PCI0");
    aml_name_eisa_id(writer, "_HID", "PNP0A08");
    aml_name_eisa_id(writer, "_CID", "PNP0A03");
    aml_name_integer(writer, "_UID", 0);
    aml_name_integer(writer, "_SEG", 0);
    aml_name_integer(writer, "_BBN", 0);
    aml_name_integer(writer, "_CCA", 1);
    size_t resources = aml_resources_begin(writer, "_CRS");
    aml_window_buses(writer, 0, 0);
    aml_window_memory32(writer, pci->memory32);
    if (pci->memory64.size > 0)
        aml_window_memory64(writer, pci->memory64);
    aml_resources_end(writer, resources);
    if (pci->intx_irq != 0)
        write_interrupt_routes(writer, pci->intx_irq);
    aml_end(writer, bridge);

    size_t reservation = aml_device_begin(writer, "ECAM");
    aml_name_eisa_id(writer, "_HID", "PNP0C02");
    aml_name_integer(writer, "_UID", 0);
    resources = aml_resources_begin(writer, "_CRS");
    aml_memory32(writer, (uint32_t)pci->ecam.start.value, (uint32_t)pci->ecam.size);
    aml_resources_end(writer, resources);
    aml_end(writer, reservation);
}

static void write_sleep_type(struct aml_writer *writer)
{
    size_t package = aml_package_begin(writer, "_S5_", 2);
    aml_integer(writer, ACPI_S5_SLEEP_TYPE);
    aml_integer(writer, ACPI_S5_SLEEP_TYPE);
    aml_end(writer, package);
}

static void write_device(struct aml_writer *writer, const struct boot_device *device,
                         unsigned *virtio_count)
{
    switch ((enum boot_device_kind)device->kind) {
    case BOOT_DEVICE_SERIAL:
        write_serial(writer, device);
        break;
    case BOOT_DEVICE_VIRTIO_MMIO:
        write_virtio(writer, device, (*virtio_count)++);
        break;
    case BOOT_DEVICE_PVPANIC:
        write_pvpanic(writer, device);
        break;
    case BOOT_DEVICE_NONE:
    case BOOT_DEVICE_EXIT:
    case BOOT_DEVICE_WITNESS:
    case BOOT_DEVICE_TARGET:
    case BOOT_DEVICE_PCI: /* from config->pci, which has the windows */
        break;
    }
}

void acpi_write_devices(struct aml_writer *writer, const struct acpi_config *config)
{
    unsigned virtio_count = 0;
    size_t system_bus = aml_scope_begin(writer, "_SB_");
    for (unsigned i = 0; i < config->device_count; i++)
        write_device(writer, &config->devices[i], &virtio_count);
    if (config->pci.ecam.size > 0)
        write_pci(writer, &config->pci);
    aml_end(writer, system_bus);
    write_sleep_type(writer);
}

/* SPDX-License-Identifier: MIT */
#include "firmware/acpi.h"

#include <string.h>

#define OEM_ID       "S2VMM "   /* 6 characters */
#define OEM_TABLE_ID "S2VMM   " /* 8 */
#define ALIGNMENT    16u

#define LOCAL_APIC_ADDRESS 0xfee00000u
#define IO_APIC_ADDRESS    0xfec00000u

#define SPACE_IO 1u /* of a generic address (5.2.3.2) */

/* Common to all tables (5.2.6). */
enum { HEADER_SIZE = 36, LENGTH_OFFSET = 4, CHECKSUM_OFFSET = 9 };

static uint8_t checksum(const uint8_t *bytes, size_t length)
{
    uint8_t sum = 0;
    for (size_t i = 0; i < length; i++)
        sum = (uint8_t)(sum + bytes[i]);
    return (uint8_t)-sum;
}

static void align(struct aml_writer *writer)
{
    while (!writer->full && writer->length % ALIGNMENT != 0)
        aml_put_number(writer, 0, 1);
}

/* Returns where the table begins; its length and checksum follow at its end. */
static size_t table_begin(struct aml_writer *writer, const char *signature,
                          unsigned revision)
{
    align(writer);
    size_t begin = writer->length;
    aml_put(writer, signature, 4);
    aml_put_number(writer, 0, 4);
    aml_put_number(writer, revision, 1);
    aml_put_number(writer, 0, 1);
    aml_put(writer, OEM_ID, 6);
    aml_put(writer, OEM_TABLE_ID, 8);
    aml_put_number(writer, 1, 4); /* OEM revision */
    aml_put(writer, "S2VM", 4);   /* who made it, and with which version */
    aml_put_number(writer, 1, 4);
    return begin;
}

static void table_end(struct aml_writer *writer, size_t begin)
{
    if (writer->full)
        return;
    uint8_t *table = writer->bytes + begin;
    uint32_t length = (uint32_t)(writer->length - begin);
    memcpy(table + LENGTH_OFFSET, &length, sizeof length);
    table[CHECKSUM_OFFSET] = checksum(table, length);
}

/* Puts a number into what is written already. */
static void patch(struct aml_writer *writer, size_t offset, uint64_t value, size_t size)
{
    if (!writer->full)
        memcpy(writer->bytes + offset, &value, size);
}

static void generic_address_of_port(struct aml_writer *writer, size_t offset,
                                    uint16_t port)
{
    enum { WIDTH = 8, ACCESS_BYTE = 1 };
    patch(writer, offset, SPACE_IO | WIDTH << 8 | ACCESS_BYTE << 24, 4);
    patch(writer, offset + 4, port, 8);
}

static size_t write_dsdt(struct aml_writer *writer, const struct acpi_config *config)
{
    size_t begin = table_begin(writer, "DSDT", 2); /* 2: integers have 64 bits */
    acpi_write_devices(writer, config);
    table_end(writer, begin);
    return begin;
}

/* 5.2.9; what is not set here does not exist in hardware-reduced ACPI (4.1). */
static size_t write_fadt(struct aml_writer *writer, const struct acpi_config *config,
                         uint64_t dsdt)
{
    enum { SIZE = 276, REVISION = 6, MINOR_REVISION = 5 };
    enum {
        BOOT_ARCHITECTURE = 109,
        FLAGS = 112,
        RESET_REGISTER = 116,
        RESET_VALUE = 128
    };
    enum { MINOR_VERSION = 131, DSDT = 40, X_DSDT = 140 };
    enum { SLEEP_CONTROL = 244, SLEEP_STATUS = 256, HYPERVISOR = 268 };
    enum { NO_VGA = 1 << 2, NO_RTC = 1 << 5 }; /* 5.2.9.3; bit 1 clear: no 8042 */
    enum {                                     /* 5.2.9, "Fixed ACPI Description Table
                                                  Fixed Feature Flags" */
           WBINVD = 1 << 0,
           NO_POWER_BUTTON = 1 << 4, /* as a fixed feature */
           NO_SLEEP_BUTTON = 1 << 5,
           RESET_REGISTER_SUPPORTED = 1 << 10,
           HARDWARE_REDUCED = 1 << 20,
    };
    enum { RESET = 1 }; /* any value does it */
    static const uint8_t zeroes[SIZE - HEADER_SIZE];

    size_t begin = table_begin(writer, "FACP", REVISION);
    aml_put(writer, zeroes, sizeof zeroes);
    patch(writer, begin + DSDT, dsdt, 4);
    patch(writer, begin + X_DSDT, dsdt, 8);
    patch(writer, begin + BOOT_ARCHITECTURE, NO_VGA | NO_RTC, 2);
    patch(writer, begin + FLAGS,
          WBINVD | NO_POWER_BUTTON | NO_SLEEP_BUTTON | RESET_REGISTER_SUPPORTED |
              HARDWARE_REDUCED,
          4);
    generic_address_of_port(writer, begin + RESET_REGISTER, config->reset_port);
    patch(writer, begin + RESET_VALUE, RESET, 1);
    patch(writer, begin + MINOR_VERSION, MINOR_REVISION, 1);
    generic_address_of_port(writer, begin + SLEEP_CONTROL, config->sleep_control_port);
    generic_address_of_port(writer, begin + SLEEP_STATUS, config->sleep_status_port);
    table_end(writer, begin);
    return begin;
}

/* 5.2.12. There are no interrupt source overrides: no interrupt is ISA's, as there is no 8259
 * (PCAT_COMPAT is clear), and each device of the DSDT says that its is an edge. */
static size_t write_madt(struct aml_writer *writer, const struct acpi_config *config)
{
    enum { LOCAL_APIC = 0, IO_APIC = 1, LOCAL_APIC_NMI = 4, ENABLED = 1 };
    size_t begin = table_begin(writer, "APIC", 6);
    aml_put_number(writer, LOCAL_APIC_ADDRESS, 4);
    aml_put_number(writer, 0, 4); /* flags */
    for (unsigned i = 0; i < config->cpu_count; i++) {
        aml_put_number(writer, LOCAL_APIC | 8 << 8, 2);
        aml_put_number(writer, i, 1); /* processor's UID */
        aml_put_number(writer, i, 1); /* APIC id */
        aml_put_number(writer, ENABLED, 4);
    }
    aml_put_number(writer, IO_APIC | 12 << 8, 2);
    aml_put_number(writer, 0, 2); /* its id, as KVM's says; reserved */
    aml_put_number(writer, IO_APIC_ADDRESS, 4);
    aml_put_number(writer, 0, 4); /* its first global interrupt */
    aml_put_number(writer, LOCAL_APIC_NMI | 6 << 8, 2);
    aml_put_number(writer, 0xff, 1); /* of all processors */
    aml_put_number(writer, 0, 2);    /* edge, active high: as the bus */
    aml_put_number(writer, 1, 1);    /* LINT1 */
    table_end(writer, begin);
    return begin;
}

/* PCI Firmware Specification 3.3, 4.1.2: segment 0, bus 0 to the last that the ECAM has. */
static size_t write_mcfg(struct aml_writer *writer, const struct boot_pci *pci)
{
    size_t begin = table_begin(writer, "MCFG", 1);
    aml_put_number(writer, 0, 8);
    aml_put_number(writer, pci->ecam.start.value, 8);
    aml_put_number(writer, 0, 2);
    aml_put_number(writer, 0, 1);
    aml_put_number(writer, pci->ecam.size / MIB - 1, 1);
    aml_put_number(writer, 0, 4);
    table_end(writer, begin);
    return begin;
}

static size_t write_xsdt(struct aml_writer *writer, uint64_t address,
                         const size_t *offsets, unsigned count)
{
    size_t begin = table_begin(writer, "XSDT", 1);
    for (unsigned i = 0; i < count; i++)
        aml_put_number(writer, address + offsets[i], 8);
    table_end(writer, begin);
    return begin;
}

/* 5.2.5.3: two checksums, of the 20 bytes that version 1 had, and of all. There is no RSDT. */
static void fill_rsdp(uint8_t *bytes, uint64_t xsdt)
{
    enum { SIZE_1 = 20, SIZE = 36 };
    enum { CHECKSUM = 8, REVISION = 15, LENGTH = 20, XSDT = 24, EXTENDED = 32 };
    static const char text[] = "RSD PTR \0" OEM_ID; /* signature, checksum, OEM */
    memset(bytes, 0, SIZE);
    memcpy(bytes, text, sizeof text);
    bytes[REVISION] = 2;
    bytes[LENGTH] = SIZE;
    memcpy(bytes + XSDT, &xsdt, sizeof xsdt);
    bytes[CHECKSUM] = checksum(bytes, SIZE_1);
    bytes[EXTENDED] = checksum(bytes, SIZE);
}

bool acpi_build(const struct acpi_config *config, gpa_t address, void *buffer,
                size_t capacity, struct error *error)
{
    enum { RSDP_ROOM = 48 };
    static const uint8_t zeroes[RSDP_ROOM];
    BUG_ON(!is_aligned(address.value, ALIGNMENT));
    struct aml_writer writer = {.bytes = buffer, .capacity = capacity};
    aml_put(&writer, zeroes, sizeof zeroes);

    size_t tables[3];
    unsigned count = 0;
    size_t dsdt = write_dsdt(&writer, config);
    tables[count++] = write_fadt(&writer, config, address.value + dsdt);
    tables[count++] = write_madt(&writer, config);
    if (config->pci.ecam.size > 0)
        tables[count++] = write_mcfg(&writer, &config->pci);
    size_t xsdt = write_xsdt(&writer, address.value, tables, count);
    if (writer.full)
        return error_set(error, ERROR_CONFIG_USAGE,
                         "the ACPI tables for %u devices and %u CPUs need more than %zu "
                         "bytes",
                         config->device_count, config->cpu_count, capacity);
    fill_rsdp(buffer, address.value + xsdt);
    return true;
}

/* SPDX-License-Identifier: MIT */
/* The tables byte by byte, as a guest reads them: found from the RSDP, with lengths and
 * checksums that are right; and the AML, walked by its package lengths. */
#include <check.h>
#include <string.h>

#include "firmware/acpi.h"
#include "tests/unit/suites.h"

#define ADDRESS  0xe0000u
#define CAPACITY 0x8000u

static uint8_t bytes[CAPACITY];
static struct error error;

static const struct boot_device devices[] = {
    {.kind = BOOT_DEVICE_SERIAL, .irq = 4, .base = 0x3f8, .size = 8},
    {.kind = BOOT_DEVICE_EXIT, .base = 0xd0100000, .size = 0x1000},
    {.kind = BOOT_DEVICE_VIRTIO_MMIO, .irq = 5, .base = 0xd0000000, .size = 0x1000},
    {.kind = BOOT_DEVICE_VIRTIO_MMIO, .irq = 6, .base = 0xd0001000, .size = 0x1000},
    {.kind = BOOT_DEVICE_PVPANIC, .base = 0xd0102000, .size = 1},
};

static struct acpi_config good_config(void)
{
    return (struct acpi_config){
        .cpu_count = 3,
        .device_count = ARRAY_SIZE(devices),
        .devices = devices,
        .sleep_control_port = 0x600,
        .sleep_status_port = 0x601,
        .reset_port = 0x602,
    };
}

static struct acpi_config config_with_pci(void)
{
    struct acpi_config config = good_config();
    config.pci = (struct boot_pci){
        .ecam = {gpa(0xe0000000), MIB},
        .memory32 = {gpa(0xd0200000), 0x0fe00000},
        .memory64 = {gpa(8 * GIB), 16 * GIB},
        .intx_irq = 16,
    };
    return config;
}

static uint64_t number(const uint8_t *at, size_t size)
{
    uint64_t value = 0;
    memcpy(&value, at, size);
    return value;
}

static uint8_t sum(const uint8_t *at, size_t length)
{
    uint8_t total = 0;
    for (size_t i = 0; i < length; i++)
        total = (uint8_t)(total + at[i]);
    return total;
}

/* A table at a GPA: inside of the buffer, with a header that is right. */
static const uint8_t *table_at(uint64_t address, const char *signature)
{
    ck_assert(address >= ADDRESS && address + 36 <= ADDRESS + CAPACITY);
    const uint8_t *table = bytes + (address - ADDRESS);
    uint64_t length = number(table + 4, 4);
    ck_assert(length >= 36 && address + length <= ADDRESS + CAPACITY);
    ck_assert_uint_eq(sum(table, length), 0);
    if (signature)
        ck_assert_mem_eq(table, signature, 4);
    return table;
}

static const uint8_t *xsdt(void)
{
    ck_assert_mem_eq(bytes, "RSD PTR ", 8);
    ck_assert_uint_eq(sum(bytes, 20), 0);
    ck_assert_uint_eq(sum(bytes, 36), 0);
    ck_assert_uint_eq(bytes[15], 2);
    ck_assert_uint_eq(number(bytes + 20, 4), 36);
    return table_at(number(bytes + 24, 8), "XSDT");
}

/* NULL if it is not in the XSDT. */
static const uint8_t *find(const char *signature)
{
    const uint8_t *list = xsdt();
    for (uint64_t at = 36; at < number(list + 4, 4); at += 8) {
        const uint8_t *table = table_at(number(list + at, 8), NULL);
        if (memcmp(table, signature, 4) == 0)
            return table;
    }
    return NULL;
}

static void build(const struct acpi_config *config)
{
    memset(bytes, 0xcc, sizeof bytes);
    ck_assert_msg(acpi_build(config, gpa(ADDRESS), bytes, sizeof bytes, &error), "%s",
                  error.text);
}

START_TEST(the_fadt_says_what_there_is_not)
{
    struct acpi_config config = good_config();
    build(&config);
    const uint8_t *fadt = find("FACP");
    ck_assert_uint_eq(number(fadt + 4, 4), 276);
    ck_assert_uint_eq(fadt[8], 6);
    ck_assert_uint_eq(number(fadt + 109, 2), 1 << 2 | 1 << 5);
    ck_assert_uint_eq(number(fadt + 112, 4), 1 | 1 << 4 | 1 << 5 | 1 << 10 | 1 << 20);
    static const struct {
        size_t offset;
        uint64_t port;
    } registers[] = {{116, 0x602}, {244, 0x600}, {256, 0x601}};
    for (size_t i = 0; i < ARRAY_SIZE(registers); i++) {
        static const uint8_t io_byte[] = {1, 8, 0, 1};
        ck_assert_mem_eq(fadt + registers[i].offset, io_byte, 4);
        ck_assert_uint_eq(number(fadt + registers[i].offset + 4, 8), registers[i].port);
    }
    ck_assert_uint_eq(number(fadt + 40, 4), number(fadt + 140, 8));
    table_at(number(fadt + 140, 8), "DSDT");
}
END_TEST

START_TEST(the_madt_has_every_cpu)
{
    struct acpi_config config = good_config();
    build(&config);
    const uint8_t *madt = find("APIC");
    ck_assert_uint_eq(number(madt + 36, 4), 0xfee00000);
    ck_assert_uint_eq(number(madt + 40, 4), 0);
    uint64_t length = number(madt + 4, 4);
    unsigned cpus = 0;
    unsigned io_apics = 0;
    uint64_t at = 44;
    for (; at < length; at += madt[at + 1]) {
        ck_assert_uint_ge(madt[at + 1], 2);
        if (madt[at] == 0) {
            const uint8_t entry[] = {0, 8, (uint8_t)cpus, (uint8_t)cpus, 1, 0, 0, 0};
            ck_assert_mem_eq(madt + at, entry, sizeof entry);
            cpus++;
        } else if (madt[at] == 1) {
            ck_assert_uint_eq(number(madt + at + 4, 4), 0xfec00000);
            ck_assert_uint_eq(number(madt + at + 8, 4), 0);
            io_apics++;
        }
    }
    ck_assert_uint_eq(at, length);
    ck_assert_uint_eq(cpus, 3);
    ck_assert_uint_eq(io_apics, 1);
}
END_TEST

START_TEST(mcfg_is_there_with_pci_only)
{
    struct acpi_config config = good_config();
    build(&config);
    ck_assert_ptr_null(find("MCFG"));
    config = config_with_pci();
    build(&config);
    const uint8_t *mcfg = find("MCFG");
    ck_assert_uint_eq(number(mcfg + 4, 4), 60);
    ck_assert_uint_eq(number(mcfg + 44, 8), 0xe0000000);
    ck_assert_uint_eq(number(mcfg + 52, 4), 0); /* segment 0, buses 0 to 0 */
}
END_TEST

/* --- AML --- */

/* Decodes PkgLength; returns the first byte behind the package. */
static const uint8_t *package_end(const uint8_t *at, const uint8_t **content)
{
    unsigned more = at[0] >> 6;
    uint64_t length = more == 0 ? at[0] & 0x3fu : at[0] & 0xfu;
    for (unsigned i = 1; i <= more; i++)
        length |= (uint64_t)at[i] << (4 + 8 * (i - 1));
    *content = at + 1 + more;
    return at + length;
}

struct device {
    const uint8_t *bytes; /* behind the name */
    size_t length;
};

/* The device \_SB.NAME; also checks that packages end where they should. */
static bool find_device(const char *name, struct device *device)
{
    const uint8_t *dsdt = table_at(number(find("FACP") + 140, 8), "DSDT");
    const uint8_t *end = dsdt + number(dsdt + 4, 4);
    const uint8_t *at;
    ck_assert_uint_eq(dsdt[36], 0x10); /* Scope */
    const uint8_t *scope_end = package_end(dsdt + 37, &at);
    ck_assert(scope_end < end);
    ck_assert_mem_eq(at, "\\_SB_", 5);
    bool found = false;
    for (at += 5; at < scope_end;) {
        const uint8_t *content;
        ck_assert_uint_eq(at[0], 0x5b);
        ck_assert_uint_eq(at[1], 0x82);
        const uint8_t *device_end = package_end(at + 2, &content);
        if (memcmp(content, name, 4) == 0) {
            *device = (struct device){content + 4, (size_t)(device_end - content) - 4};
            found = true;
        }
        at = device_end;
    }
    ck_assert_ptr_eq(at, scope_end);
    static const uint8_t s5[] = {0x08, '_', 'S', '5', '_', 0x12, 6, 2, 0x0a, 5, 0x0a, 5};
    ck_assert_mem_eq(at, s5, sizeof s5);
    ck_assert_ptr_eq(at + sizeof s5, end);
    return found;
}

static void assert_device_has(const char *name, const void *part, size_t length)
{
    struct device device;
    ck_assert_msg(find_device(name, &device), "%s", name);
    ck_assert_msg(memmem(device.bytes, device.length, part, length) != NULL, "%s", name);
}

#define HAS(name, ...)                                                                   \
    do {                                                                                 \
        static const uint8_t part[] = {__VA_ARGS__};                                     \
        assert_device_has(name, part, sizeof part);                                      \
    } while (0)

START_TEST(devices_say_where_they_are)
{
    struct acpi_config config = good_config();
    build(&config);
    HAS("COM0", '_', 'H', 'I', 'D', 0x0c, 0x41, 0xd0, 0x05, 0x01);
    HAS("COM0", 0x47, 1, 0xf8, 3, 0xf8, 3, 1, 8, 0x89, 6, 0, 3, 1, 4, 0, 0, 0, 0x79, 0);
    HAS("VR00", 'L', 'N', 'R', 'O', '0', '0', '0', '5', 0);
    HAS("VR00", 0x86, 9, 0, 1, 0, 0, 0, 0xd0, 0, 0x10, 0, 0, 0x89, 6, 0, 3, 1, 5, 0, 0,
        0);
    HAS("VR01", 0x86, 9, 0, 1, 0, 0x10, 0, 0xd0, 0, 0x10, 0, 0, 0x89, 6, 0, 3, 1, 6, 0,
        0);
    HAS("VR01", '_', 'U', 'I', 'D', 1);
    HAS("PVPN", 'Q', 'E', 'M', 'U', '0', '0', '0', '1', 0);
    HAS("PVPN", 0x86, 9, 0, 1, 0, 0x20, 0x10, 0xd0, 1, 0, 0, 0);
    struct device device;
    ck_assert(!find_device("VR02", &device));
    ck_assert(!find_device("PCI0", &device));
}
END_TEST

START_TEST(the_pci_bridge_has_its_windows)
{
    struct acpi_config config = config_with_pci();
    build(&config);
    HAS("PCI0", '_', 'H', 'I', 'D', 0x0c, 0x41, 0xd0, 0x0a, 0x08);
    HAS("PCI0", 0x88, 13, 0, 2, 0x0c, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0);
    HAS("PCI0", 0x87, 23, 0, 0, 0x0c, 1, 0, 0, 0, 0, 0, 0, 0x20, 0xd0, 0xff, 0xff, 0xff,
        0xdf, 0, 0, 0, 0, 0, 0, 0xe0, 0x0f);
    HAS("PCI0", 0x8a, 43, 0, 0, 0x0c, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0,
        0xff, 0xff, 0xff, 0xff, 5, 0, 0, 0);
    HAS("PCI0", 0x12, 12, 4, 0x0c, 0xff, 0xff, 0x1f, 0, 0x0a, 3, 0, 0x0a, 16);
    HAS("ECAM", 0x86, 9, 0, 1, 0, 0, 0, 0xe0, 0, 0, 0x10, 0);
}
END_TEST

START_TEST(no_64_bit_window_no_intx)
{
    struct acpi_config config = config_with_pci();
    config.pci.memory64.size = 0;
    config.pci.intx_irq = 0;
    build(&config);
    struct device device;
    ck_assert(find_device("PCI0", &device));
    ck_assert_ptr_null(memmem(device.bytes, device.length, "_PRT", 4));
    static const uint8_t qword[] = {0x8a, 43, 0};
    ck_assert_ptr_null(memmem(device.bytes, device.length, qword, sizeof qword));
}
END_TEST

/* Every size that is too small is refused, and nothing is written behind it. */
START_TEST(what_does_not_fit_is_refused)
{
    struct acpi_config config = config_with_pci();
    build(&config);
    size_t needed = sizeof bytes;
    while (bytes[needed - 1] == 0xcc)
        needed--;
    for (size_t capacity = 48; capacity < needed; capacity++) {
        memset(bytes, 0xcc, sizeof bytes);
        ck_assert(!acpi_build(&config, gpa(ADDRESS), bytes, capacity, &error));
        ck_assert_int_eq(error.code, ERROR_CONFIG_USAGE);
        ck_assert_uint_eq(bytes[capacity], 0xcc);
    }
    ck_assert(acpi_build(&config, gpa(ADDRESS), bytes, needed, &error));
}
END_TEST

/* 20.2.4: one byte up to 63, two up to 4095, three behind. */
START_TEST(package_lengths_have_the_bytes_that_they_need)
{
    static const size_t contents[] = {4, 62, 63, 64, 4093, 4094, 20000};
    static const size_t sizes[] = {1, 1, 2, 2, 2, 3, 3};
    static const uint8_t filler[20000];
    struct aml_writer writer = {.bytes = bytes, .capacity = sizeof bytes};
    size_t begin = aml_device_begin(&writer, "NAME");
    aml_put(&writer, filler, contents[_i] - 4);
    aml_end(&writer, begin);
    const uint8_t *content;
    ck_assert(!writer.full);
    ck_assert_ptr_eq(package_end(bytes + 2, &content), bytes + writer.length);
    ck_assert_uint_eq((size_t)(content - (bytes + 2)), sizes[_i]);
    ck_assert_mem_eq(content, "NAME", 4);
}
END_TEST

START_TEST(integers_have_the_bytes_that_they_need)
{
    static const struct {
        uint64_t value;
        uint8_t bytes[9];
        size_t length;
    } cases[] = {
        {0, {0}, 1},
        {1, {1}, 1},
        {2, {0x0a, 2}, 2},
        {0x1234, {0x0b, 0x34, 0x12}, 3},
        {0x12345678, {0x0c, 0x78, 0x56, 0x34, 0x12}, 5},
        {0x100000000, {0x0e, 0, 0, 0, 0, 1, 0, 0, 0}, 9},
    };
    struct aml_writer writer = {.bytes = bytes, .capacity = sizeof bytes};
    aml_integer(&writer, cases[_i].value);
    ck_assert_uint_eq(writer.length, cases[_i].length);
    ck_assert_mem_eq(bytes, cases[_i].bytes, cases[_i].length);
}
END_TEST

Suite *acpi_suite(void)
{
    Suite *suite = suite_create("acpi");
    TCase *test_case = tcase_create("acpi");
    tcase_add_test(test_case, the_fadt_says_what_there_is_not);
    tcase_add_test(test_case, the_madt_has_every_cpu);
    tcase_add_test(test_case, mcfg_is_there_with_pci_only);
    tcase_add_test(test_case, devices_say_where_they_are);
    tcase_add_test(test_case, the_pci_bridge_has_its_windows);
    tcase_add_test(test_case, no_64_bit_window_no_intx);
    tcase_add_test(test_case, what_does_not_fit_is_refused);
    tcase_add_loop_test(test_case, package_lengths_have_the_bytes_that_they_need, 0, 7);
    tcase_add_loop_test(test_case, integers_have_the_bytes_that_they_need, 0, 6);
    suite_add_tcase(suite, test_case);
    return suite;
}

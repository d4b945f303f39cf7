/* SPDX-License-Identifier: MIT */
/* Written front to back with libfdt's sequential functions; the first error stays, and ends
 * the writing. */
#include "firmware/device_tree.h"

#include <inttypes.h>
#include <libfdt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Nodes that others refer to. */
enum phandle {
    PHANDLE_GIC = 1,
    PHANDLE_ITS = 2,
    PHANDLE_CLOCK = 3,
};

/* The three cells of an interrupt (interrupt-controller/arm,gic-v3.yaml and arm,gic.yaml). */
enum { SPI = 0, PPI = 1 };
enum { EDGE_RISING = 1, LEVEL_HIGH = 4 };

#define CLOCK_HZ 24000000u

/* The affinity fields of MPIDR_EL1 (Arm ARM, DDI 0487). */
#define MPIDR_AFF3         0xff00000000ull
#define MPIDR_AFF2_TO_AFF0 0xffffffull

struct writer {
    void *tree;
    int status; /* 0, or libfdt's first error */
};

/* --- properties and nodes --- */

static void note(struct writer *writer, int status)
{
    if (writer->status == 0)
        writer->status = status;
}

__attribute__((format(printf, 2, 3))) static void begin(struct writer *writer,
                                                        const char *format, ...)
{
    char name[64];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    note(writer, fdt_begin_node(writer->tree, name));
}

static void end(struct writer *writer)
{
    note(writer, fdt_end_node(writer->tree));
}

static void put_flag(struct writer *writer, const char *name)
{
    note(writer, fdt_property(writer->tree, name, NULL, 0));
}

static void put_bytes(struct writer *writer, const char *name, const void *bytes,
                      size_t length)
{
    note(writer, fdt_property(writer->tree, name, bytes, (int)length));
}

static void put_string(struct writer *writer, const char *name, const char *text)
{
    put_bytes(writer, name, text, strlen(text) + 1);
}

/* A list of strings: a literal with a NUL between them. */
#define put_strings(writer, name, literal)                                               \
    put_bytes(writer, name, "" literal, sizeof(literal))

static void put_u64(struct writer *writer, const char *name, uint64_t value)
{
    note(writer, fdt_property_u64(writer->tree, name, value));
}

#define CELLS_MAX 16

static void put_cells(struct writer *writer, const char *name, const uint32_t *cells,
                      unsigned count)
{
    fdt32_t bytes[CELLS_MAX];
    BUG_ON(count > CELLS_MAX);
    for (unsigned i = 0; i < count; i++)
        bytes[i] = cpu_to_fdt32(cells[i]);
    note(writer, fdt_property(writer->tree, name, bytes, (int)(count * sizeof bytes[0])));
}

static void put_cell(struct writer *writer, const char *name, uint32_t cell)
{
    put_cells(writer, name, &cell, 1);
}

/* "reg", with two cells for an address and two for a size. */
static void put_ranges(struct writer *writer, const struct gpa_range *ranges,
                       unsigned count)
{
    uint32_t cells[CELLS_MAX];
    unsigned used = 0;
    BUG_ON(4 * count > CELLS_MAX);
    for (unsigned i = 0; i < count; i++) {
        cells[used++] = (uint32_t)(ranges[i].start.value >> 32);
        cells[used++] = (uint32_t)ranges[i].start.value;
        cells[used++] = (uint32_t)(ranges[i].size >> 32);
        cells[used++] = (uint32_t)ranges[i].size;
    }
    put_cells(writer, "reg", cells, used);
}

static void put_range(struct writer *writer, struct gpa_range range)
{
    put_ranges(writer, &range, 1);
}

static void put_spi(struct writer *writer, uint32_t number)
{
    const uint32_t cells[] = {SPI, number, EDGE_RISING};
    put_cells(writer, "interrupts", cells, ARRAY_SIZE(cells));
}

static void put_sizes_of_cells(struct writer *writer, uint32_t address, uint32_t size)
{
    put_cell(writer, "#address-cells", address);
    put_cell(writer, "#size-cells", size);
}

/* --- the nodes --- */

static const struct boot_device *find(const struct device_tree_config *config,
                                      enum boot_device_kind kind)
{
    for (unsigned i = 0; i < config->device_count; i++)
        if (config->devices[i].kind == kind)
            return &config->devices[i];
    return NULL;
}

/* schemas/chosen.yaml of dt-schema. Linux wipes both seeds when it has read them
 * (arch/arm64/kernel/pi/kaslr_early.c; drivers/of/fdt.c, early_init_dt_scan_chosen()). */
static void put_chosen(struct writer *writer, const struct device_tree_config *config)
{
    const struct boot_device *serial = find(config, BOOT_DEVICE_SERIAL);
    begin(writer, "chosen");
    put_string(writer, "bootargs", config->command_line);
    if (serial) {
        char path[32];
        snprintf(path, sizeof path, "/serial@%" PRIx64, serial->base);
        put_string(writer, "stdout-path", path);
    }
    if (config->initrd.size > 0) {
        uint64_t start = config->initrd.start.value;
        put_u64(writer, "linux,initrd-start", start);
        put_u64(writer, "linux,initrd-end", start + config->initrd.size);
    }
    put_u64(writer, "kaslr-seed", config->seeds->kaslr);
    put_bytes(writer, "rng-seed", config->seeds->rng, sizeof config->seeds->rng);
    end(writer);
}

static void put_memory(struct writer *writer, const struct device_tree_config *config)
{
    begin(writer, "memory@%" PRIx64, config->ram.start.value);
    put_string(writer, "device_type", "memory");
    put_range(writer, config->ram);
    end(writer);
}

/* "reg" is the affinity of MPIDR_EL1, Aff3 in the first cell (arm/cpus.yaml). */
static void put_cpus(struct writer *writer, const struct device_tree_config *config)
{
    begin(writer, "cpus");
    put_sizes_of_cells(writer, 2, 0);
    for (unsigned i = 0; i < config->cpu_count; i++) {
        uint32_t upper = (uint32_t)((config->mpidrs[i] & MPIDR_AFF3) >> 32);
        uint32_t lower = (uint32_t)(config->mpidrs[i] & MPIDR_AFF2_TO_AFF0);
        const uint32_t cells[] = {upper, lower};
        begin(writer, "cpu@%" PRIx64, (uint64_t)upper << 32 | lower);
        put_string(writer, "device_type", "cpu");
        put_string(writer, "compatible", "arm,armv8");
        put_cells(writer, "reg", cells, ARRAY_SIZE(cells));
        put_string(writer, "enable-method", "psci");
        end(writer);
    }
    end(writer);
}

static void put_psci(struct writer *writer)
{
    begin(writer, "psci");
    put_strings(writer, "compatible", "arm,psci-1.0\0arm,psci-0.2");
    put_string(writer, "method", "hvc");
    end(writer);
}

/* The interrupts of the generic timer that Linux knows KVM's guests by, and the numbers that
 * KVM gives them (kernel/arch/arm64/kvm/arch_timer.c, default_ppi): secure physical,
 * non-secure physical, virtual, hypervisor. arm,gic.yaml: with GICv2, bits 15 to 8 of a PPI's
 * flags are a mask of CPUs. */
static void put_timer(struct writer *writer, const struct device_tree_config *config)
{
    uint32_t cpus = (1u << config->cpu_count) - 1;
    uint32_t flags = LEVEL_HIGH | (config->gic_version == 2 ? (cpus & 0xff) << 8 : 0);
    const uint32_t cells[] = {PPI, 13, flags, PPI, 14, flags,
                              PPI, 11, flags, PPI, 10, flags};
    begin(writer, "timer");
    put_string(writer, "compatible", "arm,armv8-timer");
    put_cells(writer, "interrupts", cells, ARRAY_SIZE(cells));
    put_flag(writer, "always-on");
    end(writer);
}

static void put_its(struct writer *writer, const struct device_tree_config *config)
{
    begin(writer, "msi-controller@%" PRIx64, config->gic_its.start.value);
    put_string(writer, "compatible", "arm,gic-v3-its");
    put_flag(writer, "msi-controller");
    put_cell(writer, "#msi-cells", 1);
    put_range(writer, config->gic_its);
    put_cell(writer, "phandle", PHANDLE_ITS);
    end(writer);
}

static void put_gic(struct writer *writer, const struct device_tree_config *config)
{
    bool is_v3 = config->gic_version == 3;
    const struct gpa_range ranges[] = {
        config->gic_distributor,
        is_v3 ? config->gic_redistributors : config->gic_cpu_interface,
    };
    begin(writer, "interrupt-controller@%" PRIx64, config->gic_distributor.start.value);
    put_string(writer, "compatible", is_v3 ? "arm,gic-v3" : "arm,cortex-a15-gic");
    put_flag(writer, "interrupt-controller");
    put_cell(writer, "#interrupt-cells", 3);
    put_ranges(writer, ranges, ARRAY_SIZE(ranges));
    put_cell(writer, "phandle", PHANDLE_GIC);
    put_sizes_of_cells(writer, 2, 2);
    put_flag(writer, "ranges");
    if (is_v3 && config->has_its)
        put_its(writer, config);
    end(writer);
}

/* The AMBA bus of Linux does not probe a PrimeCell without a clock named apb_pclk. */
static void put_clock(struct writer *writer)
{
    begin(writer, "clock");
    put_string(writer, "compatible", "fixed-clock");
    put_cell(writer, "#clock-cells", 0);
    put_cell(writer, "clock-frequency", CLOCK_HZ);
    put_cell(writer, "phandle", PHANDLE_CLOCK);
    end(writer);
}

static struct gpa_range range_of(const struct boot_device *device)
{
    return (struct gpa_range){gpa(device->base), device->size};
}

static void put_serial(struct writer *writer, const struct boot_device *device)
{
    static const uint32_t clocks[] = {PHANDLE_CLOCK, PHANDLE_CLOCK};
    begin(writer, "serial@%" PRIx64, device->base);
    put_strings(writer, "compatible", "arm,pl011\0arm,primecell");
    put_range(writer, range_of(device));
    put_spi(writer, device->irq);
    put_cells(writer, "clocks", clocks, ARRAY_SIZE(clocks));
    put_strings(writer, "clock-names", "uartclk\0apb_pclk");
    end(writer);
}

/* Without "interrupts" the driver offers no alarms (drivers/rtc/rtc-pl031.c), see
 * devices/pl031.h. */
static void put_rtc(struct writer *writer, struct gpa_range range)
{
    begin(writer, "rtc@%" PRIx64, range.start.value);
    put_strings(writer, "compatible", "arm,pl031\0arm,primecell");
    put_range(writer, range);
    put_cell(writer, "clocks", PHANDLE_CLOCK);
    put_string(writer, "clock-names", "apb_pclk");
    end(writer);
}

/* dma-coherent: the VMM reads and writes rings and buffers through cacheable mappings. Without
 * it Linux would use non-cacheable ones, and clean caches that hold nothing. */
static void put_virtio(struct writer *writer, const struct boot_device *device)
{
    begin(writer, "virtio@%" PRIx64, device->base);
    put_string(writer, "compatible", "virtio,mmio");
    put_range(writer, range_of(device));
    put_spi(writer, device->irq);
    put_flag(writer, "dma-coherent");
    end(writer);
}

static void put_devices(struct writer *writer, const struct device_tree_config *config)
{
    for (unsigned i = 0; i < config->device_count; i++) {
        const struct boot_device *device = &config->devices[i];
        if (device->kind == BOOT_DEVICE_SERIAL)
            put_serial(writer, device);
        if (device->kind == BOOT_DEVICE_VIRTIO_MMIO)
            put_virtio(writer, device);
    }
}

/* Codes of an address in "ranges": the PCI Bus Binding to Open Firmware 2.1, 2.2.1.1. */
#define PCI_MEMORY_32              0x02000000u
#define PCI_MEMORY_64_PREFETCHABLE 0x43000000u

/* One to one: addresses on the bus are guest physical addresses. */
static unsigned add_pci_range(uint32_t *cells, uint32_t code, struct gpa_range range)
{
    const uint32_t upper = (uint32_t)(range.start.value >> 32);
    const uint32_t lower = (uint32_t)range.start.value;
    const uint32_t entry[] = {code,
                              upper,
                              lower,
                              upper,
                              lower,
                              (uint32_t)(range.size >> 32),
                              (uint32_t)range.size};
    memcpy(cells, entry, sizeof entry);
    return ARRAY_SIZE(entry);
}

/* Every pin of every slot is the same interrupt: the mask leaves nothing to compare. The parent
 * has addresses of two cells. */
static void put_pci_pins(struct writer *writer, uint32_t irq)
{
    static const uint32_t mask[] = {0, 0, 0, 0};
    const uint32_t map[] = {0, 0, 0, 0, PHANDLE_GIC, 0, 0, SPI, irq, LEVEL_HIGH};
    put_cell(writer, "#interrupt-cells", 1);
    put_cells(writer, "interrupt-map-mask", mask, ARRAY_SIZE(mask));
    put_cells(writer, "interrupt-map", map, ARRAY_SIZE(map));
}

/* pci/host-generic-pci.yaml. The ITS knows a function by its requester ID (pci/pci-msi.txt). */
static void put_pci(struct writer *writer, const struct device_tree_config *config)
{
    static const uint32_t buses[] = {0, 0};
    static const uint32_t msi_map[] = {0, PHANDLE_ITS, 0, 0x10000};
    const struct boot_pci *pci = &config->pci;
    uint32_t ranges[CELLS_MAX];
    unsigned count = add_pci_range(ranges, PCI_MEMORY_32, pci->memory32);
    if (pci->memory64.size > 0)
        count += add_pci_range(ranges + count, PCI_MEMORY_64_PREFETCHABLE, pci->memory64);

    begin(writer, "pcie@%" PRIx64, pci->ecam.start.value);
    put_string(writer, "compatible", "pci-host-ecam-generic");
    put_string(writer, "device_type", "pci");
    put_sizes_of_cells(writer, 3, 2);
    put_range(writer, pci->ecam);
    put_cells(writer, "bus-range", buses, ARRAY_SIZE(buses));
    put_cells(writer, "ranges", ranges, count);
    put_flag(writer, "dma-coherent");
    if (config->has_its)
        put_cells(writer, "msi-map", msi_map, ARRAY_SIZE(msi_map));
    if (pci->intx_irq != 0)
        put_pci_pins(writer, pci->intx_irq);
    end(writer);
}

bool device_tree_build(const struct device_tree_config *config, void *buffer,
                       size_t capacity, struct error *error)
{
    struct writer writer = {.tree = buffer};
    note(&writer, fdt_create(buffer, (int)capacity));
    note(&writer, fdt_finish_reservemap(buffer));
    begin(&writer, "%s", "");
    put_string(&writer, "compatible", "linux,dummy-virt");
    put_string(&writer, "model", "s2vmm");
    put_cell(&writer, "interrupt-parent", PHANDLE_GIC);
    put_sizes_of_cells(&writer, 2, 2);
    put_chosen(&writer, config);
    put_memory(&writer, config);
    put_cpus(&writer, config);
    put_psci(&writer);
    put_timer(&writer, config);
    put_gic(&writer, config);
    put_clock(&writer);
    put_rtc(&writer, config->rtc);
    put_devices(&writer, config);
    if (config->pci.ecam.size > 0)
        put_pci(&writer, config);
    end(&writer);
    note(&writer, fdt_finish(buffer));

    BUG_ON(writer.status != 0 && writer.status != -FDT_ERR_NOSPACE);
    return writer.status == 0 ||
           error_set(error, ERROR_CONFIG_USAGE,
                     "the device tree does not fit into %zu bytes: make the guest's "
                     "command line shorter, it has %zu",
                     capacity, strlen(config->command_line));
}

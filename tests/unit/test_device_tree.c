/* SPDX-License-Identifier: MIT */
/* The tree is read back with libfdt. */
#include <check.h>
#include <libfdt.h>
#include <stdlib.h>
#include <string.h>

#include "firmware/device_tree.h"
#include "tests/unit/suites.h"

#define CPUS      3
#define EDGE      1u
#define LEVEL     4u
#define SPI       0u
#define PPI       1u
#define TREE_SIZE 0x10000

static const uint64_t mpidrs[CPUS] = {0x80000000, 0x80000001, 0x0500000102};
static const struct boot_device devices[] = {
    {.kind = BOOT_DEVICE_SERIAL, .irq = 1, .base = 0x9000000, .size = 0x1000},
    {.kind = BOOT_DEVICE_EXIT, .base = 0xa100000, .size = 0x1000},
    {.kind = BOOT_DEVICE_VIRTIO_MMIO, .irq = 16, .base = 0xa000000, .size = 0x1000},
    {.kind = BOOT_DEVICE_VIRTIO_MMIO, .irq = 17, .base = 0xa001000, .size = 0x1000},
    {.kind = BOOT_DEVICE_WITNESS, .base = 0xa101000, .size = 0x1000},
};

static const struct device_tree_seeds seeds = {
    .kaslr = 0x0123456789abcdef,
    .rng = {0xb0, 0xb1, 0xb2, [31] = 0xbf},
};

static struct device_tree_config config;
static struct error error;
static uint8_t *tree; /* of exactly the size, so that ASan sees an overrun */

static void set_up(void)
{
    config = (struct device_tree_config){
        .ram = {gpa(0x40000000), 0x1c0000000},
        .command_line = "console=ttyAMA0 quiet",
        .seeds = &seeds,
        .cpu_count = CPUS,
        .mpidrs = mpidrs,
        .gic_version = 3,
        .has_its = true,
        .gic_distributor = {gpa(0x8000000), 0x10000},
        .gic_redistributors = {gpa(0x80a0000), CPUS * 0x20000},
        .gic_its = {gpa(0x8080000), 0x20000},
        .gic_cpu_interface = {gpa(0x8010000), 0x10000},
        .rtc = {gpa(0x9010000), 0x1000},
        .device_count = ARRAY_SIZE(devices),
        .devices = devices,
    };
    tree = malloc(TREE_SIZE);
}

static void tear_down(void)
{
    free(tree);
}

static void build(void)
{
    ck_assert_msg(device_tree_build(&config, tree, TREE_SIZE, &error), "%s", error.text);
    ck_assert_int_eq(fdt_check_full(tree, TREE_SIZE), 0);
}

/* --- reading --- */

static int node(const char *path)
{
    int offset = fdt_path_offset(tree, path);
    ck_assert_msg(offset >= 0, "%s: %s", path, fdt_strerror(offset));
    return offset;
}

static bool has_node(const char *path)
{
    return fdt_path_offset(tree, path) >= 0;
}

static bool has(const char *path, const char *name)
{
    return fdt_getprop(tree, node(path), name, NULL) != NULL;
}

static void assert_string(const char *path, const char *name, const char *want)
{
    int length;
    const char *value = fdt_getprop(tree, node(path), name, &length);
    ck_assert_msg(value != NULL, "%s has no %s", path, name);
    ck_assert_int_eq(length, (int)strlen(want) + 1);
    ck_assert_str_eq(value, want);
}

static void assert_compatible(const char *path, const char *want)
{
    ck_assert_msg(fdt_stringlist_search(tree, node(path), "compatible", want) >= 0,
                  "%s is not compatible with %s", path, want);
}

/* The cells of a property are those given; the last of them is END. */
#define END 0xdeadbeefu
#define assert_cells(path, name, ...)                                                    \
    check_cells(path, name, (const uint32_t[]){__VA_ARGS__, END})

static void check_cells(const char *path, const char *name, const uint32_t *want)
{
    int length;
    const fdt32_t *cells = fdt_getprop(tree, node(path), name, &length);
    ck_assert_msg(cells != NULL, "%s has no %s", path, name);
    unsigned count = 0;
    while (want[count] != END)
        count++;
    ck_assert_int_eq(length, (int)(4 * count));
    for (unsigned i = 0; i < count; i++)
        ck_assert_msg(fdt32_to_cpu(cells[i]) == want[i],
                      "%s %s: cell %u is 0x%x, not 0x%x", path, name, i,
                      fdt32_to_cpu(cells[i]), want[i]);
}

static uint32_t phandle(const char *path)
{
    uint32_t handle = fdt_get_phandle(tree, node(path));
    ck_assert_uint_ne(handle, 0);
    return handle;
}

/* --- the tests --- */

START_TEST(the_root)
{
    build();
    assert_cells("/", "#address-cells", 2);
    assert_cells("/", "#size-cells", 2);
    assert_cells("/", "interrupt-parent", phandle("/interrupt-controller@8000000"));
}
END_TEST

START_TEST(chosen_has_the_command_line_and_the_console)
{
    build();
    assert_string("/chosen", "bootargs", "console=ttyAMA0 quiet");
    assert_string("/chosen", "stdout-path", "/serial@9000000");
    ck_assert(has_node("/serial@9000000"));
    ck_assert(!has("/chosen", "linux,initrd-start"));
    ck_assert(!has("/chosen", "linux,initrd-end"));
}
END_TEST

START_TEST(chosen_has_the_initrd)
{
    config.initrd = (struct gpa_range){gpa(0x123400000), 0x5678};
    build();
    assert_cells("/chosen", "linux,initrd-start", 1, 0x23400000);
    assert_cells("/chosen", "linux,initrd-end", 1, 0x23405678);
}
END_TEST

START_TEST(chosen_has_the_seeds)
{
    build();
    int length;
    assert_cells("/chosen", "kaslr-seed", 0x01234567, 0x89abcdef);
    const void *rng = fdt_getprop(tree, node("/chosen"), "rng-seed", &length);
    ck_assert_ptr_nonnull(rng);
    ck_assert_int_eq(length, sizeof seeds.rng);
    ck_assert_mem_eq(rng, seeds.rng, sizeof seeds.rng);
}
END_TEST

START_TEST(memory)
{
    build();
    assert_string("/memory@40000000", "device_type", "memory");
    assert_cells("/memory@40000000", "reg", 0, 0x40000000, 1, 0xc0000000);
}
END_TEST

START_TEST(processors_have_the_affinity_of_their_mpidr)
{
    build();
    assert_cells("/cpus", "#address-cells", 2);
    assert_cells("/cpus", "#size-cells", 0);
    assert_cells("/cpus/cpu@0", "reg", 0, 0);
    assert_cells("/cpus/cpu@1", "reg", 0, 1);
    assert_cells("/cpus/cpu@500000102", "reg", 5, 0x102);
    assert_string("/cpus/cpu@1", "device_type", "cpu");
    assert_string("/cpus/cpu@1", "enable-method", "psci");
    int count = 0, offset;
    fdt_for_each_subnode(offset, tree, node("/cpus")) count++;
    ck_assert_int_eq(count, CPUS);
}
END_TEST

START_TEST(psci_is_called_by_hvc)
{
    build();
    assert_compatible("/psci", "arm,psci-1.0");
    assert_compatible("/psci", "arm,psci-0.2");
    assert_string("/psci", "method", "hvc");
}
END_TEST

START_TEST(the_timer_has_kvms_interrupts)
{
    build();
    assert_compatible("/timer", "arm,armv8-timer");
    assert_cells("/timer", "interrupts", PPI, 13, LEVEL, PPI, 14, LEVEL, PPI, 11, LEVEL,
                 PPI, 10, LEVEL);
    ck_assert(has("/timer", "always-on"));
}
END_TEST

START_TEST(gicv3_with_an_its)
{
    const char *gic = "/interrupt-controller@8000000";
    const char *its = "/interrupt-controller@8000000/msi-controller@8080000";
    build();
    assert_compatible(gic, "arm,gic-v3");
    ck_assert(has(gic, "interrupt-controller"));
    assert_cells(gic, "#interrupt-cells", 3);
    assert_cells(gic, "reg", 0, 0x8000000, 0, 0x10000, 0, 0x80a0000, 0, 0x60000);
    assert_compatible(its, "arm,gic-v3-its");
    ck_assert(has(its, "msi-controller"));
    assert_cells(its, "#msi-cells", 1);
    assert_cells(its, "reg", 0, 0x8080000, 0, 0x20000);
    ck_assert(has(gic, "ranges"));
    ck_assert_uint_ne(phandle(its), phandle(gic));
}
END_TEST

START_TEST(gicv3_without_an_its)
{
    config.has_its = false;
    build();
    ck_assert(!has_node("/interrupt-controller@8000000/msi-controller@8080000"));
}
END_TEST

START_TEST(gicv2)
{
    const char *gic = "/interrupt-controller@8000000";
    config.gic_version = 2;
    build();
    assert_compatible(gic, "arm,cortex-a15-gic");
    assert_cells(gic, "reg", 0, 0x8000000, 0, 0x10000, 0, 0x8010000, 0, 0x10000);
    ck_assert(!has_node("/interrupt-controller@8000000/msi-controller@8080000"));
    uint32_t flags = LEVEL | 0x700; /* the mask of three CPUs */
    assert_cells("/timer", "interrupts", PPI, 13, flags, PPI, 14, flags, PPI, 11, flags,
                 PPI, 10, flags);
}
END_TEST

START_TEST(primecells_have_their_clock)
{
    build();
    uint32_t clock = phandle("/clock");
    assert_compatible("/clock", "fixed-clock");
    assert_cells("/clock", "#clock-cells", 0);
    assert_compatible("/serial@9000000", "arm,pl011");
    assert_compatible("/serial@9000000", "arm,primecell");
    assert_cells("/serial@9000000", "reg", 0, 0x9000000, 0, 0x1000);
    assert_cells("/serial@9000000", "interrupts", SPI, 1, EDGE);
    assert_cells("/serial@9000000", "clocks", clock, clock);
    ck_assert_int_eq(
        fdt_stringlist_search(tree, node("/serial@9000000"), "clock-names", "apb_pclk"),
        1);
    assert_compatible("/rtc@9010000", "arm,pl031");
    assert_compatible("/rtc@9010000", "arm,primecell");
    assert_cells("/rtc@9010000", "reg", 0, 0x9010000, 0, 0x1000);
    assert_cells("/rtc@9010000", "clocks", clock);
    assert_string("/rtc@9010000", "clock-names", "apb_pclk");
    ck_assert(!has("/rtc@9010000", "interrupts"));
}
END_TEST

START_TEST(each_virtio_device_is_coherent)
{
    build();
    assert_compatible("/virtio@a000000", "virtio,mmio");
    assert_cells("/virtio@a000000", "reg", 0, 0xa000000, 0, 0x1000);
    assert_cells("/virtio@a000000", "interrupts", SPI, 16, EDGE);
    ck_assert(has("/virtio@a000000", "dma-coherent"));
    assert_cells("/virtio@a001000", "interrupts", SPI, 17, EDGE);
    ck_assert(has("/virtio@a001000", "dma-coherent"));
}
END_TEST

START_TEST(a_machine_without_devices)
{
    config.device_count = 0;
    build();
    ck_assert(!has("/chosen", "stdout-path"));
    ck_assert(!has_node("/serial@9000000"));
}
END_TEST

START_TEST(sixteen_processors_and_a_long_command_line_fit)
{
    static uint64_t affinities[16];
    static char text[4096];
    for (unsigned i = 0; i < 16; i++)
        affinities[i] = i;
    memset(text, 'x', sizeof text - 1);
    config.cpu_count = 16;
    config.mpidrs = affinities;
    config.command_line = text;
    build();
    assert_string("/chosen", "bootargs", text);
}
END_TEST

/* Whatever does not fit: never a byte behind the end, which ASan and the guard say. */
START_TEST(a_tree_that_does_not_fit_is_refused)
{
    for (size_t capacity = 0; capacity < 3000; capacity++) {
        tree[capacity] = 0xcc;
        if (device_tree_build(&config, tree, capacity, &error)) {
            ck_assert_uint_gt(capacity, 1000);
        } else {
            ck_assert_int_eq(error.code, ERROR_CONFIG_USAGE);
            ck_assert_msg(strstr(error.text, "command line") != NULL, "%s", error.text);
        }
        ck_assert_uint_eq(tree[capacity], 0xcc);
    }
}
END_TEST

static void add_pci(void)
{
    config.pci = (struct boot_pci){
        .ecam = {gpa(0x3f000000), 0x100000},
        .memory32 = {gpa(0x10000000), 0x2f000000},
        .memory64 = {gpa(0x240000000), 0x40000000},
        .intx_irq = 3,
    };
}

START_TEST(the_pci_host_bridge)
{
    const char *path = "/pcie@3f000000";
    build();
    ck_assert(!has_node(path));
    add_pci();
    build();
    assert_compatible(path, "pci-host-ecam-generic");
    assert_string(path, "device_type", "pci");
    assert_cells(path, "reg", 0, 0x3f000000, 0, 0x100000);
    assert_cells(path, "bus-range", 0, 0);
    assert_cells(path, "#address-cells", 3);
    assert_cells(path, "#size-cells", 2);
    assert_cells(path, "ranges", 0x02000000, 0, 0x10000000, 0, 0x10000000, 0, 0x2f000000,
                 0x43000000, 2, 0x40000000, 2, 0x40000000, 0, 0x40000000);
    ck_assert(has(path, "dma-coherent"));
}
END_TEST

START_TEST(messages_of_pci_go_to_the_its)
{
    const char *path = "/pcie@3f000000";
    add_pci();
    build();
    assert_cells(path, "msi-map", 0,
                 phandle("/interrupt-controller@8000000/msi-controller@8080000"), 0,
                 0x10000);
    config.has_its = false;
    build();
    ck_assert(!has(path, "msi-map"));
}
END_TEST

START_TEST(all_pins_of_pci_are_one_interrupt)
{
    const char *path = "/pcie@3f000000";
    add_pci();
    config.pci.memory64.size = 0;
    build();
    assert_cells(path, "#interrupt-cells", 1);
    assert_cells(path, "interrupt-map-mask", 0, 0, 0, 0);
    assert_cells(path, "interrupt-map", 0, 0, 0, 0,
                 phandle("/interrupt-controller@8000000"), 0, 0, SPI, 3, LEVEL);
    assert_cells(path, "ranges", 0x02000000, 0, 0x10000000, 0, 0x10000000, 0, 0x2f000000);
    config.pci.intx_irq = 0;
    build();
    ck_assert(!has(path, "interrupt-map"));
}
END_TEST

Suite *device_tree_suite(void)
{
    Suite *suite = suite_create("device_tree");
    TCase *test_case = tcase_create("device_tree");
    tcase_add_checked_fixture(test_case, set_up, tear_down);
    tcase_add_test(test_case, the_root);
    tcase_add_test(test_case, chosen_has_the_command_line_and_the_console);
    tcase_add_test(test_case, chosen_has_the_initrd);
    tcase_add_test(test_case, chosen_has_the_seeds);
    tcase_add_test(test_case, memory);
    tcase_add_test(test_case, processors_have_the_affinity_of_their_mpidr);
    tcase_add_test(test_case, psci_is_called_by_hvc);
    tcase_add_test(test_case, the_timer_has_kvms_interrupts);
    tcase_add_test(test_case, gicv3_with_an_its);
    tcase_add_test(test_case, gicv3_without_an_its);
    tcase_add_test(test_case, gicv2);
    tcase_add_test(test_case, primecells_have_their_clock);
    tcase_add_test(test_case, each_virtio_device_is_coherent);
    tcase_add_test(test_case, a_machine_without_devices);
    tcase_add_test(test_case, sixteen_processors_and_a_long_command_line_fit);
    tcase_add_test(test_case, a_tree_that_does_not_fit_is_refused);
    tcase_add_test(test_case, the_pci_host_bridge);
    tcase_add_test(test_case, messages_of_pci_go_to_the_its);
    tcase_add_test(test_case, all_pins_of_pci_are_one_interrupt);
    suite_add_tcase(suite, test_case);
    return suite;
}

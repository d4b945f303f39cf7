/* SPDX-License-Identifier: MIT */
/* Containers, groups and DMA: what is asked of VFIO, and the text that each obstacle gets. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/fake_tree.h"
#include "tests/unit/fake_vfio.h"
#include "tests/unit/suites.h"

static struct fake_vfio fake;
static struct vfio_container container;
static struct guest_memory memory;
static struct error error;

static void set_up(void)
{
    static uint8_t ram[2][16];
    fake_tree_make();
    fake_vfio_init(&fake);
    container = (struct vfio_container){0};
    memory = (struct guest_memory){
        .fd = -1,
        .region_count = 2,
        .regions = {{.range = {gpa(0), 3 * GIB}, .host = ram[0]},
                    {.range = {gpa(4 * GIB), GIB}, .host = ram[1]}},
    };
}

static void tear_down(void)
{
    vfio_container_finish(&container);
    ck_assert_int_eq(fake.open_count, 0);
    fake_tree_remove();
}

static bool open_device(const char *address)
{
    int fd;
    error = (struct error){0};
    if (!container.calls &&
        !vfio_container_init(&container, &fake.calls, &memory, &error))
        return false;
    if (!vfio_container_open_device(&container, address, &fd, &error))
        return false;
    ck_assert_int_eq(fd, FAKE_DEVICE);
    fake.open_count--; /* it is ours */
    return true;
}

static void expect_refusal(const char *first, const char *second)
{
    ck_assert(!open_device(FAKE_VFIO_ADDRESS));
    ck_assert_int_eq(error.code, ERROR_CONFIG_HOST);
    ck_assert_msg(strstr(error.text, first) != NULL, "%s", error.text);
    ck_assert_msg(strstr(error.text, second) != NULL, "%s", error.text);
}

START_TEST(all_ram_is_mapped_where_the_guest_has_it)
{
    ck_assert_msg(open_device(FAKE_VFIO_ADDRESS), "%s", error.text);
    ck_assert_uint_eq(fake.maps, 2);
    for (unsigned i = 0; i < 2; i++) {
        const struct vfio_iommu_type1_dma_map *map = &fake.map[i];
        ck_assert_uint_eq(map->iova, memory.regions[i].range.start.value);
        ck_assert_uint_eq(map->size, memory.regions[i].range.size);
        ck_assert_uint_eq(map->vaddr, (uintptr_t)memory.regions[i].host);
        ck_assert_uint_eq(map->flags, VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE);
    }
}
END_TEST

START_TEST(devices_of_a_group_share_it)
{
    fake_vfio_link("0000:00:05.1", "driver", "drivers/vfio-pci");
    fake_vfio_link("0000:00:05.1", "iommu_group", "groups/7");
    ck_assert(open_device(FAKE_VFIO_ADDRESS));
    ck_assert(open_device("0000:00:05.1"));
    ck_assert_uint_eq(fake.joins, 1);
    ck_assert_uint_eq(fake.maps, 2);
    ck_assert_uint_eq(container.group_count, 1);
}
END_TEST

START_TEST(groups_share_the_container)
{
    char address[16];
    char group[16];
    ck_assert(open_device(FAKE_VFIO_ADDRESS));
    for (unsigned i = 0; i < VFIO_GROUPS_MAX; i++) {
        snprintf(address, sizeof address, "0000:01:%02x.0", i);
        snprintf(group, sizeof group, "groups/%u", 20 + i);
        fake_vfio_link(address, "driver", "drivers/vfio-pci");
        fake_vfio_link(address, "iommu_group", group);
        ck_assert_int_eq(open_device(address), i + 1 < VFIO_GROUPS_MAX);
    }
    ck_assert_int_eq(error.code, ERROR_CONFIG_USAGE);
    ck_assert_uint_eq(fake.iommus, 1);
    ck_assert_uint_eq(fake.maps, 2);
}
END_TEST

/* --- obstacles --- */

START_TEST(no_vfio)
{
    fake.open_error = ENOENT;
    expect_refusal("/dev/vfio/vfio: No such file", "vfio-pci");
    fake.open_error = 0;
    fake.version = 9;
    expect_refusal("version 9", "vfio_iommu_type1");
    fake.version = VFIO_API_VERSION;
    fake.has_type1 = false;
    expect_refusal("without a type 1", "vfio_iommu_type1");
}
END_TEST

START_TEST(no_such_device)
{
    ck_assert(!open_device("0000:00:09.0"));
    ck_assert_ptr_nonnull(strstr(error.text, "0000:00:09.0: there is none"));
}
END_TEST

START_TEST(another_driver_has_it)
{
    fake_vfio_link(FAKE_VFIO_ADDRESS, "driver", "drivers/e1000");
    expect_refusal("bound to e1000", "driver/unbind");
    fake_vfio_link(FAKE_VFIO_ADDRESS, "driver", "");
    expect_refusal("bound to no driver", "driver_override");
    ck_assert_ptr_null(strstr(error.text, "unbind"));
}
END_TEST

START_TEST(no_iommu)
{
    fake_vfio_link(FAKE_VFIO_ADDRESS, "iommu_group", "");
    expect_refusal("no IOMMU", "intel_iommu=on");
}
END_TEST

START_TEST(a_group_with_strangers)
{
    fake.is_viable = false;
    expect_refusal("other drivers use", "none that sysfs names");
    fake_vfio_link(FAKE_VFIO_ADDRESS, "iommu_group", "");
    char path[128];
    fake_tree_write("/7/devices/x", "");
    snprintf(path, sizeof path, "%s/" FAKE_VFIO_ADDRESS "/iommu_group", fake_tree_root);
    ck_assert_int_eq(symlink("../7", path), 0);
    fake_tree_write("/7/devices/0000:00:06.0", "");
    fake_vfio_link("0000:00:06.0", "driver", "drivers/e1000");
    expect_refusal("0000:00:06.0 (e1000)", "unbind them");
}
END_TEST

START_TEST(a_group_that_is_in_use)
{
    fake.join_error = EBUSY;
    expect_refusal("VFIO_GROUP_SET_CONTAINER", "another program");
    fake.join_error = 0;
    fake.iommu_error = EPERM;
    expect_refusal("VFIO_SET_IOMMU", "allow_unsafe_interrupts");
}
END_TEST

START_TEST(memory_that_may_not_be_locked)
{
    fake.map_error = ENOMEM;
    expect_refusal("3072 MiB of guest RAM", "RLIMIT_MEMLOCK");
    fake.map_error = EINVAL;
    expect_refusal("[0x0, 0xc0000000)", "Invalid argument");
}
END_TEST

START_TEST(memory_that_the_iommu_does_not_reach)
{
    fake.iova[1][1] = 0x11fffffff;
    expect_refusal("[0x100000000, 0x13fffffff]", "reserved_regions");
    ck_assert_uint_eq(fake.maps, 0);
    fake.iova[1][1] = 0x13fffffff;
    ck_assert_msg(open_device(FAKE_VFIO_ADDRESS), "%s", error.text);
}
END_TEST

START_TEST(an_iommu_that_says_nothing_about_addresses)
{
    fake.iova[0][1] = 0;
    ck_assert(open_device(FAKE_VFIO_ADDRESS));
    ck_assert_uint_eq(fake.maps, 2);
}
END_TEST

/* More ranges than the kernel has written: what is behind them is not read. */
START_TEST(an_iommu_that_lies_about_sizes)
{
    fake.argsz = sizeof(struct vfio_iommu_type1_info) +
                 sizeof(struct vfio_iommu_type1_info_cap_iova_range) +
                 sizeof(struct vfio_iova_range);
    expect_refusal("[0x100000000, 0x13fffffff]", "no such addresses");
    fake.argsz =
        sizeof(struct vfio_iommu_type1_info) + sizeof(struct vfio_info_cap_header);
    expect_refusal("[0x0, 0xbfffffff]", "no such addresses");
    fake.argsz = UINT32_MAX;
    ck_assert(open_device(FAKE_VFIO_ADDRESS));
}
END_TEST

/* --- new addresses (vfio_container_state.c) --- */

static bool says(const char *text)
{
    return strstr(error.text, text) != NULL;
}

static bool has_address(unsigned region)
{
    return !fake.has_no_address[region] &&
           fake.map[region].vaddr == (uintptr_t)memory.regions[region].host;
}

START_TEST(addresses_are_taken_and_given)
{
    ck_assert(open_device(FAKE_VFIO_ADDRESS));
    ck_assert(vfio_container_release(&container, &error));
    ck_assert(!has_address(0) && !has_address(1));
    ck_assert(vfio_container_take_back(&container, &error));
    ck_assert(has_address(0) && has_address(1));
    ck_assert(vfio_container_release(&container, &error));
    fake.has_no_address[1] = false; /* somebody has begun to give them */
    fake.map[1].vaddr = 77;
    fake.thefts = 2; /* and goes on */
    ck_assert(vfio_container_take_back(&container, &error));
    ck_assert(has_address(0) && has_address(1));
}
END_TEST

START_TEST(addresses_that_cannot_be_taken)
{
    ck_assert(open_device(FAKE_VFIO_ADDRESS));
    fake.has_no_update = true;
    ck_assert(!vfio_container_release(&container, &error));
    ck_assert(says("VFIO_UPDATE_VADDR") && says("5.12"));
    fake.has_no_update = false;
    fake.has_no_address[1] = true;
    ck_assert(!vfio_container_release(&container, &error));
    ck_assert(says("VFIO_IOMMU_UNMAP_DMA of all addresses: Invalid argument"));
    fake.has_no_address[1] = false;
    fake.map[0].size /= 2; /* not all of RAM */
    ck_assert(!vfio_container_release(&container, &error));
    ck_assert(says("0xa0000000 bytes of 0x100000000"));
}
END_TEST

START_TEST(addresses_that_cannot_be_taken_back)
{
    ck_assert(open_device(FAKE_VFIO_ADDRESS));
    ck_assert(vfio_container_release(&container, &error));
    fake.thefts = 1000;
    ck_assert(!vfio_container_take_back(&container, &error));
    ck_assert(says("it has an address"));
    fake.thefts = 0;
    fake.maps = 1;
    ck_assert(!vfio_container_take_back(&container, &error));
    ck_assert(
        says("[0x100000000, 0x140000000): No such file or directory; it is not mapped"));
}
END_TEST

Suite *vfio_container_suite(void)
{
    Suite *suite = suite_create("vfio_container");
    TCase *test_case = tcase_create("vfio_container");
    tcase_add_checked_fixture(test_case, set_up, tear_down);
    tcase_add_test(test_case, all_ram_is_mapped_where_the_guest_has_it);
    tcase_add_test(test_case, devices_of_a_group_share_it);
    tcase_add_test(test_case, groups_share_the_container);
    tcase_add_test(test_case, no_vfio);
    tcase_add_test(test_case, no_such_device);
    tcase_add_test(test_case, another_driver_has_it);
    tcase_add_test(test_case, no_iommu);
    tcase_add_test(test_case, a_group_with_strangers);
    tcase_add_test(test_case, a_group_that_is_in_use);
    tcase_add_test(test_case, memory_that_may_not_be_locked);
    tcase_add_test(test_case, memory_that_the_iommu_does_not_reach);
    tcase_add_test(test_case, an_iommu_that_says_nothing_about_addresses);
    tcase_add_test(test_case, an_iommu_that_lies_about_sizes);
    tcase_add_test(test_case, addresses_are_taken_and_given);
    tcase_add_test(test_case, addresses_that_cannot_be_taken);
    tcase_add_test(test_case, addresses_that_cannot_be_taken_back);
    suite_add_tcase(suite, test_case);
    return suite;
}

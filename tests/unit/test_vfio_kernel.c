/* SPDX-License-Identifier: MIT */
/*
 * What the real VFIO answers when RAM gets new host addresses while a device uses it
 * (VFIO_DMA_UNMAP_FLAG_VADDR, VFIO_DMA_MAP_FLAG_VADDR), right and wrong: the table that a live
 * update relies on. And that nothing which is a dma-buf can be mapped for DMA. In the lab, with
 * QEMU's edu bound to vfio-pci.
 */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/udmabuf.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "devices/vfio_container.h"
#include "devices/vfio_device.h"
#include "tests/unit/skip.h"
#include "tests/unit/suites.h"

#define EDU     "0000:00:10.0"
#define PART    (2 * MIB)
#define FIRST   MIB /* IOVA of A; B is behind it */
#define SECOND  (FIRST + PART)
#define NOWHERE (64 * MIB)
#define ELSE    (16 * MIB)
/* The IOMMU's window for messages of interrupts: arch/x86/include/asm/apicdef.h, drivers/iommu
 * (MSI_IOVA_BASE of the ARM SMMUs). */
#ifdef __x86_64__
#define MESSAGES UINT64_C(0xfee00000)
#else
#define MESSAGES UINT64_C(0x08000000)
#endif
#define PAGE UINT64_C(0x1000)
#define RW   (VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE)
#define MV   VFIO_DMA_MAP_FLAG_VADDR
#define UV   VFIO_DMA_UNMAP_FLAG_VADDR
#define UA   VFIO_DMA_UNMAP_FLAG_ALL

static struct vfio_container container;
static struct vfio_device device;
static struct guest_memory memory;
static uint8_t *later; /* the same memory at another address */

static bool set_up_device(const char *test)
{
    struct error error;
    int fd;
    uint8_t *first;
    memory.fd = memfd_create("ram", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    ck_assert_int_ge(memory.fd, 0);
    ck_assert_int_eq(ftruncate(memory.fd, 4 * (off_t)PART), 0);
    ck_assert_int_eq(fcntl(memory.fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
    first = mmap(NULL, 4 * PART, PROT_READ | PROT_WRITE, MAP_SHARED, memory.fd, 0);
    later = mmap(NULL, 4 * PART, PROT_READ | PROT_WRITE, MAP_SHARED, memory.fd, 0);
    ck_assert_ptr_ne(first, MAP_FAILED);
    ck_assert_ptr_ne(later, MAP_FAILED);
    memory.region_count = 2;
    memory.regions[0] = (struct guest_region){.range = {gpa(FIRST), PART}, .host = first};
    memory.regions[1] =
        (struct guest_region){.range = {gpa(SECOND), PART}, .host = first + PART};
    if (!vfio_container_init(&container, &vfio_system_calls, &memory, &error) ||
        !vfio_container_open_device(&container, EDU, &fd, &error)) {
        test_skip(test, error.text);
        return false;
    }
    ck_assert_int_eq(fcntl(fd, F_GETFD),
                     FD_CLOEXEC); /* who wants to exec has to clear it */
    ck_assert_msg(vfio_device_init(&device, &vfio_system_calls, EDU, fd, &error), "%s",
                  error.text);
    return true;
}

static void tear_down(void)
{
    vfio_device_finish(&device);
    vfio_container_finish(&container);
    if (memory.fd > 0)
        close(memory.fd);
    memory = (struct guest_memory){0};
}

static int map(uint32_t flags, const void *address, uint64_t iova, uint64_t size)
{
    struct vfio_iommu_type1_dma_map request = {
        .argsz = sizeof request,
        .flags = flags,
        .vaddr = (uintptr_t)address,
        .iova = iova,
        .size = size,
    };
    return ioctl(container.fd, VFIO_IOMMU_MAP_DMA, &request) == 0 ? 0 : errno;
}

static int unmap(uint32_t flags, uint64_t iova, uint64_t size, uint64_t *done)
{
    struct vfio_iommu_type1_dma_unmap request = {
        .argsz = sizeof request, .flags = flags, .iova = iova, .size = size};
    int result = ioctl(container.fd, VFIO_IOMMU_UNMAP_DMA, &request) == 0 ? 0 : errno;
    *done = result == 0 ? request.size : 0;
    return result;
}

/* One after the other, each with what the ones before have left. */
static const struct {
    const char *name;
    bool is_unmap;
    uint32_t flags;
    uint64_t iova;
    uint64_t size;
    uint64_t offset; /* of the address in `later` */
    int expected;
    uint64_t done; /* UNMAP: bytes */
} steps[] = {
    {"VADDR without taking it away", false, MV, FIRST, PART, 0, EINVAL, 0},
    {"VADDR with READ and WRITE", false, MV | RW, FIRST, PART, 0, EINVAL, 0},
    {"take away a half", true, UV, FIRST, PART / 2, 0, EINVAL, 0},
    {"take away A and a half of B", true, UV, FIRST, PART + PART / 2, 0, EINVAL, 0},
    {"take away a hole", true, UV, NOWHERE, PART, 0, 0, 0},
    {"take away ALL with a size", true, UV | UA, 0, PART, 0, EINVAL, 0},
    {"take away A", true, UV, FIRST, PART, 0, 0, PART},
    {"VADDR with READ and WRITE, A is away", false, MV | RW, FIRST, PART, 0, EINVAL, 0},
    {"take away A again", true, UV, FIRST, PART, 0, EINVAL, 0},
    {"take away ALL, A is away", true, UV | UA, 0, 0, 0, EINVAL, 0},
    {"B was rolled back", false, MV, SECOND, PART, PART, EINVAL, 0},
    {"A is still away", false, MV, FIRST, PART, 0, 0, 0},
    {"take away ALL", true, UV | UA, 0, 0, 0, 0, 2 * PART},
    {"take away ALL again", true, UV | UA, 0, 0, 0, EINVAL, 0},
    {"a new mapping meanwhile", false, RW, ELSE, PART, 2 * PART, 0, 0},
    {"its end meanwhile", true, 0, ELSE, PART, 0, 0, PART},
    {"a new mapping over A", false, RW, FIRST, PART, 0, EEXIST, 0},
    {"VADDR of a half", false, MV, FIRST, PART / 2, 0, EINVAL, 0},
    {"VADDR of A and B at once", false, MV, FIRST, 2 * PART, 0, EINVAL, 0},
    {"VADDR inside A", false, MV, FIRST + PART / 2, PART / 2, 0, EINVAL, 0},
    {"VADDR of an odd address", false, MV, FIRST, PART, 1, EINVAL, 0},
    {"VADDR of what is not mapped", false, MV, NOWHERE, PART, 0, ENOENT, 0},
    {"VADDR of A, of other memory", false, MV, FIRST, PART, 2 * PART, 0, 0},
    {"take away A once more", true, UV, FIRST, PART, 0, 0, PART},
    {"VADDR of A", false, MV, FIRST, PART, 0, 0, 0},
    {"VADDR of A again", false, MV, FIRST, PART, 0, EINVAL, 0},
    {"VADDR of B", false, MV, SECOND, PART, PART, 0, 0},
    {"the end of all", true, UA, 0, 0, 0, 0, 2 * PART},
    {"take away ALL of nothing", true, UV | UA, 0, 0, 0, 0, 0},
};

START_TEST(new_addresses_for_mapped_ram)
{
    if (!set_up_device("vfio_kernel: new_addresses_for_mapped_ram"))
        return;
    ck_assert_int_eq(ioctl(container.fd, VFIO_CHECK_EXTENSION, VFIO_UPDATE_VADDR), 1);
    for (unsigned i = 0; i < ARRAY_SIZE(steps); i++) {
        uint64_t done = 0;
        int result = steps[i].is_unmap
                         ? unmap(steps[i].flags, steps[i].iova, steps[i].size, &done)
                         : map(steps[i].flags, later + steps[i].offset, steps[i].iova,
                               steps[i].size);
        ck_assert_msg(result == steps[i].expected, "%s: %s, expected %s", steps[i].name,
                      strerror(result), strerror(steps[i].expected));
        ck_assert_msg(done == steps[i].done, "%s: 0x%llx bytes, expected 0x%llx",
                      steps[i].name, (unsigned long long)done,
                      (unsigned long long)steps[i].done);
    }
}
END_TEST

START_TEST(a_container_without_an_iommu_cannot)
{
    struct error error;
    if (!vfio_container_init(&container, &vfio_system_calls, &memory, &error)) {
        test_skip("vfio_kernel: a_container_without_an_iommu_cannot", error.text);
        return;
    }
    ck_assert_int_eq(ioctl(container.fd, VFIO_CHECK_EXTENSION, VFIO_UPDATE_VADDR), 0);
    ck_assert_int_eq(ioctl(container.fd, VFIO_CHECK_EXTENSION, VFIO_UNMAP_ALL), 1);
}
END_TEST

/* The group of a device beside edu that vfio-pci has; -1: there is none. */
static int open_other_group(void)
{
    int fd = -1;
    DIR *folder = opendir("/sys/bus/pci/drivers/vfio-pci");
    const struct dirent *entry;
    while (folder && fd < 0 && (entry = readdir(folder)) != NULL) {
        char path[320];
        char group[128] = "";
        snprintf(path, sizeof path, "/sys/bus/pci/drivers/vfio-pci/%s/iommu_group",
                 entry->d_name);
        if (strcmp(entry->d_name, EDU) == 0 || !strchr(entry->d_name, ':') ||
            readlink(path, group, sizeof group - 1) < 0)
            continue;
        snprintf(path, sizeof path, "/dev/vfio/%.20s", strrchr(group, '/') + 1);
        fd = open(path, O_RDWR | O_CLOEXEC);
    }
    if (folder)
        closedir(folder);
    return fd;
}

/* It would have to be mapped, too (vfio_iommu_type1.c, vfio_iommu_type1_attach_group()). */
START_TEST(no_group_joins_while_ram_has_no_address)
{
    const char *name = "vfio_kernel: no_group_joins_while_ram_has_no_address";
    uint64_t done;
    if (!set_up_device(name))
        return;
    int group = open_other_group();
    if (group < 0) {
        test_skip(name, "no second device that vfio-pci has");
        return;
    }
    ck_assert_int_eq(unmap(UV | UA, 0, 0, &done), 0);
    ck_assert_int_ne(ioctl(group, VFIO_GROUP_SET_CONTAINER, &container.fd), 0);
    ck_assert_int_eq(errno, EBUSY);
    ck_assert_int_eq(map(MV, later, FIRST, PART), 0);
    ck_assert_int_eq(map(MV, later + PART, SECOND, PART), 0);
    ck_assert_int_eq(ioctl(group, VFIO_GROUP_SET_CONTAINER, &container.fd), 0);
    ck_assert_int_eq(ioctl(group, VFIO_GROUP_SET_CONTAINER, &container.fd), -1);
    ck_assert_int_eq(errno, EINVAL); /* it has one */
    close(group);
}
END_TEST

START_TEST(the_window_of_messages_takes_no_mapping)
{
    if (!set_up_device("vfio_kernel: the_window_of_messages_takes_no_mapping"))
        return;
    ck_assert_int_eq(map(RW, later, MESSAGES, PAGE), EINVAL);
    ck_assert_int_eq(map(RW, later, MESSAGES - PAGE, 2 * PAGE), EINVAL);
    ck_assert_int_eq(map(RW, later, MESSAGES - PAGE, PAGE), 0);
}
END_TEST

/* Its memory can be: the memfd that it is made of. */
START_TEST(a_dma_buf_is_not_mapped_for_dma)
{
    const char *name = "vfio_kernel: a_dma_buf_is_not_mapped_for_dma";
    if (!set_up_device(name))
        return;
    struct udmabuf_create create = {
        .memfd = (uint32_t)memory.fd, .flags = UDMABUF_FLAGS_CLOEXEC, .size = PART};
    int udmabuf = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
    if (udmabuf < 0) {
        test_skip(name, "no /dev/udmabuf");
        return;
    }
    int buffer = ioctl(udmabuf, UDMABUF_CREATE, &create);
    ck_assert_int_ge(buffer, 0);
    void *mapping = mmap(NULL, PART, PROT_READ | PROT_WRITE, MAP_SHARED, buffer, 0);
    ck_assert_ptr_ne(mapping, MAP_FAILED);
    ck_assert_int_eq(map(RW, mapping, ELSE, PART), EFAULT);
    ck_assert_int_eq(map(RW, later, ELSE, PART), 0);
    munmap(mapping, PART);
    close(buffer);
    close(udmabuf);
}
END_TEST

/* Older kernels make none; what newer ones make cannot be mapped (drivers/vfio/pci/vfio_pci_dmabuf.c
 * has no mmap). */
static int export_bar(uint32_t region, uint64_t length, uint32_t flags)
{
    struct get_dma_buf {
        uint32_t region, open_flags, flags, count;
        uint64_t offset, length;
    } get = {.region = region,
             .open_flags = O_RDWR | O_CLOEXEC,
             .flags = flags,
             .count = 1,
             .length = length};
    uint64_t
        request[(sizeof(struct vfio_device_feature) + sizeof get) / sizeof(uint64_t)];
    void *at = request;
    struct vfio_device_feature *feature = at;
    *feature = (struct vfio_device_feature){
        .argsz = sizeof request, .flags = VFIO_DEVICE_FEATURE_GET | VFIO_FEATURE_DMA_BUF};
    memcpy(feature->data, &get, sizeof get);
    int buffer = ioctl(device.fd, VFIO_DEVICE_FEATURE, feature);
    return buffer >= 0 ? buffer : -errno;
}

START_TEST(a_bar_as_a_dma_buf_has_no_mapping)
{
    if (!set_up_device("vfio_kernel: a_bar_as_a_dma_buf_has_no_mapping"))
        return;
    int buffer = export_bar(0, MIB, 0);
    ck_assert_int_eq(buffer >= 0, device.exports_bars);
    if (buffer < 0) {
        ck_assert_int_eq(buffer, -ENOTTY);
        return;
    }
    ck_assert_ptr_eq(mmap(NULL, MIB, PROT_READ, MAP_SHARED, buffer, 0), MAP_FAILED);
    ck_assert_int_eq(errno, EINVAL);
    close(buffer);
    ck_assert_int_eq(export_bar(0, PAGE / 2, 0), -EINVAL);
    ck_assert_int_eq(export_bar(0, MIB + PAGE, 0), -EINVAL); /* behind its end */
    ck_assert_int_eq(export_bar(0, MIB, 1), -EINVAL);
    ck_assert_int_eq(export_bar(1, PAGE, 0), -ENODEV); /* edu has one BAR */
}
END_TEST

Suite *vfio_kernel_suite(void)
{
    Suite *suite = suite_create("vfio_kernel");
    TCase *test_case = tcase_create("vfio_kernel");
    tcase_add_checked_fixture(test_case, NULL, tear_down);
    tcase_add_test(test_case, new_addresses_for_mapped_ram);
    tcase_add_test(test_case, a_container_without_an_iommu_cannot);
    tcase_add_test(test_case, no_group_joins_while_ram_has_no_address);
    tcase_add_test(test_case, the_window_of_messages_takes_no_mapping);
    tcase_add_test(test_case, a_dma_buf_is_not_mapped_for_dma);
    tcase_add_test(test_case, a_bar_as_a_dma_buf_has_no_mapping);
    suite_add_tcase(suite, test_case);
    return suite;
}

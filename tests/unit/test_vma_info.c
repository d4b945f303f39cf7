/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <drm.h>
#include <drm_mode.h>
#include <fcntl.h>
#include <linux/udmabuf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "devices/gpu/vma_info.h"
#include "tests/unit/skip.h"
#include "tests/unit/suites.h"

#define PAGE ((size_t)4096)
#define SIZE (4 * (uint64_t)PAGE)
#define MAPS "/proc/self/maps"

static struct vma_info ask(const void *host, uint64_t size)
{
    struct vma_info info;
    memset(&info, 0xaa, sizeof info);
    vma_info_ask(MAPS, host, size, &info);
    ck_assert_uint_lt(strlen(info.detail), sizeof info.detail);
    ck_assert_uint_gt(strlen(info.detail), 0);
    return info;
}

static void is_ram(const void *host, uint64_t size, const char *detail)
{
    struct vma_info info = ask(host, size);
    ck_assert_msg(info.is_ram, "%s", info.detail);
    ck_assert_str_eq(info.detail, detail);
}

static void is_not(const void *host, uint64_t size, const char *text)
{
    struct vma_info info = ask(host, size);
    ck_assert_msg(!info.is_ram, "%s", info.detail);
    ck_assert_msg(strstr(info.detail, text) != NULL, "%s", info.detail);
}

static uint8_t *map(int flags, int fd)
{
    void *host = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, flags, fd, 0);
    ck_assert_ptr_ne(host, MAP_FAILED);
    return host;
}

static uint8_t *map_memfd(const char *name)
{
    int fd = memfd_create(name, MFD_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, (off_t)SIZE), 0);
    uint8_t *host = map(MAP_SHARED, fd);
    close(fd);
    return host;
}

/* --- of this process --- */

START_TEST(what_a_program_allocates)
{
    const char *anonymous = "anonymous memory";
    uint8_t *host = map(MAP_PRIVATE | MAP_ANONYMOUS, -1);
    /* Its neighbours may be the same mapping: from the middle, to the middle. */
    is_ram(host, SIZE, anonymous);
    is_ram(host + PAGE, PAGE, anonymous);
    is_ram(map(MAP_SHARED | MAP_ANONYMOUS, -1), SIZE, "/dev/zero (deleted)");
    is_ram(map_memfd("a name"), SIZE, "/memfd:a name (deleted)");
    is_ram(map_memfd("new\nline"), SIZE, "/memfd:new\\012line (deleted)");
    uint8_t *heap = sbrk((intptr_t)SIZE);
    is_ram(heap, SIZE, "[heap]");
    int here = 0;
    is_ram(&here, sizeof here, "[stack]");
}
END_TEST

START_TEST(what_a_file_is_behind)
{
    char name[] = "/tmp/memfd:XXXXXX";
    int fd = mkstemp(name);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, (off_t)SIZE), 0);
    is_not(map(MAP_SHARED, fd), SIZE, name);
    uint8_t *copied = map(MAP_PRIVATE, fd);
    *copied = 1; /* a page of its own, and may be the only one */
    is_not(copied, SIZE, name);
    unlink(name);
    is_not(copied, SIZE, "(deleted)");
    close(fd);
    is_not((const void *)(uintptr_t)what_a_file_is_behind, 1, "not ordinary memory: /");
    int zero = open("/dev/zero", O_RDWR | O_CLOEXEC);
    ck_assert_int_ge(zero, 0);
    is_not(map(MAP_PRIVATE, zero), SIZE, "/dev/zero");
    close(zero);
}
END_TEST

START_TEST(what_is_not_mapped)
{
    uint8_t *host = map(MAP_PRIVATE | MAP_ANONYMOUS, -1);
    char hole[64];
    munmap(host + PAGE, PAGE);
    snprintf(hole, sizeof hole, "nothing is mapped at %p", (void *)(host + PAGE));
    is_not(host, SIZE, hole);
    is_not(host + PAGE, PAGE, hole);
    is_not(host, PAGE + 1, hole);
    is_ram(host, PAGE, "anonymous memory");
    is_not(NULL, SIZE, "nothing is mapped at 0");
    is_not((const void *)(UINTPTR_MAX - PAGE + 1), PAGE - 1, "nothing is mapped");
}
END_TEST

START_TEST(two_mappings_side_by_side)
{
    uint8_t *host = map_memfd("left");
    int fd = memfd_create("right", MFD_CLOEXEC);
    ck_assert_int_eq(ftruncate(fd, PAGE), 0);
    void *right = host + 2 * PAGE;
    ck_assert_ptr_eq(
        mmap(right, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0), right);
    is_ram(host, SIZE, "/memfd:left (deleted)");
    /* One that is none spoils it, wherever it is. */
    int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    ck_assert_ptr_eq(mmap(right, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, self, 0),
                     right);
    is_not(host, SIZE, "not ordinary memory: /");
    is_not(host, 2 * PAGE + 1, "not ordinary memory: /");
    is_ram(host, 2 * PAGE, "/memfd:left (deleted)");
}
END_TEST

START_TEST(ranges_that_are_none)
{
    uint8_t *host = map(MAP_PRIVATE | MAP_ANONYMOUS, -1);
    is_not(host, 0, "no range of addresses");
    is_not(host, UINT64_MAX, "no range of addresses");
    is_not((const void *)UINTPTR_MAX, 2,
           "no range of addresses: 0xffffffffffffffff, 2 bytes");
}
END_TEST

START_TEST(no_list)
{
    struct vma_info info;
    vma_info_ask("/nowhere/maps", "", 1, &info);
    ck_assert(!info.is_ram);
    ck_assert_str_eq(info.detail, "it does not open: No such file or directory");
}
END_TEST

/* --- of a list that we make --- */

#define AT 0x7f0000001000u

// clang-format off
static const struct {
    const char *text; /* @: the device number of memfds */
    bool is_ram;
} lists[] = {
    {"7f0000001000-7f0000005000 rw-p 00000000 00:00 0 \n", true},
    {"7f0000001000-7f0000005000 rw-p 00000000 00:00 0\n", true},
    {"7f0000000000-7f0000006000 rw-p 00000000 00:00 0                          [anon:heap of us]\n", true},
    {"7f0000001000-7f0000005000 rw-s 00000000 @ 77                   /memfd:x\n", true},
    {"7f0000001000-7f0000003000 rw-p 0 00:00 0 \n7f0000003000-7f0000005000 rw-p 0 00:00 0 [stack]\n", true},
    {"7f0000000000-7f0000001000 r--p 0 08:01 5 /x\n7f0000001000-7f0000005000 rw-p 0 00:00 0 \n", true},
    /* The same addresses twice: two mappings became one while the list was read. */
    {"7f0000001000-7f0000003000 rw-p 0 00:00 0 \n7f0000001000-7f0000005000 rw-p 0 00:00 0 \n", true},

    /* GEM objects, and others that the kernel makes on the same tmpfs. */
    {"7f0000001000-7f0000005000 rw-s 00000000 @ 77                   /i915 (deleted)\n", false},
    {"7f0000001000-7f0000005000 rw-s 00000000 @ 77                   /drm mm object (deleted)\n", false},
    {"7f0000001000-7f0000005000 rw-s 00000000 @ 77                   /dev/zero\n", false},
    {"7f0000001000-7f0000005000 rw-s 00000000 @ 77                   /tmp/memfd:x\n", false},
    /* Somebody's file of that name. */
    {"7f0000001000-7f0000005000 rw-s 00000000 fe:fffff 77                   /memfd:x (deleted)\n", false},
    {"7f0000001000-7f0000005000 rw-s 00000000 00:00 77                      /memfd:x (deleted)\n", false},
    {"7f0000001000-7f0000005000 rw-s 00000000 00:06 77                      [heap]\n", false},
    {"7f0000001000-7f0000005000 rw-s 00000000 00:06 77 \n", false},
    {"7f0000001000-7f0000005000 rw-s 00000000 00:06 121                     /dev/dri/renderD128\n", false},
    {"7f0000001000-7f0000005000 rw-s 00000000 00:09 2                       /dmabuf:\n", false},
    {"7f0000001000-7f0000005000 rw-s 00000000 00:0f 1063                    anon_inode:i915.gem\n", false},
    {"7f0000001000-7f0000005000 r--p 00000000 00:00 0                       [vvar]\n", false},
    {"7f0000001000-7f0000005000 rw-p 00000000 00:00 0                       [heap\n", false},
    {"7f0000001000-7f0000005000 rw-p 00000000 00:00 0                       [anon]\n", false},

    /* Not all of it. */
    {"7f0000001000-7f0000004fff rw-p 00000000 00:00 0 \n", false},
    {"7f0000001001-7f0000005000 rw-p 00000000 00:00 0 \n", false},
    {"7f0000002000-7f0000005000 rw-p 00000000 00:00 0 \n7f0000001000-7f0000002000 rw-p 0 00:00 0 \n", false},
    {"7f0000001000-7f0000003000 rw-p 0 00:00 0 \n7f0000004000-7f0000005000 rw-p 0 00:00 0 \n", false},
    {"", false},

    /* Lines that are none. */
    {"\n", false},
    {"7f0000001000\n", false},
    {"7f0000001000-7f0000005000\n", false},
    {"7f0000001000-7f0000005000 rw-p 00000000 0000 0 \n", false},
    {"-----\n", false},
};
// clang-format on

START_TEST(a_list_says_what_is_there)
{
    struct stat status;
    char path[64];
    int file = memfd_create("maps", MFD_CLOEXEC);
    ck_assert_int_eq(fstat(file, &status), 0);
    for (const char *at = lists[_i].text; *at; at++) {
        if (*at == '@')
            dprintf(file, "%02x:%02x", major(status.st_dev), minor(status.st_dev));
        else
            ck_assert_int_eq(write(file, at, 1), 1);
    }
    struct vma_info info;
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    vma_info_ask(path, (const void *)AT, SIZE, &info);
    ck_assert_msg(info.is_ram == lists[_i].is_ram, "%s", info.detail);
    close(file);
}
END_TEST

/* --- of drivers --- */

START_TEST(a_udmabuf_is_none)
{
    int device = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
    if (device < 0) {
        test_skip("vma_info: a_udmabuf_is_none", "no /dev/udmabuf");
        return;
    }
    int memfd = memfd_create("pages", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    ck_assert_int_eq(ftruncate(memfd, (off_t)SIZE), 0);
    ck_assert_int_eq(fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
    const struct udmabuf_create create = {.memfd = (uint32_t)memfd, .size = SIZE};
    int fd = ioctl(device, UDMABUF_CREATE, &create);
    ck_assert_int_ge(fd, 0);
    is_not(map(MAP_SHARED, fd), SIZE, "not ordinary memory: /dmabuf:");
    /* Its pages, which are those of the memfd, are. */
    is_ram(map(MAP_SHARED, memfd), SIZE, "/memfd:pages (deleted)");
    close(fd);
    close(memfd);
    close(device);
}
END_TEST

START_TEST(a_drivers_buffer_is_none)
{
    int node = open("/dev/dri/card0", O_RDWR | O_CLOEXEC);
    if (node < 0) {
        test_skip("vma_info: a_drivers_buffer_is_none", "no /dev/dri/card0");
        return;
    }
    struct drm_mode_create_dumb create = {.width = 32, .height = 32, .bpp = 32};
    if (ioctl(node, DRM_IOCTL_MODE_CREATE_DUMB, &create) != 0) {
        test_skip("vma_info: a_drivers_buffer_is_none", "card0 makes no dumb buffers");
        return;
    }
    struct drm_mode_map_dumb place = {.handle = create.handle};
    ck_assert_int_eq(ioctl(node, DRM_IOCTL_MODE_MAP_DUMB, &place), 0);
    void *host =
        mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, node, (off_t)place.offset);
    ck_assert_ptr_ne(host, MAP_FAILED);
    is_not(host, PAGE, "not ordinary memory: ");
    close(node);
}
END_TEST

Suite *vma_info_suite(void)
{
    Suite *suite = suite_create("vma_info");
    TCase *test_case = tcase_create("vma_info");
    tcase_add_test(test_case, what_a_program_allocates);
    tcase_add_test(test_case, what_a_file_is_behind);
    tcase_add_test(test_case, what_is_not_mapped);
    tcase_add_test(test_case, two_mappings_side_by_side);
    tcase_add_test(test_case, ranges_that_are_none);
    tcase_add_test(test_case, no_list);
    tcase_add_loop_test(test_case, a_list_says_what_is_there, 0, (int)ARRAY_SIZE(lists));
    tcase_add_test(test_case, a_udmabuf_is_none);
    tcase_add_test(test_case, a_drivers_buffer_is_none);
    suite_add_tcase(suite, test_case);
    return suite;
}

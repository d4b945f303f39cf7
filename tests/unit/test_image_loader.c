/* SPDX-License-Identifier: MIT */
/* One good kernel, and hostile ones: refused with a text that speaks of what is wrong, and
 * without a byte written to guest memory. */
#include <check.h>
#include <elf.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "firmware/image_loader.h"
#include "tests/unit/suites.h"

#define RAM_START (1 * GIB)
#define RAM_SIZE  (16 * MIB)
#define BASE      (RAM_START + 2 * MIB)
#define FILE_SIZE 4096

/* booting.rst, section 4. */
struct kernel {
    uint32_t code[2];
    uint64_t text_offset;
    uint64_t image_size;
    uint64_t flags;
    uint64_t reserved[3];
    uint32_t magic;
    uint32_t pe_offset;
    uint8_t text[FILE_SIZE - 64];
};

static struct guest_memory memory;
static struct error error;
static struct linux_image image;

static struct kernel good_kernel(void)
{
    struct kernel kernel = {.image_size = MIB, .flags = 0xa, .magic = 0x644d5241};
    memset(kernel.text, 'T', sizeof kernel.text);
    return kernel;
}

static void set_up(void)
{
    struct gpa_range range = {gpa(RAM_START), RAM_SIZE};
    ck_assert(guest_memory_init(&memory, &range, 1, &error));
    memset(memory.regions[0].host, 0xcc, RAM_SIZE);
}

static void tear_down(void)
{
    guest_memory_finish(&memory);
}

static const uint8_t *ram_at(uint64_t address)
{
    return memory.regions[0].host + (address - RAM_START);
}

static void assert_untouched(uint64_t start, uint64_t size)
{
    const uint8_t *bytes = ram_at(start);
    uint64_t i = 0;
    while (i < size && bytes[i] == 0xcc)
        i++;
    ck_assert_uint_eq(i, size);
}

static int file_of(const void *bytes, size_t size)
{
    int fd = memfd_create("image", MFD_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, bytes, size), (ssize_t)size);
    return fd;
}

static bool load(const void *bytes, size_t size)
{
    int fd = file_of(bytes, size);
    bool loaded = image_load(fd, "Image", &memory, gpa(BASE), &image, &error);
    close(fd);
    return loaded;
}

START_TEST(a_good_kernel_is_loaded)
{
    struct kernel kernel = good_kernel();
    ck_assert_msg(load(&kernel, sizeof kernel), "%s", error.text);
    ck_assert_uint_eq(image.range.start.value, BASE);
    ck_assert_uint_eq(image.range.size, MIB);
    ck_assert_mem_eq(ram_at(BASE), &kernel, sizeof kernel);
    assert_untouched(RAM_START, 2 * MIB);
    assert_untouched(BASE + sizeof kernel, 64);
}
END_TEST

START_TEST(text_offset_is_from_the_base)
{
    struct kernel kernel = good_kernel();
    kernel.text_offset = 0x80000;
    ck_assert_msg(load(&kernel, sizeof kernel), "%s", error.text);
    ck_assert_uint_eq(image.range.start.value, BASE + 0x80000);
    ck_assert_mem_eq(ram_at(BASE + 0x80000), &kernel, sizeof kernel);
    assert_untouched(BASE, 0x80000);
}
END_TEST

/* A signature for UEFI, as distributions append one. */
START_TEST(what_is_behind_image_size_is_not_loaded)
{
    struct kernel kernel = good_kernel();
    kernel.image_size = 1024;
    ck_assert_msg(load(&kernel, sizeof kernel), "%s", error.text);
    ck_assert_mem_eq(ram_at(BASE), &kernel, 1024);
    assert_untouched(BASE + 1024, sizeof kernel - 1024);
}
END_TEST

START_TEST(a_kernel_may_reach_the_end_of_ram)
{
    struct kernel kernel = good_kernel();
    kernel.image_size = RAM_SIZE - 2 * MIB;
    ck_assert_msg(load(&kernel, sizeof kernel), "%s", error.text);
}
END_TEST

static const struct {
    uint64_t text_offset;
    uint64_t image_size;
    uint32_t magic;
    size_t file_size;
    const char *text; /* a part of the message */
} bad[] = {
    {0, MIB, 0x644d5241, 0, "is cut off: 0 bytes"},
    {0, MIB, 0x644d5241, 63, "is cut off: 63 bytes"},
    {0, MIB, 0x644d5242, FILE_SIZE, "0x644d5242 at byte 56"},
    {0, 0, 0x644d5241, FILE_SIZE, "Linux 3.17"},
    {0, RAM_SIZE - 2 * MIB + 1, 0x644d5241, FILE_SIZE, "--memory"},
    {RAM_SIZE - 2 * MIB, 4096, 0x644d5241, FILE_SIZE, "--memory"},
    {4096, UINT64_MAX, 0x644d5241, FILE_SIZE, "--memory"},
    {UINT64_MAX - BASE, MIB, 0x644d5241, FILE_SIZE, "--memory"},
    {UINT64_MAX, MIB, 0x644d5241, FILE_SIZE, "text_offset of 0xffffffffffffffff"},
};

START_TEST(a_bad_kernel_is_refused)
{
    struct kernel kernel = good_kernel();
    kernel.text_offset = bad[_i].text_offset;
    kernel.image_size = bad[_i].image_size;
    kernel.magic = bad[_i].magic;
    ck_assert(!load(&kernel, bad[_i].file_size));
    ck_assert_int_eq(error.code, ERROR_CONFIG_FILE);
    ck_assert_msg(strncmp(error.text, "Image: ", 7) == 0, "%s", error.text);
    ck_assert_msg(strstr(error.text, bad[_i].text) != NULL, "%s", error.text);
    assert_untouched(RAM_START, RAM_SIZE);
}
END_TEST

static const struct {
    enum image_kind kind;
    size_t offset;
    const char *bytes;
} magics[] = {
    {IMAGE_UNKNOWN, 0, "hello"},           {IMAGE_ELF, 0, ELFMAG},
    {IMAGE_LINUX, 56, "ARM\x64"},          {IMAGE_LINUX_ZBOOT, 0, "MZ..zimg"},
    {IMAGE_LINUX_GZIP, 0, "\x1f\x8b\x08"}, {IMAGE_LINUX_BZIMAGE, 0x202, "HdrS"},
};

START_TEST(a_file_is_known_by_its_first_bytes)
{
    uint8_t bytes[4096] = {0};
    memcpy(bytes + magics[_i].offset, magics[_i].bytes, strlen(magics[_i].bytes));
    /* Also when nothing follows. */
    size_t sizes[] = {sizeof bytes, magics[_i].offset + strlen(magics[_i].bytes)};
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        enum image_kind kind;
        int fd = file_of(bytes, sizes[i]);
        ck_assert(image_identify(fd, &kind, &error));
        ck_assert_int_eq(kind, magics[_i].kind);
        close(fd);
    }
}
END_TEST

START_TEST(only_a_regular_file_is_identified)
{
    enum image_kind kind;
    int fds[2];
    ck_assert_int_eq(pipe(fds), 0);
    ck_assert(!image_identify(fds[0], &kind, &error));
    ck_assert_int_eq(error.code, ERROR_CONFIG_FILE);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

Suite *image_loader_suite(void)
{
    Suite *suite = suite_create("image_loader");
    TCase *test_case = tcase_create("image_loader");
    tcase_add_checked_fixture(test_case, set_up, tear_down);
    tcase_add_test(test_case, a_good_kernel_is_loaded);
    tcase_add_test(test_case, text_offset_is_from_the_base);
    tcase_add_test(test_case, what_is_behind_image_size_is_not_loaded);
    tcase_add_test(test_case, a_kernel_may_reach_the_end_of_ram);
    tcase_add_loop_test(test_case, a_bad_kernel_is_refused, 0, (int)ARRAY_SIZE(bad));
    tcase_add_loop_test(test_case, a_file_is_known_by_its_first_bytes, 0,
                        (int)ARRAY_SIZE(magics));
    tcase_add_test(test_case, only_a_regular_file_is_identified);
    suite_add_tcase(suite, test_case);
    return suite;
}

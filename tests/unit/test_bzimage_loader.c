/* SPDX-License-Identifier: MIT */
/* One good bzImage, and hostile ones: refused with a text that speaks of what is wrong, and
 * without a byte written to guest memory. */
#include <check.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "firmware/bzimage_loader.h"
#include "tests/unit/suites.h"
#include "vmm/layout.h"

#define RAM_START LAYOUT_IMAGE_START
#define RAM_SIZE  (8 * MIB)
#define PLACE     (RAM_START + 2 * MIB)
#define INIT_SIZE MIB
#define SETUP     1024u /* a boot sector and one of setup */
#define KERNEL    2048u

static struct guest_memory memory;
static struct error error;
static struct bzimage image;

struct file {
    uint8_t before[0x1f1];
    struct bzimage_header header;
    uint8_t setup[SETUP - 0x1f1 - sizeof(struct bzimage_header)];
    uint8_t kernel[KERNEL];
} __attribute__((packed));

static struct file good_file(void)
{
    struct file file = {
        .header =
            {
                .setup_sects = 1,
                .syssize = KERNEL / 16,
                .boot_flag = 0xaa55,
                .jump = 0x6aeb, /* the header ends at 0x26c */
                .header = 0x53726448,
                .version = 0x020f,
                .loadflags = 1,
                .initrd_addr_max = 0x7fffffff,
                .xloadflags = 3,
                .cmdline_size = 2047,
                .pref_address = PLACE,
                .init_size = INIT_SIZE,
            },
    };
    memset(file.kernel, 'K', sizeof file.kernel);
    return file;
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

static void assert_untouched(uint64_t start, uint64_t end)
{
    const uint8_t *ram = memory.regions[0].host;
    uint64_t at = start - RAM_START;
    while (at < end - RAM_START && ram[at] == 0xcc)
        at++;
    ck_assert_uint_eq(at, end - RAM_START);
}

static bool load(const void *bytes, size_t size)
{
    int fd = memfd_create("bzImage", MFD_CLOEXEC);
    ck_assert_int_eq(write(fd, bytes, size), (ssize_t)size);
    bool loaded = bzimage_load_fd(fd, "bzImage", &memory, &image, &error);
    close(fd);
    return loaded;
}

START_TEST(a_good_kernel_is_loaded)
{
    struct file file = good_file();
    ck_assert_msg(load(&file, sizeof file), "%s", error.text);
    ck_assert_uint_eq(image.entry.value, PLACE + 0x200);
    ck_assert_uint_eq(image.range.start.value, PLACE);
    ck_assert_uint_eq(image.range.size, INIT_SIZE);
    ck_assert_uint_eq(image.initrd_limit, UINT64_MAX);
    ck_assert_mem_eq(&image.header, &file.header, sizeof file.header);
    ck_assert_mem_eq(memory.regions[0].host + 2 * MIB, file.kernel, KERNEL);
    assert_untouched(RAM_START, PLACE);
    assert_untouched(PLACE + KERNEL, RAM_START + RAM_SIZE);
}
END_TEST

START_TEST(an_initrd_may_have_a_limit)
{
    struct file file = good_file();
    file.header.xloadflags = 1;
    ck_assert_msg(load(&file, sizeof file), "%s", error.text);
    ck_assert_uint_eq(image.initrd_limit, 0x80000000);
    file.header.initrd_addr_max = UINT32_MAX;
    ck_assert_msg(load(&file, sizeof file), "%s", error.text);
    ck_assert_uint_eq(image.initrd_limit, 4 * GIB);
}
END_TEST

/* What an older version does not have is code, and no header. */
START_TEST(what_is_behind_the_header_is_not_taken)
{
    struct file file = good_file();
    file.header.jump = 0x62eb; /* ends at 0x264 */
    file.header.handover_offset = 0x11111111;
    file.header.kernel_info_offset = 0x22222222;
    ck_assert_msg(load(&file, sizeof file), "%s", error.text);
    ck_assert_uint_eq(image.header.init_size, INIT_SIZE);
    ck_assert_uint_eq(image.header.handover_offset, 0);
    ck_assert_uint_eq(image.header.kernel_info_offset, 0);
    file.header.jump = 0x00eb; /* ends before there is an init_size */
    ck_assert(!load(&file, sizeof file));
    file.header.jump = 0xffeb;
    ck_assert_msg(load(&file, sizeof file), "%s", error.text);
}
END_TEST

START_TEST(a_signature_behind_the_kernel_is_not_loaded)
{
    struct file file = good_file();
    file.header.syssize = KERNEL / 16 - 1;
    ck_assert_msg(load(&file, sizeof file), "%s", error.text);
    assert_untouched(PLACE + KERNEL - 16, RAM_START + RAM_SIZE);
}
END_TEST

#define FIELD(name, number)                                                              \
    offsetof(struct file, header.name), sizeof(((struct bzimage_header *)0)->name), number

static const struct {
    size_t offset;
    size_t size;
    uint64_t value;
    const char *text;
} hostile[] = {
    {FIELD(header, 0x53726449), "is not a Linux kernel for x86: 0x53726449"},
    {FIELD(boot_flag, 0), "is not a Linux kernel for x86"},
    {FIELD(version, 0x020b), "boot protocol 2.11, needed is 2.12"},
    {FIELD(version, 0), "boot protocol 0.0"},
    {FIELD(loadflags, 0), "zImage"},
    {FIELD(xloadflags, 2), "XLF_KERNEL_64"},
    {FIELD(setup_sects, 0), "is cut off: its header says 2048 bytes from 2560 on"},
    {FIELD(setup_sects, 255), "is cut off"},
    {FIELD(syssize, 0), "is cut off: its header says 0 bytes"},
    {FIELD(syssize, 32), "is cut off: its header says 512 bytes"},
    {FIELD(syssize, KERNEL / 16 + 1), "is cut off"},
    {FIELD(syssize, UINT32_MAX), "is cut off"},
    {FIELD(init_size, KERNEL - 1), "init_size of 0x7ff"},
    {FIELD(init_size, RAM_SIZE - 2 * MIB + 1), "--memory"},
    {FIELD(init_size, UINT32_MAX), "--memory"},
    {FIELD(pref_address, 0), "GPA 0x0"},
    {FIELD(pref_address, RAM_START - 4096), "whole pages"},
    {FIELD(pref_address, PLACE + 1), "whole pages"},
    {FIELD(pref_address, RAM_START + RAM_SIZE), "--memory"},
    {FIELD(pref_address, 4 * GIB), "below 4 GiB"},
    {FIELD(pref_address, UINT64_MAX - 4095), "below 4 GiB"},
};

START_TEST(a_hostile_file_is_refused)
{
    struct file file = good_file();
    memcpy((uint8_t *)&file + hostile[_i].offset, &hostile[_i].value, hostile[_i].size);
    ck_assert(!load(&file, sizeof file));
    ck_assert_int_eq(error.code, ERROR_CONFIG_FILE);
    ck_assert_msg(strncmp(error.text, "bzImage: ", 9) == 0, "%s", error.text);
    ck_assert_msg(strstr(error.text, hostile[_i].text) != NULL, "%s", error.text);
    assert_untouched(RAM_START, RAM_START + RAM_SIZE);
}
END_TEST

START_TEST(a_file_that_is_cut_off_is_refused)
{
    struct file file = good_file();
    for (size_t size = 0; size < sizeof file; size += size < 0x280 ? 1 : 97) {
        ck_assert_msg(!load(&file, size), "%zu", size);
        ck_assert_msg(strstr(error.text, "cut off") != NULL, "%s", error.text);
    }
    assert_untouched(RAM_START, RAM_START + RAM_SIZE);
}
END_TEST

Suite *bzimage_loader_suite(void)
{
    Suite *suite = suite_create("bzimage_loader");
    TCase *test_case = tcase_create("bzimage_loader");
    tcase_add_checked_fixture(test_case, set_up, tear_down);
    tcase_add_test(test_case, a_good_kernel_is_loaded);
    tcase_add_test(test_case, an_initrd_may_have_a_limit);
    tcase_add_test(test_case, what_is_behind_the_header_is_not_taken);
    tcase_add_test(test_case, a_signature_behind_the_kernel_is_not_loaded);
    tcase_add_loop_test(test_case, a_hostile_file_is_refused, 0,
                        (int)ARRAY_SIZE(hostile));
    tcase_add_test(test_case, a_file_that_is_cut_off_is_refused);
    suite_add_tcase(suite, test_case);
    return suite;
}

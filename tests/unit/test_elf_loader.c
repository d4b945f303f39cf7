/* SPDX-License-Identifier: MIT */
/*
 * One good image, and a table of hostile ones: each is the good one with a single change,
 * and must be refused with a text that speaks of it and without a byte written to guest
 * memory.
 */
#include <check.h>
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "firmware/elf_loader.h"
#include "firmware/file.h"
#include "tests/unit/suites.h"
#include "vmm/layout.h"

#define MACHINE  EM_X86_64
#define RAM_SIZE (4 * MIB)
#define RAM_END  (LAYOUT_LOW_RAM_START + RAM_SIZE)

/* Where the segments go: to the lowest place that there is, and behind it. */
#define TEXT LAYOUT_IMAGE_START
#define DATA (TEXT + MIB)

/* The file: header, program headers, then 16 bytes for each of the two segments. */
struct image {
    Elf64_Ehdr header;
    Elf64_Phdr segments[3];
    uint8_t text[16];
    uint8_t data[16];
};

static struct guest_memory memory;

static struct image good_image(void)
{
    struct image image = {
        .header =
            {
                .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
                            EV_CURRENT},
                .e_type = ET_EXEC,
                .e_machine = MACHINE,
                .e_version = EV_CURRENT,
                .e_entry = TEXT + 4,
                .e_phoff = offsetof(struct image, segments),
                .e_ehsize = sizeof(Elf64_Ehdr),
                .e_phentsize = sizeof(Elf64_Phdr),
                .e_phnum = 3,
            },
        .segments =
            {
                {.p_type = PT_LOAD,
                 .p_offset = offsetof(struct image, text),
                 .p_paddr = TEXT,
                 .p_filesz = 16,
                 .p_memsz = 16},
                {.p_type = PT_LOAD,
                 .p_offset = offsetof(struct image, data),
                 .p_paddr = DATA,
                 .p_filesz = 16,
                 .p_memsz = 32},
                {.p_type = PT_NOTE},
            },
    };
    memset(image.text, 'T', sizeof image.text);
    memset(image.data, 'D', sizeof image.data);
    return image;
}

static void set_up(void)
{
    struct gpa_range range = {gpa(LAYOUT_LOW_RAM_START), RAM_SIZE};
    struct error error;
    ck_assert(guest_memory_init(&memory, &range, 1, &error));
    memset(memory.regions[0].host, 0xcc, RAM_SIZE);
}

static void tear_down(void)
{
    guest_memory_finish(&memory);
}

static int file_of(const void *bytes, size_t size)
{
    int fd = memfd_create("image", MFD_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, bytes, size), (ssize_t)size);
    return fd;
}

static struct elf_image elf;

static bool load_fd(int fd, const char *name, gpa_t *entry, struct error *error)
{
    bool loaded = elf_load_fd(fd, name, &memory, MACHINE, &elf, error);
    if (loaded)
        *entry = elf.entry;
    close(fd);
    return loaded;
}

static bool load(const void *bytes, size_t size, gpa_t *entry, struct error *error)
{
    return load_fd(file_of(bytes, size), "guest.elf", entry, error);
}

static bool load_path(const char *path, gpa_t *entry, struct error *error)
{
    int fd = file_open(path, error);
    return fd >= 0 && load_fd(fd, path, entry, error);
}

START_TEST(a_good_image_is_loaded)
{
    struct image image = good_image();
    struct error error = {0};
    gpa_t entry;
    ck_assert_msg(load(&image, sizeof image, &entry, &error), "%s", error.text);
    ck_assert_uint_eq(entry.value, TEXT + 4);
    const uint8_t *text = memory.regions[0].host + (TEXT - LAYOUT_LOW_RAM_START);
    const uint8_t *data = text + (DATA - TEXT);
    ck_assert_mem_eq(text, image.text, 16);
    ck_assert_uint_eq(text[-1], 0xcc);
    ck_assert_uint_eq(text[16], 0xcc);
    ck_assert_mem_eq(data, image.data, 16);
    static const uint8_t zeros[16];
    ck_assert_mem_eq(data + 16, zeros, 16); /* what the file does not have */
    ck_assert_uint_eq(data[32], 0xcc);
}
END_TEST

START_TEST(segments_may_touch_each_other_and_the_end_of_ram)
{
    struct image image = good_image();
    struct error error = {0};
    gpa_t entry;
    image.segments[1].p_paddr = TEXT + 16;
    image.segments[1].p_memsz = RAM_END - (TEXT + 16);
    ck_assert_msg(load(&image, sizeof image, &entry, &error), "%s", error.text);
    ck_assert_uint_eq(memory.regions[0].host[RAM_SIZE - 1], 0);
}
END_TEST

/* The change writes `value`, `size` bytes of it, at `offset` of the good image. */
#define HEADER(field, number)                                                            \
    offsetof(struct image, header.field), sizeof(((Elf64_Ehdr *)0)->field), number
#define IDENT(index, number) offsetof(struct image, header.e_ident) + (index), 1, number
#define SEGMENT(index, field, number)                                                    \
    offsetof(struct image, segments) + (index) * sizeof(Elf64_Phdr) +                    \
        offsetof(Elf64_Phdr, field),                                                     \
        sizeof(((Elf64_Phdr *)0)->field), number

// clang-format off
static const struct {
    size_t offset, size;
    uint64_t value;
    const char *text;
} hostile[] = {
    {IDENT(EI_MAG0, 0x1f), "begin with 1f 45 4c 46"},
    {IDENT(EI_CLASS, ELFCLASS32), "not a 64-bit"},
    {IDENT(EI_DATA, ELFDATA2MSB), "not a 64-bit little-endian"},
    {IDENT(EI_VERSION, 2), "version 1"},
    {HEADER(e_version, 7), "version 1"},
    {HEADER(e_machine, EM_AARCH64), "is for arm64 (machine 183), this s2vmm runs x86-64"},
    {HEADER(e_type, ET_DYN), "link with -static -no-pie"},
    {HEADER(e_type, ET_REL), "type 1"},
    {HEADER(e_phnum, 0), "0 program headers"},
    {HEADER(e_phnum, 65), "65 program headers"},
    {HEADER(e_phnum, PN_XNUM), "65535 program headers"},
    {HEADER(e_phnum, 4), "cut off"},
    {HEADER(e_phentsize, 32), "of 32 bytes"},
    {HEADER(e_phentsize, 0), "of 0 bytes"},
    {HEADER(e_phoff, sizeof(struct image)), "cut off: program headers"},
    {HEADER(e_phoff, UINT64_MAX), "cut off: program headers"},
    {HEADER(e_phoff, UINT64_MAX - 3 * sizeof(Elf64_Phdr) + 1), "cut off: program headers"},
    {HEADER(e_entry, TEXT - 1), "outside of all segments"},
    {HEADER(e_entry, TEXT + 16), "outside of all segments"},
    {HEADER(e_entry, 0), "outside of all segments"},
    {HEADER(e_entry, UINT64_MAX), "outside of all segments"},
    {SEGMENT(0, p_memsz, 15), "more bytes in the file"},
    {SEGMENT(0, p_memsz, 0), "outside of all segments"},
    {SEGMENT(0, p_offset, sizeof(struct image) - 15), "cut off: segment 0"},
    {SEGMENT(0, p_offset, UINT64_MAX - 7), "cut off: segment 0"},
    {SEGMENT(1, p_offset, (uint64_t)INT64_MAX), "cut off: segment 1"},
    {SEGMENT(0, p_paddr, TEXT - 1), "not in RAM at or above"},
    {SEGMENT(0, p_paddr, 0), "not in RAM at or above"},
    {SEGMENT(1, p_paddr, RAM_END - 31), "not in RAM"},
    {SEGMENT(1, p_paddr, RAM_END), "not in RAM"},
    {SEGMENT(1, p_paddr, UINT64_MAX - 15), "not in RAM"},
    {SEGMENT(1, p_memsz, RAM_SIZE), "not in RAM"},
    {SEGMENT(1, p_memsz, UINT64_MAX), "not in RAM"},
    {SEGMENT(1, p_memsz, UINT64_MAX - DATA + 1), "not in RAM"},
    {SEGMENT(1, p_paddr, TEXT + 15), "segments 0 and 1, which overlap"},
    {SEGMENT(1, p_paddr, TEXT), "segments 0 and 1, which overlap"},
    {SEGMENT(0, p_type, PT_INTERP), "dynamically linked"},
    {SEGMENT(2, p_type, PT_INTERP), "dynamically linked"},
};
// clang-format on

START_TEST(a_hostile_image_is_refused_and_nothing_is_written)
{
    struct image image = good_image();
    struct error error = {0};
    gpa_t entry = gpa(1);
    memcpy((uint8_t *)&image + hostile[_i].offset, &hostile[_i].value, hostile[_i].size);

    ck_assert(!load(&image, sizeof image, &entry, &error));
    ck_assert_int_eq(error.code, ERROR_CONFIG_FILE);
    ck_assert_msg(strstr(error.text, hostile[_i].text) != NULL, "%s", error.text);
    ck_assert_int_eq(strncmp(error.text, "guest.elf: ", 11), 0);
    ck_assert_uint_eq(entry.value, 1);
    const uint8_t *ram = memory.regions[0].host;
    size_t untouched = 0;
    while (untouched < RAM_SIZE && ram[untouched] == 0xcc)
        untouched++;
    ck_assert_uint_eq(untouched, RAM_SIZE);
}
END_TEST

/* The good image cut off at every length. */
START_TEST(a_file_that_is_cut_off_is_refused)
{
    struct image image = good_image();
    for (size_t size = 0; size < sizeof image; size++) {
        struct error error = {0};
        gpa_t entry;
        ck_assert_msg(!load(&image, size, &entry, &error), "%zu bytes", size);
        ck_assert_int_eq(error.code, ERROR_CONFIG_FILE);
        ck_assert_msg(strstr(error.text, size < 4 ? "not an ELF" : "cut off") != NULL,
                      "%s", error.text);
    }
}
END_TEST

/* Any single byte of the headers, with any of a few values: refused or loaded, but no
 * crash and no write outside of RAM (the sanitizers watch). */
START_TEST(no_single_byte_breaks_the_loader)
{
    static const uint8_t values[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    for (size_t offset = 0; offset < offsetof(struct image, text); offset++) {
        for (unsigned i = 0; i < ARRAY_SIZE(values); i++) {
            struct image image = good_image();
            struct error error = {0};
            gpa_t entry;
            ((uint8_t *)&image)[offset] = values[i];
            if (!load(&image, sizeof image, &entry, &error))
                ck_assert_int_eq(error.code, ERROR_CONFIG_FILE);
        }
    }
}
END_TEST

START_TEST(a_path_that_is_no_file_is_refused)
{
    static const struct {
        const char *path;
        const char *text;
    } cases[] = {
        {"/nowhere/guest.elf", "/nowhere/guest.elf: cannot be opened: No such file"},
        {"/tmp", "/tmp: is not a regular file"},
        {"/dev/zero", "/dev/zero: is not a regular file"},
        {"/proc/self/comm", "/proc/self/comm: is not an ELF file: 0 bytes"},
    };
    struct error error = {0};
    gpa_t entry;
    ck_assert(!load_path(cases[_i].path, &entry, &error));
    ck_assert_int_eq(error.code, ERROR_CONFIG_FILE);
    ck_assert_msg(strncmp(error.text, cases[_i].text, strlen(cases[_i].text)) == 0, "%s",
                  error.text);
}
END_TEST

START_TEST(a_pipe_is_refused_without_waiting)
{
    char path[] = "/tmp/s2vmm-test-elf-XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(path));
    char pipe[64];
    snprintf(pipe, sizeof pipe, "%s/pipe", path);
    ck_assert_int_eq(mkfifo(pipe, 0600), 0);
    struct error error = {0};
    gpa_t entry;
    ck_assert(!load_path(pipe, &entry, &error));
    unlink(pipe);
    rmdir(path);
    ck_assert_ptr_nonnull(strstr(error.text, "not a regular file"));
}
END_TEST

/* --- PVH --- */

/* A note of 4 or 8 bytes in the place of the second segment's contents, and of what follows. */
struct noted {
    struct image image;
    uint8_t more[16];
};

static struct noted with_note(uint32_t name_size, uint32_t size, uint32_t type,
                              const char *name, uint64_t contents)
{
    struct noted file = {.image = good_image()};
    const uint32_t words[] = {name_size, size, type};
    uint8_t *note = file.image.data;
    memcpy(note, words, sizeof words);
    memcpy(note + 12, name, 4);
    memcpy(note + 16, &contents, sizeof contents);
    file.image.segments[2] = (Elf64_Phdr){
        .p_type = PT_NOTE, .p_offset = offsetof(struct image, data), .p_filesz = 24};
    return file;
}

START_TEST(a_pvh_entry_is_found)
{
    static const uint32_t sizes[] = {4, 8};
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct noted file = with_note(4, sizes[i], 18, "Xen", TEXT + 2);
        struct error error = {0};
        gpa_t entry;
        ck_assert_msg(load(&file, sizeof file, &entry, &error), "%s", error.text);
        ck_assert(elf.has_pvh);
        ck_assert_uint_eq(elf.pvh_entry.value, TEXT + 2);
        ck_assert_uint_eq(elf.range.start.value, TEXT);
    }
}
END_TEST

static const struct {
    uint32_t name_size;
    uint32_t size;
    uint32_t type;
    const char *name;
} other_notes[] = {
    {4, 4, 17, "Xen"},          {4, 4, 18, "Xe1"},
    {3, 4, 18, "Xen"},          {4, 2, 18, "Xen"},
    {4, 9, 18, "Xen"},          {4, UINT32_MAX, 18, "Xen"},
    {UINT32_MAX, 4, 18, "Xen"}, {UINT32_MAX, UINT32_MAX, 18, "Xen"},
};

START_TEST(another_note_is_none)
{
    struct noted file = with_note(other_notes[_i].name_size, other_notes[_i].size,
                                  other_notes[_i].type, other_notes[_i].name, TEXT + 2);
    struct error error = {0};
    gpa_t entry;
    ck_assert_msg(load(&file, sizeof file, &entry, &error), "%s", error.text);
    ck_assert(!elf.has_pvh);
}
END_TEST

START_TEST(a_pvh_entry_outside_of_the_segments_is_refused)
{
    struct noted file = with_note(4, 8, 18, "Xen", TEXT - 1);
    struct error error = {0};
    gpa_t entry;
    ck_assert(!load(&file, sizeof file, &entry, &error));
    ck_assert_msg(strstr(error.text, "PVH entry") != NULL, "%s", error.text);
}
END_TEST

Suite *elf_loader_suite(void)
{
    Suite *suite = suite_create("elf_loader");
    TCase *test_case = tcase_create("elf_loader");
    tcase_add_checked_fixture(test_case, set_up, tear_down);
    tcase_set_timeout(test_case, 30);
    tcase_add_test(test_case, a_good_image_is_loaded);
    tcase_add_test(test_case, segments_may_touch_each_other_and_the_end_of_ram);
    tcase_add_loop_test(test_case, a_hostile_image_is_refused_and_nothing_is_written, 0,
                        ARRAY_SIZE(hostile));
    tcase_add_test(test_case, a_file_that_is_cut_off_is_refused);
    tcase_add_test(test_case, no_single_byte_breaks_the_loader);
    tcase_add_loop_test(test_case, a_path_that_is_no_file_is_refused, 0, 4);
    tcase_add_test(test_case, a_pipe_is_refused_without_waiting);
    tcase_add_test(test_case, a_pvh_entry_is_found);
    tcase_add_loop_test(test_case, another_note_is_none, 0, (int)ARRAY_SIZE(other_notes));
    tcase_add_test(test_case, a_pvh_entry_outside_of_the_segments_is_refused);
    suite_add_tcase(suite, test_case);
    return suite;
}

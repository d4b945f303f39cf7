/* SPDX-License-Identifier: MIT */
/* The format of a saved state: what is written is what is read, and whatever is wrong is said. */
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

#include "tests/unit/suites.h"
#include "vmm/state.h"

#define FIRST_SECTION STATE_HEADER_SIZE
#define FIRST_PAYLOAD (STATE_HEADER_SIZE + STATE_SECTION_SIZE)

/* "ABCD" 0, version 2: 1, 2, "xyz"; "ABCD" 1, version 1, empty. */
static void write_two(struct state_writer *writer)
{
    struct error error;
    state_writer_init(writer);
    state_begin(writer, "ABCD", 0, 2);
    state_put32(writer, 1);
    state_put64(writer, 2);
    state_put_bytes(writer, "xyz", 3);
    state_end(writer);
    state_begin(writer, "ABCD", 1, 1);
    state_end(writer);
    ck_assert_msg(state_complete(writer, &error), "%s", error.text);
}

static void check_two(struct state_reader *reader)
{
    struct state_section *section;
    struct error error;
    ck_assert(!state_reader_check(reader, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "\"ABCD\" 0, version 2"));
    ck_assert(state_open(reader, "ABCD", 1, 1, &section, &error));
    ck_assert(state_close(section, &error));
    ck_assert(state_open(reader, "ABCD", 0, 3, &section, &error));
    ck_assert_uint_eq(section->version, 2);
    ck_assert_uint_eq(state_get32(section), 1);
    ck_assert_uint_eq(state_get64(section), 2);
    ck_assert_uint_eq(state_left(section), 3);
    ck_assert_int_eq(memcmp(state_get_bytes(section, 3), "xyz", 3), 0);
    ck_assert(state_close(section, &error));
    ck_assert(state_reader_check(reader, &error));
}

START_TEST(what_was_written_is_read)
{
    struct state_writer writer;
    struct state_reader reader;
    struct error error;
    write_two(&writer);
    ck_assert_msg(state_reader_init(&reader, writer.bytes, writer.size, &error), "%s",
                  error.text);
    state_writer_finish(&writer);
    check_two(&reader);
    state_reader_finish(&reader);
}
END_TEST

START_TEST(a_file_has_the_same_and_cannot_change)
{
    struct state_writer writer;
    struct state_reader reader;
    struct error error;
    int fd;
    write_two(&writer);
    ck_assert_msg(state_make_file(&writer, &fd, &error), "%s", error.text);
    state_writer_finish(&writer);
    ck_assert_int_eq(pwrite(fd, "x", 1, 0), -1);
    ck_assert_int_eq(ftruncate(fd, 0), -1);
    ck_assert_msg(state_reader_init_file(&reader, fd, &error), "%s", error.text);
    check_two(&reader);
    state_reader_finish(&reader);
    close(fd);
    ck_assert(!state_reader_init_file(&reader, -1, &error));
    ck_assert_int_eq(error.code, ERROR_HOST_SYSTEM);
}
END_TEST

/* The bytes are those of docs/live-update.md. */
START_TEST(the_bytes_are_as_documented)
{
    static const uint8_t section[] = {'A', 'B', 'C', 'D', 0, 0, 0, 0, 2, 0, 0,
                                      0,   15,  0,   0,   0, 0, 0, 0, 0, 1, 0,
                                      0,   0,   2,   0,   0, 0, 0, 0, 0, 0, 'x'};
    struct state_writer writer;
    write_two(&writer);
    ck_assert_uint_eq(writer.size, FIRST_PAYLOAD + 15 + STATE_SECTION_SIZE);
    ck_assert_int_eq(memcmp(writer.bytes, "S2VMSTAT\1\0\0\0", 12), 0);
    ck_assert_uint_eq(writer.bytes[16], writer.size);
    ck_assert_int_eq(memcmp(writer.bytes + FIRST_SECTION, section, sizeof section), 0);
    state_writer_finish(&writer);
}
END_TEST

/* --- what is wrong with all of it --- */

/* One byte of write_two()'s is another, or the end is elsewhere. */
static const struct {
    size_t offset;
    uint8_t value;
    ssize_t length; /* not 0: bytes more, or fewer */
    const char *text;
} broken[] = {
    {0, 'X', 0, "does not begin with S2VMSTAT"},
    {7, 0, 0, "does not begin with S2VMSTAT"},
    {8, 2, 0, "format version 2, this s2vmm reads 1"},
    {8, 0, 0, "format version 0"},
    {12, 9, 0, "architecture 9"},
    {16, 1, 0, "its header says 1:"},
    {23, 1, 0, "its header says 72057594037928015"},
    {0, 'S', -1, "of 78 bytes, its header says 79"},
    {0, 'S', 1, "of 80 bytes, its header says 79"},
    {0, 'S', -79, "of 0 bytes, its header alone has 24"},
    {0, 'S', -56, "of 23 bytes, its header alone has 24"},
    {FIRST_SECTION + 12, 16, 0, "the 19 behind section number 1 are no section's header"},
    {FIRST_SECTION + 12, 36, 0,
     "\"ABCD\" 0, version 2: it has 36 bytes, and only 35 are left"},
    {FIRST_SECTION + 19, 0x80, 0, "it has 9223372036854775823 bytes"},
    {FIRST_SECTION + 19, 0xff, 0, "it has 18374686479671623695 bytes"},
    {FIRST_SECTION + 4, 1, 0, "\"ABCD\" 1, version 1: it is there twice"},
};

START_TEST(what_is_broken_is_said)
{
    struct state_writer writer;
    struct state_reader reader;
    struct error error;
    write_two(&writer);
    ck_assert_uint_eq(writer.size, 79);
    size_t size = writer.size + (size_t)broken[_i].length;
    state_put32(&writer, 0); /* behind it, too, are bytes of its */
    writer.bytes[broken[_i].offset] = broken[_i].value;
    ck_assert(!state_reader_init(&reader, writer.bytes, size, &error));
    ck_assert_int_eq(error.code, ERROR_CONFIG_FILE);
    ck_assert_msg(strstr(error.text, broken[_i].text) != NULL, "%s", error.text);
    ck_assert_ptr_null(reader.sections);
    state_writer_finish(&writer);
}
END_TEST

START_TEST(every_end_is_too_early)
{
    struct state_writer writer;
    struct state_reader reader;
    struct error error;
    write_two(&writer);
    for (size_t size = 0; size < writer.size; size++) {
        uint64_t total = size;
        if (size >= STATE_HEADER_SIZE) /* even when the header agrees */
            memcpy(writer.bytes + 16, &total, sizeof total);
        bool whole = size == FIRST_SECTION || size == FIRST_PAYLOAD + 15;
        ck_assert_int_eq(state_reader_init(&reader, writer.bytes, size, &error), whole);
        state_reader_finish(&reader);
    }
    state_writer_finish(&writer);
}
END_TEST

START_TEST(too_many_sections)
{
    struct state_writer writer;
    struct state_reader reader;
    struct error error;
    state_writer_init(&writer);
    for (uint32_t i = 0; i <= STATE_SECTIONS_MAX; i++) {
        state_begin(&writer, "MANY", i, 1);
        state_end(&writer);
    }
    ck_assert(state_complete(&writer, &error));
    ck_assert(!state_reader_init(&reader, writer.bytes, writer.size, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "more than 1024 sections"));
    state_writer_finish(&writer);
}
END_TEST

START_TEST(too_much_to_write_or_to_read)
{
    static uint8_t zeroes[MIB];
    struct state_writer writer;
    struct state_reader reader;
    struct error error;
    state_writer_init(&writer);
    state_begin(&writer, "HUGE", 0, 1);
    for (unsigned i = 0; i < 64; i++)
        state_put_bytes(&writer, zeroes, sizeof zeroes);
    state_end(&writer);
    ck_assert(!state_complete(&writer, &error));
    ck_assert_int_eq(error.code, ERROR_HOST_MEMORY);
    state_writer_finish(&writer);
    int fd = memfd_create("huge", MFD_CLOEXEC);
    ck_assert_int_eq(ftruncate(fd, (off_t)(STATE_SIZE_MAX + 1)), 0);
    ck_assert(!state_reader_init_file(&reader, fd, &error));
    ck_assert_int_eq(error.code, ERROR_HOST_MEMORY);
    close(fd);
}
END_TEST

/* --- what is wrong with a section --- */

static void read_two(struct state_reader *reader)
{
    struct state_writer writer;
    struct error error;
    write_two(&writer);
    ck_assert(state_reader_init(reader, writer.bytes, writer.size, &error));
    state_writer_finish(&writer);
}

START_TEST(sections_that_are_missing_or_newer)
{
    static const struct {
        const char *name;
        uint32_t instance;
        uint32_t newest;
        const char *text;
    } rows[] = {
        {"ABCE", 0, 9, "no section \"ABCE\" 0"},
        {"ABCD", 2, 9, "no section \"ABCD\" 2"},
        {"ABCD", 0, 1, "\"ABCD\" 0, version 2: this s2vmm reads versions 1 to 1"},
    };
    struct state_section *section;
    struct state_reader reader;
    struct error error;
    read_two(&reader);
    ck_assert(!state_open(&reader, rows[_i].name, rows[_i].instance, rows[_i].newest,
                          &section, &error));
    ck_assert_int_eq(error.code, ERROR_CONFIG_FILE);
    ck_assert_msg(strstr(error.text, rows[_i].text) != NULL, "%s", error.text);
    state_reader_finish(&reader);
}
END_TEST

START_TEST(a_version_of_0_is_none)
{
    struct state_section *section;
    struct state_writer writer;
    struct state_reader reader;
    struct error error;
    write_two(&writer);
    writer.bytes[FIRST_SECTION + 8] = 0;
    ck_assert(state_reader_init(&reader, writer.bytes, writer.size, &error));
    ck_assert(!state_open(&reader, "ABCD", 0, 9, &section, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "\"ABCD\" 0, version 0"));
    state_reader_finish(&reader);
    state_writer_finish(&writer);
}
END_TEST

START_TEST(a_section_that_is_too_short_reads_zeroes)
{
    struct state_section *section;
    struct state_reader reader;
    struct error error;
    read_two(&reader);
    ck_assert(state_open(&reader, "ABCD", 0, 2, &section, &error));
    ck_assert_uint_eq(state_get64(section), 1 | (uint64_t)2 << 32);
    ck_assert_uint_eq(state_get64(section), 0); /* 7 bytes are left */
    ck_assert_uint_eq(state_get32(section), 0); /* nor is anything behind it */
    ck_assert_ptr_null(state_get_bytes(section, 0));
    ck_assert(!state_close(section, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "its 15 bytes are too few, from byte 8 on"));
    ck_assert(state_open(&reader, "ABCD", 1, 1, &section, &error));
    ck_assert_ptr_null(state_get_bytes(section, SIZE_MAX));
    ck_assert(!state_close(section, &error));
    state_reader_finish(&reader);
}
END_TEST

START_TEST(a_section_that_is_too_long)
{
    struct state_section *section;
    struct state_reader reader;
    struct error error;
    read_two(&reader);
    ck_assert(state_open(&reader, "ABCD", 0, 2, &section, &error));
    state_get32(section);
    ck_assert(!state_close(section, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "11 of its 15 bytes are too many"));
    state_reader_finish(&reader);
}
END_TEST

START_TEST(a_name_that_cannot_be_printed)
{
    struct state_writer writer;
    struct state_reader reader;
    struct error error;
    write_two(&writer);
    memcpy(writer.bytes + FIRST_SECTION, "\0\n\x7f\xff", 4);
    ck_assert(state_reader_init(&reader, writer.bytes, writer.size, &error));
    ck_assert(!state_reader_check(&reader, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "\"????\" 0"));
    state_reader_finish(&reader);
    state_writer_finish(&writer);
}
END_TEST

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

/* Two come, a third is named: each can be had once, "none" always, and the rest is closed. */
START_TEST(descriptors_beside_it)
{
    struct state_writer writer;
    struct state_reader reader;
    struct state_section *section;
    struct error error;
    int fd;
    state_writer_init(&writer);
    state_begin(&writer, "ABCD", 0, 1);
    state_put_fd(&writer, STDIN_FILENO);
    state_put_fd(&writer, -1);
    state_put_fd(&writer, STDOUT_FILENO);
    state_put32(&writer, 0);
    state_put32(&writer, 2);
    state_end(&writer);
    ck_assert(state_complete(&writer, &error));
    ck_assert_uint_eq(writer.fd_count, 2);
    ck_assert_int_eq(writer.fds[1], STDOUT_FILENO);
    ck_assert(state_reader_init(&reader, writer.bytes, writer.size, &error));
    state_writer_finish(&writer);

    int fds[2] = {dup(STDIN_FILENO), dup(STDOUT_FILENO)};
    ck_assert(state_reader_add_fds(&reader, fds, 2, &error));
    ck_assert(state_open(&reader, "ABCD", 0, 1, &section, &error));
    ck_assert(state_get_fd(&reader, section, &fd, &error));
    ck_assert_int_eq(fd, fds[0]);
    ck_assert(state_get_fd(&reader, section, &fd, &error));
    ck_assert_int_eq(fd, -1);
    section->taken += sizeof(uint32_t); /* nobody asks for the second one */
    ck_assert(!state_get_fd(&reader, section, &fd, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "taken before"));
    ck_assert(!state_get_fd(&reader, section, &fd, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "descriptor 2, and 2 came"));
    ck_assert(!state_get_fd(&reader, section, &fd, &error));
    ck_assert_int_eq(fd, -1);
    state_reader_finish(&reader);
    ck_assert(is_open(fds[0]));
    ck_assert(!is_open(fds[1]));
    close(fds[0]);
}

Suite *state_suite(void)
{
    Suite *suite = suite_create("state");
    TCase *test_case = tcase_create("state");
    tcase_add_test(test_case, what_was_written_is_read);
    tcase_add_test(test_case, a_file_has_the_same_and_cannot_change);
    tcase_add_test(test_case, the_bytes_are_as_documented);
    tcase_add_loop_test(test_case, what_is_broken_is_said, 0, (int)ARRAY_SIZE(broken));
    tcase_add_test(test_case, every_end_is_too_early);
    tcase_add_test(test_case, too_many_sections);
    tcase_add_test(test_case, too_much_to_write_or_to_read);
    tcase_add_loop_test(test_case, sections_that_are_missing_or_newer, 0, 3);
    tcase_add_test(test_case, a_version_of_0_is_none);
    tcase_add_test(test_case, a_section_that_is_too_short_reads_zeroes);
    tcase_add_test(test_case, a_section_that_is_too_long);
    tcase_add_test(test_case, a_name_that_cannot_be_printed);
    tcase_add_test(test_case, descriptors_beside_it);
    suite_add_tcase(suite, test_case);
    return suite;
}

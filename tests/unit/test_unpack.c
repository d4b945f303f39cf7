/* SPDX-License-Identifier: MIT */
/* What gzip and zstd made, what they did not make, and what does not end. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "firmware/unpack.h"
#include "tests/unit/suites.h"

#define LENGTH 300000u
#define BEFORE 100u /* bytes in the file in front */

enum format { GZIP, ZSTD };

static uint8_t plain[LENGTH];
static uint8_t file[BEFORE + 2 * LENGTH];
static size_t file_length;
static struct error error;
static int unpacked;

static void pack(enum format format)
{
    uint8_t *to = file + BEFORE;
    size_t room = sizeof file - BEFORE;
    srand(1);
    for (size_t i = 0; i < LENGTH; i++) /* does not pack well, so that there are chunks */
        plain[i] = (uint8_t)(i % 3 == 0 ? i >> 8 : (size_t)rand());
    memset(file, 'b', BEFORE);
    if (format == ZSTD) {
        size_t length = ZSTD_compress(to, room, plain, LENGTH, 1);
        ck_assert(!ZSTD_isError(length));
        file_length = BEFORE + length;
        return;
    }
    z_stream z = {
        .next_in = plain, .avail_in = LENGTH, .next_out = to, .avail_out = (uInt)room};
    ck_assert_int_eq(deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY),
                     Z_OK);
    ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    file_length = BEFORE + z.total_out;
    deflateEnd(&z);
}

static bool try_unpack(uint64_t length, uint64_t limit)
{
    int fd = memfd_create("packed", MFD_CLOEXEC);
    ck_assert_int_eq(write(fd, file, BEFORE + length), (ssize_t)(BEFORE + length));
    unpacked = -1;
    bool done = unpack(fd, BEFORE, length, limit, &unpacked, &error);
    close(fd);
    return done;
}

START_TEST(what_was_packed_comes_out)
{
    static uint8_t result[LENGTH];
    struct stat status;
    pack((enum format)_i);
    memset(file + file_length, 0x5a, 4); /* zboot has a size there */
    ck_assert_msg(try_unpack(file_length + 4 - BEFORE, LENGTH), "%s", error.text);
    ck_assert_int_eq(fstat(unpacked, &status), 0);
    ck_assert_int_eq(status.st_size, LENGTH);
    ck_assert_int_eq(pread(unpacked, result, LENGTH, 0), LENGTH);
    ck_assert_mem_eq(result, plain, LENGTH);
    close(unpacked);
}
END_TEST

START_TEST(more_than_the_limit_is_refused)
{
    pack((enum format)_i);
    ck_assert(!try_unpack(file_length - BEFORE, LENGTH - 1));
    ck_assert_int_eq(error.code, ERROR_CONFIG_FILE);
    ck_assert_ptr_nonnull(strstr(error.text, "--memory"));
    ck_assert_int_eq(unpacked, -1);
}
END_TEST

START_TEST(what_is_cut_off_is_refused)
{
    pack((enum format)_i);
    size_t all = file_length - BEFORE;
    for (size_t length = 4; length < all; length += length < 64 ? 1 : 7919) {
        ck_assert(!try_unpack(length, LENGTH));
        ck_assert_msg(strstr(error.text, "cut off") != NULL, "%zu: %s", length,
                      error.text);
    }
}
END_TEST

/* Refused or unpacked, and never more than the limit (the sanitizers watch). */
START_TEST(no_byte_breaks_it)
{
    pack((enum format)_i);
    size_t all = file_length - BEFORE;
    for (size_t at = 4; at < all; at += at < 64 ? 1 : 4999) {
        file[BEFORE + at] ^= 0xff;
        if (try_unpack(all, LENGTH))
            close(unpacked);
        else
            ck_assert_int_eq(error.code, ERROR_CONFIG_FILE);
        file[BEFORE + at] ^= 0xff;
    }
}
END_TEST

START_TEST(another_format_is_named)
{
    memcpy(file + BEFORE,
           "\xfd"
           "7zXZ",
           5);
    ck_assert(!try_unpack(5, LENGTH));
    ck_assert_ptr_nonnull(strstr(error.text, "begins with fd 37 7a 58"));
    ck_assert(!try_unpack(0, LENGTH));
}
END_TEST

Suite *unpack_suite(void)
{
    Suite *suite = suite_create("unpack");
    TCase *test_case = tcase_create("unpack");
    tcase_add_loop_test(test_case, what_was_packed_comes_out, 0, 2);
    tcase_add_loop_test(test_case, more_than_the_limit_is_refused, 0, 2);
    tcase_add_loop_test(test_case, what_is_cut_off_is_refused, 0, 2);
    tcase_add_loop_test(test_case, no_byte_breaks_it, 0, 2);
    tcase_add_test(test_case, another_format_is_named);
    suite_add_tcase(suite, test_case);
    return suite;
}

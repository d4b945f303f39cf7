/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices/gpu/picture.h"
#include "tests/unit/png_reader.h"
#include "tests/unit/suites.h"

static char folder[64];

static void set_up(void)
{
    snprintf(folder, sizeof folder, "/tmp/s2vmm-png-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

/* Nothing is left but what the test removed. */
static void tear_down(void)
{
    ck_assert_int_eq(rmdir(folder), 0);
}

static void path_of(char *path, const char *name)
{
    snprintf(path, 128, "%s/%s", folder, name);
}

static const struct {
    uint32_t width, height;
} sizes[] = {{1, 1}, {1, 300}, {300, 1}, {64, 64}, {101, 37}};

START_TEST(what_was_written_is_read)
{
    struct error error;
    struct picture picture;
    struct picture copy;
    char path[128];
    path_of(path, "a.png");
    ck_assert(picture_init(&picture, sizes[_i].width, sizes[_i].height, &error));
    uint32_t seed = 1;
    size_t size = (size_t)4 * picture.width * picture.height;
    for (size_t i = 0; i < size; i++) {
        seed = seed * 1664525u + 1013904223u;
        picture.pixels[i] = (uint8_t)(seed >> 24); /* does not compress */
    }
    /* Twice: over the old one, too. */
    ck_assert_msg(picture_write_png(&picture, path, &error), "%s", error.text);
    ck_assert_msg(picture_write_png(&picture, path, &error), "%s", error.text);
    png_read(path, &copy);
    ck_assert_uint_eq(copy.width, picture.width);
    ck_assert_uint_eq(copy.height, picture.height);
    ck_assert_mem_eq(copy.pixels, picture.pixels, size);
    picture_finish(&copy);
    picture_finish(&picture);
    unlink(path);
}
END_TEST

START_TEST(a_file_that_cannot_be_written_is_an_error)
{
    struct error error;
    struct picture picture;
    char path[128];
    ck_assert(picture_init(&picture, 64, 64, &error));
    path_of(path, "none/a.png");
    ck_assert(!picture_write_png(&picture, path, &error));
    ck_assert_int_eq(error.code, ERROR_CONFIG_FILE);
    ck_assert_ptr_nonnull(strstr(error.text, "No such file or directory"));
    /* A folder is in the way: the half file goes away. */
    path_of(path, "folder");
    ck_assert_int_eq(mkdir(path, 0700), 0);
    ck_assert(!picture_write_png(&picture, path, &error));
    ck_assert_int_eq(error.code, ERROR_CONFIG_FILE);
    ck_assert_int_eq(rmdir(path), 0);
    picture_finish(&picture);
}
END_TEST

START_TEST(a_full_disk_is_an_error)
{
    struct error error;
    struct picture picture;
    char path[128];
    char part[140];
    ck_assert(picture_init(&picture, 64, 64, &error));
    path_of(path, "a.png");
    snprintf(part, sizeof part, "%s.part", path);
    ck_assert_int_eq(symlink("/dev/full", part), 0);
    ck_assert(!picture_write_png(&picture, path, &error));
    ck_assert_int_eq(error.code, ERROR_CONFIG_FILE);
    ck_assert_msg(strstr(error.text, "No space left") != NULL, "%s", error.text);
    ck_assert_int_ne(access(path, F_OK), 0);
    picture_finish(&picture);
}
END_TEST

Suite *picture_png_suite(void)
{
    Suite *suite = suite_create("picture_png");
    TCase *test_case = tcase_create("picture_png");
    tcase_add_checked_fixture(test_case, set_up, tear_down);
    tcase_add_loop_test(test_case, what_was_written_is_read, 0, (int)ARRAY_SIZE(sizes));
    tcase_add_test(test_case, a_file_that_cannot_be_written_is_an_error);
    tcase_add_test(test_case, a_full_disk_is_an_error);
    suite_add_tcase(suite, test_case);
    return suite;
}

/* SPDX-License-Identifier: MIT */
/* The files that a user may name with --disk, and the text that each of them gets. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices/disk_image.h"
#include "tests/unit/suites.h"

static char folder[] = "/tmp/s2vmm-disk-XXXXXX";
static char path[64];

static void set_up(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/image", folder);
}

static void tear_down(void)
{
    unlink(path);
    rmdir(path);
    rmdir(folder);
}

static void make_file(off_t size, mode_t mode)
{
    int fd = open(path, O_CREAT | O_RDWR | O_EXCL, mode);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, size), 0);
    close(fd);
}

static void expect_refusal(bool readonly, const char *why)
{
    struct disk_image image;
    struct error error = {0};
    ck_assert(!disk_image_open(&image, path, readonly, &error));
    ck_assert_int_eq(error.code, ERROR_CONFIG_FILE);
    ck_assert_msg(strstr(error.text, path) != NULL, "%s", error.text);
    ck_assert_msg(strstr(error.text, why) != NULL, "%s", error.text);
}

START_TEST(a_missing_file)
{
    expect_refusal(false, "No such file");
    expect_refusal(true, "No such file");
}
END_TEST

START_TEST(a_directory)
{
    ck_assert_int_eq(mkdir(path, 0700), 0);
    expect_refusal(false, "directory");
    expect_refusal(true, "directory");
}
END_TEST

START_TEST(a_fifo_does_not_hold_us)
{
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    expect_refusal(false, "neither a file nor a block device");
    expect_refusal(true, "neither a file nor a block device");
}
END_TEST

START_TEST(an_odd_size)
{
    make_file(1000, 0600);
    expect_refusal(false, "1000 bytes are not a multiple of 512");
    unlink(path);
    make_file(0, 0600);
    expect_refusal(true, "empty");
}
END_TEST

/* As somebody who is not root: root may write any file. */
START_TEST(a_file_that_cannot_be_written)
{
    struct disk_image image;
    struct error error;
    make_file(512, 0444);
    ck_assert_int_eq(chmod(folder, 0755), 0);
    if (geteuid() == 0)
        ck_assert_int_eq(seteuid(65534), 0);
    expect_refusal(false, "not writable (Permission denied); add \",readonly\"");
    ck_assert(disk_image_open(&image, path, true, &error));
    disk_image_close(&image);
    ck_assert_int_eq(seteuid(getuid()), 0);
    ck_assert_int_eq(chmod(path, 0200), 0);
    if (geteuid() == 0)
        ck_assert_int_eq(seteuid(65534), 0);
    expect_refusal(true, "cannot open it: Permission denied");
    ck_assert_int_eq(seteuid(getuid()), 0);
}
END_TEST

START_TEST(one_writer_or_many_readers)
{
    struct disk_image writer;
    struct disk_image readers[2];
    struct error error;
    make_file(1024, 0600);
    ck_assert(disk_image_open(&writer, path, false, &error));
    ck_assert_uint_eq(writer.size, 1024);
    expect_refusal(false, "locked");
    expect_refusal(true, "somebody writes it");
    disk_image_close(&writer);
    ck_assert(disk_image_open(&readers[0], path, true, &error));
    ck_assert(disk_image_open(&readers[1], path, true, &error));
    expect_refusal(false, ",readonly");
    disk_image_close(&readers[0]);
    expect_refusal(false, "locked");
    disk_image_close(&readers[1]);
    ck_assert(disk_image_open(&writer, path, false, &error));
    disk_image_close(&writer);
}
END_TEST

Suite *disk_image_suite(void)
{
    Suite *suite = suite_create("disk image");
    TCase *test_case = tcase_create("disk image");
    tcase_add_checked_fixture(test_case, set_up, tear_down);
    tcase_add_test(test_case, a_missing_file);
    tcase_add_test(test_case, a_directory);
    tcase_add_test(test_case, a_fifo_does_not_hold_us);
    tcase_add_test(test_case, an_odd_size);
    tcase_add_test(test_case, a_file_that_cannot_be_written);
    tcase_add_test(test_case, one_writer_or_many_readers);
    suite_add_tcase(suite, test_case);
    return suite;
}

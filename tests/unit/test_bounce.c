/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/unit/fake_kernel.h"
#include "tests/unit/suites.h"
#include "vmm/bounce.h"

#define PAGE 4096u
#define SIZE (200 * KIB) /* more than one piece, and no multiple of it */

static struct bounce bounce;
static uint8_t ours[SIZE];

static void set_up(void)
{
    struct error error;
    ck_assert_msg(bounce_open(&bounce, &error), "%s", error.text);
    for (unsigned i = 0; i < SIZE; i++)
        ours[i] = (uint8_t)(i * 31 + i / PAGE);
}

static void tear_down(void)
{
    bounce_close(&bounce);
}

/* Of a file that has `pages` pages only. */
static uint8_t *map_file(unsigned pages, int protection)
{
    int fd = memfd_create("bounced", MFD_CLOEXEC);
    ck_assert_int_eq(ftruncate(fd, (off_t)pages * PAGE), 0);
    uint8_t *host = mmap(NULL, SIZE, protection, MAP_SHARED, fd, 0);
    ck_assert_ptr_ne(host, MAP_FAILED);
    close(fd);
    return host;
}

START_TEST(it_copies_there_and_back)
{
    static const uint64_t sizes[] = {0, 1, 8, PAGE + 1, 64 * KIB, 64 * KIB + 1, SIZE};
    static uint8_t back[SIZE];
    struct error error;
    uint8_t *host = map_file(SIZE / PAGE, PROT_READ | PROT_WRITE);
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        memset(host, 0xee, SIZE);
        memset(back, 0xee, SIZE);
        ck_assert(bounce_copy(&bounce, host, ours, sizes[i], &error));
        ck_assert(bounce_copy(&bounce, back, host, sizes[i], &error));
        ck_assert_mem_eq(host, ours, sizes[i]);
        ck_assert_mem_eq(back, ours, sizes[i]);
        ck_assert(sizes[i] == SIZE || (host[sizes[i]] == 0xee && back[sizes[i]] == 0xee));
    }
    munmap(host, SIZE);
}
END_TEST

/* A load or a store would be a SIGBUS. */
START_TEST(memory_that_is_gone_is_an_error)
{
    static const struct {
        unsigned pages;
        const char *offset;
    } files[] = {{0, "offset 0 "},
                 {1, "offset 0 "},
                 {17, "offset 0x10000 "},
                 {49, "offset 0x30000 "}};
    static uint8_t back[SIZE];
    struct error error;
    uint8_t *host = map_file(files[_i].pages, PROT_READ | PROT_WRITE);
    ck_assert(!bounce_copy(&bounce, back, host, SIZE, &error));
    ck_assert_int_eq(error.code, ERROR_HOST_BUFFER);
    ck_assert_msg(strstr(error.text, files[_i].offset) && strstr(error.text, "be read"),
                  "%s", error.text);
    ck_assert_ptr_nonnull(strstr(error.text, "Bad address"));
    ck_assert(!bounce_copy(&bounce, host, ours, SIZE, &error));
    ck_assert_msg(strstr(error.text, files[_i].offset) && strstr(error.text, "written"),
                  "%s", error.text);
    ck_assert(bounce_copy(&bounce, host, ours, (uint64_t)files[_i].pages * PAGE, &error));
    munmap(host, SIZE);
}
END_TEST

START_TEST(what_may_not_be_accessed_is_an_error)
{
    struct error error;
    uint8_t *host = map_file(SIZE / PAGE, PROT_READ);
    ck_assert(!bounce_copy(&bounce, host, ours, 8, &error));
    ck_assert(bounce_copy(&bounce, ours, host, 8, &error));
    munmap(host, SIZE);
    ck_assert(!bounce_copy(&bounce, ours, NULL, 8, &error));
    ck_assert(!bounce_copy(&bounce, NULL, ours, 8, &error));
    ck_assert_int_eq(error.code, ERROR_HOST_BUFFER);
}
END_TEST

START_TEST(nothing_is_left)
{
    struct error error;
    struct bounce other;
    unsigned fds = fake_kernel_open_fds();
    ck_assert(bounce_open(&other, &error));
    ck_assert_uint_eq(fake_kernel_open_fds(), fds + 1);
    bounce_close(&other);
    ck_assert_uint_eq(fake_kernel_open_fds(), fds);
}
END_TEST

START_TEST(no_descriptor_is_left)
{
    struct error error;
    struct bounce other;
    struct rlimit before;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    const struct rlimit none = {.rlim_cur = 0, .rlim_max = before.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    ck_assert(!bounce_open(&other, &error));
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    ck_assert_int_eq(error.code, ERROR_HOST_SYSTEM);
    ck_assert_ptr_nonnull(strstr(error.text, "Too many open files"));
}
END_TEST

Suite *bounce_suite(void)
{
    Suite *suite = suite_create("bounce");
    TCase *test_case = tcase_create("bounce");
    tcase_add_checked_fixture(test_case, set_up, tear_down);
    tcase_add_test(test_case, it_copies_there_and_back);
    tcase_add_loop_test(test_case, memory_that_is_gone_is_an_error, 0, 4);
    tcase_add_test(test_case, what_may_not_be_accessed_is_an_error);
    tcase_add_test(test_case, nothing_is_left);
    tcase_add_test(test_case, no_descriptor_is_left);
    suite_add_tcase(suite, test_case);
    return suite;
}

/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <linux/dma-buf.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "devices/gpu/shadow.h"
#include "tests/unit/fake_kernel.h"
#include "tests/unit/suites.h"

#define SIZE (128 * KIB + 4096) /* two pieces and a bit */

static struct backing buffer;
static struct shadow shadow;
static unsigned fds_before;

static void set_up(void)
{
    fds_before = fake_kernel_open_fds();
    buffer = (struct backing){.kind = BACKING_DMABUF, .size = SIZE};
    buffer.fd = fake_kernel_dma_buf(SIZE);
    buffer.host = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, buffer.fd, 0);
    ck_assert_ptr_ne(buffer.host, MAP_FAILED);
    memset(buffer.host, 'a', SIZE);
    struct error error;
    ck_assert_msg(shadow_open(&shadow, &buffer, &error), "%s", error.text);
}

static void tear_down(void)
{
    shadow_close(&shadow);
    shadow_close(&shadow); /* zeroed */
    munmap(buffer.host, SIZE);
    close(buffer.fd);
    ck_assert_uint_eq(fake_kernel_open_fds(), fds_before);
    ck_assert_uint_eq(fake_kernel_mappings("s2vmm-copy"), 0);
}

static void synchronise(void)
{
    struct error error;
    fake_kernel.sync_count = 0;
    ck_assert_msg(shadow_sync(&shadow, &buffer, &error), "%s", error.text);
}

static void both_have(uint64_t position, char byte)
{
    ck_assert_int_eq(shadow.copy.host[position], byte);
    ck_assert_int_eq(buffer.host[position], byte);
}

START_TEST(the_copy_begins_as_the_buffer)
{
    ck_assert_int_eq(memcmp(shadow.copy.host, buffer.host, SIZE), 0);
    ck_assert_uint_eq(shadow.conflicts, 0);
    ck_assert_uint_eq(shadow.copy.size, SIZE);
}
END_TEST

START_TEST(each_access_is_bracketed)
{
    for (unsigned i = 0; i < 2; i++) { /* the first one was shadow_open()'s */
        ck_assert_uint_eq(fake_kernel.sync_count, 2);
        ck_assert_uint_eq(fake_kernel.syncs[0], DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW);
        ck_assert_uint_eq(fake_kernel.syncs[1], DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW);
        synchronise();
    }
}
END_TEST

/* At the edges of the pieces, too. */
START_TEST(changes_of_either_side_are_carried_over)
{
    static const uint64_t places[] = {0, 1, 64 * KIB - 1, 64 * KIB, SIZE - 1};
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        shadow.copy.host[places[i]] = 'g';
        synchronise();
        both_have(places[i], 'g');
        buffer.host[places[i]] = 'h';
        synchronise();
        both_have(places[i], 'h');
    }
    ck_assert_uint_eq(shadow.conflicts, 0);
    both_have(5000, 'a');
}
END_TEST

START_TEST(neighbouring_changes_do_not_disturb_each_other)
{
    for (uint64_t i = 0; i < 100; i++)
        (i % 3 == 0 ? shadow.copy.host : buffer.host)[i] = (uint8_t)('0' + i % 10);
    synchronise();
    for (uint64_t i = 0; i < 100; i++)
        both_have(i, (char)('0' + i % 10));
    ck_assert_uint_eq(shadow.conflicts, 0);
}
END_TEST

START_TEST(the_guest_wins_and_it_is_counted)
{
    shadow.copy.host[7] = 'g';
    buffer.host[7] = 'h';
    shadow.copy.host[8] = buffer.host[8] = 's'; /* the same change is none */
    synchronise();
    both_have(7, 'g');
    both_have(8, 's');
    ck_assert_uint_eq(shadow.conflicts, 1);
    synchronise();
    ck_assert_uint_eq(shadow.conflicts, 1);
}
END_TEST

START_TEST(back_to_the_old_value_is_a_change)
{
    buffer.host[7] = 'h';
    synchronise();
    shadow.copy.host[7] = 'a';
    synchronise();
    both_have(7, 'a');
}
END_TEST

/* The pages are revoked: no signal, but an error with the place. */
START_TEST(lost_pages_are_an_error)
{
    struct error error;
    buffer.host[0] = 'h';
    ck_assert_int_eq(ftruncate(buffer.fd, 64 * KIB + 4096), 0);
    unsigned before = fake_kernel.sync_count;
    ck_assert(!shadow_sync(&shadow, &buffer, &error));
    ck_assert_int_eq(error.code, ERROR_HOST_BUFFER);
    ck_assert_msg(strstr(error.text, "offset 0x10000 are gone") != NULL, "%s",
                  error.text);
    ck_assert_uint_eq(fake_kernel.sync_count, before + 2); /* END, too */
    both_have(0, 'h');
}
END_TEST

START_TEST(a_buffer_without_pages_cannot_be_copied)
{
    struct error error;
    struct shadow other;
    ck_assert_int_eq(ftruncate(buffer.fd, 0), 0);
    ck_assert(!shadow_open(&other, &buffer, &error));
    ck_assert_ptr_null(other.copy.host);
}
END_TEST

START_TEST(a_failing_sync_is_an_error)
{
    struct error error;
    struct backing no_dma_buf = buffer;
    no_dma_buf.fd = shadow.copy.fd; /* ENOTTY */
    shadow.copy.host[0] = 'g';
    ck_assert(!shadow_sync(&shadow, &no_dma_buf, &error));
    ck_assert_msg(strstr(error.text, "DMA_BUF_IOCTL_SYNC, START") != NULL, "%s",
                  error.text);
    ck_assert_int_eq(buffer.host[0], 'a');
}
END_TEST

Suite *shadow_suite(void)
{
    Suite *suite = suite_create("shadow");
    TCase *test_case = tcase_create("shadow");
    tcase_add_checked_fixture(test_case, set_up, tear_down);
    tcase_add_test(test_case, the_copy_begins_as_the_buffer);
    tcase_add_test(test_case, each_access_is_bracketed);
    tcase_add_test(test_case, changes_of_either_side_are_carried_over);
    tcase_add_test(test_case, neighbouring_changes_do_not_disturb_each_other);
    tcase_add_test(test_case, the_guest_wins_and_it_is_counted);
    tcase_add_test(test_case, back_to_the_old_value_is_a_change);
    tcase_add_test(test_case, lost_pages_are_an_error);
    tcase_add_test(test_case, a_buffer_without_pages_cannot_be_copied);
    tcase_add_test(test_case, a_failing_sync_is_an_error);
    suite_add_tcase(suite, test_case);
    return suite;
}

/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/fake_gpu.h"
#include "tests/unit/suites.h"
#include "vmm/touch.h"

#define PAGE  4096u
#define PAGES 16u
#define SIZE  (PAGES * PAGE)

static uint8_t *map_memfd(uint64_t file_size, int protection)
{
    int fd = memfd_create("touch", MFD_CLOEXEC);
    ck_assert_int_eq(ftruncate(fd, (off_t)file_size), 0);
    uint8_t *host = mmap(NULL, SIZE, protection, MAP_SHARED, fd, 0);
    ck_assert_ptr_ne(host, MAP_FAILED);
    close(fd);
    return host;
}

static unsigned present_pages(uint8_t *host)
{
    unsigned char present[PAGES];
    unsigned count = 0;
    ck_assert_int_eq(mincore(host, SIZE, present), 0);
    for (unsigned i = 0; i < PAGES; i++)
        count += present[i] & 1;
    return count;
}

START_TEST(every_page_is_there_afterwards)
{
    struct error error;
    uint8_t *host = map_memfd(SIZE, PROT_READ | PROT_WRITE);
    ck_assert_uint_eq(present_pages(host), 0);
    ck_assert_msg(touch_pages(host, SIZE, &error), "%s", error.text);
    ck_assert_uint_eq(present_pages(host), PAGES);
    munmap(host, SIZE);
}
END_TEST

START_TEST(no_byte_changes)
{
    struct error error;
    uint8_t *host = map_memfd(SIZE, PROT_READ | PROT_WRITE);
    for (unsigned i = 0; i < SIZE; i++)
        host[i] = (uint8_t)(i * 31 + i / PAGE);
    ck_assert(touch_pages(host, SIZE, &error));
    for (unsigned i = 0; i < SIZE; i++)
        ck_assert_uint_eq(host[i], (uint8_t)(i * 31 + i / PAGE));
    munmap(host, SIZE);
}
END_TEST

/* A file that is shorter than its mapping: a store would be a SIGBUS. */
START_TEST(the_first_page_that_is_missing_is_named)
{
    static const char *const want[] = {"offset 0 of 0x10000", "offset 0x1000 of 0x10000",
                                       "offset 0x7000 of 0x10000",
                                       "offset 0xf000 of 0x10000"};
    static const uint64_t pages[] = {0, 1, 7, 15};
    struct error error;
    uint8_t *host = map_memfd(pages[_i] * PAGE, PROT_READ | PROT_WRITE);
    ck_assert(!touch_pages(host, SIZE, &error));
    ck_assert_int_eq(error.code, ERROR_HOST_BUFFER);
    ck_assert_msg(strstr(error.text, want[_i]) != NULL, "%s", error.text);
    ck_assert_ptr_nonnull(strstr(error.text, "Bad address"));
    ck_assert(touch_pages(host, pages[_i] * PAGE, &error));
    munmap(host, SIZE);
}
END_TEST

START_TEST(what_cannot_be_written_is_an_error)
{
    struct error error;
    uint8_t *host = map_memfd(SIZE, PROT_READ);
    ck_assert(!touch_pages(host, SIZE, &error));
    ck_assert_int_eq(error.code, ERROR_HOST_BUFFER);
    munmap(host, SIZE);
    ck_assert(!touch_pages(NULL, SIZE, &error));
    ck_assert(touch_pages(NULL, 0, &error)); /* nothing to do */
}
END_TEST

START_TEST(a_part_of_a_page_counts)
{
    struct error error;
    uint8_t *host = map_memfd(PAGE, PROT_READ | PROT_WRITE);
    ck_assert(touch_pages(host, PAGE, &error));
    ck_assert(!touch_pages(host, PAGE + 8, &error));
    munmap(host, SIZE);
}
END_TEST

#define ROUNDS 200000u

static void *count_up(void *argument)
{
    atomic_uint *word = argument;
    for (unsigned i = 0; i < ROUNDS; i++)
        atomic_fetch_add_explicit(word, 1, memory_order_relaxed);
    return NULL;
}

/* A GPU may write the very word that is touched. */
START_TEST(no_write_of_another_is_lost)
{
    struct error error;
    pthread_t thread;
    uint8_t *host = map_memfd(SIZE, PROT_READ | PROT_WRITE);
    atomic_uint *word = (atomic_uint *)(void *)host;
    pthread_create(&thread, NULL, count_up, word);
    while (atomic_load(word) < ROUNDS)
        ck_assert(touch_pages(host, PAGE, &error));
    pthread_join(thread, NULL);
    ck_assert_uint_eq(atomic_load(word), ROUNDS);
    munmap(host, SIZE);
}
END_TEST

/* Of a blob: a dma-buf's pages are there before the guest has it, those of shared memory only with
 * --prefault=all; with both strategies. */
START_TEST(a_blobs_pages_are_there_or_come_when_accessed)
{
    static struct fake_gpu fake;
    const bool is_lazy = _i & 1;
    const bool is_dmabuf = _i & 2;
    const uint64_t missing = is_lazy && !is_dmabuf ? SIZE : 0;
    struct stat file;
    fake_gpu_init_strategy(&fake, _i & 4 ? HOSTMEM_WINDOW : HOSTMEM_SLOT);
    fake.gpu.config.prefault_shm = !is_lazy;
    fake.gpu.config.permissive = true;
    fake.renderer.plan = (struct fake_blob_plan){
        .claimed = is_dmabuf ? RENDERER_FD_DMABUF : RENDERER_FD_SHM,
        .fd = is_dmabuf ? FAKE_FD_DMABUF : FAKE_FD_SEALED,
        .has_map_info = true,
        .map_info = MEMATTR_MAP_CACHED};
    const struct resource *resource = fake_gpu_map_blob(&fake, 1, SIZE, 0);
    ck_assert_int_eq(fstat(resource->backing.fd, &file), 0);
    ck_assert_uint_eq((uint64_t)file.st_blocks * 512, SIZE - missing);
    resource->backing.host[PAGE] = 1;
    ck_assert_int_eq(fstat(resource->backing.fd, &file), 0);
    ck_assert_uint_eq((uint64_t)file.st_blocks * 512, missing > 0 ? PAGE : SIZE);
    fake_gpu_finish(&fake);
}
END_TEST

Suite *touch_suite(void)
{
    Suite *suite = suite_create("touch");
    TCase *test_case = tcase_create("touch");
    tcase_add_test(test_case, every_page_is_there_afterwards);
    tcase_add_test(test_case, no_byte_changes);
    tcase_add_loop_test(test_case, the_first_page_that_is_missing_is_named, 0, 4);
    tcase_add_test(test_case, what_cannot_be_written_is_an_error);
    tcase_add_test(test_case, a_part_of_a_page_counts);
    tcase_add_test(test_case, no_write_of_another_is_lost);
    tcase_add_loop_test(test_case, a_blobs_pages_are_there_or_come_when_accessed, 0, 8);
    suite_add_tcase(suite, test_case);
    return suite;
}

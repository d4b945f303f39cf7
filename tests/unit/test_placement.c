/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/fake_kernel.h"
#include "tests/unit/suites.h"
#include "vmm/placement.h"

#define SIZE (8 * MIB)

static uint64_t difference(const void *place, uint64_t address)
{
    return ((uintptr_t)place - address) % placement_block_size();
}

START_TEST(a_block_is_what_a_table_maps)
{
    if (sysconf(_SC_PAGESIZE) == 4096)
        ck_assert_uint_eq(placement_block_size(), 2 * MIB);
    else
        ck_assert_uint_eq(placement_block_size() % (uint64_t)sysconf(_SC_PAGESIZE), 0);
}
END_TEST

/* With every position that the guest's address can have in a block, as the kernel's choice of
 * the host address cannot be known. */
START_TEST(the_addresses_do_not_agree)
{
    struct error error;
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    unsigned moved = 0;
    for (uint64_t address = 0; address < placement_block_size(); address += page) {
        void *place;
        ck_assert(placement_reserve(2 * page, gpa(address), true, &place, &error));
        ck_assert_uint_ne(difference(place, address), 0);
        ck_assert_uint_eq((uintptr_t)place % page, 0);
        moved += difference(place, address) == page;
        memset(place, 1, 2 * page); /* all of it is there */
        ck_assert_int_eq(munmap(place, 2 * page), 0);
    }
    ck_assert_uint_ge(moved, 1); /* both ways were taken */
}
END_TEST

/* The size of this process in pages: proc(5), statm. */
static uint64_t mapped_pages(void)
{
    char text[32] = "";
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ck_assert_int_gt(read(fd, text, sizeof text - 1), 0);
    close(fd);
    return strtoull(text, NULL, 10);
}

START_TEST(nothing_of_the_reservation_is_left)
{
    struct error error;
    void *place;
    uint64_t before = mapped_pages();
    for (uint64_t address = GIB; address < GIB + 4 * 4096; address += 4096) {
        ck_assert(placement_reserve(SIZE, gpa(address), true, &place, &error));
        munmap(place, SIZE);
        ck_assert_uint_eq(mapped_pages(), before);
    }
}
END_TEST

START_TEST(what_is_moved_keeps_its_pages)
{
    struct error error;
    void *place;
    int fd = fake_kernel_dma_buf(SIZE);
    uint8_t *from = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    from[SIZE - 1] = 7;
    ck_assert(placement_reserve(SIZE, gpa(GIB), true, &place, &error));
    ((uint8_t *)place)[0] = 9; /* what a guest may have written too early is lost */
    ck_assert(placement_move(from, SIZE, place, &error));
    ck_assert_uint_eq(((uint8_t *)place)[0], 0);
    ck_assert_uint_eq(((uint8_t *)place)[SIZE - 1], 7);
    ck_assert_uint_eq(fake_kernel_mappings("memfd:dma-buf"), 1);
    ck_assert_int_lt(msync(from, SIZE, MS_ASYNC), 0); /* nothing is left there */
    munmap(place, SIZE);
    close(fd);
}
END_TEST

START_TEST(what_cannot_be_done_is_said)
{
    struct error error;
    void *place;
    ck_assert(!placement_reserve(UINT64_MAX - 4095, gpa(0), true, &place, &error));
    ck_assert_int_eq(error.code, ERROR_HOST_MEMORY);
    ck_assert(placement_reserve(SIZE, gpa(0), false, &place, &error));
    ck_assert(!placement_move((void *)16, SIZE, place, &error));
    ck_assert_int_eq(error.code, ERROR_HOST_MEMORY);
    ck_assert_ptr_nonnull(strstr(error.text, "mremap of 8388608 bytes"));
    munmap(place, SIZE);
}
END_TEST

START_TEST(ordinary_memory_is_no_pfnmap)
{
    int on_the_stack = 1;
    ck_assert(!placement_is_pfnmap(&on_the_stack));
    /* EFAULT for any reason: also where there is nothing. The kernel's own VM_IO page: */
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[512];
    unsigned long vvar = 0;
    while (fgets(line, sizeof line, maps))
        if (strstr(line, "[vvar]"))
            vvar = strtoul(line, NULL, 16);
    fclose(maps);
    if (vvar)
        ck_assert(placement_is_pfnmap((void *)vvar));
}
END_TEST

Suite *placement_suite(void)
{
    Suite *suite = suite_create("placement");
    TCase *test_case = tcase_create("placement");
    tcase_add_test(test_case, a_block_is_what_a_table_maps);
    tcase_add_test(test_case, the_addresses_do_not_agree);
    tcase_add_test(test_case, nothing_of_the_reservation_is_left);
    tcase_add_test(test_case, what_is_moved_keeps_its_pages);
    tcase_add_test(test_case, what_cannot_be_done_is_said);
    tcase_add_test(test_case, ordinary_memory_is_no_pfnmap);
    suite_add_tcase(suite, test_case);
    return suite;
}

/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/suites.h"
#include "vmm/guest_memory.h"

/* [1 MiB, 2 MiB) and [4 GiB, 4 GiB + 64 KiB) */
static const struct gpa_range ranges[] = {
    {{MIB}, MIB},
    {{4 * GIB}, 64 * KIB},
};

static struct guest_memory memory;

static void set_up(void)
{
    struct error error;
    ck_assert_msg(guest_memory_init(&memory, ranges, 2, &error), "%s", error.text);
}

static void tear_down(void)
{
    guest_memory_finish(&memory);
}

START_TEST(what_is_written_is_read_back)
{
    struct error error;
    char buffer[6] = {0};
    ck_assert(guest_memory_write(&memory, gpa(4 * GIB + 100), "hello", 6, &error));
    ck_assert(guest_memory_read(&memory, gpa(4 * GIB + 100), buffer, 6, &error));
    ck_assert_str_eq(buffer, "hello");
}
END_TEST

START_TEST(only_ranges_inside_of_one_region_pass)
{
    static const struct {
        uint64_t start, size;
        bool inside;
    } cases[] = {
        {MIB, 1, true},
        {MIB, MIB, true},
        {MIB, MIB + 1, false},
        {MIB - 1, 1, false},
        {MIB - 1, 2, false},
        {2 * MIB - 1, 1, true},
        {2 * MIB - 1, 2, false},
        {2 * MIB, 1, false},
        {2 * MIB, 0, true},
        {0, 0, false},
        {MIB, UINT64_MAX, false},
        {MIB, UINT64_MAX - MIB + 1, false},
        {UINT64_MAX, 1, false},
        {UINT64_MAX - 3, 8, false},
        {4 * GIB, 64 * KIB, true},
        {4 * GIB, 64 * KIB + 1, false},
        {MIB, 4 * GIB, false},
    };
    struct error error = {0};
    void *host;
    bool inside =
        guest_memory_view(&memory, gpa(cases[_i].start), cases[_i].size, &host, &error);
    ck_assert(inside == cases[_i].inside);
    if (!inside) {
        ck_assert_int_eq(error.code, ERROR_GUEST_ADDRESS);
        uint8_t byte = 0;
        ck_assert(!guest_memory_read(&memory, gpa(cases[_i].start), &byte, cases[_i].size,
                                     &error));
        ck_assert(!guest_memory_write(&memory, gpa(cases[_i].start), &byte,
                                      cases[_i].size, &error));
    }
}
END_TEST

START_TEST(indices_are_16_bits_at_even_addresses)
{
    struct error error;
    uint16_t value = 0;
    ck_assert(guest_memory_store16_release(&memory, gpa(MIB + 2), 0x1234, &error));
    ck_assert(guest_memory_load16_acquire(&memory, gpa(MIB + 2), &value, &error));
    ck_assert_uint_eq(value, 0x1234);
    ck_assert(guest_memory_load16_acquire(&memory, gpa(2 * MIB - 2), &value, &error));
    static const uint64_t bad[] = {MIB + 1, 2 * MIB, 2 * MIB - 1, UINT64_MAX,
                                   UINT64_MAX - 1};
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        error.code = ERROR_NONE;
        ck_assert(!guest_memory_load16_acquire(&memory, gpa(bad[i]), &value, &error));
        ck_assert(!guest_memory_store16_release(&memory, gpa(bad[i]), 0, &error));
        ck_assert_int_eq(error.code, ERROR_GUEST_ADDRESS);
    }
}
END_TEST

START_TEST(the_file_is_sealed_and_has_the_size_of_ram)
{
    int seals = fcntl(memory.fd, F_GET_SEALS);
    ck_assert_int_eq(seals, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    ck_assert_int_eq(lseek(memory.fd, 0, SEEK_END), MIB + 64 * KIB);
    ck_assert_int_ne(ftruncate(memory.fd, 4096), 0);
}
END_TEST

START_TEST(each_region_is_its_own_part_of_the_file)
{
    struct error error;
    ck_assert_uint_eq(memory.regions[0].file_offset, 0);
    ck_assert_uint_eq(memory.regions[1].file_offset, MIB);
    ck_assert(guest_memory_write(&memory, gpa(4 * GIB), "x", 1, &error));
    char byte = 0;
    ck_assert_int_eq(pread(memory.fd, &byte, 1, (off_t)MIB), 1);
    ck_assert_int_eq(byte, 'x');
}
END_TEST

/* Without it KVM makes no large leaf of a huge page. */
START_TEST(host_addresses_are_gpas_modulo_2_mib)
{
    for (unsigned i = 0; i < memory.region_count; i++)
        ck_assert_uint_eq((uintptr_t)memory.regions[i].host % (2 * MIB),
                          ranges[i].start.value % (2 * MIB));
}
END_TEST

START_TEST(private_ram_has_no_file)
{
    struct guest_memory other;
    struct error error;
    char buffer[6] = {0};
    ck_assert(guest_memory_init_private(&other, ranges, 2, &error));
    ck_assert_int_eq(other.fd, -1);
    ck_assert_uint_eq((uintptr_t)other.regions[0].host % (2 * MIB), MIB);
    ck_assert(guest_memory_write(&other, gpa(4 * GIB), "hello", 6, &error));
    ck_assert(guest_memory_read(&other, gpa(4 * GIB), buffer, 6, &error));
    ck_assert_str_eq(buffer, "hello");
    guest_memory_finish(&other);
    ck_assert_uint_eq(other.region_count, 0);

    struct gpa_range huge = {gpa(0), (uint64_t)1 << 62};
    ck_assert(!guest_memory_init_private(&other, &huge, 1, &error));
    ck_assert_int_eq(error.code, ERROR_HOST_MEMORY);
    guest_memory_finish(&other);
}
END_TEST

START_TEST(finish_takes_a_zeroed_or_finished_object)
{
    struct guest_memory other = {0};
    guest_memory_finish(&other);
    ck_assert_int_ne(fcntl(0, F_GETFD), -1); /* fd 0 is not ours */
    guest_memory_finish(&memory);
    ck_assert_uint_eq(memory.region_count, 0);
}
END_TEST

START_TEST(ram_that_does_not_fit_is_an_error)
{
    struct guest_memory other;
    struct gpa_range huge = {gpa(0), (uint64_t)1 << 62};
    struct error error = {0};
    ck_assert(!guest_memory_init(&other, &huge, 1, &error));
    ck_assert_int_eq(error.code, ERROR_HOST_MEMORY);
    guest_memory_finish(&other);
}
END_TEST

START_TEST(a_second_region_that_does_not_fit_undoes_the_first)
{
    struct guest_memory other;
    struct gpa_range two[] = {{gpa(0), MIB}, {gpa(GIB), (uint64_t)1 << 50}};
    struct error error = {0};
    ck_assert(!guest_memory_init(&other, two, 2, &error));
    ck_assert_int_eq(error.code, ERROR_HOST_MEMORY);
    ck_assert_uint_eq(other.region_count, 0);
    guest_memory_finish(&other);
}
END_TEST

START_TEST(overlapping_ranges_are_a_bug_of_ours)
{
    struct guest_memory other;
    struct gpa_range two[] = {{gpa(0), MIB}, {gpa(MIB - 4096), MIB}};
    struct error error;
    ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr)); /* "please report this" */
    guest_memory_init(&other, two, 2, &error);
}
END_TEST

START_TEST(ram_over_another_rams_file)
{
    const struct gpa_range other_ranges[] = {{{MIB}, 2 * MIB}};
    struct guest_memory other;
    struct error error;
    char text[4] = "";
    ck_assert(guest_memory_init_over(&other, ranges, 2, memory.fd, &error));
    ck_assert_int_ne(other.fd, memory.fd);
    ck_assert(guest_memory_write(&memory, gpa(4 * GIB), "abc", 4, &error));
    ck_assert(guest_memory_read(&other, gpa(4 * GIB), text, 4, &error));
    ck_assert_str_eq(text, "abc");
    guest_memory_finish(&other);

    ck_assert(!guest_memory_init_over(&other, other_ranges, 1, memory.fd, &error));
    ck_assert_int_eq(error.code, ERROR_HOST_BUFFER);
    int plain = memfd_create("plain", MFD_CLOEXEC); /* it could shrink */
    ck_assert_int_eq(ftruncate(plain, (off_t)(MIB + 64 * KIB)), 0);
    ck_assert(!guest_memory_init_over(&other, ranges, 2, plain, &error));
    close(plain);
    ck_assert(!guest_memory_init_over(&other, ranges, 2, -1, &error));
    ck_assert_uint_eq(other.region_count, 0);
}
END_TEST

Suite *guest_memory_suite(void)
{
    Suite *suite = suite_create("guest_memory");
    TCase *test_case = tcase_create("guest_memory");
    tcase_add_checked_fixture(test_case, set_up, tear_down);
    tcase_add_test(test_case, what_is_written_is_read_back);
    tcase_add_loop_test(test_case, only_ranges_inside_of_one_region_pass, 0, 17);
    tcase_add_test(test_case, indices_are_16_bits_at_even_addresses);
    tcase_add_test(test_case, the_file_is_sealed_and_has_the_size_of_ram);
    tcase_add_test(test_case, each_region_is_its_own_part_of_the_file);
    tcase_add_test(test_case, host_addresses_are_gpas_modulo_2_mib);
    tcase_add_test(test_case, private_ram_has_no_file);
    tcase_add_test(test_case, ram_over_another_rams_file);
    tcase_add_test(test_case, finish_takes_a_zeroed_or_finished_object);
    tcase_add_test(test_case, ram_that_does_not_fit_is_an_error);
    tcase_add_test(test_case, a_second_region_that_does_not_fit_undoes_the_first);
    tcase_add_test_raise_signal(test_case, overlapping_ranges_are_a_bug_of_ours, SIGABRT);
    suite_add_tcase(suite, test_case);
    return suite;
}

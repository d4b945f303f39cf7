/* SPDX-License-Identifier: MIT */
/* Runs real VMs: what only x86 has. Without /dev/kvm each test says SKIP. */
#include <check.h>
#include <string.h>

#include "tests/unit/suites.h"
#include "tests/unit/vm_machine.h"
#include "vmm/arch/arch.h"
#include "vmm/layout.h"

#define EXIT_WITH_EAX "mov $0xd0100004, %edx\n mov %eax, (%rdx)\n 1: jmp 1b\n"

GUEST_CODE(strings,
           "mov $0x3f8, %edx\n lea 2f(%rip), %rsi\n mov $5, %ecx\n cld\n rep outsb\n"
           "xor %eax, %eax\n" EXIT_WITH_EAX "2: .ascii \"hello\"\n");
GUEST_CODE(string_in,
           "mov $0x3f8, %edx\n mov $0x20000, %edi\n mov $4, %ecx\n cld\n rep insb\n"
           "mov 0x20000, %eax\n" EXIT_WITH_EAX);
GUEST_CODE(empty_port,
           "mov $0x80, %edx\n in (%dx), %eax\n out %eax, (%dx)\n" EXIT_WITH_EAX);
GUEST_CODE(triple_fault, "ud2\n");
GUEST_CODE(straddle, "mov $0xd01fffff, %edx\n mov (%rdx), %eax\n" EXIT_WITH_EAX);

START_TEST(a_string_goes_to_one_port)
{
    START(machine, "vm/strings", small_machine, strings);
    machine_run(&machine, MACHINE_PATIENCE);
    ck_assert_int_eq(machine.outcome.end, VM_END_VERDICT);
    ck_assert_str_eq(machine.output, "hello");
    machine_finish(&machine);
}
END_TEST

START_TEST(a_string_comes_from_one_port)
{
    START(machine, "vm/string-in", small_machine, string_in);
    serial_bus_ops.write(&machine.serial, 1, 1, 1); /* IER: the guest listens */
    ck_assert_uint_eq(serial_receive(&machine.serial, (const uint8_t *)"abcd", 4), 4);
    machine_run(&machine, MACHINE_PATIENCE);
    ck_assert_int_eq(machine.outcome.end, VM_END_VERDICT);
    ck_assert_uint_eq(machine.outcome.verdict, 0x64636261);
    machine_finish(&machine);
}
END_TEST

START_TEST(an_access_across_a_page_is_answered)
{
    START(machine, "vm/straddle", small_machine, straddle);
    machine_run(&machine, MACHINE_PATIENCE);
    ck_assert_int_eq(machine.outcome.end, VM_END_VERDICT);
    ck_assert_uint_eq(machine.outcome.verdict, UINT32_MAX);
    machine_finish(&machine);
}
END_TEST

START_TEST(ports_without_a_device_behave_like_that_too)
{
    START(machine, "vm/empty-port", small_machine, empty_port);
    machine_run(&machine, MACHINE_PATIENCE);
    ck_assert_int_eq(machine.outcome.end, VM_END_VERDICT);
    ck_assert_uint_eq(machine.outcome.verdict, UINT32_MAX);
    ck_assert_uint_eq(atomic_load(&machine.trace.warnings), 2);
    machine_finish(&machine);
}
END_TEST

START_TEST(a_triple_fault_is_a_crash)
{
    START(machine, "vm/triple-fault", small_machine, triple_fault);
    machine_run(&machine, MACHINE_PATIENCE);
    ck_assert_int_eq(machine.outcome.end, VM_END_CRASH);
    ck_assert_int_eq(error_code_group(machine.outcome.error.code), ERROR_GROUP_GUEST);
    ck_assert_ptr_nonnull(strstr(machine.outcome.error.text, "vCPU 0"));
    ck_assert_ptr_nonnull(strstr(machine.outcome.error.text, "triple fault; "));
    ck_assert_msg(strstr(machine.outcome.error.text, "rip=100000 ") != NULL ||
                      strstr(machine.outcome.error.text, "the registers are lost") !=
                          NULL,
                  "%s", machine.outcome.error.text);
    machine_finish(&machine);
}
END_TEST

START_TEST(lifting_the_pat_quirk_never_stops_a_vm)
{
    struct vm_config config = {
        .memory_size = 16 * MIB, .cpu_count = 1, .honour_guest_pat = true};
    START(machine, "vm/guest-pat", config, verdict);
    machine_run(&machine, MACHINE_PATIENCE);
    ck_assert_int_eq(machine.outcome.end, VM_END_VERDICT);
    ck_assert_ptr_nonnull(strstr(machine.log_text, "ignore guest PAT"));
    machine_finish(&machine);
}
END_TEST

START_TEST(ram_beyond_3_gib_continues_at_4_gib)
{
    struct vm_config config = {.memory_size = 3 * GIB + 256 * MIB, .cpu_count = 1};
    START(machine, "vm/high-ram", config, verdict);
    ck_assert_uint_eq(machine.vm.memslots.count, 2);
    ck_assert_uint_eq(vm_free_address(&machine.vm, GIB).value, 5 * GIB);
    ck_assert_uint_eq(vm_free_address(&machine.vm, 2 * MIB).value, 4 * GIB + 256 * MIB);
    machine_run(&machine, MACHINE_PATIENCE);
    ck_assert_int_eq(machine.outcome.end, VM_END_VERDICT);
    machine_finish(&machine);
}
END_TEST

START_TEST(ram_ranges_stay_clear_of_the_hole)
{
    static const struct {
        uint64_t size;
        unsigned count;
        uint64_t low;
        uint64_t high;
    } cases[] = {
        {16 * MIB, 1, 16 * MIB, 0},         {3 * GIB, 1, 3 * GIB, 0},
        {3 * GIB + 4096, 2, 3 * GIB, 4096}, {8 * GIB, 2, 3 * GIB, 5 * GIB},
        {16 * MIB - 4096, 0, 0, 0},         {UINT64_MAX & ~(uint64_t)4095, 0, 0, 0},
    };
    struct gpa_range ranges[GUEST_MEMORY_REGIONS_MAX] = {0};
    struct error error;
    unsigned count = arch_ram_ranges(cases[_i].size, ranges, &error);
    ck_assert_uint_eq(count, cases[_i].count);
    ck_assert_uint_eq(ranges[0].size, cases[_i].low);
    ck_assert_uint_eq(ranges[1].size, cases[_i].high);
    ck_assert_uint_eq(ranges[1].start.value, count == 2 ? 4 * GIB : 0);
}
END_TEST

Suite *vm_x86_suite(void)
{
    Suite *suite = suite_create("vm_x86");
    TCase *test_case = tcase_create("vm_x86");
    tcase_set_timeout(test_case, 60);
    tcase_add_test(test_case, a_string_goes_to_one_port);
    tcase_add_test(test_case, a_string_comes_from_one_port);
    tcase_add_test(test_case, an_access_across_a_page_is_answered);
    tcase_add_test(test_case, ports_without_a_device_behave_like_that_too);
    tcase_add_test(test_case, a_triple_fault_is_a_crash);
    tcase_add_test(test_case, lifting_the_pat_quirk_never_stops_a_vm);
    tcase_add_test(test_case, ram_beyond_3_gib_continues_at_4_gib);
    tcase_add_loop_test(test_case, ram_ranges_stay_clear_of_the_hole, 0, 6);
    suite_add_tcase(suite, test_case);
    return suite;
}

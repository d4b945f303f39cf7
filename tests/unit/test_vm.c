/* SPDX-License-Identifier: MIT */
/*
 * Runs real VMs: a few instructions of code (tests/unit/<arch>/vm_code.c), entered as the tiny
 * guest is. Without /dev/kvm each test says SKIP.
 */
#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "firmware/boot.h"
#include "tests/unit/skip.h"
#include "tests/unit/suites.h"
#include "tests/unit/vm_machine.h"
#include "vmm/arch/arch.h"
#include "vmm/layout.h"
#include "vmm/vcpu.h"

static bool is_pvm(void)
{
    return access("/sys/module/kvm_pvm", F_OK) == 0;
}

START_TEST(the_guest_ends_the_run_with_its_verdict)
{
    START(machine, "vm/verdict", small_machine, verdict);
    machine_run(&machine, MACHINE_PATIENCE);
    ck_assert_msg(machine.outcome.end == VM_END_VERDICT, "%s",
                  machine.outcome.error.text);
    ck_assert_uint_eq(machine.outcome.verdict, 7);
    ck_assert_uint_eq(atomic_load(&machine.trace.warnings), 0);
    machine_finish(&machine);
}
END_TEST

START_TEST(the_first_argument_is_the_boot_info)
{
    START(machine, "vm/argument", small_machine, argument);
    machine_run(&machine, MACHINE_PATIENCE);
    ck_assert_uint_eq(machine.outcome.verdict, LAYOUT_BOOT_INFO);
    machine_finish(&machine);
}
END_TEST

START_TEST(where_no_device_is_reads_give_ones_and_writes_are_ignored)
{
    START(machine, "vm/empty-mmio", small_machine, empty_mmio);
    machine_run(&machine, MACHINE_PATIENCE);
    ck_assert_int_eq(machine.outcome.end, VM_END_VERDICT);
    ck_assert_uint_eq(machine.outcome.verdict, 1);
    ck_assert_uint_eq(atomic_load(&machine.trace.warnings), 2);
    char address[24];
    snprintf(address, sizeof address, "0x%" PRIx64, vm_code_empty);
    ck_assert_ptr_nonnull(strstr(machine.log_text, address));
    machine_finish(&machine);
}
END_TEST

START_TEST(a_spinning_vcpu_is_stopped_by_the_time_limit)
{
    struct vm_config config = {.memory_size = 16 * MIB, .cpu_count = 3};
    START(machine, "vm/spin", config, spin);
    machine_run(&machine, 1);
    ck_assert_int_eq(machine.outcome.end, VM_END_SIGNAL);
    ck_assert_ptr_nonnull(strstr(machine.outcome.error.text, "time limit of 1 s"));
    machine_finish(&machine);
}
END_TEST

static void *end_after(void *context)
{
    struct machine *machine = context;
    struct timespec delay = {.tv_nsec = machine->output[0] * 20000};
    nanosleep(&delay, NULL);
    vm_end_with(&machine->vm, VM_END_SIGNAL, 0, NULL);
    return NULL;
}

/* From before the thread exists to well inside of the guest, in steps of 20 us. */
START_TEST(stopping_has_no_race)
{
    START(machine, "vm/stop-race", small_machine, spin);
    machine.output[0] = (char)_i;
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, end_after, &machine), 0);
    machine_run(&machine, 0);
    pthread_join(thread, NULL);
    ck_assert_int_eq(machine.outcome.end, VM_END_SIGNAL);
    machine_finish(&machine);
}
END_TEST

static uint64_t read_nothing(void *device, uint64_t offset, unsigned size)
{
    (void)device, (void)offset, (void)size;
    return 0;
}

/* Runs between two KVM_RUNs of the vCPU that it kicks: the signal is over before the second. */
static void kick_this_vcpu(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct vcpu *vcpu = device;
    (void)offset, (void)size, (void)value;
    struct timespec delay = {.tv_nsec = 1000000};
    do
        nanosleep(&delay, NULL);
    while (!vcpu->thread_runs);
    vcpu_kick(vcpu);
}

START_TEST(a_kick_between_two_runs_is_not_lost)
{
    static const struct bus_ops ops = {.read = read_nothing, .write = kick_this_vcpu};
    START(machine, "vm/kick-between", small_machine, empty_mmio);
    struct error error;
    ck_assert(
        bus_add(&machine.vm.mmio,
                (struct bus_entry){"kick", vm_code_empty, 16, &ops, &machine.vm.vcpus[0]},
                &error));
    machine_run(&machine, 1);
    ck_assert_int_eq(machine.outcome.end,
                     VM_END_SIGNAL); /* the verdict is never reached */
    machine_finish(&machine);
}
END_TEST

START_TEST(a_run_that_was_ended_before_it_began_ends_at_once)
{
    START(machine, "vm/ended-before", small_machine, spin);
    vm_end_with(&machine.vm, VM_END_SIGNAL, 0, NULL);
    vm_end_with(&machine.vm, VM_END_VERDICT, 5, NULL);
    machine_run(&machine, 0);
    ck_assert_int_eq(machine.outcome.end, VM_END_SIGNAL); /* the first call wins */
    machine_finish(&machine);
}
END_TEST

START_TEST(memory_that_cannot_be_faulted_in_is_the_hosts_fault)
{
    if (is_pvm()) {
        test_skip("vm/bad-slot",
                  "the PVM flavour of KVM emulates the access, as one to MMIO");
        return;
    }
    START(machine, "vm/bad-slot", small_machine, bad_slot);
    struct error error;
    uint32_t id;
    void *host = mmap(NULL, MIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(host, MAP_FAILED);
    ck_assert(memslot_add(&machine.vm.memslots, "hole", gpa(vm_code_slot), MIB, host, &id,
                          &error));
    machine_run(&machine, MACHINE_PATIENCE);
    ck_assert_int_eq(machine.outcome.end, VM_END_HOST);
    ck_assert_int_eq(error_code_group(machine.outcome.error.code), ERROR_GROUP_HOST);
    ck_assert_ptr_nonnull(strstr(machine.outcome.error.text, "EFAULT"));
    ck_assert_ptr_nonnull(strstr(machine.outcome.error.text, vm_code_slot_sign));
    machine_finish(&machine);
    munmap(host, MIB);
}
END_TEST

START_TEST(the_guest_starts_the_other_processors)
{
    struct vm_config config = {.memory_size = 16 * MIB, .cpu_count = 3};
    START(machine, "vm/start-others", config, start_others);
    put_code(&machine, vm_code_other, other_code, other_code_end);
    machine_run(&machine, MACHINE_PATIENCE);
    ck_assert_msg(machine.outcome.end == VM_END_VERDICT, "%s",
                  machine.outcome.error.text);
    ck_assert_uint_eq(machine.outcome.verdict, 2);
    machine_finish(&machine);
}
END_TEST

START_TEST(impossible_configurations_are_refused)
{
    static const struct vm_config configs[] = {
        {.memory_size = 0, .cpu_count = 1},
        {.memory_size = 16 * MIB + 1, .cpu_count = 1},
        {.memory_size = 512 * GIB, .cpu_count = 1},
        {.memory_size = 16 * MIB, .cpu_count = 0},
        {.memory_size = 16 * MIB, .cpu_count = VM_CPUS_MAX + 1},
    };
    struct trace trace;
    trace_init(&trace, stderr, false);
    struct vm vm;
    struct error error;
    if (access("/dev/kvm", R_OK | W_OK) != 0) {
        test_skip("vm/configurations", "no /dev/kvm");
        return;
    }
    ck_assert(!vm_init(&vm, &configs[_i], &trace, &error));
    ck_assert_int_eq(error.code, ERROR_CONFIG_USAGE);
    vm_finish(&vm);
}
END_TEST

/* The widths that hosts have: 36 bits is an Apple M1, 40 what we ask for. */
START_TEST(what_the_guest_cannot_address_is_refused)
{
    static const struct {
        unsigned bits;
        struct gpa_range range;
        bool fits;
    } cases[] = {
        {36, {{4 * GIB}, 60 * GIB}, true},   {36, {{4 * GIB}, 60 * GIB + 4096}, false},
        {40, {{GIB}, 1023 * GIB}, true},     {40, {{1024 * GIB}, 4096}, false},
        {52, {{4 * GIB}, 1024 * GIB}, true},
    };
    struct vm vm = {.address_bits = cases[_i].bits};
    struct error error = {.code = ERROR_NONE};
    ck_assert_int_eq(vm_check_range(&vm, "the window", cases[_i].range, &error),
                     cases[_i].fits);
    ck_assert_int_eq(error.code, cases[_i].fits ? ERROR_NONE : ERROR_CONFIG_HOST);
    if (!cases[_i].fits)
        ck_assert_ptr_nonnull(strstr(error.text, "the window [0x"));
}
END_TEST

START_TEST(finish_takes_a_zeroed_object)
{
    struct vm vm = {0};
    vm_finish(&vm);
}
END_TEST

START_TEST(a_command_line_that_is_too_long_is_refused)
{
    struct guest_memory memory;
    struct gpa_range range = {gpa(LAYOUT_LOW_RAM_START), 16 * MIB};
    struct error error;
    struct vm_entry entry;
    ck_assert(guest_memory_init(&memory, &range, 1, &error));
    char text[4097];
    memset(text, 'x', sizeof text);
    text[4096] = '\0';
    struct boot_config config = {.cpu_count = 1, .command_line = text, .gic_version = 3};
    struct boot_image image = {.start = gpa(LAYOUT_IMAGE_START)};
    ck_assert(!boot_prepare(&memory, &config, &image, &entry, &error));
    ck_assert_int_eq(error.code, ERROR_CONFIG_USAGE);
    text[4095] = '\0';
    ck_assert(boot_prepare(&memory, &config, &image, &entry, &error));
    guest_memory_finish(&memory);
}
END_TEST

Suite *vm_suite(void)
{
    Suite *suite = suite_create("vm");
    TCase *test_case = tcase_create("vm");
    tcase_set_timeout(test_case, 60);
    tcase_add_test(test_case, the_guest_ends_the_run_with_its_verdict);
    tcase_add_test(test_case, the_first_argument_is_the_boot_info);
    tcase_add_test(test_case, where_no_device_is_reads_give_ones_and_writes_are_ignored);
    tcase_add_test(test_case, a_spinning_vcpu_is_stopped_by_the_time_limit);
    tcase_add_loop_test(test_case, stopping_has_no_race, 0, 30);
    tcase_add_test(test_case, a_kick_between_two_runs_is_not_lost);
    tcase_add_test(test_case, a_run_that_was_ended_before_it_began_ends_at_once);
    tcase_add_test(test_case, memory_that_cannot_be_faulted_in_is_the_hosts_fault);
    tcase_add_test(test_case, the_guest_starts_the_other_processors);
    tcase_add_loop_test(test_case, impossible_configurations_are_refused, 0, 5);
    tcase_add_loop_test(test_case, what_the_guest_cannot_address_is_refused, 0, 5);
    tcase_add_test(test_case, finish_takes_a_zeroed_object);
    tcase_add_test(test_case, a_command_line_that_is_too_long_is_refused);
    suite_add_tcase(suite, test_case);
    return suite;
}

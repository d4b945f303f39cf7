/* SPDX-License-Identifier: MIT */
/*
 * Runs real VMs: a few instructions of 64-bit code, entered as the tiny guest is. Without
 * /dev/kvm each test says SKIP.
 *
 * Only general registers, polling and 2 MiB pages, so that the PVM flavour of KVM, which
 * emulates every instruction, runs all but one.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "devices/exit.h"
#include "devices/serial.h"
#include "firmware/boot.h"
#include "tests/unit/skip.h"
#include "tests/unit/suites.h"
#include "vmm/arch/arch.h"
#include "vmm/layout.h"
#include "vmm/vcpu.h"

/* Guest code: position-independent, copied to LAYOUT_IMAGE_START. */
#define CODE(name, text)                                                                 \
    extern const uint8_t name##_code[], name##_code_end[];                               \
    __asm__(".pushsection .rodata\n" #name "_code:\n" text #name                         \
            "_code_end:\n.byte 0\n.popsection\n")

#define EXIT_WITH_EAX "mov $0xd0100004, %edx\n mov %eax, (%rdx)\n 1: jmp 1b\n"

CODE(verdict, "mov $7, %eax\n" EXIT_WITH_EAX);
CODE(strings,
     "mov $0x3f8, %edx\n lea 2f(%rip), %rsi\n mov $5, %ecx\n cld\n rep outsb\n"
     "xor %eax, %eax\n" EXIT_WITH_EAX "2: .ascii \"hello\"\n");
CODE(string_in,
     "mov $0x3f8, %edx\n mov $0x20000, %edi\n mov $4, %ecx\n cld\n rep insb\n"
     "mov 0x20000, %eax\n" EXIT_WITH_EAX);
CODE(empty_mmio,
     "mov $0xd0200000, %edx\n mov (%rdx), %rbx\n mov %rbx, 8(%rdx)\n"
     "xor %eax, %eax\n inc %rbx\n setz %al\n" EXIT_WITH_EAX);
CODE(empty_port, "mov $0x80, %edx\n in (%dx), %eax\n out %eax, (%dx)\n" EXIT_WITH_EAX);
CODE(triple_fault, "ud2\n");
CODE(spin, "1: jmp 1b\n");
CODE(bad_slot, "mov $0xe0000000, %edx\n mov (%rdx), %eax\n" EXIT_WITH_EAX);
CODE(argument, "mov %rdi, %rax\n" EXIT_WITH_EAX);
CODE(straddle, "mov $0xd01fffff, %edx\n mov (%rdx), %eax\n" EXIT_WITH_EAX);

/* Software-enables the local APIC, sends INIT and SIPI (vector 0x10: start at 0x10000) to
 * all others, and waits until both have counted themselves. */
CODE(start_others,
     "mov $0xfee00000, %ebx\n movl $0x1ff, 0xf0(%rbx)\n"
     "movl $0xc4500, 0x300(%rbx)\n movl $0xc4610, 0x300(%rbx)\n"
     "mov $0x10100, %esi\n 2: pause\n cmpw $2, (%rsi)\n jne 2b\n"
     "mov $2, %eax\n" EXIT_WITH_EAX);
CODE(other, ".code16\n lock incw %cs:0x100\n 1: hlt\n jmp 1b\n.code64\n");

struct machine {
    FILE *log;
    char *log_text;
    size_t log_size;
    struct trace trace;
    struct vm vm;
    struct serial serial;
    char output[64];
    size_t output_length;
    struct vm_outcome outcome;
};

static void collect(void *context, uint8_t byte)
{
    struct machine *machine = context;
    ck_assert_uint_lt(machine->output_length, sizeof machine->output - 1);
    machine->output[machine->output_length++] = (char)byte;
}

static bool is_pvm(void)
{
    return access("/sys/module/kvm_pvm", F_OK) == 0;
}

/* False (and SKIP) if this host has no KVM. */
static bool machine_init(struct machine *machine, const char *test,
                         struct vm_config config)
{
    struct error error;
    memset(machine, 0, sizeof *machine);
    if (access("/dev/kvm", R_OK | W_OK) != 0) {
        test_skip(test, "no /dev/kvm");
        return false;
    }
    machine->log = open_memstream(&machine->log_text, &machine->log_size);
    trace_init(&machine->trace, machine->log, true);
    ck_assert_msg(vm_init(&machine->vm, &config, &machine->trace, &error), "%s",
                  error.text);
    ck_assert(serial_init(&machine->serial, collect, machine, &error));
    ck_assert(bus_add(&machine->vm.ports,
                      (struct bus_entry){"serial", LAYOUT_SERIAL_BASE, LAYOUT_SERIAL_SIZE,
                                         &serial_bus_ops, &machine->serial},
                      &error));
    ck_assert(bus_add(&machine->vm.mmio,
                      (struct bus_entry){"exit", LAYOUT_EXIT_BASE, EXIT_DEVICE_SIZE,
                                         &exit_bus_ops, &machine->vm},
                      &error));
    return true;
}

static void machine_finish(struct machine *machine)
{
    vm_finish(&machine->vm);
    serial_finish(&machine->serial);
    fclose(machine->log);
    free(machine->log_text);
}

static void put_code(struct machine *machine, uint64_t address, const uint8_t *code,
                     const uint8_t *end)
{
    struct error error;
    ck_assert(guest_memory_write(&machine->vm.memory, gpa(address), code,
                                 (uint64_t)(end - code), &error));
}

static void machine_run(struct machine *machine, unsigned seconds)
{
    struct error error;
    struct vm_entry entry;
    struct boot_config config = {.cpu_count = machine->vm.config.cpu_count,
                                 .command_line = ""};
    ck_assert(boot_prepare(&machine->vm.memory, &config, gpa(LAYOUT_IMAGE_START), &entry,
                           &error));
    ck_assert_msg(vm_run(&machine->vm, entry, seconds, &machine->outcome, &error), "%s",
                  error.text);
    fflush(machine->log);
}

static const struct vm_config small = {.memory_size = 16 * MIB, .cpu_count = 1};

/* Sets up a machine with this code, or leaves the test. */
#define START(machine, test, config, name)                                               \
    struct machine machine;                                                              \
    if (!machine_init(&machine, test, config))                                           \
        return;                                                                          \
    put_code(&machine, LAYOUT_IMAGE_START, name##_code, name##_code_end)

START_TEST(the_guest_ends_the_run_with_its_verdict)
{
    START(machine, "vm/verdict", small, verdict);
    machine_run(&machine, 10);
    ck_assert_msg(machine.outcome.end == VM_END_VERDICT, "%s",
                  machine.outcome.error.text);
    ck_assert_uint_eq(machine.outcome.verdict, 7);
    ck_assert_uint_eq(atomic_load(&machine.trace.warnings), 0);
    machine_finish(&machine);
}
END_TEST

START_TEST(the_first_argument_is_the_boot_info)
{
    START(machine, "vm/argument", small, argument);
    machine_run(&machine, 10);
    ck_assert_uint_eq(machine.outcome.verdict, LAYOUT_BOOT_INFO);
    machine_finish(&machine);
}
END_TEST

START_TEST(a_string_goes_to_one_port)
{
    START(machine, "vm/strings", small, strings);
    machine_run(&machine, 10);
    ck_assert_int_eq(machine.outcome.end, VM_END_VERDICT);
    ck_assert_str_eq(machine.output, "hello");
    machine_finish(&machine);
}
END_TEST

START_TEST(a_string_comes_from_one_port)
{
    START(machine, "vm/string-in", small, string_in);
    ck_assert_uint_eq(serial_receive(&machine.serial, (const uint8_t *)"abcd", 4), 4);
    machine_run(&machine, 10);
    ck_assert_int_eq(machine.outcome.end, VM_END_VERDICT);
    ck_assert_uint_eq(machine.outcome.verdict, 0x64636261);
    machine_finish(&machine);
}
END_TEST

START_TEST(where_no_device_is_reads_give_ones_and_writes_are_ignored)
{
    START(machine, "vm/empty-mmio", small, empty_mmio);
    machine_run(&machine, 10);
    ck_assert_int_eq(machine.outcome.end, VM_END_VERDICT);
    ck_assert_uint_eq(machine.outcome.verdict, 1);
    ck_assert_uint_eq(atomic_load(&machine.trace.warnings), 2);
    ck_assert_ptr_nonnull(strstr(machine.log_text, "0xd0200000"));
    machine_finish(&machine);
}
END_TEST

START_TEST(an_access_across_a_page_is_answered)
{
    START(machine, "vm/straddle", small, straddle);
    machine_run(&machine, 10);
    ck_assert_int_eq(machine.outcome.end, VM_END_VERDICT);
    ck_assert_uint_eq(machine.outcome.verdict, UINT32_MAX);
    machine_finish(&machine);
}
END_TEST

START_TEST(ports_without_a_device_behave_like_that_too)
{
    START(machine, "vm/empty-port", small, empty_port);
    machine_run(&machine, 10);
    ck_assert_int_eq(machine.outcome.end, VM_END_VERDICT);
    ck_assert_uint_eq(machine.outcome.verdict, UINT32_MAX);
    ck_assert_uint_eq(atomic_load(&machine.trace.warnings), 2);
    machine_finish(&machine);
}
END_TEST

START_TEST(a_triple_fault_is_a_crash)
{
    START(machine, "vm/triple-fault", small, triple_fault);
    machine_run(&machine, 10);
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
    START(machine, "vm/stop-race", small, spin);
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
    START(machine, "vm/kick-between", small, empty_mmio);
    struct error error;
    ck_assert(bus_add(
        &machine.vm.mmio,
        (struct bus_entry){"kick", 0xd0200000, 16, &ops, &machine.vm.vcpus[0]}, &error));
    machine_run(&machine, 1);
    ck_assert_int_eq(machine.outcome.end,
                     VM_END_SIGNAL); /* the verdict is never reached */
    machine_finish(&machine);
}
END_TEST

START_TEST(a_run_that_was_ended_before_it_began_ends_at_once)
{
    START(machine, "vm/ended-before", small, spin);
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
    START(machine, "vm/bad-slot", small, bad_slot);
    struct error error;
    uint32_t id;
    void *host = mmap(NULL, MIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(host, MAP_FAILED);
    ck_assert(memslot_add(&machine.vm.memslots, "hole", gpa(0xe0000000), MIB, host, &id,
                          &error));
    machine_run(&machine, 10);
    ck_assert_int_eq(machine.outcome.end, VM_END_HOST);
    ck_assert_int_eq(error_code_group(machine.outcome.error.code), ERROR_GROUP_HOST);
    ck_assert_ptr_nonnull(strstr(machine.outcome.error.text, "EFAULT"));
    ck_assert_ptr_nonnull(strstr(machine.outcome.error.text, "rdx=e0000000"));
    machine_finish(&machine);
    munmap(host, MIB);
}
END_TEST

START_TEST(the_guest_starts_the_other_processors)
{
    struct vm_config config = {.memory_size = 16 * MIB, .cpu_count = 3};
    START(machine, "vm/start-others", config, start_others);
    put_code(&machine, 0x10000, other_code, other_code_end);
    machine_run(&machine, 10);
    ck_assert_msg(machine.outcome.end == VM_END_VERDICT, "%s",
                  machine.outcome.error.text);
    ck_assert_uint_eq(machine.outcome.verdict, 2);
    machine_finish(&machine);
}
END_TEST

START_TEST(lifting_the_pat_quirk_never_stops_a_vm)
{
    struct vm_config config = {
        .memory_size = 16 * MIB, .cpu_count = 1, .honour_guest_pat = true};
    START(machine, "vm/guest-pat", config, verdict);
    machine_run(&machine, 10);
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
    machine_run(&machine, 10);
    ck_assert_int_eq(machine.outcome.end, VM_END_VERDICT);
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

START_TEST(finish_takes_a_zeroed_object)
{
    struct vm vm = {0};
    vm_finish(&vm);
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

START_TEST(a_command_line_that_is_too_long_is_refused)
{
    struct guest_memory memory;
    struct gpa_range range = {gpa(0), MIB};
    struct error error;
    struct vm_entry entry;
    ck_assert(guest_memory_init(&memory, &range, 1, &error));
    char text[4097];
    memset(text, 'x', sizeof text);
    text[4096] = '\0';
    struct boot_config config = {.cpu_count = 1, .command_line = text};
    ck_assert(!boot_prepare(&memory, &config, gpa(MIB), &entry, &error));
    ck_assert_int_eq(error.code, ERROR_CONFIG_USAGE);
    text[4095] = '\0';
    ck_assert(boot_prepare(&memory, &config, gpa(MIB), &entry, &error));
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
    tcase_add_test(test_case, a_string_goes_to_one_port);
    tcase_add_test(test_case, a_string_comes_from_one_port);
    tcase_add_test(test_case, where_no_device_is_reads_give_ones_and_writes_are_ignored);
    tcase_add_test(test_case, an_access_across_a_page_is_answered);
    tcase_add_test(test_case, ports_without_a_device_behave_like_that_too);
    tcase_add_test(test_case, a_triple_fault_is_a_crash);
    tcase_add_test(test_case, a_spinning_vcpu_is_stopped_by_the_time_limit);
    tcase_add_loop_test(test_case, stopping_has_no_race, 0, 30);
    tcase_add_test(test_case, a_kick_between_two_runs_is_not_lost);
    tcase_add_test(test_case, a_run_that_was_ended_before_it_began_ends_at_once);
    tcase_add_test(test_case, memory_that_cannot_be_faulted_in_is_the_hosts_fault);
    tcase_add_test(test_case, the_guest_starts_the_other_processors);
    tcase_add_test(test_case, lifting_the_pat_quirk_never_stops_a_vm);
    tcase_add_test(test_case, ram_beyond_3_gib_continues_at_4_gib);
    tcase_add_loop_test(test_case, impossible_configurations_are_refused, 0, 5);
    tcase_add_test(test_case, finish_takes_a_zeroed_object);
    tcase_add_loop_test(test_case, ram_ranges_stay_clear_of_the_hole, 0, 6);
    tcase_add_test(test_case, a_command_line_that_is_too_long_is_refused);
    suite_add_tcase(suite, test_case);
    return suite;
}

/* SPDX-License-Identifier: MIT */
/* Runs real VMs: what only arm64 has. Without /dev/kvm each test says SKIP. */
#include <check.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/unit/suites.h"
#include "tests/unit/vm_machine.h"
#include "vmm/arch/arch.h"
#include "vmm/layout.h"

#define EXIT_WITH_W0 "mov x1, #0x0a100000\n str w0, [x1, #4]\n 1: b 1b\n"

/* PSCI (DEN0022): SYSTEM_OFF, SYSTEM_RESET. */
GUEST_CODE(power_off, "mov x0, #8\n movk x0, #0x8400, lsl #16\n hvc #0\n 1: b 1b\n");
GUEST_CODE(reset, "mov x0, #9\n movk x0, #0x8400, lsl #16\n hvc #0\n 1: b 1b\n");

/* With vectors at 0x40220000, floating point on (CPACR_EL1.FPEN), and X2 an address where
 * nothing is. */
#define TOUCH(access)                                                                    \
    "mov x2, #0x40220000\n msr vbar_el1, x2\n mov x2, #0x300000\n msr cpacr_el1, x2\n"   \
    "isb\n mov x2, #0x0a200000\n" access "\n mov w0, #1\n" EXIT_WITH_W0

GUEST_CODE(load_pair, TOUCH("ldp x3, x4, [x2]"));
GUEST_CODE(store_pair, TOUCH("stp x3, x4, [x2]"));
GUEST_CODE(write_back, TOUCH("ldr x3, [x2], #8"));
GUEST_CODE(vector_load, TOUCH("ldr q0, [x2]"));

/* The vector of a synchronous exception at the current level, SP_ELx: the verdict is ESR_EL1,
 * or 2 if FAR_EL1 is not the address. */
GUEST_CODE(abort_vector,
           "mrs x0, esr_el1\n mrs x3, far_el1\n mov x4, #0x0a200000\n"
           "cmp x3, x4\n b.eq 2f\n mov w0, #2\n 2:\n" EXIT_WITH_W0);

/* SPI 1 is INTID 33: made edge-triggered (GICD_ICFGR2), then asked for at an empty place, then
 * awaited in GICD_ISPENDR1, which is the verdict (IHI 0069, 12.9; the same in GICv2). */
GUEST_CODE(pending,
           "mov x2, #0x08000000\n mov w3, #0xaaaaaaaa\n str w3, [x2, #0xc08]\n"
           "mov x3, #0x0a200000\n str w0, [x3]\n"
           "2: ldr w0, [x2, #0x204]\n cbz w0, 2b\n" EXIT_WITH_W0);

START_TEST(powering_off_ends_the_run)
{
    START(machine, "vm_arm64/power-off", small_machine, power_off);
    machine_run(&machine, MACHINE_PATIENCE);
    ck_assert_int_eq(machine.outcome.end, VM_END_POWER_OFF);
    ck_assert_ptr_nonnull(strstr(machine.outcome.error.text, "SYSTEM_OFF"));
    ck_assert_ptr_nonnull(strstr(machine.outcome.error.text, "pc=402000"));
    machine_finish(&machine);
}
END_TEST

START_TEST(a_reset_ends_the_run)
{
    struct vm_config config = {.memory_size = 16 * MIB, .cpu_count = 3};
    START(machine, "vm_arm64/reset", config, reset);
    machine_run(&machine, MACHINE_PATIENCE);
    ck_assert_int_eq(machine.outcome.end, VM_END_RESET);
    ck_assert_ptr_nonnull(strstr(machine.outcome.error.text, "SYSTEM_RESET"));
    machine_finish(&machine);
}
END_TEST

/* The guest gets an external abort, with its address, and goes on; we do, too. */
START_TEST(an_access_that_the_cpu_does_not_describe_is_an_external_abort)
{
    static const struct {
        const uint8_t *code;
        const uint8_t *end;
        const char *kind;
    } cases[] = {
        {load_pair_code, load_pair_code_end, "read at GPA 0xa200000"},
        {store_pair_code, store_pair_code_end, "write at GPA 0xa200000"},
        {write_back_code, write_back_code_end, "read at GPA 0xa200000"},
        {vector_load_code, vector_load_code_end, "read at GPA 0xa200000"},
    };
    const uint32_t class_and_status = 0xfc00003f; /* ESR_EL1.EC, ISS.DFSC */
    const uint32_t external_abort =
        0x94000010; /* data abort of this level, not a walk's */

    START(machine, "vm_arm64/undescribed", small_machine, load_pair);
    put_code(&machine, LAYOUT_IMAGE_START, cases[_i].code, cases[_i].end);
    put_code(&machine, 0x40220200, abort_vector_code, abort_vector_code_end);
    machine_run(&machine, MACHINE_PATIENCE);
    ck_assert_msg(machine.outcome.end == VM_END_VERDICT, "%s",
                  machine.outcome.error.text);
    ck_assert_uint_eq(machine.outcome.verdict & class_and_status, external_abort);
    ck_assert_uint_eq(atomic_load(&machine.trace.warnings), 1);
    ck_assert_msg(strstr(machine.log_text, cases[_i].kind) != NULL, "%s",
                  machine.log_text);
    machine_finish(&machine);
}
END_TEST

/* The verdict's store is completed although the vCPU never runs again. */
START_TEST(the_last_exit_is_not_left_half_done)
{
    START(machine, "vm_arm64/half-done", small_machine, verdict);
    machine_run(&machine, MACHINE_PATIENCE);
    char registers[320];
    arch_vcpu_describe(&machine.vm.vcpus[0], registers, sizeof registers);
    ck_assert_msg(strncmp(registers, "pc=4020000c ", 12) == 0, "%s", registers);
    machine_finish(&machine);
}
END_TEST

static uint64_t read_nothing(void *device, uint64_t offset, unsigned size)
{
    (void)device, (void)offset, (void)size;
    return 0;
}

static void raise(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    const int *event_fd = device;
    (void)offset, (void)size, (void)value;
    ck_assert_int_eq(eventfd_write(*event_fd, 1), 0);
}

START_TEST(an_irqfd_raises_an_spi)
{
    static const struct bus_ops ops = {.read = read_nothing, .write = raise};
    START(machine, "vm_arm64/irqfd", small_machine, pending);
    struct error error;
    int event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ck_assert(bus_add(&machine.vm.mmio,
                      (struct bus_entry){"raise", vm_code_empty, 4, &ops, &event_fd},
                      &error));
    ck_assert_msg(kvm_irqfd(machine.vm.fd, 1, event_fd, &error), "%s", error.text);
    machine_run(&machine, MACHINE_PATIENCE);
    ck_assert_msg(machine.outcome.end == VM_END_VERDICT, "%s",
                  machine.outcome.error.text);
    ck_assert_uint_eq(machine.outcome.verdict, 1u << 1);
    machine_finish(&machine);
    close(event_fd);
}
END_TEST

START_TEST(the_interrupt_controller_is_known)
{
    START(machine, "vm_arm64/gic", small_machine, power_off);
    ck_assert(machine.vm.gic_version == 3 || machine.vm.gic_version == 2);
    ck_assert_int_ge(machine.vm.gic_fd, 0);
    ck_assert_int_eq(machine.vm.its_fd >= 0, machine.vm.has_its);
    ck_assert(!machine.vm.has_its || machine.vm.gic_version == 3);
    ck_assert_uint_le(machine.vm.address_bits, 40);
    machine_finish(&machine);
}
END_TEST

/* arch_vcpu_init() compares each MPIDR_EL1 with arch_vcpu_mpidr(). */
START_TEST(as_many_vcpus_as_possible)
{
    struct vm_config config = small_machine;
    struct machine machine;
    struct error error;
    struct kvm kvm;
    config.cpu_count = VM_CPUS_MAX;
    if (kvm_open(&kvm, &error)) {
        int limit = kvm_check(kvm.fd, KVM_CAP_MAX_VCPUS); /* GICv2: 8 */
        if ((unsigned)limit < config.cpu_count)
            config.cpu_count = (unsigned)limit;
        kvm_close(&kvm);
    }
    if (!machine_init(&machine, "vm_arm64/vcpus", config))
        return;
    ck_assert_uint_eq(machine.vm.vcpu_count, config.cpu_count);
    machine_finish(&machine);
}
END_TEST

START_TEST(mpidrs_have_sixteen_vcpus_in_a_cluster)
{
    ck_assert_uint_eq(arch_vcpu_mpidr(0), 0);
    ck_assert_uint_eq(arch_vcpu_mpidr(15), 15);
    ck_assert_uint_eq(arch_vcpu_mpidr(16), 0x100);
    ck_assert_uint_eq(arch_vcpu_mpidr(0x1234), 0x12304);
}
END_TEST

START_TEST(ram_is_one_range)
{
    static const struct {
        uint64_t size;
        unsigned count;
    } cases[] = {
        {16 * MIB, 1},        {256 * GIB, 1}, {16 * MIB - 65536, 0},
        {16 * MIB + 4096, 0}, {257 * GIB, 0}, {UINT64_MAX & ~(uint64_t)65535, 0},
    };
    struct gpa_range ranges[GUEST_MEMORY_REGIONS_MAX] = {0};
    struct error error;
    ck_assert_uint_eq(arch_ram_ranges(cases[_i].size, ranges, &error), cases[_i].count);
    ck_assert_uint_eq(ranges[0].size, cases[_i].count ? cases[_i].size : 0);
    ck_assert_uint_eq(ranges[0].start.value, cases[_i].count ? GIB : 0);
}
END_TEST

Suite *vm_arm64_suite(void)
{
    Suite *suite = suite_create("vm_arm64");
    TCase *test_case = tcase_create("vm_arm64");
    tcase_set_timeout(test_case, 60);
    tcase_add_test(test_case, powering_off_ends_the_run);
    tcase_add_test(test_case, a_reset_ends_the_run);
    tcase_add_loop_test(
        test_case, an_access_that_the_cpu_does_not_describe_is_an_external_abort, 0, 4);
    tcase_add_test(test_case, the_last_exit_is_not_left_half_done);
    tcase_add_test(test_case, an_irqfd_raises_an_spi);
    tcase_add_test(test_case, the_interrupt_controller_is_known);
    tcase_add_test(test_case, as_many_vcpus_as_possible);
    tcase_add_test(test_case, mpidrs_have_sixteen_vcpus_in_a_cluster);
    tcase_add_loop_test(test_case, ram_is_one_range, 0, 6);
    suite_add_tcase(suite, test_case);
    return suite;
}

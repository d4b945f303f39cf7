/* SPDX-License-Identifier: MIT */
/* What only an x86 VM leaves to another. Without /dev/kvm each test says SKIP. */
#include <check.h>

#include "tests/unit/state_machine.h"
#include "tests/unit/suites.h"
#include "vmm/arch/x86/mtrr.h"

/* Nothing is lost; that it may come twice is KVM's: docs/live-update.md. */
START_TEST(a_timer_that_counts_down_goes_on)
{
    state_machine_replace_again_and_again("vm_state/oneshot",
                                          STATE_USES_TIMER | STATE_USES_ONESHOT);
}
END_TEST

static void set_msr(const struct vcpu *vcpu, uint32_t index, uint64_t value)
{
    uint64_t one[(sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)) / 8] = {0};
    struct kvm_msrs *msrs = (struct kvm_msrs *)one;
    msrs->nmsrs = 1;
    msrs->entries[0] = (struct kvm_msr_entry){.index = index, .data = value};
    ck_assert_int_eq(ioctl(vcpu->fd, KVM_SET_MSRS, msrs), 1);
}

/* KVM's and those that decide about blobs. */
START_TEST(mtrrs_are_those_of_before)
{
    struct machine machine;
    const struct gpa_range window = {gpa(4 * GIB), GIB};
    if (!state_machine_init(&machine, "vm_state/mtrr", small_machine, keeps_count_code,
                            keeps_count_code_end, 0))
        return;
    set_msr(&machine.vm.vcpus[0], MSR_MTRR_VARIABLE, 4 * GIB); /* UC */
    set_msr(&machine.vm.vcpus[0], MSR_MTRR_VARIABLE + 1, 0xfffe00800);
    ck_assert(vm_guest_mtrr_is_wb(&machine.vm, window));
    state_machine_replace(&machine);
    ck_assert(!vm_guest_mtrr_is_wb(&machine.vm, window));
    machine.vm.mtrrs->states[0] = (struct mtrr_state){.default_type = MTRR_ALL_WB};
    ck_assert(vm_guest_mtrr_is_wb(&machine.vm, window));
    state_machine_replace(&machine);
    ck_assert(!vm_guest_mtrr_is_wb(&machine.vm, window));
    machine_finish(&machine);
}
END_TEST

static uint64_t clock_of(const struct machine *machine)
{
    struct kvm_clock_data clock;
    ck_assert_int_eq(kvm_ioctl(machine->vm.fd, KVM_GET_CLOCK, &clock), 0);
    return clock.clock;
}

/* A second of the old VM's life is not lost; how long the new one took, nobody knows exactly. */
START_TEST(kvmclock_goes_on)
{
    struct machine machine;
    const uint64_t second = 1000000000;
    const struct kvm_clock_data day = {.clock = 86400 * second};
    if (!state_machine_init(&machine, "vm_state/clock", small_machine, keeps_count_code,
                            keeps_count_code_end, 0))
        return;
    ck_assert_int_eq(kvm_ioctl(machine.vm.fd, KVM_SET_CLOCK, &day), 0);
    uint64_t before = clock_of(&machine);
    ck_assert_uint_ge(before, day.clock);
    state_machine_replace(&machine);
    uint64_t after = clock_of(&machine);
    ck_assert_uint_ge(after, before);
    ck_assert_uint_lt(after - before, 60 * second);
    machine_finish(&machine);
}
END_TEST

Suite *vm_state_x86_suite(void)
{
    Suite *suite = suite_create("vm_state_x86");
    TCase *test_case = tcase_create("vm_state_x86");
    tcase_set_timeout(test_case, 240);
    tcase_add_test(test_case, a_timer_that_counts_down_goes_on);
    tcase_add_test(test_case, mtrrs_are_those_of_before);
    tcase_add_test(test_case, kvmclock_goes_on);
    suite_add_tcase(suite, test_case);
    return suite;
}

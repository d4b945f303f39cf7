/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <signal.h>
#include <unistd.h>

#include "tests/unit/suites.h"
#include "vmm/stop_signals.h"

/* As much of a VM as vm_end_with() needs. */
static void make_vm(struct vm *vm)
{
    *vm = (struct vm){.fd = -1};
    pthread_mutex_init(&vm->lock, NULL);
    pthread_cond_init(&vm->ended, NULL);
}

static void wait_for_end(struct vm *vm)
{
    pthread_mutex_lock(&vm->lock);
    while (vm->outcome.end == VM_END_NONE)
        pthread_cond_wait(&vm->ended, &vm->lock);
    pthread_mutex_unlock(&vm->lock);
}

/* _i: the signal. */
START_TEST(a_signal_ends_the_vm)
{
    static struct vm vm;
    struct stop_signals signals = {0};
    struct error error;
    make_vm(&vm);
    ck_assert(stop_signals_start(&signals, &vm, &error));
    kill(getpid(), _i);
    wait_for_end(&vm);
    ck_assert_int_eq(vm.outcome.end, VM_END_SIGNAL);
    ck_assert_uint_eq(vm.outcome.verdict, (uint32_t)_i);
    stop_signals_finish(&signals);
    stop_signals_finish(&signals);
}
END_TEST

START_TEST(without_a_signal_it_just_ends)
{
    static struct vm vm;
    struct stop_signals signals = {0};
    struct error error;
    make_vm(&vm);
    ck_assert(stop_signals_start(&signals, &vm, &error));
    stop_signals_finish(&signals);
    ck_assert_int_eq(vm.outcome.end, VM_END_NONE);
}
END_TEST

Suite *stop_signals_suite(void)
{
    Suite *suite = suite_create("stop signals");
    TCase *test_case = tcase_create("stop signals");
    tcase_add_loop_test(test_case, a_signal_ends_the_vm, SIGINT, SIGINT + 1);
    tcase_add_loop_test(test_case, a_signal_ends_the_vm, SIGTERM, SIGTERM + 1);
    tcase_add_test(test_case, without_a_signal_it_just_ends);
    suite_add_tcase(suite, test_case);
    return suite;
}

/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <signal.h>
#include <stdatomic.h>
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
    signal(SIGHUP, SIG_DFL); /* the tests may run under nohup */
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

/* Of the two user signals. */
struct counts {
    atomic_uint first, second;
};

static void count_signal(void *context, int number)
{
    struct counts *counts = context;
    ck_assert(number == SIGUSR1 || number == SIGUSR2);
    atomic_fetch_add(number == SIGUSR1 ? &counts->first : &counts->second, 1);
}

/* A screenshot is taken, a display gets another size, and the VM goes on; a signal after them
 * still ends it. */
START_TEST(the_user_s_signal_calls_and_does_not_end)
{
    static struct vm vm;
    struct counts counts = {0};
    struct stop_signals signals = {.user_signal = count_signal,
                                   .user_signal_context = &counts};
    struct error error;
    make_vm(&vm);
    ck_assert(stop_signals_start(&signals, &vm, &error));
    for (unsigned i = 1; i <= 2; i++) {
        kill(getpid(), SIGUSR1);
        while (atomic_load(&counts.first) < i)
            usleep(1000);
        ck_assert_uint_eq(atomic_load(&counts.second), i - 1);
        kill(getpid(), SIGUSR2);
        while (atomic_load(&counts.second) < i)
            usleep(1000);
    }
    ck_assert_int_eq(vm.outcome.end, VM_END_NONE);
    kill(getpid(), SIGTERM);
    wait_for_end(&vm);
    stop_signals_finish(&signals);
    ck_assert_uint_eq(atomic_load(&counts.first), 2);
    ck_assert_uint_eq(atomic_load(&counts.second), 2);
}
END_TEST

START_TEST(the_user_s_signal_without_a_function_is_harmless)
{
    static struct vm vm;
    struct stop_signals signals = {0};
    struct error error;
    make_vm(&vm);
    ck_assert(stop_signals_start(&signals, &vm, &error));
    kill(getpid(), SIGUSR1);
    kill(getpid(), SIGUSR2);
    kill(getpid(), SIGINT);
    wait_for_end(&vm);
    ck_assert_uint_eq(vm.outcome.verdict, SIGINT);
    stop_signals_finish(&signals);
}
END_TEST

/* nohup: the signal was ignored before us, and it is left alone. */
START_TEST(an_ignored_hang_up_stays_ignored)
{
    static struct vm vm;
    struct stop_signals signals = {0};
    struct error error;
    make_vm(&vm);
    signal(SIGHUP, SIG_IGN);
    ck_assert(stop_signals_start(&signals, &vm, &error));
    kill(getpid(), SIGHUP);
    kill(getpid(), SIGTERM);
    wait_for_end(&vm);
    ck_assert_uint_eq(vm.outcome.verdict, SIGTERM);
    stop_signals_finish(&signals);
}
END_TEST

Suite *stop_signals_suite(void)
{
    Suite *suite = suite_create("stop signals");
    TCase *test_case = tcase_create("stop signals");
    tcase_add_loop_test(test_case, a_signal_ends_the_vm, SIGINT, SIGINT + 1);
    tcase_add_loop_test(test_case, a_signal_ends_the_vm, SIGTERM, SIGTERM + 1);
    tcase_add_loop_test(test_case, a_signal_ends_the_vm, SIGHUP, SIGHUP + 1);
    tcase_add_test(test_case, the_user_s_signal_calls_and_does_not_end);
    tcase_add_test(test_case, the_user_s_signal_without_a_function_is_harmless);
    tcase_add_test(test_case, an_ignored_hang_up_stays_ignored);
    tcase_add_test(test_case, without_a_signal_it_just_ends);
    suite_add_tcase(suite, test_case);
    return suite;
}

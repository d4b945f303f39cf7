/* SPDX-License-Identifier: MIT */
#include "vmm/stop_signals.h"

#include <signal.h>
#include <string.h>

#define QUIT_SIGNAL SIGUSR1 /* from us to the thread: it is not needed any more */

static void make_set(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, QUIT_SIGNAL);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
}

static void *wait_for_signal(void *context)
{
    struct stop_signals *signals = context;
    sigset_t set;
    int number;
    make_set(&set);
    if (sigwait(&set, &number) == 0 && number != QUIT_SIGNAL) {
        struct error error;
        error_set(&error, ERROR_GUEST_LIMIT, "stopped by signal %d (%s)", number,
                  strsignal(number));
        vm_end_with(signals->vm, VM_END_SIGNAL, (uint32_t)number, &error);
    }
    return NULL;
}

bool stop_signals_start(struct stop_signals *signals, struct vm *vm, struct error *error)
{
    sigset_t set;
    make_set(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signals->vm = vm;
    int result = pthread_create(&signals->thread, NULL, wait_for_signal, signals);
    if (result != 0)
        return error_set(error, ERROR_HOST_SYSTEM, "thread for signals: %s",
                         strerror(result));
    signals->thread_runs = true;
    return true;
}

void stop_signals_finish(struct stop_signals *signals)
{
    if (!signals->thread_runs)
        return;
    pthread_kill(signals->thread, QUIT_SIGNAL);
    pthread_join(signals->thread, NULL);
    signals->thread_runs = false;
}

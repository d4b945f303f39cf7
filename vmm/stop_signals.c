/* SPDX-License-Identifier: MIT */
#include "vmm/stop_signals.h"

#include <signal.h>
#include <string.h>

#include "vmm/thread.h"

static void make_set(sigset_t *set)
{
    struct sigaction hang_up;
    sigemptyset(set);
    sigaddset(set, SIGUSR1); /* also from us to the thread: look at `quit` */
    sigaddset(set, SIGUSR2);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
    if (sigaction(SIGHUP, NULL, &hang_up) != 0 || hang_up.sa_handler != SIG_IGN)
        sigaddset(set, SIGHUP);
}

static void *wait_for_signals(void *context)
{
    struct stop_signals *signals = context;
    sigset_t set;
    int number;
    make_set(&set);
    while (sigwait(&set, &number) == 0 && !atomic_load(&signals->quit)) {
        if (number == SIGUSR1 || number == SIGUSR2) {
            if (signals->user_signal != NULL)
                signals->user_signal(signals->user_signal_context, number);
            continue;
        }
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
    atomic_store(&signals->quit, false);
    const struct thread_plan plan = {
        .name = "signals",
        .run = wait_for_signals,
        .context = signals,
        .sandbox = vm->config.sandbox,
        .role = SANDBOX_SIGNALS,
    };
    signals->thread_runs = thread_start(&signals->thread, &plan, error);
    return signals->thread_runs;
}

void stop_signals_finish(struct stop_signals *signals)
{
    if (!signals->thread_runs)
        return;
    atomic_store(&signals->quit, true);
    pthread_kill(signals->thread, SIGUSR1);
    pthread_join(signals->thread, NULL);
    signals->thread_runs = false;
}

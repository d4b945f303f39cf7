/* SPDX-License-Identifier: MIT */
/*
 * ^C, kill and a terminal that goes away end the run as its time limit does, so that everything
 * is taken down in order: vCPUs, renderer, trace instance, the terminal's modes. SIGUSR1 and SIGUSR2
 * ask for something that does not end it, a screenshot or other display sizes. These signals are blocked in all threads but one,
 * which does nothing but wait for them.
 *
 * SIGHUP stays as it is when it was ignored at the start: that is what nohup is for.
 */
#ifndef S2VMM_STOP_SIGNALS_H
#define S2VMM_STOP_SIGNALS_H

#include <pthread.h>
#include <stdatomic.h>

#include "vmm/vm.h"

struct stop_signals {
    /* Filled in by the caller, or NULL: SIGUSR1 or SIGUSR2 arrived. On the signals' thread. */
    void (*user_signal)(void *context, int number);
    void *user_signal_context;

    struct vm *vm;
    pthread_t thread;
    bool thread_runs;
    atomic_bool quit;
};

/* From now on SIGINT, SIGTERM and SIGHUP end the VM with VM_END_SIGNAL; the verdict is the
 * signal's number. Threads that the caller made before must have the signals blocked.
 * ERROR_HOST_SYSTEM. */
bool stop_signals_start(struct stop_signals *signals, struct vm *vm, struct error *error);

/* Stops waiting; the signals stay blocked. A zeroed object is fine. */
void stop_signals_finish(struct stop_signals *signals);

#endif

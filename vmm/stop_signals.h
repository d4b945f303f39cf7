/* SPDX-License-Identifier: MIT */
/*
 * ^C and kill end the run as its time limit does, so that everything is taken down in order:
 * vCPUs, renderer, trace instance. SIGINT and SIGTERM are blocked in all threads but one,
 * which does nothing but wait for them.
 */
#ifndef S2VMM_STOP_SIGNALS_H
#define S2VMM_STOP_SIGNALS_H

#include <pthread.h>

#include "vmm/vm.h"

struct stop_signals {
    struct vm *vm;
    pthread_t thread;
    bool thread_runs;
};

/* From now on a signal ends the VM with VM_END_SIGNAL; the verdict is its number. Threads that
 * the caller made before must have the signals blocked. ERROR_HOST_SYSTEM. */
bool stop_signals_start(struct stop_signals *signals, struct vm *vm, struct error *error);

/* Stops waiting; the signals stay blocked. A zeroed object is fine. */
void stop_signals_finish(struct stop_signals *signals);

#endif

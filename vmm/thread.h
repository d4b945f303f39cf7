/* SPDX-License-Identifier: MIT */
/*
 * A thread that receives no signals: those are for the main thread, the vCPUs and the thread
 * of stop_signals.h. It is in its sandbox before it does anything.
 */
#ifndef S2VMM_THREAD_H
#define S2VMM_THREAD_H

#include <pthread.h>

#include "vmm/sandbox.h"

struct thread_plan {
    const char *name; /* at most 15 bytes, the kernel's limit */
    void *(*run)(void *context);
    void *context;
    const struct sandbox *sandbox; /* or NULL */
    enum sandbox_role role;
};

/* Returns when the thread is in its role. ERROR_HOST_SYSTEM, or what sandbox_enter() says. */
bool thread_start(pthread_t *thread, const struct thread_plan *plan, struct error *error);

#endif

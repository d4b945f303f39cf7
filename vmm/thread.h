/* SPDX-License-Identifier: MIT */
/*
 * A thread that receives no signals: those are for the main thread, the vCPUs and the thread
 * of stop_signals.h.
 */
#ifndef S2VMM_THREAD_H
#define S2VMM_THREAD_H

#include <pthread.h>

#include "vmm/error.h"

/* name: at most 15 bytes, the kernel's limit. ERROR_HOST_SYSTEM. */
bool thread_start(pthread_t *thread, const char *name, void *(*run)(void *context),
                  void *context, struct error *error);

#endif

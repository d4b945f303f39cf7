/* SPDX-License-Identifier: MIT */
#include "vmm/thread.h"

#include <signal.h>
#include <string.h>

bool thread_start(pthread_t *thread, const char *name, void *(*run)(void *context),
                  void *context, struct error *error)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int result = pthread_create(thread, NULL, run, context);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (result != 0)
        return error_set(error, ERROR_HOST_SYSTEM, "cannot start the thread \"%s\": %s",
                         name, strerror(result));
    pthread_setname_np(*thread, name);
    return true;
}

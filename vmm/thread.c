/* SPDX-License-Identifier: MIT */
#include "vmm/thread.h"

#include <semaphore.h>
#include <signal.h>
#include <string.h>

/* On the stack of thread_start(), used until `entered`. */
struct start {
    const struct thread_plan *plan;
    struct error *error;
    bool good;
    sem_t entered;
};

static void *begin(void *argument)
{
    struct start *start = argument;
    const struct thread_plan plan = *start->plan;
    pthread_setname_np(pthread_self(), plan.name);
    bool good = sandbox_enter(plan.sandbox, plan.role, start->error);
    start->good = good;
    sem_post(&start->entered);
    return good ? plan.run(plan.context) : NULL;
}

static void wait_for(sem_t *semaphore)
{
    while (sem_wait(semaphore) != 0) {
        /* EINTR */
    }
}

bool thread_start(pthread_t *thread, const struct thread_plan *plan, struct error *error)
{
    struct start start = {.plan = plan, .error = error};
    sigset_t all;
    sigset_t before;
    sem_init(&start.entered, 0, 0);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int result = pthread_create(thread, NULL, begin, &start);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (result == 0)
        wait_for(&start.entered);
    sem_destroy(&start.entered);
    if (result != 0)
        return error_set(error, ERROR_HOST_SYSTEM, "cannot start the thread \"%s\": %s",
                         plan->name, strerror(result));
    if (!start.good)
        pthread_join(*thread, NULL);
    return start.good;
}

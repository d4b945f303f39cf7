/* SPDX-License-Identifier: MIT */
/* See stress.h. A thread waits for nothing but the end of the run. */
#include "tests/modules/stress.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "devices/dmabuf-info/dma_buf_info.h"
#include "tests/modules/buffers.h"
#include "tests/modules/checks.h"

enum {
    ASKERS = 4,
    ANSWERS = 2500, /* for each asker: 10,000 in all; see scaled() */
    SLOTS = 8,
    RELOADS = 20, /* see scaled() */
    SIZE = 4 * 4096,
    PATIENCE_SECONDS = 600, /* nothing takes as long, even emulated and under load */
};

static const char module[] = "dmabuf_info";

/* S2VMM_STRESS_PERCENT of it: a build that tries six kernels has not the time for all of it. */
static unsigned scaled(unsigned count)
{
    const char *percent = getenv("S2VMM_STRESS_PERCENT");
    unsigned long share = percent ? strtoul(percent, NULL, 10) : 100;

    return count * share >= 100 ? (unsigned)(count * share / 100) : 1;
}

struct run {
    struct checks *checks;
    const char *path;
    int lasting;             /* a cached buffer that nobody closes */
    int lasting_wc;          /* a write-combined one */
    atomic_int slots[SLOTS]; /* buffers that are closed at any time; all are cached */
    atomic_bool over;
    /* what happened */
    atomic_uint answers, absent, closed, again, others;
    atomic_uint loads, unloads, refusals;
};

static void pause_microseconds(long microseconds)
{
    struct timespec time = {.tv_nsec = microseconds * 1000};

    nanosleep(&time, NULL);
}

/* A buffer that stays: the answer, or ENOTTY while the module is away. */
static bool ask_lasting(struct run *run, int fd, uint64_t expected)
{
    uint64_t value = UINT64_MAX;
    int error = info_query(fd, DMA_BUF_INFO_VM_PROT, &value);

    if (error == ENOTTY) {
        atomic_fetch_add(&run->absent, 1);
        pause_microseconds(500);
        return false;
    }
    atomic_fetch_add(&run->answers, 1);
    check_each(run->checks, error == 0 && value == expected,
               "a lasting buffer: error %d, value %llu, not %llu", error,
               (unsigned long long)value, (unsigned long long)expected);
    return true;
}

/* A descriptor that is closed meanwhile, and whose number then is another file's: no wrong
 * value, and no error but those that say so. */
static void ask_closing(struct run *run, int slot)
{
    uint64_t value = UINT64_MAX;
    int error = info_query(atomic_load(&run->slots[slot]), DMA_BUF_INFO_VM_PROT, &value);

    switch (error) {
    case 0:
        check_each(run->checks, value == DMA_BUF_VM_PROT_CACHED,
                   "a closing buffer: value %llu, not cached", (unsigned long long)value);
        break;
    case EBADF:
        atomic_fetch_add(&run->closed, 1);
        break;
    case ENOTTY:
        atomic_fetch_add(&run->absent, 1);
        break;
    case EAGAIN:
        atomic_fetch_add(&run->again, 1);
        break;
    default:
        atomic_fetch_add(&run->others, 1);
        check_each(run->checks, false, "a closing buffer: error %d (%s)", error,
                   strerror(error));
    }
}

static void *asker(void *argument)
{
    struct run *run = argument;
    const unsigned wanted = scaled(ANSWERS);
    unsigned answers = 0;

    for (unsigned i = 0; answers < wanted && !atomic_load(&run->over); i++) {
        if (i % 2)
            answers += ask_lasting(run, run->lasting, DMA_BUF_VM_PROT_CACHED);
        else
            answers += ask_lasting(run, run->lasting_wc, DMA_BUF_VM_PROT_WC);
        ask_closing(run, (int)(i % SLOTS));
    }
    check(run->checks, answers == wanted, "a thread got %u answers in %d s, not %u",
          answers, PATIENCE_SECONDS, wanted);
    return NULL;
}

static void *closer(void *argument)
{
    struct run *run = argument;

    for (unsigned i = 0; !atomic_load(&run->over); i++) {
        int old = atomic_exchange(&run->slots[i % SLOTS], -1);
        if (old >= 0)
            close(old);
        atomic_store(&run->slots[(i + SLOTS / 2) % SLOTS], buffer_udmabuf(SIZE));
        pause_microseconds(300);
    }
    return NULL;
}

/* Mappings of other things come and go around the temporary ones. */
static void *mapper(void *argument)
{
    struct run *run = argument;

    while (!atomic_load(&run->over)) {
        char *memory =
            mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        char *buffer = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, run->lasting, 0);
        if (memory != MAP_FAILED) {
            memset(memory, 1, SIZE);
            munmap(memory, SIZE);
        }
        if (check_each(run->checks, buffer != MAP_FAILED, "mmap of a dma-buf: %s",
                       strerror(errno))) {
            check_each(run->checks, buffer[SIZE - 1] == 0, "another's page in a mapping");
            munmap(buffer, SIZE);
        }
        pause_microseconds(200);
    }
    return NULL;
}

/* A load or an unload may fail only because the module is there, on its way, or in use. */
static void load(struct run *run)
{
    int error = module_load(run->path);

    if (error == 0)
        atomic_fetch_add(&run->loads, 1);
    else
        check_each(run->checks, error == EEXIST || error == EBUSY, "finit_module: %s",
                   strerror(error));
}

static bool unload(struct run *run)
{
    int error = module_unload(module);

    if (error == 0)
        atomic_fetch_add(&run->unloads, 1);
    else if (check_each(run->checks, error == EWOULDBLOCK || error == EBUSY,
                        "delete_module: %s", strerror(error)))
        atomic_fetch_add(&run->refusals, 1);
    return error == 0;
}

/* Tries all the time; after a success the module stays for a while, as the askers wait for it. */
static void *reloader(void *argument)
{
    struct run *run = argument;

    while (!atomic_load(&run->over)) {
        if (unload(run)) {
            load(run);
            pause_microseconds(200000);
        }
        pause_microseconds(500);
    }
    return NULL;
}

static bool run_begin(struct run *run)
{
    run->lasting = buffer_udmabuf(SIZE);
    run->lasting_wc = buffer_drm("vgem", SIZE, 1);
    for (int i = 0; i < SLOTS; i++)
        atomic_store(&run->slots[i], -1);
    return check(run->checks, run->lasting >= 0 && run->lasting_wc >= 0, "no buffers: %s",
                 strerror(errno));
}

static void run_end(struct run *run)
{
    for (int i = 0; i < SLOTS; i++)
        if (atomic_load(&run->slots[i]) >= 0)
            close(atomic_load(&run->slots[i]));
    close(run->lasting);
    close(run->lasting_wc);
    printf(
        "  answers %u, while unloaded %u, closed %u, again %u, others %u; loads %u, "
        "unloads %u, refused %u\n",
        atomic_load(&run->answers), atomic_load(&run->absent), atomic_load(&run->closed),
        atomic_load(&run->again), atomic_load(&run->others), atomic_load(&run->loads),
        atomic_load(&run->unloads), atomic_load(&run->refusals));
}

void stress_queries(struct checks *checks, const char *path)
{
    static void *(*const helpers[])(void *) = {closer, mapper, reloader};
    enum { HELPERS = sizeof(helpers) / sizeof(helpers[0]) };
    struct run run = {.checks = checks, .path = path};
    pthread_t askers[ASKERS], threads[HELPERS];
    struct timespec deadline;

    printf("stress: %d threads, %u answers each\n", ASKERS, scaled(ANSWERS));
    if (!run_begin(&run))
        return;
    for (int i = 0; i < HELPERS; i++)
        pthread_create(&threads[i], NULL, helpers[i], &run);
    for (int i = 0; i < ASKERS; i++)
        pthread_create(&askers[i], NULL, asker, &run);
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += PATIENCE_SECONDS;
    for (int i = 0; i < ASKERS; i++) {
        if (pthread_timedjoin_np(askers[i], NULL, &deadline) == 0)
            continue;
        atomic_store(&run.over, true);
        pthread_join(askers[i], NULL);
    }
    atomic_store(&run.over, true);
    for (int i = 0; i < HELPERS; i++)
        pthread_join(threads[i], NULL);
    check(checks, atomic_load(&run.refusals) > 0,
          "no unload was refused: nothing was tried");
    check(checks, atomic_load(&run.closed) > 0, "no query met a closed descriptor");
    run_end(&run);
}

/* Asks now and then, so that the module can be unloaded between two questions. */
static void *visitor(void *argument)
{
    struct run *run = argument;

    while (!atomic_load(&run->over)) {
        ask_lasting(run, run->lasting, DMA_BUF_VM_PROT_CACHED);
        ask_lasting(run, run->lasting_wc, DMA_BUF_VM_PROT_WC);
        pause_microseconds(5000);
    }
    return NULL;
}

void stress_reload(struct checks *checks, const char *path)
{
    struct run run = {.checks = checks, .path = path};
    pthread_t visitors[ASKERS];
    struct timespec begin, now;

    const unsigned reloads = scaled(RELOADS);

    printf("stress: loaded and unloaded %u times under use\n", reloads);
    if (!run_begin(&run))
        return;
    for (int i = 0; i < ASKERS; i++)
        pthread_create(&visitors[i], NULL, visitor, &run);
    for (unsigned i = 0; i < reloads; i++) {
        load(&run);
        check(checks, ask_lasting(&run, run.lasting, DMA_BUF_VM_PROT_CACHED),
              "no answer after load %u", i);
        clock_gettime(CLOCK_MONOTONIC, &begin);
        do {
            pause_microseconds(200);
            clock_gettime(CLOCK_MONOTONIC, &now);
        } while (!unload(&run) && now.tv_sec - begin.tv_sec < PATIENCE_SECONDS);
        check(checks, !ask_lasting(&run, run.lasting, DMA_BUF_VM_PROT_CACHED),
              "an answer after unload %u", i);
    }
    atomic_store(&run.over, true);
    for (int i = 0; i < ASKERS; i++)
        pthread_join(visitors[i], NULL);
    check(checks,
          atomic_load(&run.loads) == reloads && atomic_load(&run.unloads) == reloads,
          "%u loads and %u unloads, not %u", atomic_load(&run.loads),
          atomic_load(&run.unloads), reloads);
    run_end(&run);
}

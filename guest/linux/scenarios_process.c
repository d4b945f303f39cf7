/* SPDX-License-Identifier: MIT */
/* Lives of a mapping beyond one process' one munmap(): fork, close, PRIME, threads. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest/linux/blob.h"
#include "guest/linux/scenarios.h"

#define THREADS    4u
#define PER_THREAD 32u

static const uint64_t parent_seed = 0x11;
static const uint64_t child_seed = 0x22;

static bool start(struct test *test, struct gpu *gpu, struct blob *blob,
                  enum blob_kind kind)
{
    *blob = (struct blob){
        .kind = kind,
        .flags = VIRTGPU_USE_MAPPABLE,
        .size = 64 * KIB,
        .object = 1,
    };
    CHECK_DONE(gpu_open_render(gpu));
    REQUIRE(blob_context(test, gpu, kind));
    CHECK_DONE(blob_create(gpu, blob));
    CHECK_DONE(blob_map(gpu, blob));
    blob_fill(blob, parent_seed);
    return true;
}

/* Whether the child's work ended well; -1: no child. */
static bool child_succeeded(pid_t child)
{
    int status;
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

bool scenario_fork(struct test *test)
{
    struct gpu gpu;
    struct blob blob;
    REQUIRE(start(test, &gpu, &blob, BLOB_SHM));

    /* The child sees what the parent wrote, and writes; it unmaps and goes, and the parent's
     * mapping stays. */
    pid_t child = fork();
    if (child == 0) {
        bool sees = blob_holds(&blob, parent_seed);
        blob_fill(&blob, child_seed);
        _exit(sees && blob_destroy(&gpu, &blob) == 0 ? 0 : 1);
    }
    CHECK(child_succeeded(child));
    CHECK(blob_holds(&blob, child_seed));
    REQUIRE(blob_examine(test, &blob));

    /* The parent unmaps while a child still has the mapping: it has it on. The child's handle is
     * the parent's, so the object is closed too; what is left is the mapping alone. */
    int ready[2];
    CHECK(pipe(ready) == 0);
    blob_fill(&blob, parent_seed);
    child = fork();
    if (child == 0) {
        char byte;
        close(ready[1]);
        bool told = read(ready[0], &byte, 1) == 1;
        _exit(told && blob_holds(&blob, parent_seed) ? 0 : 1);
    }
    close(ready[0]);
    CHECK_DONE(blob_unmap(&blob));
    bool told = write(ready[1], "x", 1) == 1;
    close(ready[1]);
    CHECK(child_succeeded(child) && told);
    gpu_close(&gpu);
    test_say(test, "each process' mapping outlives the other's");
    return true;
}

bool scenario_close_mapped(struct test *test)
{
    struct gpu gpu;
    struct blob blob;
    REQUIRE(start(test, &gpu, &blob, BLOB_SHM));
    CHECK_DONE(gpu_close_handle(&gpu, blob.handle));
    CHECK(blob_holds(&blob, parent_seed)); /* the mapping holds the object */
    gpu_close(&gpu);
    CHECK(blob_holds(&blob, parent_seed)); /* and the file */
    blob_fill(&blob, child_seed);
    CHECK(blob_holds(&blob, child_seed));
    CHECK_DONE(blob_unmap(&blob));

    /* A process that ends leaves the cleaning to the kernel. */
    pid_t child = fork();
    if (child == 0)
        _exit(start(test, &gpu, &blob, BLOB_SHM) ? 0 : 1);
    CHECK(child_succeeded(child));
    REQUIRE(start(test, &gpu, &blob, BLOB_SHM));
    CHECK_DONE(blob_destroy(&gpu, &blob));
    gpu_close(&gpu);
    test_say(test, "a mapping outlives its handle and its file");
    return true;
}

/* In the other process, with a file of its own. 0: it saw what it had to. */
static int see_shared(int fd, const struct blob *original)
{
    struct gpu gpu;
    struct blob blob = *original;
    blob.address = NULL;
    if (gpu_open_render(&gpu) || gpu_import(&gpu, fd, &blob.handle) ||
        blob_map(&gpu, &blob))
        return 1;
    bool sees = blob_holds(&blob, parent_seed);
    blob_fill(&blob, child_seed);
    return sees && blob_destroy(&gpu, &blob) == 0 ? 0 : 1;
}

/*
 * Of a GUEST blob, which Linux exports as a dma-buf of its own pages. The kernel puts one GEM
 * object behind all PRIME imports of the same device, so that no copy can be meant.
 */
bool scenario_share(struct test *test)
{
    struct gpu gpu;
    struct blob blob;
    int fd;
    uint32_t handle;
    REQUIRE(start(test, &gpu, &blob, BLOB_GUEST));
    CHECK_DONE(gpu_export(&gpu, blob.handle, &fd));
    CHECK_DONE(gpu_import(&gpu, fd, &handle));
    CHECK_EQUAL(handle, blob.handle);
    pid_t child = fork();
    if (child == 0)
        _exit(see_shared(fd, &blob));
    CHECK(child_succeeded(child));
    CHECK(blob_holds(&blob, child_seed));
    CHECK_DONE(blob_destroy(&gpu, &blob));
    close(fd);
    gpu_close(&gpu);
    test_say(test, "two processes, each with its own file, see each other's writes");
    return true;
}

static sigjmp_buf after_fault;

static void on_fault(int number)
{
    siglongjmp(after_fault, number);
}

/* The signal that a read of `address` gives; 0: none. */
static int fault_of_read(const volatile void *address)
{
    struct sigaction action = {.sa_handler = on_fault};
    struct sigaction before;
    sigaction(SIGSEGV, &action, &before);
    int signal_number = sigsetjmp(after_fault, 1);
    if (signal_number == 0)
        (void)*(const volatile uint8_t *)address;
    sigaction(SIGSEGV, &before, NULL);
    return signal_number;
}

/*
 * A hole of the window cannot be reached from user space: the driver maps a blob's whole range
 * when mmap() is called, and /dev/mem refuses what a driver has claimed (IO_STRICT_DEVMEM). What
 * can be tried is the address of a mapping that is gone: it is SIGSEGV, and no access at all.
 */
bool scenario_unmap_twice(struct test *test)
{
    struct gpu gpu;
    struct blob blob;
    REQUIRE(start(test, &gpu, &blob, BLOB_SHM));
    struct blob copy = blob;
    CHECK_DONE(blob_unmap(&blob));
    CHECK_EQUAL(fault_of_read(copy.address), SIGSEGV);
    CHECK_DONE(blob_unmap(&copy)); /* munmap() of nothing is no error */
    CHECK_DONE(gpu_close_handle(&gpu, blob.handle));
    CHECK_ERROR(gpu_close_handle(&gpu, blob.handle), EINVAL);
    CHECK_ERROR(blob_map(&gpu, &blob), ENOENT);
    gpu_close(&gpu);
    REQUIRE(start(test, &gpu, &blob, BLOB_SHM));
    CHECK_DONE(blob_destroy(&gpu, &blob));
    gpu_close(&gpu);
    return true;
}

struct worker {
    const struct gpu *gpu;
    unsigned number;
    int error;
    bool saw_other;
};

static void *work(void *argument)
{
    struct worker *worker = argument;
    struct blob blobs[PER_THREAD];
    for (unsigned i = 0; i < PER_THREAD && !worker->error; i++) {
        blobs[i] = (struct blob){
            .kind = BLOB_SHM, .flags = VIRTGPU_USE_MAPPABLE, .size = 16 * KIB};
        worker->error = blob_create(worker->gpu, &blobs[i]);
        if (!worker->error)
            worker->error = blob_map(worker->gpu, &blobs[i]);
        if (!worker->error)
            blob_fill(&blobs[i], worker->number * PER_THREAD + i);
    }
    for (unsigned i = 0; i < PER_THREAD && !worker->error; i++) {
        worker->saw_other |= !blob_holds(&blobs[i], worker->number * PER_THREAD + i);
        worker->error = blob_destroy(worker->gpu, &blobs[i]);
    }
    return NULL;
}

bool scenario_threads(struct test *test)
{
    struct gpu gpu;
    pthread_t threads[THREADS];
    struct worker workers[THREADS];
    CHECK_DONE(gpu_open_render(&gpu));
    REQUIRE(blob_context(test, &gpu, BLOB_SHM));
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.gpu = &gpu, .number = i};
        CHECK_DONE(pthread_create(&threads[i], NULL, work, &workers[i]));
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < THREADS; i++) {
        CHECK_DONE(workers[i].error);
        CHECK(!workers[i].saw_other);
    }
    gpu_close(&gpu);
    test_say(test, "%u threads, %u blobs each", THREADS, PER_THREAD);
    return true;
}

/* SPDX-License-Identifier: MIT */
/*
 * What a mapped blob costs: s2vmm's way against the bare system calls, in the same run.
 *
 *   map     backing_open_fd() + hostmem_map(), hostmem_unmap() + backing_close(), in a real
 *           VM: checks, mmap, touching every page, memslot, and back
 *   bare    mmap, a write to every page, munmap
 *
 * The two alternate, so that a machine whose speed drifts slows both. Prints minimum, median
 * and 99th percentile in microseconds, and the ratio of the medians; --json for programs.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "devices/gpu/hostmem.h"
#include "vmm/trace.h"
#include "vmm/vm.h"

#define ROUNDS 300u

struct series {
    double microseconds[ROUNDS];
};

static void fail(const char *what, const struct error *error)
{
    fprintf(stderr, "bench-map: %s: %s\n", what, error ? error->text : strerror(errno));
    exit(1);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
    double difference = *(const double *)a - *(const double *)b;
    return (difference > 0) - (difference < 0);
}

static double percentile(struct series *series, unsigned percent)
{
    qsort(series->microseconds, ROUNDS, sizeof(double), compare);
    return series->microseconds[(ROUNDS - 1) * percent / 100];
}

static void map_and_unmap(struct hostmem *hostmem, int memfd, uint64_t size)
{
    struct error error;
    struct backing backing;
    struct hostmem_mapping mapping;
    int fd = fcntl(memfd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        fail("dup", NULL);
    if (!backing_open_fd(&backing, RENDERER_FD_SHM, fd, size, &error) ||
        !hostmem_map(hostmem, &backing, (struct hostmem_placement){0}, 1, 0, &mapping,
                     &error) ||
        !hostmem_unmap(hostmem, &mapping, &error))
        fail("map", &error);
    backing_close(&backing, NULL, 1);
}

static void bare(int memfd, uint64_t size)
{
    uint8_t *host = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
    if (host == MAP_FAILED)
        fail("mmap", NULL);
    for (uint64_t offset = 0; offset < size; offset += 4 * KIB)
        *(volatile uint8_t *)(host + offset) = 1;
    munmap(host, size);
}

static void measure(struct hostmem *hostmem, uint64_t size, bool json)
{
    static struct series ours;
    static struct series theirs;
    int memfd = memfd_create("bench", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (memfd < 0 || ftruncate(memfd, (off_t)size) != 0 ||
        fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK) != 0)
        fail("memfd", NULL);
    for (unsigned i = 0; i < ROUNDS; i++) {
        double start = now();
        map_and_unmap(hostmem, memfd, size);
        double middle = now();
        bare(memfd, size);
        ours.microseconds[i] = middle - start;
        theirs.microseconds[i] = now() - middle;
    }
    close(memfd);

    double ratio = percentile(&ours, 50) / percentile(&theirs, 50);
    if (json) {
        printf(
            "{\"benchmark\":\"map\",\"strategy\":\"slot\",\"size\":%llu,\"rounds\":%u,"
            "\"map_min_us\":%.1f,\"map_median_us\":%.1f,\"map_p99_us\":%.1f,"
            "\"bare_min_us\":%.1f,\"bare_median_us\":%.1f,\"bare_p99_us\":%.1f,"
            "\"ratio\":%.2f}\n",
            (unsigned long long)size, ROUNDS, percentile(&ours, 0), percentile(&ours, 50),
            percentile(&ours, 99), percentile(&theirs, 0), percentile(&theirs, 50),
            percentile(&theirs, 99), ratio);
        return;
    }
    printf("%8llu KiB  %8.1f %8.1f %8.1f   %8.1f %8.1f %8.1f   %6.2f\n",
           (unsigned long long)(size / KIB), percentile(&ours, 0), percentile(&ours, 50),
           percentile(&ours, 99), percentile(&theirs, 0), percentile(&theirs, 50),
           percentile(&theirs, 99), ratio);
}

int main(int argc, char **argv)
{
    static const uint64_t sizes[] = {4 * KIB, 64 * KIB, MIB, 16 * MIB};
    bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
    struct error error;
    struct trace trace;
    static struct vm vm;
    const struct vm_config config = {.memory_size = 16 * MIB, .cpu_count = 1};

    trace_init(&trace, stderr, false);
    if (!vm_init(&vm, &config, &trace, &error))
        fail("VM", &error);
    struct hostmem hostmem = {
        .memslots = &vm.memslots,
        .window = {vm_free_address(&vm, GIB), 256 * MIB},
    };
    if (!json)
        puts(
            "map, touch, memslot, and back (slot strategy) | mmap, touch, munmap | "
            "ratio\n"
            "                   min      med      p99        min      med      p99   of "
            "medians");
    for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++)
        measure(&hostmem, sizes[i], json);
    vm_finish(&vm);
    return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * What a mapped blob costs: both map strategies against the bare system calls, in the same run.
 *
 *   bare      mmap, a write to every page, munmap
 *   window    backing_get_fd() + hostmem_map(), hostmem_unmap() + backing_close(), in a real
 *   slot      VM: checks, mmap, touching every page, and what KVM is told; and back
 *
 * The three alternate, so that a machine whose speed drifts slows all. By size of the buffer, by
 * how many other blobs are mapped (each of one page, with a page between them), and by what the
 * vCPUs do meanwhile: nothing yet, halted, or a loop. Prints medians and 99th percentiles in
 * microseconds, and ratios of medians. --json FILE: JSON lines, too, are added to it; --quick:
 * fewer rounds and rows.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/udmabuf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "devices/gpu/hostmem.h"
#include "vmm/arch/arch.h"
#include "vmm/trace.h"
#include "vmm/vcpu.h"

#define ROUNDS_MAX 300u
#define LIVE_MAX   10000u
#define PAGE       (4 * KIB)
#define WINDOW     (512 * MIB)
#define CODE       (2 * MIB) /* where the guest's instructions are, from the start of RAM */

enum way { BARE, WINDOW_MAP, SLOT_MAP, WAY_COUNT };

enum activity { NOT_STARTED, HALTED, LOOPING };

static const char *const activity_names[] = {"-", "halted", "looping"};

struct row {
    bool is_udmabuf;
    uint64_t size;
    uint32_t live;
    unsigned cpu_count;
    enum activity activity;
};

struct series {
    unsigned count;
    double microseconds[ROUNDS_MAX];
};

struct bench {
    FILE *json; /* or NULL */
    bool quick;
    struct trace trace;
    struct vm vm;
    struct hostmem hostmem[WAY_COUNT];
    struct backing *live[WAY_COUNT];
    struct hostmem_mapping *mappings[WAY_COUNT];
    struct series series[WAY_COUNT];
};

static _Noreturn void fail(const char *what, const struct error *error)
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
    qsort(series->microseconds, series->count, sizeof(double), compare);
    return series->microseconds[(series->count - 1) * percent / 100];
}

/* --- the guest: one instruction, or two --- */

#ifdef __x86_64__
static const uint8_t loop[] = {0xeb, 0xfe};       /* jmp . */
static const uint8_t halt[] = {0xf4, 0xeb, 0xfd}; /* hlt; jmp to it */
#define ENTRY          VM_ENTRY_PVH               /* without paging */
#define PFNMAP_IS_LATE false
#else
static const uint32_t loop[] = {0x14000000};             /* b . */
static const uint32_t halt[] = {0xd503207f, 0x17ffffff}; /* wfi; b to it */
#define ENTRY          VM_ENTRY_64
#define PFNMAP_IS_LATE true /* KVM may refuse a memslot over it: vmm/placement.h */
#endif

static void start_vcpus(struct bench *bench, enum activity activity)
{
    struct vm *vm = &bench->vm;
    struct error error;
    gpa_t code = gpa(vm->memory.regions[0].range.start.value + CODE);
    const struct vm_entry entry = {.mode = ENTRY, .address = code};
    const struct kvm_mp_state runs = {.mp_state = KVM_MP_STATE_RUNNABLE};
    const void *bytes = activity == LOOPING ? (const void *)loop : (const void *)halt;
    memcpy((uint8_t *)vm->memory.regions[0].host + CODE, bytes,
           activity == LOOPING ? sizeof loop : sizeof halt);
    for (unsigned i = 0; i < vm->vcpu_count; i++)
        if (!arch_vcpu_set_entry(&vm->vcpus[i], entry, &error) ||
            kvm_ioctl(vm->vcpus[i].fd, KVM_SET_MP_STATE, &runs) != 0 ||
            !vcpu_start(&vm->vcpus[i], &error))
            fail("vCPU", &error);
    usleep(100000);
}

/* --- the blobs --- */

static int make_buffer(const struct row *row)
{
    int fd = memfd_create("bench", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || ftruncate(fd, (off_t)row->size) != 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) != 0)
        fail("memfd", NULL);
    if (!row->is_udmabuf)
        return fd;
    const struct udmabuf_create create = {.memfd = (uint32_t)fd, .size = row->size};
    int device = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
    int buffer = ioctl(device, UDMABUF_CREATE, &create);
    if (buffer < 0)
        fail("udmabuf", NULL);
    close(device);
    close(fd);
    return buffer;
}

/* They share one file: there may not be as many descriptors. */
static void map_others(struct bench *bench, enum way way, uint32_t count)
{
    struct error error;
    const struct row page = {.size = PAGE};
    int fd = make_buffer(&page);
    bench->live[way] = calloc(LIVE_MAX, sizeof *bench->live[way]);
    bench->mappings[way] = calloc(LIVE_MAX, sizeof *bench->mappings[way]);
    if (!bench->live[way] || !bench->mappings[way])
        fail("memory", NULL);
    for (uint32_t i = 0; i < count; i++) {
        struct backing *backing = &bench->live[way][i];
        if (!backing_get_fd(backing, RENDERER_FD_SHM, fd, PAGE, &error) ||
            !hostmem_map(&bench->hostmem[way], backing, (struct hostmem_placement){0},
                         i + 2, 2 * PAGE * i, &bench->mappings[way][i], &error))
            fail("one of many blobs", &error);
    }
}

static void map_and_unmap(struct hostmem *hostmem, const struct row *row, int fd)
{
    struct error error;
    struct backing backing;
    struct hostmem_mapping mapping;
    enum renderer_fd_type type = row->is_udmabuf ? RENDERER_FD_DMABUF : RENDERER_FD_SHM;
    if (!backing_get_fd(&backing, type, fd, row->size, &error))
        fail("buffer", &error);
    bool late = PFNMAP_IS_LATE && backing.is_pfnmap;
    if (!hostmem_map(hostmem, &backing, (struct hostmem_placement){.late = late}, 1,
                     WINDOW / 2, &mapping, &error) ||
        !hostmem_unmap(hostmem, &mapping, &error))
        fail("map", &error);
    backing_close(&backing, NULL, 1);
}

static void map_bare(const struct row *row, int fd)
{
    uint8_t *host = mmap(NULL, row->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (host == MAP_FAILED)
        fail("mmap", NULL);
    for (uint64_t offset = 0; offset < row->size; offset += PAGE)
        *(volatile uint8_t *)(host + offset) = 1;
    munmap(host, row->size);
    close(fd);
}

static void one_round(struct bench *bench, const struct row *row, int buffer, bool counts)
{
    for (enum way way = BARE; way < WAY_COUNT; way++) {
        int fd = fcntl(buffer, F_DUPFD_CLOEXEC, 0);
        if (fd < 0)
            fail("dup", NULL);
        double start = now();
        if (way == BARE)
            map_bare(row, fd);
        else
            map_and_unmap(&bench->hostmem[way], row, fd);
        struct series *series = &bench->series[way];
        if (counts)
            series->microseconds[series->count++] = now() - start;
    }
}

/* --- rows --- */

static const char *buffer_name(const struct row *row)
{
    return row->is_udmabuf ? "udmabuf" : "memfd";
}

static void print_json(const struct bench *bench, const struct row *row,
                       const double *median, const double *worst)
{
    fprintf(bench->json,
            "{\"benchmark\":\"map\",\"buffer\":\"%s\",\"size\":%llu,\"live\":%u,"
            "\"vcpus\":%u,\"vcpus_are\":\"%s\",\"rounds\":%u,"
            "\"bare_median_us\":%.1f,\"bare_p99_us\":%.1f,"
            "\"window_median_us\":%.1f,\"window_p99_us\":%.1f,"
            "\"slot_median_us\":%.1f,\"slot_p99_us\":%.1f}\n",
            buffer_name(row), (unsigned long long)row->size, row->live, row->cpu_count,
            activity_names[row->activity], bench->series[BARE].count, median[BARE],
            worst[BARE], median[WINDOW_MAP], worst[WINDOW_MAP], median[SLOT_MAP],
            worst[SLOT_MAP]);
    fflush(bench->json);
}

static void print_row(struct bench *bench, const struct row *row)
{
    double median[WAY_COUNT];
    double worst[WAY_COUNT];
    for (enum way way = BARE; way < WAY_COUNT; way++) {
        median[way] = percentile(&bench->series[way], 50);
        worst[way] = percentile(&bench->series[way], 99);
    }
    printf(
        "%-7s %8llu %6u %2u %-7s  %9.1f %9.1f  %9.1f %9.1f  %9.1f %9.1f  %6.2f "
        "%6.2f\n",
        buffer_name(row), (unsigned long long)(row->size / KIB), row->live,
        row->cpu_count, activity_names[row->activity], median[BARE], worst[BARE],
        median[WINDOW_MAP], worst[WINDOW_MAP], median[SLOT_MAP], worst[SLOT_MAP],
        median[WINDOW_MAP] / median[BARE], median[SLOT_MAP] / median[WINDOW_MAP]);
    fflush(stdout);
    if (bench->json)
        print_json(bench, row, median, worst);
}

static unsigned rounds_of(const struct bench *bench, const struct row *row)
{
    unsigned rounds = row->size <= MIB ? ROUNDS_MAX : row->size <= 16 * MIB ? 50 : 11;
    return bench->quick ? rounds / 5 + 1 : rounds;
}

static void finish(struct bench *bench)
{
    for (enum way way = WINDOW_MAP; way < WAY_COUNT; way++) {
        hostmem_finish(&bench->hostmem[way]);
        free(bench->live[way]);
        free(bench->mappings[way]);
    }
    vm_finish(&bench->vm);
}

static void measure(struct bench *bench, const struct row *row)
{
    struct error error;
    const struct vm_config config = {.memory_size = 16 * MIB,
                                     .cpu_count = row->cpu_count ? row->cpu_count : 1};
    if (!vm_init(&bench->vm, &config, &bench->trace, &error))
        fail("VM", &error);
    gpa_t place = vm_free_address(&bench->vm, GIB);
    for (enum way way = WINDOW_MAP; way < WAY_COUNT; way++) {
        bench->hostmem[way] = (struct hostmem){
            .memslots = &bench->vm.memslots,
            .strategy = way == WINDOW_MAP ? HOSTMEM_WINDOW : HOSTMEM_SLOT,
            .window = {gpa(place.value + way * WINDOW), WINDOW},
        };
        map_others(bench, way, row->live);
    }
    if (row->activity != NOT_STARTED)
        start_vcpus(bench, row->activity);

    int buffer = make_buffer(row);
    for (enum way way = BARE; way < WAY_COUNT; way++)
        bench->series[way].count = 0;
    one_round(bench, row, buffer, false);
    for (unsigned i = rounds_of(bench, row); i > 0; i--)
        one_round(bench, row, buffer, true);
    close(buffer);
    print_row(bench, row);
    finish(bench);
}

static void measure_sizes(struct bench *bench, bool is_udmabuf)
{
    for (uint64_t size = PAGE; size <= (bench->quick ? 4 * MIB : 256 * MIB); size *= 4)
        measure(bench, &(struct row){.is_udmabuf = is_udmabuf, .size = size});
}

static void parse(struct bench *bench, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        bench->quick |= strcmp(argv[i], "--quick") == 0;
        if (strcmp(argv[i], "--json") != 0)
            continue;
        errno = EINVAL;
        bench->json = i + 1 < argc ? fopen(argv[i + 1], "ae") : NULL;
        if (!bench->json)
            fail("--json FILE", NULL);
    }
}

int main(int argc, char **argv)
{
    static struct bench bench;
    parse(&bench, argc, argv);
    trace_init(&bench.trace, stderr, false);
    puts(
        "                       other vCPUs           bare               window"
        "                slot        window  slot\n"
        "buffer       KiB  blobs              median       p99     median       p99"
        "     median       p99   /bare /window");
    measure_sizes(&bench, false);
    if (access("/dev/udmabuf", R_OK | W_OK) == 0)
        measure_sizes(&bench, true);
    for (uint32_t live = 10; live <= LIVE_MAX; live *= 10)
        measure(&bench, &(struct row){.size = 64 * KIB, .live = live});
    for (unsigned cpus = 1; cpus <= (bench.quick ? 2 : 8); cpus *= 2)
        for (enum activity activity = HALTED; activity <= LOOPING; activity++)
            measure(
                &bench,
                &(struct row){.size = 64 * KIB, .cpu_count = cpus, .activity = activity});
    return 0;
}

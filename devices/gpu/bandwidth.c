/* SPDX-License-Identifier: MIT */
#include "devices/gpu/bandwidth.h"

#include <stdio.h>
#include <sys/mman.h>
#include <time.h>

#define LINE       64u /* bytes between two reads; lines of the CPUs are not larger than two */
#define PASSES     8u
#define STEP       397u /* lines between two reads: prime, so that all are read, out of order */
#define CHECK_MASK 15u /* the clock is looked at after so many reads */
/* Cold must take this many times as long as warm to be a difference. */
#define RATIO      3u

/* --- this machine --- */

static uint64_t real_now(void *unused)
{
    (void)unused;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Waits for the load, so that two of them never overlap. */
static void real_read_line(void *unused, const uint8_t *line)
{
    (void)unused;
    uint64_t value = *(const volatile uint64_t *)(const volatile void *)line;
#if defined(__x86_64__)
    __asm__ volatile("lfence" : : "r"(value) : "memory"); /* SDM 2, LFENCE */
#elif defined(__aarch64__)
    __asm__ volatile("dsb ld" : : "r"(value) : "memory"); /* DDI 0487, DSB */
#else
    (void)value;
#endif
}

/* By address and to memory: clflush (SDM 2), DC CIVAC, which Linux allows to user space
 * (arch/arm64/include/asm/sysreg.h, SCTLR_EL1_UCI). */
static void real_flush(void *unused, const uint8_t *start, size_t size)
{
    (void)unused;
#if defined(__x86_64__)
    for (size_t offset = 0; offset < size; offset += LINE)
        __asm__ volatile("clflush (%0)" : : "r"(start + offset) : "memory");
    __asm__ volatile("mfence" : : : "memory");
#elif defined(__aarch64__)
    uint64_t type;
    __asm__ volatile("mrs %0, ctr_el0" : "=r"(type));
    const size_t line = (size_t)4 << ((type >> 16) & 15); /* DminLine, D24.2.36 */
    for (size_t offset = 0; offset < size; offset += line)
        __asm__ volatile("dc civac, %0" : : "r"(start + offset) : "memory");
    __asm__ volatile("dsb sy" : : : "memory");
#else
    (void)start;
    (void)size;
#endif
}

static const struct bandwidth_machine real_machine = {
    .now = real_now,
    .read_line = real_read_line,
    .flush = real_flush,
};

/* --- the measurement --- */

struct run {
    const struct bandwidth_machine *machine;
    uint64_t deadline;
    size_t size;
};

/* Reads each line once, in an order that no prefetcher follows. Returns tenths of a nanosecond
 * for a line; a pass that is too long is cut, and what it read counts. */
static uint64_t read_pass(const struct run *run, const uint8_t *start)
{
    const struct bandwidth_machine *machine = run->machine;
    const size_t lines = run->size / LINE;
    size_t line = 0;
    size_t count = 0;
    uint64_t begin = machine->now(machine->context);
    do {
        machine->read_line(machine->context, start + line * LINE);
        line = (line + STEP) % lines;
        count++;
        if ((count & CHECK_MASK) == 0 && machine->now(machine->context) > run->deadline)
            break;
    } while (count < lines);
    return (machine->now(machine->context) - begin) * 10 / count;
}

/* The least of several passes: whatever else runs on the machine only adds. */
static uint64_t measure(struct run *run, const uint8_t *start, bool flush,
                        uint64_t budget)
{
    const struct bandwidth_machine *machine = run->machine;
    uint64_t least = UINT64_MAX;
    run->deadline = machine->now(machine->context) + budget;
    if (!flush)
        read_pass(run, start);
    for (unsigned i = 0; i < PASSES; i++) {
        if (flush)
            machine->flush(machine->context, start, run->size);
        uint64_t time = read_pass(run, start);
        least = time < least ? time : least;
        if (machine->now(machine->context) > run->deadline)
            break;
    }
    return least;
}

void bandwidth_measure(const struct bandwidth_machine *machine, const uint8_t *buffer,
                       size_t size, struct bandwidth *bandwidth)
{
    *bandwidth = (struct bandwidth){0};
    struct run run = {
        .machine = machine ? machine : &real_machine,
        .size = size < BANDWIDTH_SIZE_MAX ? size : BANDWIDTH_SIZE_MAX,
    };
    if (run.size < LINE)
        return;
    uint8_t *memory = mmap(NULL, run.size, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED)
        return;
    /* Not the zero page, which is one page for all of them. */
    for (size_t offset = 0; offset < run.size; offset += LINE)
        ((volatile uint8_t *)memory)[offset] = 1;
    bandwidth->warm = measure(&run, memory, false, BANDWIDTH_NS_MAX / 4);
    bandwidth->cold = measure(&run, memory, true, BANDWIDTH_NS_MAX / 4);
    bandwidth->buffer = measure(&run, buffer, false, BANDWIDTH_NS_MAX / 2);
    munmap(memory, run.size);

    if (bandwidth->warm == 0 || bandwidth->cold < RATIO * bandwidth->warm)
        bandwidth->verdict = BANDWIDTH_NO_DIFFERENCE;
    else /* the geometric mean is the border */
        bandwidth->verdict =
            bandwidth->buffer * bandwidth->buffer < bandwidth->warm * bandwidth->cold
                ? BANDWIDTH_CACHED
                : BANDWIDTH_NOT_CACHED;
}

void bandwidth_describe(const struct bandwidth *bandwidth, char *text, size_t size)
{
    snprintf(text, size, "%s: %.1f ns a line; cached %.1f, flushed %.1f",
             bandwidth_verdict_name(bandwidth->verdict), (double)bandwidth->buffer / 10,
             (double)bandwidth->warm / 10, (double)bandwidth->cold / 10);
}

const char *bandwidth_verdict_name(enum bandwidth_verdict verdict)
{
    static const char *const names[BANDWIDTH_VERDICT_COUNT] = {
        [BANDWIDTH_NO_DIFFERENCE] = "no difference to see",
        [BANDWIDTH_CACHED] = "cached",
        [BANDWIDTH_NOT_CACHED] = "not cached",
    };
    return names[verdict];
}

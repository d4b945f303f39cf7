/* SPDX-License-Identifier: MIT */
/*
 * How fast a mapping is read: whether it looks cached.
 *
 * A second pass over cached memory finds its lines in the cache, over write-combining or
 * uncached memory it goes to memory again. What fast and slow mean here is measured first:
 *
 *   anonymous memory, a second pass        warm --+
 *   anonymous memory, every line flushed   cold --+--> do caches make a difference here?
 *   the buffer, a second pass                     --> nearer to warm, or to cold?
 *
 * Under an emulator warm and cold are the same, and there is no difference to see. A guess
 * by its nature, never trusted: a busy machine can make cached memory look slow.
 */
#ifndef S2VMM_GPU_BANDWIDTH_H
#define S2VMM_GPU_BANDWIDTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that are read; less where there are less. */
#define BANDWIDTH_SIZE_MAX ((size_t)65536)
#define BANDWIDTH_NS_MAX   UINT64_C(20000000)

enum bandwidth_verdict {
    BANDWIDTH_NO_DIFFERENCE, /* flushing the caches costs nothing here */
    BANDWIDTH_CACHED,
    BANDWIDTH_NOT_CACHED,
    BANDWIDTH_VERDICT_COUNT
};

struct bandwidth {
    enum bandwidth_verdict verdict;
    /* Nanoseconds for one line, times 10; the least of all passes. */
    uint64_t warm;
    uint64_t cold;
    uint64_t buffer;
};

/* What is measured with; tests have a machine of their own. */
struct bandwidth_machine {
    void *context;
    uint64_t (*now)(void *context); /* nanoseconds */
    void (*read_line)(void *context, const uint8_t *line);
    void (*flush)(void *context, const uint8_t *start, size_t size);
};

/* Measures `size` readable bytes at `buffer` (at least one page). machine: NULL for this one.
 * Takes at most about BANDWIDTH_NS_MAX. */
void bandwidth_measure(const struct bandwidth_machine *machine, const uint8_t *buffer,
                       size_t size, struct bandwidth *bandwidth);

/* One line about the verdict and the times. */
void bandwidth_describe(const struct bandwidth *bandwidth, char *text, size_t size);

/* "no difference to see", "cached", "not cached". */
const char *bandwidth_verdict_name(enum bandwidth_verdict verdict);

#endif

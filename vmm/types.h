/* SPDX-License-Identifier: MIT */
/*
 * Addresses, ranges and checked arithmetic.
 *
 * A guest physical address is a struct, not an integer, so that the compiler refuses to
 * dereference one, or to mix it up with a host address or a length.
 *
 *   GVA --guest's tables (S1)--> GPA --KVM's tables (S2)--> HPA
 *                                 |
 *                                 +--memslot--> HVA --host's tables--> HPA
 */
#ifndef S2VMM_TYPES_H
#define S2VMM_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Every wire structure that we share with a guest is little-endian, and so is every host we
 * run on; a port to a big-endian host has to start here. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "s2vmm assumes a little-endian host");

typedef struct {
    uint64_t value;
} gpa_t;

static inline gpa_t gpa(uint64_t value)
{
    return (gpa_t){value};
}

/* Sum of two numbers; false when it does not fit. */
static inline bool u64_add(uint64_t a, uint64_t b, uint64_t *sum)
{
    return !__builtin_add_overflow(a, b, sum);
}

/* A range of guest physical addresses; size in bytes. */
struct gpa_range {
    gpa_t start;
    uint64_t size;
};

/* True if the range is not empty and its end (the first byte behind it) is representable. */
static inline bool gpa_range_is_valid(struct gpa_range range)
{
    uint64_t end;
    return range.size > 0 && u64_add(range.start.value, range.size, &end);
}

/* True if the two valid ranges share a byte. */
static inline bool gpa_range_overlaps(struct gpa_range a, struct gpa_range b)
{
    return a.start.value < b.start.value + b.size &&
           b.start.value < a.start.value + a.size;
}

/* True if [start, start + size) lies inside the valid range; an overflow is "no". */
static inline bool gpa_range_contains(struct gpa_range range, gpa_t start, uint64_t size)
{
    uint64_t end;
    return u64_add(start.value, size, &end) && start.value >= range.start.value &&
           end <= range.start.value + range.size;
}

/* True if value is a multiple of alignment, which is a power of two. */
static inline bool is_aligned(uint64_t value, uint64_t alignment)
{
    return (value & (alignment - 1)) == 0;
}

/* Rounds up to a multiple of alignment, a power of two; the caller knows that it fits. */
static inline uint64_t align_up(uint64_t value, uint64_t alignment)
{
    return (value + alignment - 1) & ~(alignment - 1);
}

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

#define KIB ((uint64_t)1 << 10)
#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)

#endif

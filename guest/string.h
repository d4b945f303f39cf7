/* SPDX-License-Identifier: MIT */
/* The part of the C library that the guest has; the first four are also called by code
 * that the compiler makes. */
#ifndef S2VMM_GUEST_STRING_H
#define S2VMM_GUEST_STRING_H

#include <stdbool.h>
#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t count);
void *memmove(void *to, const void *from, size_t count);
void *memset(void *to, int value, size_t count);
int memcmp(const void *a, const void *b, size_t count);

static inline bool string_equal(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

#endif

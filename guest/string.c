/* SPDX-License-Identifier: MIT */
#include "guest/string.h"

/* Keeps the compiler from turning the loop around it into a call of the very function
 * that the loop implements. */
#define NOT_A_CALL() __asm__ volatile("" : : : "memory")

void *memcpy(void *restrict to, const void *restrict from, size_t count)
{
    return memmove(to, from, count);
}

void *memmove(void *to, const void *from, size_t count)
{
    char *target = to;
    const char *source = from;
    if (target < source) {
        for (size_t i = 0; i < count; i++) {
            target[i] = source[i];
            NOT_A_CALL();
        }
    } else {
        while (count-- > 0) {
            target[count] = source[count];
            NOT_A_CALL();
        }
    }
    return to;
}

void *memset(void *to, int value, size_t count)
{
    char *target = to;
    for (size_t i = 0; i < count; i++) {
        target[i] = (char)value;
        NOT_A_CALL();
    }
    return to;
}

int memcmp(const void *a, const void *b, size_t count)
{
    const unsigned char *left = a, *right = b;
    for (size_t i = 0; i < count; i++) {
        if (left[i] != right[i])
            return left[i] < right[i] ? -1 : 1;
    }
    return 0;
}

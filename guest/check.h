/* SPDX-License-Identifier: MIT */
/*
 * Checks of the scenarios. They expect a `struct guest *guest` in scope and return false
 * from the enclosing function; the console then says
 *
 *     FAIL scenario file:line: text, got 0x1, want 0x2
 */
#ifndef S2VMM_GUEST_CHECK_H
#define S2VMM_GUEST_CHECK_H

#include "guest/guest.h"

#define CHECK(condition)                                                                 \
    do {                                                                                 \
        if (!(condition)) {                                                              \
            check_failed(guest, __FILE__, __LINE__, #condition);                         \
            return false;                                                                \
        }                                                                                \
    } while (0)

#define CHECK_EQUAL(got, want)                                                           \
    do {                                                                                 \
        if (!check_equal(guest, __FILE__, __LINE__, #got, (uint64_t)(got),               \
                         (uint64_t)(want)))                                              \
            return false;                                                                \
    } while (0)

/* `got` and `want` are types of responses, enum virtio_gpu_ctrl_type. */
#define CHECK_RESPONSE(got, want)                                                        \
    do {                                                                                 \
        if (!check_response(guest, __FILE__, __LINE__, #got, (got), (want)))             \
            return false;                                                                \
    } while (0)

/* For functions that have done their own checks. */
#define REQUIRE(call)                                                                    \
    do {                                                                                 \
        if (!(call))                                                                     \
            return false;                                                                \
    } while (0)

void check_failed(struct guest *guest, const char *file, int line, const char *text);
bool check_equal(struct guest *guest, const char *file, int line, const char *text,
                 uint64_t got, uint64_t want);
bool check_response(struct guest *guest, const char *file, int line, const char *text,
                    uint32_t got, uint32_t want);

/* The option as a number; a value that is none fails the scenario. */
bool check_option(struct guest *guest, const char *key, uint64_t fallback,
                  uint64_t *number);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * One run of a scenario, and its checks. They expect a `struct test *test` in scope and return
 * false from the enclosing function; stdout then says
 *
 *     FAIL scenario file:line: text: what was got, what was wanted
 */
#ifndef S2VMM_GUEST_LINUX_TEST_H
#define S2VMM_GUEST_LINUX_TEST_H

#include <stdbool.h>
#include <stdint.h>

#include "guest/options.h"

struct test {
    const char *scenario;
    struct options options;
    bool json; /* a line in JSON beside each line about a mapping or a result */
};

#define CHECK(condition)                                                                 \
    do {                                                                                 \
        if (!(condition)) {                                                              \
            test_failed(test, __FILE__, __LINE__, #condition);                           \
            return false;                                                                \
        }                                                                                \
    } while (0)

#define CHECK_EQUAL(got, want)                                                           \
    do {                                                                                 \
        if (!test_equal(test, __FILE__, __LINE__, #got, (uint64_t)(got),                 \
                        (uint64_t)(want)))                                               \
            return false;                                                                \
    } while (0)

/* `call` returns 0 or an errno. */
#define CHECK_DONE(call)                                                                 \
    do {                                                                                 \
        if (!test_error(test, __FILE__, __LINE__, #call, (call), 0))                     \
            return false;                                                                \
    } while (0)

#define CHECK_ERROR(call, want)                                                          \
    do {                                                                                 \
        if (!test_error(test, __FILE__, __LINE__, #call, (call), (want)))                \
            return false;                                                                \
    } while (0)

/* For functions that have done their own checks. */
#define REQUIRE(call)                                                                    \
    do {                                                                                 \
        if (!(call))                                                                     \
            return false;                                                                \
    } while (0)

void test_failed(const struct test *test, const char *file, int line, const char *text);
bool test_equal(const struct test *test, const char *file, int line, const char *text,
                uint64_t got, uint64_t want);
bool test_error(const struct test *test, const char *file, int line, const char *text,
                int got, int want);

/* A line for people: "s2guest: scenario: ...". */
void test_say(const struct test *test, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The option as a number; a value that is none fails the scenario. */
bool test_option(struct test *test, const char *key, uint64_t fallback, uint64_t *number);

/* An option of yes or no; anything else fails the scenario. */
bool test_flag(struct test *test, const char *key, bool fallback, bool *flag);

/* Option keep=yes: a process that never ends holds all that is open and mapped, until the VM ends.
 * *kept says whether. */
bool test_keep(struct test *test, bool *kept);

#endif

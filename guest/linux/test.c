/* SPDX-License-Identifier: MIT */
#include "guest/linux/test.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void print_place(const struct test *test, const char *file, int line,
                        const char *text)
{
    printf("FAIL %s %s:%d: %s", test->scenario, file, line, text);
}

void test_failed(const struct test *test, const char *file, int line, const char *text)
{
    print_place(test, file, line, text);
    printf("\n");
}

bool test_equal(const struct test *test, const char *file, int line, const char *text,
                uint64_t got, uint64_t want)
{
    if (got == want)
        return true;
    print_place(test, file, line, text);
    printf(": got %#" PRIx64 ", want %#" PRIx64 "\n", got, want);
    return false;
}

bool test_error(const struct test *test, const char *file, int line, const char *text,
                int got, int want)
{
    if (got == want)
        return true;
    print_place(test, file, line, text);
    printf(": %s, want: %s\n", strerror(got), strerror(want));
    return false;
}

void test_say(const struct test *test, const char *format, ...)
{
    va_list arguments;
    printf("s2guest: %s: ", test->scenario);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
}

bool test_option(struct test *test, const char *key, uint64_t fallback, uint64_t *number)
{
    if (options_number(&test->options, key, fallback, number))
        return true;
    printf("FAIL %s: option %s=%s is not a number\n", test->scenario, key,
           options_text(&test->options, key, ""));
    return false;
}

bool test_flag(struct test *test, const char *key, bool fallback, bool *flag)
{
    const char *value = options_text(&test->options, key, fallback ? "yes" : "no");
    *flag = strcmp(value, "yes") == 0;
    if (*flag || strcmp(value, "no") == 0)
        return true;
    printf("FAIL %s: option %s=%s is neither yes nor no\n", test->scenario, key, value);
    return false;
}

bool test_keep(struct test *test, bool *kept)
{
    REQUIRE(test_flag(test, "keep", false, kept));
    (void)fflush(NULL);
    pid_t holder = *kept ? fork() : 1;
    if (holder == 0) {
        for (;;)
            pause();
    }
    CHECK(holder > 0);
    return true;
}

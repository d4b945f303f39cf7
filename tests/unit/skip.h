/* SPDX-License-Identifier: MIT */
/* Tests that cannot run on this host say so, and are counted. */
#ifndef S2VMM_TESTS_UNIT_SKIP_H
#define S2VMM_TESTS_UNIT_SKIP_H

/* Prints "SKIP: test: reason", and appends the line to the file that the environment
 * variable S2VMM_SKIPS names, if it is set: each test runs in its own process, and
 * whoever started them counts the lines. */
void test_skip(const char *test, const char *reason);

#endif

/* SPDX-License-Identifier: MIT */
/* Access to memory that may answer with SIGBUS. */
#ifndef TESTS_MODULES_LAB_MEMORY_H
#define TESTS_MODULES_LAB_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/modules/lab_buffer.h"

/* From now on SIGBUS ends an access of the functions below, not the program. */
void memory_catch_sigbus(void);

/* The whole buffer, shared, readable and writable; MAP_FAILED and errno. */
volatile uint64_t *memory_map(int fd);
void memory_unmap(volatile uint64_t *memory);

/* False: SIGBUS. */
bool memory_read(const volatile uint64_t *word, uint64_t *value);

/* The first and the last word of each page: SEED and the page's number. */
void memory_fill(volatile uint64_t *memory, uint64_t seed);
bool memory_has(const volatile uint64_t *memory, uint64_t seed);

/* Whether all words are 0. */
bool memory_is_zero(const volatile uint64_t *memory);

#endif

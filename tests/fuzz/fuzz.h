/* SPDX-License-Identifier: MIT */
/*
 * What the fuzz targets share. A target is one file with LLVMFuzzerTestOneInput() (libFuzzer's
 * interface, https://llvm.org/docs/LibFuzzer.html) and fuzz_seeds(): its corpus is made by
 * code, so that a change of a format changes the seeds too.
 *
 *   build/<machine>-fuzz/fuzz-NAME --write-seeds=FOLDER    writes the seeds, and ends
 *   build/<machine>-fuzz/fuzz-NAME FOLDER                  fuzzes
 *
 * tests/fuzz/run does both for all targets.
 */
#ifndef S2VMM_TESTS_FUZZ_H
#define S2VMM_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "vmm/guest_memory.h"

/* Ends the process with a message: the fuzzer keeps the input. */
#define FUZZ_CHECK(condition)                                                            \
    do {                                                                                 \
        if (!(condition))                                                                \
            fuzz_failed(__FILE__, __LINE__, #condition);                                 \
    } while (0)
_Noreturn void fuzz_failed(const char *file, int line, const char *condition);

/* libFuzzer calls it, for each input. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Defined by each target: calls fuzz_seed() for each seed. */
void fuzz_seeds(void);
void fuzz_seed(const char *name, const void *bytes, size_t size);

/* Input that is taken piece by piece; behind its end there are zeroes. */
struct fuzz_input {
    const uint8_t *bytes;
    size_t left;
};
void fuzz_take(struct fuzz_input *input, void *to, size_t size);
uint8_t fuzz_take8(struct fuzz_input *input);
uint16_t fuzz_take16(struct fuzz_input *input);
uint32_t fuzz_take32(struct fuzz_input *input);

/* A file in memory with these bytes; the caller closes it. */
int fuzz_file(const void *bytes, size_t size);

/* RAM at `start` that is empty each time: no byte of it was ever written. */
struct guest_memory *fuzz_memory(uint64_t start, uint64_t size);
/* True when nothing has been written to it since. */
bool fuzz_memory_is_empty(const struct guest_memory *memory);

/* Checks that no file descriptor was left open since fuzz_memory(). */
void fuzz_check_files(void);

#endif

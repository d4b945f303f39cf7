/* SPDX-License-Identifier: MIT */
/* Runs s2vmm as a user would, and keeps what it said. */
#ifndef S2VMM_TESTS_E2E_RUN_H
#define S2VMM_TESTS_E2E_RUN_H

#include <stdbool.h>
#include <sys/types.h>

#include "tests/e2e/cases.h"

#define RUN_OUTPUT_MAX    (256 * 1024)
#define RUN_ARGUMENTS_MAX 24

struct run_result {
    int status; /* exit status, or 128 + signal */
    char out[RUN_OUTPUT_MAX];
    char err[RUN_OUTPUT_MAX];
};

/* The members are those of struct e2e_case (tests/e2e/cases.h). */
struct run_plan {
    const char *const *arguments; /* NULL at the end */
    const char *environment;
    const char *when;
    const char *input;
    int signal;
    unsigned image_size;
    bool image_is_used;
    unsigned image_space;
    unsigned image_cut;
    enum case_reader reader;
    /* Called again and again while it runs, with what stdout has, and where its stdin is written to;
     * or NULL. */
    void (*look)(void *context, pid_t pid, int in, const char *out);
    void *look_context;
};

/* Runs `<build>/s2vmm ARGUMENTS`; stdin is empty but for the plan's input. The folder with s2vmm
 * and guest.elf comes from S2VMM_BUILD. */
void run_s2vmm(const struct run_plan *plan, struct run_result *result);

/* <build>/guest.elf. */
const char *run_guest_path(void);

#endif

/* SPDX-License-Identifier: MIT */
/* Runs s2vmm as a user would, and keeps what it said. */
#ifndef S2VMM_TESTS_E2E_RUN_H
#define S2VMM_TESTS_E2E_RUN_H

#include <stddef.h>

#define RUN_OUTPUT_MAX    (256 * 1024)
#define RUN_ARGUMENTS_MAX 24

struct run_result {
    int status; /* exit status, or 128 + signal */
    char out[RUN_OUTPUT_MAX];
    char err[RUN_OUTPUT_MAX];
};

/* Runs `<build>/s2vmm ARGUMENTS`, a NULL-terminated list. environment: "NAME=VALUE" to set
 * for it, or NULL. The folder with s2vmm and guest.elf comes from S2VMM_BUILD. */
void run_s2vmm(const char *const *arguments, const char *environment,
               struct run_result *result);

/* <build>/guest.elf. */
const char *run_guest_path(void);

#endif

/* SPDX-License-Identifier: MIT */
/* The system calls that a VMM makes, and how each of them can fail: what inject.c fails. */
#ifndef S2VMM_TESTS_FAULTS_CALLS_H
#define S2VMM_TESTS_FAULTS_CALLS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CALL_NAME_SIZE  64
#define CALL_ERRORS_MAX 4

struct call {
    char name[CALL_NAME_SIZE];   /* "mmap", "ioctl KVM_RUN", "write eventfd" */
    int errors[CALL_ERRORS_MAX]; /* ends with 0; none: see calls.c for why */
};

/* The call number `number` with `arguments` that the process makes. False: the tables lack it. */
bool call_describe(pid_t process, int number, const uint64_t *arguments,
                   struct call *call);

#endif

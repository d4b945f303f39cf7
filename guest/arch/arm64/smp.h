/* SPDX-License-Identifier: MIT */
/* What smp.c and the first instructions of the other CPUs (start.S) agree on. */
#ifndef S2VMM_GUEST_ARM64_SMP_H
#define S2VMM_GUEST_ARM64_SMP_H

#include <stdint.h>

struct guest;

/* For each of the other CPUs. */
struct smp_cpu {
    uint64_t stack_top; /* read by start.S */
    struct guest *guest;
    void (*function)(void *argument, uint32_t index);
    void *argument;
    uint32_t index;
    volatile uint32_t started;
};

/* In start.S: where PSCI starts a CPU, with its struct smp_cpu in x0. */
extern const char smp_start[];

#endif

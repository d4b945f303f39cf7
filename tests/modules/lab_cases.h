/* SPDX-License-Identifier: MIT */
/* The parts of module-lab-check that are not about one combination. */
#ifndef TESTS_MODULES_LAB_CASES_H
#define TESTS_MODULES_LAB_CASES_H

#include "tests/modules/checks.h"
#include "tests/modules/lab_buffer.h"

/* What must be refused, with the right errno. */
void cases_refusals(struct checks *checks, const struct lab *lab);

/* Changes while another thread reads, writes, maps and unmaps. */
void cases_races(struct checks *checks, const struct lab *lab);

/* A device that keeps a buffer. */
void cases_holders(struct checks *checks, const struct lab *lab);

/* The kernel's messages from now on; then whether one of them is a warning. */
int cases_log_begin(void);
void cases_log_end(struct checks *checks, int log);

#endif

/* SPDX-License-Identifier: MIT */
/* dmabuf-info under use: many threads ask while descriptors close, other mappings come and go,
 * and the module is unloaded and loaded again. */
#ifndef TESTS_MODULES_STRESS_H
#define TESTS_MODULES_STRESS_H

struct checks;

/* The environment's S2VMM_STRESS_PERCENT scales both. */

/* 10,000 answers to 4 threads; the module in the file PATH is loaded, before and
 * afterwards. */
void stress_queries(struct checks *checks, const char *path);

/* Loads and unloads it 20 times while threads ask; not loaded, before and afterwards. */
void stress_reload(struct checks *checks, const char *path);

#endif

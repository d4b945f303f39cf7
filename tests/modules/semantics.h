/* SPDX-License-Identifier: MIT */
/* What DMA_BUF_IOCTL_INFO answers and how it fails: with the module, and without. */
#ifndef TESTS_MODULES_SEMANTICS_H
#define TESTS_MODULES_SEMANTICS_H

struct checks;

/* The module is loaded. */
void semantics(struct checks *checks);

/* It is not; WHEN is for the message. */
void semantics_not_loaded(struct checks *checks, const char *when);

#endif

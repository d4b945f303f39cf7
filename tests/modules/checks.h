/* SPDX-License-Identifier: MIT */
/* Counts what was checked; one line for each failure, and a last line as the Check library's. */
#ifndef TESTS_MODULES_CHECKS_H
#define TESTS_MODULES_CHECKS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct checks {
    atomic_uint run;
    atomic_uint failed;
};

/* Counts; says FORMAT if it is not OK. Returns OK. Any thread may call it. */
bool check(struct checks *checks, bool ok, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for what is looked at thousands of times: counts only what is not OK. */
bool check_each(struct checks *checks, bool ok, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Prints the last line; the exit status. */
int checks_finish(const struct checks *checks);

/* DMA_BUF_IOCTL_INFO on FD: 0 and VALUE, or the errno. */
int info_query(int fd, uint32_t param, uint64_t *value);

/* The kernel module in the file PATH, or of the name NAME: 0 or the errno. */
int module_load(const char *path);
int module_unload(const char *name);

#endif

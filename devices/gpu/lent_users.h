/* SPDX-License-Identifier: MIT */
/*
 * Who else uses a dma-buf of ours.
 *
 * All that can still reach its pages holds its file: a descriptor, also one that is on its way
 * through a socket; a mapping; the import of a driver, with its device's accesses. The kernel
 * counts these references, and "count:" in /proc/self/fdinfo says how many there are
 * (drivers/dma-buf/dma-buf.c, dma_buf_show_fdinfo()). docs/lent-memory.md has what was measured,
 * and what is not counted.
 */
#ifndef S2VMM_GPU_LENT_USERS_H
#define S2VMM_GPU_LENT_USERS_H

#include <stddef.h>
#include <stdint.h>

enum lent_users {
    LENT_USERS_COUNTED,
    LENT_USERS_UNKNOWN, /* /proc does not say */
    LENT_USERS_NOT_NOW, /* it cannot be read for want of memory or descriptors: try again */
};

/* How many references there are beside the one of `fd`. */
enum lent_users lent_users_count(int fd, uint64_t *others);

/* Names the holders of the `others` as far as this process may look: "process 812 (renderer): 1
 * descriptor, 2 mappings; and 1 that ...". It reads all of /proc: not for every day. */
void lent_users_name(int fd, uint64_t others, char *text, size_t size);

#endif

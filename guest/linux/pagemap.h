/* SPDX-License-Identifier: MIT */
/* Guest-physical addresses of this process' own pages, by /proc/self/pagemap. Needs root. */
#ifndef S2VMM_GUEST_LINUX_PAGEMAP_H
#define S2VMM_GUEST_LINUX_PAGEMAP_H

#include <stdint.h>

/* A descriptor; below 0: it does not open. */
int pagemap_open(void);

/* Of a page that has been touched, where it is at this moment; 0: not known. The kernel may move
 * a locked page, too. */
uint64_t pagemap_physical(int pagemap, const void *address);

#endif

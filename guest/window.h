/* SPDX-License-Identifier: MIT */
/* Parts of the window where nothing is mapped. */
#ifndef S2VMM_GUEST_WINDOW_H
#define S2VMM_GUEST_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

struct guest;

/* Checks that a hole is at this offset of the window: reads of every width give all ones. What
 * is written vanishes, or is kept (--map-strategy=window, once a blob was mapped), and put back;
 * option holes=vanish or keep says which it must be. */
bool window_check_hole(struct guest *guest, uint64_t offset);

#endif

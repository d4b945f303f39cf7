/* SPDX-License-Identifier: MIT */
/* An initial RAM disk: a file that goes into guest memory as it is, behind the kernel. */
#ifndef S2VMM_FIRMWARE_INITRD_H
#define S2VMM_FIRMWARE_INITRD_H

#include "vmm/guest_memory.h"

#define INITRD_ALIGNMENT (2 * MIB)

/* Loads it to the lowest place in RAM that has room for it: at or above `lowest`, where the
 * kernel ends, and below `limit`, which is the first address that the kernel cannot take.
 * ERROR_CONFIG_FILE, beginning with the path; when it does not fit, with how much memory
 * would do. */
bool initrd_load(const char *path, const struct guest_memory *memory, gpa_t lowest,
                 uint64_t limit, struct gpa_range *initrd, struct error *error);

/* The same from an open file; its name is for messages. */
bool initrd_load_fd(int fd, const char *name, const struct guest_memory *memory,
                    gpa_t lowest, uint64_t limit, struct gpa_range *initrd,
                    struct error *error);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The system calls of VFIO, behind function pointers, so that tests can lie about every answer
 * of the kernel. Results are those of the call, or a negative errno.
 */
#ifndef S2VMM_VFIO_CALLS_H
#define S2VMM_VFIO_CALLS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct vfio_calls {
    void *context;       /* handed to the functions */
    const char *devices; /* /sys/bus/pci/devices */

    int (*open)(void *context, const char *path);
    void (*close)(void *context, int fd);
    int (*control)(void *context, int fd, unsigned long request, void *argument);
    ssize_t (*read)(void *context, int fd, void *bytes, size_t size, uint64_t offset);
    ssize_t (*write)(void *context, int fd, const void *bytes, size_t size,
                     uint64_t offset);
    /* Shared, readable, and writable if it is said so; NULL: it cannot be. */
    void *(*map)(void *context, int fd, size_t size, uint64_t offset, int protection);
    void (*unmap)(void *context, void *address, size_t size);
};

/* The kernel's. */
extern const struct vfio_calls vfio_system_calls;

#endif

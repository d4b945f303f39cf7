/* SPDX-License-Identifier: MIT */
/*
 * The DRM driver that exported a buffer, asked about it.
 *
 *   dma-buf --PRIME_FD_TO_HANDLE--> handle in the node --> is it the node's own buffer?
 *                                                      --> the driver's query, or its source
 *
 * Importing a buffer into the device that exported it gives the original object; any other
 * device gives an object that only refers to it, and what its driver says of that one is
 * no answer. So each driver's entry first proves that the buffer is its own, and says how.
 * Whatever was never run on the driver's hardware says so in its detail.
 *
 * docs/dma-buf-report.md has the table of drivers.
 */
#ifndef S2VMM_GPU_DRIVER_QUERY_H
#define S2VMM_GPU_DRIVER_QUERY_H

#include "vmm/memattr.h"
#include "vmm/types.h"

#define DRIVER_NOT_RUN "; never run on its hardware"

/* The system calls; tests replay recorded exchanges instead. */
struct driver_system {
    void *context;
    int (*ioctl)(void *context, int node, unsigned long request, void *argument);
    /* Whether a page of the node at this offset can be mapped and read. */
    bool (*can_read)(void *context, int node, uint64_t offset);
};

/* The buffer that is asked about. */
struct driver_buffer {
    int fd;
    const char *exporter; /* fdinfo's exp_name */
    bool is_pfnmap;       /* its mapping is a VM_PFNMAP one: placement_is_pfnmap() */
};

struct driver_answer {
    char driver[32]; /* of the node, "" if it is no DRM node */
    bool is_own;     /* proven: the driver exported the buffer */
    bool known;      /* of an own buffer: prot is valid */
    enum memattr_map_info prot;
    enum memattr_page page;
    bool vma_is_uncacheable;
    bool needs_sync;
    bool may_change;
    bool placement_is_unknown;
    bool knows_sync;  /* needs_sync is an answer, not a default */
    int error;        /* errno: the node does not open */
    char detail[160]; /* where it comes from, or why there is none */
};

/* Asks the driver of an open DRM node. system: NULL for the kernel. Never fails. */
void driver_query(const struct driver_system *system, int node,
                  const struct driver_buffer *buffer, struct driver_answer *answer);

/* Opens the node at `path` and asks its driver. */
void driver_query_path(const char *path, const struct driver_buffer *buffer,
                       struct driver_answer *answer);

/* --- for driver_query_*.c --- */

struct driver_exchange {
    const struct driver_system *system;
    int node;
    uint32_t handle; /* the buffer, imported into the node */
    const struct driver_buffer *buffer;
    struct driver_answer *answer;
};

/* One driver. ask() is called with an imported handle, and sets is_own and the rest. */
struct driver_entry {
    const char *name;
    void (*ask)(const struct driver_exchange *exchange);
};

extern const struct driver_entry driver_entries_arm[]; /* msm, panfrost, panthor */
extern const unsigned driver_entries_arm_count;
extern const struct driver_entry driver_entries_pc[]; /* vgem, virtio_gpu, amdgpu, i915 */
extern const unsigned driver_entries_pc_count;

/* 0 or the errno. */
int driver_ioctl(const struct driver_exchange *exchange, unsigned long request,
                 void *argument);

/* The buffer is the node's own, and has this attribute. */
void driver_knows(const struct driver_exchange *exchange, enum memattr_map_info prot,
                  const char *format, ...) __attribute__((format(printf, 3, 4)));

/* No answer, and why. */
void driver_unknown(const struct driver_exchange *exchange, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The witness: the host's half of the guest's experiments (devices/gpu/witness_abi.h).
 *
 *     guest's request --> witness --acquire()--> a view of the memory --> write, or check
 *                            `------observed()--> whoever keeps what the guest reports
 *
 * It serves whatever has memory to look at: the blobs of a GPU (witness_gpu_ops), or a single
 * target of the matrix.
 */
#ifndef S2VMM_GPU_WITNESS_H
#define S2VMM_GPU_WITNESS_H

#include "devices/gpu/record.h"
#include "vmm/bus.h"
#include "vmm/guest_memory.h"

struct trace;

/* Memory that the witness may look at. */
struct witness_view {
    bool has_file; /* it is mapped anew for each look; if not, `host` has to do */
    int fd;
    uint64_t offset; /* in the file */
    uint64_t size;   /* bytes */
    uint8_t *host;   /* the mapping that the guest's memslot has */
    bool is_dmabuf;  /* needs DMA_BUF_IOCTL_SYNC */
    bool
        is_bar; /* always there, and not to be touched by an atomic access: a device need not
                    take one */
};

struct witness_ops {
    /* Finds what the guest calls resource_id, and keeps it as it is until release(). False: there
     * is no such memory, or it is not mapped, and release() is not called. */
    bool (*acquire)(void *context, uint32_t resource_id, struct witness_view *view);
    void (*release)(void *context);
    /* Between the two. */
    void (*observed)(void *context, uint32_t resource_id,
                     const struct guest_observation *observation);
};

struct witness {
    const struct witness_ops *ops;
    void *context;
    enum memattr_model model; /* the types that a guest can report */
    const struct guest_memory *memory;
    struct trace *trace;
};

/* For bus_add(); the bus entry's device is the struct witness. */
extern const struct bus_ops witness_bus_ops;

/* The mapped blobs of a GPU; the context is the struct gpu. */
extern const struct witness_ops witness_gpu_ops;

#endif

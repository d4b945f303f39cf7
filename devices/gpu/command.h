/* SPDX-License-Identifier: MIT */
/*
 * The commands of both queues, as the files that implement them see each other. Each file has
 * one table, at its end:
 *
 *   command_display.c  displays, scanouts, and the cursor queue
 *   command_2d.c       2D resources, guest memory of resources
 *   command_context.c  capsets, contexts, command streams
 *   command_3d.c       3D resources and transfers
 *   command_blob.c     blobs, and the end of any resource
 *
 * command.c finds the row, checks the lengths, runs the handler, and answers.
 */
#ifndef S2VMM_GPU_COMMAND_H
#define S2VMM_GPU_COMMAND_H

#include "devices/gpu/gpu.h"

/* A command that is being served. The request is a snapshot: it was copied out of guest memory
 * once. */
struct call {
    void *request;
    uint32_t size; /* bytes of the request, at least the row's request_size */
    struct gpu_response *response; /* OK_NODATA, unless the handler says more */
};

struct command {
    uint32_t type;
    const char *name;
    uint32_t request_size;  /* at least */
    uint32_t response_size; /* at least */
    bool (*handle)(struct gpu *gpu, struct call *call, struct error *error);
    bool makes_context; /* of the header's ctx_id, so that there is none yet */
    uint64_t features;  /* that must be negotiated for it, bits */
};

struct command_table {
    const struct command *commands;
    unsigned count;
};

extern const struct command_table gpu_commands_display;
extern const struct command_table gpu_commands_cursor; /* of the other queue */
extern const struct command_table gpu_commands_2d;
extern const struct command_table gpu_commands_context;
extern const struct command_table gpu_commands_3d;
extern const struct command_table gpu_commands_blob;

/* A row for VIRTIO_GPU_CMD_<suffix>; COMMAND_WITH: that needs VIRTIO_GPU_F_<feature>. */
#define COMMAND_ROW(suffix, request, response, handler, needed)                          \
    {                                                                                    \
        .type = VIRTIO_GPU_CMD_##suffix, .name = #suffix,                                \
        .request_size = sizeof(struct virtio_gpu_##request),                             \
        .response_size = sizeof(struct virtio_gpu_##response), .handle = handler,        \
        .features = needed,                                                              \
    }
#define COMMAND(suffix, request, response, handler)                                      \
    COMMAND_ROW(suffix, request, response, handler, 0)
#define COMMAND_WITH(feature, suffix, request, response, handler)                        \
    COMMAND_ROW(suffix, request, response, handler, UINT64_C(1) << VIRTIO_GPU_F_##feature)

#endif

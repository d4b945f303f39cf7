/* SPDX-License-Identifier: MIT */
/*
 * Commands of the control queue for unit tests: each of them once, done right, and the
 * means to run one on a fake GPU that has context FAKE_CONTEXT and two blobs.
 */
#ifndef S2VMM_TESTS_UNIT_GPU_COMMANDS_H
#define S2VMM_TESTS_UNIT_GPU_COMMANDS_H

#include "tests/unit/fake_gpu.h"

#define CREATED   2u /* a blob */
#define MAPPED    3u /* a blob, at offset 0 of the window */
#define NEW       4u /* for what the test creates */
#define NOBODY    50u
#define BLOB_SIZE (4 * PAGE_SIZE_4K)
#define ROOM      GPU_RESPONSE_MAX
#define HEADER    (uint32_t)sizeof(struct virtio_gpu_ctrl_hdr)

#define OK_NODATA VIRTIO_GPU_RESP_OK_NODATA
#define UNSPEC    VIRTIO_GPU_RESP_ERR_UNSPEC
#define RESOURCE  VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID
#define CONTEXT   VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID
#define PARAMETER VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER

#define FENCE VIRTIO_GPU_FLAG_FENCE
#define RING  VIRTIO_GPU_FLAG_INFO_RING_IDX

union request {
    struct virtio_gpu_ctrl_hdr hdr;
    struct virtio_gpu_get_capset_info capset_info;
    struct virtio_gpu_get_capset capset;
    struct virtio_gpu_ctx_create context_create;
    struct virtio_gpu_ctx_resource pair;
    struct {
        struct virtio_gpu_cmd_submit head;
        uint32_t stream[4];
    } submit;
    struct virtio_gpu_resource_create_blob create;
    struct virtio_gpu_resource_map_blob map;
    struct virtio_gpu_resource_unmap_blob unmap;
    struct virtio_gpu_resource_unref unref;
};

#define CMD(name)    VIRTIO_GPU_CMD_##name
#define LENGTH(part) (uint32_t)sizeof(((union request *)NULL)->part)

// clang-format off
#define SUBMIT(context, bytes) \
    {.submit.head = {.hdr = {.type = CMD(SUBMIT_3D), .ctx_id = (context)}, .size = (bytes)}}
#define CTX(context, length, init) \
    {.context_create = {.hdr = {.type = CMD(CTX_CREATE), .ctx_id = (context)}, .nlen = (length), \
                        .context_init = (init)}}
// clang-format on

struct good_command {
    const char *name;
    union request request;
    uint32_t size; /* of the request */
    uint32_t answer;
    uint32_t answer_size;
};

/* In the order of enum good_command_index. */
enum good_command_index {
    GOOD_DISPLAY_INFO,
    GOOD_CAPSET_INFO,
    GOOD_CAPSET,
    GOOD_CTX_CREATE,
    GOOD_CTX_DESTROY,
    GOOD_ATTACH,
    GOOD_DETACH,
    GOOD_SUBMIT,
    GOOD_CREATE_BLOB,
    GOOD_MAP_BLOB,
    GOOD_UNMAP_BLOB,
    GOOD_UNREF,
    GOOD_COMMANDS
};
extern const struct good_command good_commands[GOOD_COMMANDS];

struct gpu_commands {
    struct fake_gpu fake;
    struct gpu_response response;
    struct renderer_timeline timeline;
};
extern struct gpu_commands commands;

/* Check's fixture. */
void gpu_commands_set_up(void);
void gpu_commands_tear_down(void);

/* Runs a command; what comes back is in `commands`. */
bool run(const void *request, uint32_t size, uint64_t room);

/* Runs what must be answered with this error and must not change anything. */
void refused(const void *request, uint32_t size, uint64_t room, uint32_t want);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Commands of the control queue for unit tests: each of them once, done right, and the
 * means to run one on a fake GPU that has context FAKE_CONTEXT, two blobs,
 * two images and a texture.
 */
#ifndef S2VMM_TESTS_UNIT_GPU_COMMANDS_H
#define S2VMM_TESTS_UNIT_GPU_COMMANDS_H

#include "tests/unit/fake_gpu.h"

#define CREATED   2u /* a blob */
#define MAPPED    3u /* a blob, at offset 0 of the window */
#define NEW       4u /* for what the test creates */
#define IMAGE     5u /* a 2D resource with guest memory, IMAGE_SIZE squared */
#define BARE      6u /* the same without */
#define TEXTURE   7u /* a 3D resource of 4 x 4 pixels, with a page of guest memory */
#define NOBODY    50u
#define BLOB_SIZE (4 * PAGE_SIZE_4K)

#define IMAGE_SIZE  64u /* pixels */
#define IMAGE_BYTES (4u * IMAGE_SIZE * IMAGE_SIZE)
#define PIXELS      0x10000 /* IMAGE's guest memory */
#define FORMAT      VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM
#define ROOM        GPU_RESPONSE_MAX
#define HEADER      (uint32_t)sizeof(struct virtio_gpu_ctrl_hdr)

#define OK_NODATA VIRTIO_GPU_RESP_OK_NODATA
#define UNSPEC    VIRTIO_GPU_RESP_ERR_UNSPEC
#define RESOURCE  VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID
#define CONTEXT   VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID
#define PARAMETER VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER
#define SCANOUT   VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID
#define MEMORY    VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY

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
    struct virtio_gpu_cmd_get_edid edid;
    struct virtio_gpu_resource_create_2d create_2d;
    struct {
        struct virtio_gpu_resource_attach_backing head;
        struct virtio_gpu_mem_entry entries[2];
    } attach;
    struct virtio_gpu_resource_detach_backing detach;
    struct virtio_gpu_transfer_to_host_2d transfer;
    struct virtio_gpu_resource_flush flush;
    struct virtio_gpu_set_scanout scanout;
    struct virtio_gpu_set_scanout_blob scanout_blob;
    struct virtio_gpu_resource_assign_uuid uuid;
    struct virtio_gpu_update_cursor cursor;
    struct virtio_gpu_resource_create_3d create_3d;
    struct virtio_gpu_transfer_host_3d transfer_3d;
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
    GOOD_EDID,
    GOOD_CREATE_2D,
    GOOD_ATTACH_BACKING,
    GOOD_DETACH_BACKING,
    GOOD_TRANSFER,
    GOOD_FLUSH,
    GOOD_SCANOUT,
    GOOD_SCANOUT_BLOB,
    GOOD_UUID,
    GOOD_CREATE_3D,
    GOOD_TRANSFER_TO,
    GOOD_TRANSFER_FROM,
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

/* A 2D resource of IMAGE_SIZE squared, and its guest memory at PIXELS. */
void create_image(uint32_t id);
void attach_image(uint32_t id);

/* Runs a command; what comes back is in `commands`. */
bool run(const void *request, uint32_t size, uint64_t room);

/* Runs what must be answered with this error and must not change anything. */
void refused(const void *request, uint32_t size, uint64_t room, uint32_t want);

#endif

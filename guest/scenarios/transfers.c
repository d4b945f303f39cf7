/* SPDX-License-Identifier: MIT */
/*
 * A texture in 3D: cleared by a command stream of virgl, transferred back into guest memory:
 * known pixels; then other pixels there and back. And a blob of guest memory for the same
 * context.
 */
#include "guest/blob.h"
#include "guest/check.h"
#include "guest/scenarios.h"
#include "guest/stream.h"

#define TEXTURE 1u
#define BLOB    2u
#define SIDE    32u
#define BYTES   (4u * SIDE * SIDE)

/* virgl_protocol.h, virgl_hw.h */
#define CREATE_OBJECT         1u
#define SET_FRAMEBUFFER_STATE 5u
#define CLEAR                 7u
#define SET_SUB_CTX           28u
#define CREATE_SUB_CTX        29u
#define OBJECT_SURFACE        8u
#define SURFACE               100u
#define CLEAR_COLOR0          4u
#define TARGET_TEXTURE_2D     2u
#define FORMAT_B8G8R8A8       1u
#define BIND_RENDER_TARGET    2u

#define PIXEL 0xff4080bfu /* 0.25, 0.5, 0.75, 1 */

static _Alignas(4096) uint32_t pixels[SIDE * SIDE];

static void put_header(struct stream *stream, uint32_t command, uint32_t object,
                       uint32_t length)
{
    stream_put32(stream, command | object << 8 | length << 16);
}

static void encode_clear(struct stream *stream)
{
    static const uint32_t colour[] = {0x3e800000, 0x3f000000, 0x3f400000, 0x3f800000};
    put_header(stream, CREATE_SUB_CTX, 0, 1);
    stream_put32(stream, 1);
    put_header(stream, SET_SUB_CTX, 0, 1);
    stream_put32(stream, 1);
    put_header(stream, CREATE_OBJECT, OBJECT_SURFACE, 5);
    stream_put32(stream, SURFACE);
    stream_put32(stream, TEXTURE);
    stream_put32(stream, FORMAT_B8G8R8A8);
    stream_put32(stream, 0); /* level */
    stream_put32(stream, 0); /* layers */
    put_header(stream, SET_FRAMEBUFFER_STATE, 0, 3);
    stream_put32(stream, 1);
    stream_put32(stream, 0); /* no depth buffer */
    stream_put32(stream, SURFACE);
    put_header(stream, CLEAR, 0, 8);
    stream_put32(stream, CLEAR_COLOR0);
    for (unsigned i = 0; i < 4; i++)
        stream_put32(stream, colour[i]);
    stream_put64(stream, 0x3ff0000000000000); /* depth 1.0 */
    stream_put32(stream, 0);                  /* stencil */
}

static uint32_t command(struct guest *guest, const void *request, uint32_t size,
                        const void *payload, uint32_t payload_size)
{
    struct virtio_gpu_ctrl_hdr response;
    return gpu_command(&guest->gpu, request, size, payload, payload_size, &response,
                       sizeof response);
}

static bool create_texture(struct guest *guest)
{
    const struct virtio_gpu_resource_create_3d create = {
        .hdr.type = VIRTIO_GPU_CMD_RESOURCE_CREATE_3D,
        .resource_id = TEXTURE,
        .target = TARGET_TEXTURE_2D,
        .format = FORMAT_B8G8R8A8,
        .bind = BIND_RENDER_TARGET,
        .width = SIDE,
        .height = SIDE,
        .depth = 1,
        .array_size = 1,
    };
    const struct virtio_gpu_resource_attach_backing attach = {
        .hdr.type = VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING,
        .resource_id = TEXTURE,
        .nr_entries = 1,
    };
    const struct virtio_gpu_mem_entry entry = {.addr = (uintptr_t)pixels,
                                               .length = BYTES};
    CHECK_RESPONSE(command(guest, &create, sizeof create, NULL, 0),
                   VIRTIO_GPU_RESP_OK_NODATA);
    CHECK_RESPONSE(command(guest, &attach, sizeof attach, &entry, sizeof entry),
                   VIRTIO_GPU_RESP_OK_NODATA);
    CHECK_RESPONSE(gpu_context_attach(&guest->gpu, BLOB_CONTEXT, TEXTURE),
                   VIRTIO_GPU_RESP_OK_NODATA);
    return true;
}

static bool transfer(struct guest *guest, uint32_t type)
{
    const struct virtio_gpu_transfer_host_3d move = {
        .hdr = {.type = type, .ctx_id = BLOB_CONTEXT},
        .box = {.w = SIDE, .h = SIDE, .d = 1},
        .resource_id = TEXTURE,
    };
    CHECK_RESPONSE(command(guest, &move, sizeof move, NULL, 0),
                   VIRTIO_GPU_RESP_OK_NODATA);
    return true;
}

static void fill(uint32_t first)
{
    for (uint32_t i = 0; i < SIDE * SIDE; i++)
        ((volatile uint32_t *)pixels)[i] = first + i;
}

/* `step`: of one pixel to the next. */
static bool check_pixels(struct guest *guest, uint32_t first, uint32_t step)
{
    for (uint32_t i = 0; i < SIDE * SIDE; i++)
        CHECK_EQUAL(((volatile uint32_t *)pixels)[i], first + step * i);
    return true;
}

bool scenario_transfers(struct guest *guest)
{
    static struct stream stream;
    REQUIRE(gpu_start(guest, 0));
    CHECK_RESPONSE(gpu_context_create(&guest->gpu, BLOB_CONTEXT, GPU_CAPSET_VIRGL2),
                   VIRTIO_GPU_RESP_OK_NODATA);
    REQUIRE(create_texture(guest));
    encode_clear(&stream);
    CHECK_RESPONSE(gpu_submit(&guest->gpu, BLOB_CONTEXT, stream.bytes, stream.size),
                   VIRTIO_GPU_RESP_OK_NODATA);
    REQUIRE(transfer(guest, VIRTIO_GPU_CMD_TRANSFER_FROM_HOST_3D));
    REQUIRE(check_pixels(guest, PIXEL, 0));

    fill(0x01020304);
    REQUIRE(transfer(guest, VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D));
    fill(0);
    REQUIRE(transfer(guest, VIRTIO_GPU_CMD_TRANSFER_FROM_HOST_3D));
    REQUIRE(check_pixels(guest, 0x01020304, 1));
    CHECK_RESPONSE(gpu_resource_unref(&guest->gpu, TEXTURE), VIRTIO_GPU_RESP_OK_NODATA);
    CHECK_RESPONSE(gpu_context_destroy(&guest->gpu, BLOB_CONTEXT),
                   VIRTIO_GPU_RESP_OK_NODATA);
    return true;
}

/* Two pages that are not neighbours. Options: capset=N (default: venus), the context's. */
bool scenario_guest_blob(struct guest *guest)
{
    static _Alignas(4096) uint8_t memory[3 * 4096];
    uint64_t capset;
    uint32_t map_info;
    REQUIRE(check_option(guest, "capset", GPU_CAPSET_VENUS, &capset));
    REQUIRE(gpu_start(guest, 0));
    CHECK_RESPONSE(gpu_context_create(&guest->gpu, BLOB_CONTEXT, (uint32_t)capset),
                   VIRTIO_GPU_RESP_OK_NODATA);
    struct virtio_gpu_resource_create_blob create = {
        .hdr = {.type = VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, .ctx_id = BLOB_CONTEXT},
        .resource_id = BLOB,
        .blob_mem = VIRTIO_GPU_BLOB_MEM_GUEST,
        .blob_flags = VIRTIO_GPU_BLOB_FLAG_USE_SHAREABLE,
        .nr_entries = 2,
        .size = 2 * 4096,
    };
    const struct virtio_gpu_mem_entry entries[] = {
        {.addr = (uintptr_t)memory, .length = 4096},
        {.addr = (uintptr_t)memory + 8192, .length = 4096},
    };
    CHECK_RESPONSE(command(guest, &create, sizeof create, entries, sizeof entries),
                   VIRTIO_GPU_RESP_OK_NODATA);
    CHECK_RESPONSE(gpu_context_attach(&guest->gpu, BLOB_CONTEXT, BLOB),
                   VIRTIO_GPU_RESP_OK_NODATA);
    CHECK_RESPONSE(gpu_blob_map(&guest->gpu, BLOB, 0, &map_info),
                   VIRTIO_GPU_RESP_ERR_UNSPEC);
    CHECK_RESPONSE(gpu_context_detach(&guest->gpu, BLOB_CONTEXT, BLOB),
                   VIRTIO_GPU_RESP_OK_NODATA);
    CHECK_RESPONSE(gpu_resource_unref(&guest->gpu, BLOB), VIRTIO_GPU_RESP_OK_NODATA);
    create.nr_entries = 3; /* of which two came */
    CHECK_RESPONSE(command(guest, &create, sizeof create, entries, sizeof entries),
                   VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    CHECK_RESPONSE(gpu_context_destroy(&guest->gpu, BLOB_CONTEXT),
                   VIRTIO_GPU_RESP_OK_NODATA);
    return true;
}

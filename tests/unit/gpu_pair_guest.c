/* SPDX-License-Identifier: MIT */
/* What a guest has of the first one of two GPUs. */
#include <check.h>
#include <string.h>

#include "devices/gpu/guest_blob.h"
#include "devices/gpu/lent.h"
#include "tests/unit/fake_kernel.h"
#include "tests/unit/gpu_commands.h"
#include "tests/unit/gpu_pair.h"

#define SIDE 3u /* of IMAGE's picture */

static struct gpu *one(void)
{
    return &pair.one.gpu;
}

void gpu_pair_run(struct fake_gpu *fake, const void *request, uint32_t size)
{
    struct gpu_response response;
    uint32_t type = gpu_pair_command(fake, request, size, &response);
    ck_assert_msg(type < VIRTIO_GPU_RESP_ERR_UNSPEC, "command %#x: %#x: %s",
                  ((const struct virtio_gpu_ctrl_hdr *)request)->type, type,
                  fake_output_text(&fake->trace_output));
}

struct resource *gpu_pair_find(struct gpu *gpu, uint32_t id)
{
    struct resource *resource = resource_find(&gpu->resources, id, &pair.error);
    ck_assert_msg(resource != NULL, "%s", pair.error.text);
    return resource;
}

static void create_image_with_picture(void)
{
    const union request create = {.create_2d = {.hdr.type = CMD(RESOURCE_CREATE_2D),
                                                .resource_id = IMAGE,
                                                .format = FORMAT,
                                                .width = SIDE,
                                                .height = SIDE}};
    const union request attach = {
        .attach = {.head = {.hdr.type = CMD(RESOURCE_ATTACH_BACKING),
                            .resource_id = IMAGE,
                            .nr_entries = 2},
                   .entries = {{.addr = PIXELS, .length = 16},
                               {.addr = PIXELS + PAGE_SIZE_4K, .length = 20}}}};
    const union request transfer = {.transfer = {.hdr.type = CMD(TRANSFER_TO_HOST_2D),
                                                 .r = {.width = SIDE, .height = SIDE},
                                                 .resource_id = IMAGE}};
    const union request uuid = {
        .uuid = {.hdr.type = CMD(RESOURCE_ASSIGN_UUID), .resource_id = IMAGE}};
    gpu_pair_run(&pair.one, &create, LENGTH(create_2d));
    gpu_pair_run(&pair.one, &attach, LENGTH(attach));
    gpu_pair_run(&pair.one, &transfer, LENGTH(transfer));
    gpu_pair_run(&pair.one, &uuid, LENGTH(uuid));
}

/* Without guest memory. */
static void create_bare_image(void)
{
    const union request create = {.create_2d = {.hdr.type = CMD(RESOURCE_CREATE_2D),
                                                .resource_id = BARE,
                                                .format = FORMAT,
                                                .width = 2,
                                                .height = 1}};
    gpu_pair_run(&pair.one, &create, LENGTH(create_2d));
    memset(gpu_pair_find(one(), BARE)->image.pixels, 0xba, 8);
}

static void create_texture_and_guest_blob(void)
{
    const union request texture = {.create_3d = {.hdr.type = CMD(RESOURCE_CREATE_3D),
                                                 .resource_id = TEXTURE,
                                                 .target = 2,
                                                 .format = 1,
                                                 .bind = 2,
                                                 .width = 4,
                                                 .height = 4,
                                                 .depth = 1,
                                                 .array_size = 1}};
    struct {
        struct virtio_gpu_resource_create_blob create;
        struct virtio_gpu_mem_entry entry;
    } blob = {.create = {.hdr.type = CMD(RESOURCE_CREATE_BLOB),
                         .resource_id = GUEST,
                         .blob_mem = VIRTIO_GPU_BLOB_MEM_GUEST,
                         .blob_flags = VIRTIO_GPU_BLOB_FLAG_USE_SHAREABLE,
                         .size = PAGE_SIZE_4K,
                         .nr_entries = 1},
              .entry = {.addr = 0x20000, .length = PAGE_SIZE_4K}};
    gpu_pair_run(&pair.one, &texture, LENGTH(create_3d));
    gpu_pair_run(&pair.one, &blob, sizeof blob);
    /* As where there is /dev/udmabuf. */
    struct resource *resource = gpu_pair_find(one(), GUEST);
    guest_blob_forget_dmabuf(one(), resource);
    resource->loan = lent_begin(one(), GUEST, PAGE_SIZE_4K, &pair.error);
    ck_assert_ptr_nonnull(resource->loan);
    resource->loan->fd = fake_kernel_dma_buf(PAGE_SIZE_4K);
    resource->guest_dmabuf = resource->loan->fd;
    resource->guest_dmabuf_made = true;
}

struct resource *gpu_pair_map_dmabuf(uint32_t id, uint64_t offset, uint32_t map_info)
{
    one()->config.permissive = pair.two.gpu.config.permissive = true;
    pair.one.renderer.plan = (struct fake_blob_plan){.claimed = RENDERER_FD_DMABUF,
                                                     .fd = FAKE_FD_DMABUF,
                                                     .has_map_info = map_info != 0,
                                                     .map_info = map_info};
    return fake_gpu_map_blob(&pair.one, id, BYTES, offset);
}

static void show(void)
{
    const union request image = {.scanout = {.hdr.type = CMD(SET_SCANOUT),
                                             .r = {.x = 1, .width = 2, .height = 3},
                                             .resource_id = IMAGE}};
    const union request blob = {
        .scanout_blob = {.hdr.type = CMD(SET_SCANOUT_BLOB),
                         .r = {.x = 2, .y = 1, .width = 4, .height = 5},
                         .scanout_id = 1,
                         .resource_id = GUEST,
                         .width = 16,
                         .height = 8,
                         .format = FORMAT,
                         .strides = {80},
                         .offsets = {128}}};
    gpu_pair_run(&pair.one, &image, LENGTH(scanout));
    gpu_pair_run(&pair.one, &blob, LENGTH(scanout_blob));
    ck_assert(gpu_display_resize(one(), 1, 800, 600, &pair.error));
}

void gpu_pair_show_cursor(void)
{
    struct cursor *cursor = &one()->scanouts[1].cursor;
    ck_assert(
        picture_init(&cursor->picture, GPU_CURSOR_SIZE, GPU_CURSOR_SIZE, &pair.error));
    memset(cursor->picture.pixels, 0x5a, (size_t)4 * GPU_CURSOR_SIZE * GPU_CURSOR_SIZE);
    cursor->visible = true;
    cursor->x = -3;
    cursor->y = 17;
}

void gpu_pair_make_everything(void)
{
    struct error error;
    uint8_t pixels[2 * PAGE_SIZE_4K];
    for (unsigned i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(i * 7 + i / 256);
    ck_assert(
        guest_memory_write(&pair.one.memory, gpa(PIXELS), pixels, sizeof pixels, &error));
    ck_assert(gpu_context_create(one(), 5, VIRTIO_GPU_CAPSET_VENUS, "other", &error));
    fake_gpu_create_blob(&pair.one, CREATED, BYTES);
    memset(fake_gpu_map_blob(&pair.one, MAPPED, BYTES, 0)->backing.host, 0x33, BYTES);
    create_image_with_picture();
    create_bare_image();
    create_texture_and_guest_blob();
    memset(gpu_pair_map_dmabuf(DMABUF, DMABUF_AT, MEMATTR_MAP_WC)->backing.host, 0x99,
           BYTES);
    show();
}

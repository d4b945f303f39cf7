/* SPDX-License-Identifier: MIT */
#include "tests/unit/gpu_commands.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "devices/gpu/guest_blob.h"

struct gpu_commands commands;

static void create_texture(void)
{
    const struct virtio_gpu_mem_entry page = {.addr = 0x8000, .length = PAGE_SIZE_4K};
    const union request create = {.create_3d = {.hdr.type = CMD(RESOURCE_CREATE_3D),
                                                .resource_id = TEXTURE,
                                                .target = 2,
                                                .format = 1,
                                                .bind = 2,
                                                .width = 4,
                                                .height = 4,
                                                .depth = 1,
                                                .array_size = 1}};
    struct gpu *gpu = &commands.fake.gpu;
    struct error error;
    run(&create, LENGTH(create_3d), ROOM);
    struct resource *texture = resource_find(&gpu->resources, TEXTURE, &error);
    ck_assert_msg(texture != NULL, "%s", fake_output_text(&commands.fake.trace_output));
    ck_assert(resource_attach_pages(&gpu->resources, texture, &commands.fake.memory,
                                    &page, 1, sizeof page, &error));
    ck_assert(gpu_3d_attach(gpu, texture, &error));
}

void gpu_commands_set_up(void)
{
    fake_gpu_init(&commands.fake);
    fake_gpu_create_blob(&commands.fake, CREATED, BLOB_SIZE);
    fake_gpu_map_blob(&commands.fake, MAPPED, BLOB_SIZE, 0);
    create_image(IMAGE);
    create_image(BARE);
    attach_image(IMAGE);
    create_texture();
}

void create_image(uint32_t id)
{
    struct error error;
    struct resource_table *table = &commands.fake.gpu.resources;
    struct resource *resource = resource_add(table, id, &error);
    ck_assert(
        resource_make_image(table, resource, FORMAT, IMAGE_SIZE, IMAGE_SIZE, &error));
}

void attach_image(uint32_t id)
{
    struct error error;
    struct resource_table *table = &commands.fake.gpu.resources;
    const struct virtio_gpu_mem_entry entry = {.addr = PIXELS, .length = IMAGE_BYTES};
    ck_assert(resource_attach_pages(table, resource_find(table, id, &error),
                                    &commands.fake.memory, &entry, 1, sizeof entry,
                                    &error));
}

void gpu_commands_tear_down(void)
{
    fake_gpu_finish(&commands.fake);
}

/* The request is exactly as long as it says, so that a look behind it is found. */
bool run(const void *request, uint32_t size, uint64_t room)
{
    void *copy = malloc(size ? size : 1);
    memcpy(copy, request, size);
    memset(&commands.response, 0xdd, sizeof commands.response);
    memset(&commands.timeline, 0xdd, sizeof commands.timeline);
    bool fenced = gpu_command(&commands.fake.gpu, copy, size, room, &commands.response,
                              &commands.timeline);
    free(copy);
    ck_assert_uint_ge(commands.response.size, HEADER);
    ck_assert_uint_le(commands.response.size, GPU_RESPONSE_MAX);
    return fenced;
}

/* What a command may change. */
struct state {
    unsigned contexts, blobs, submits, slots, resources, transfers;
    unsigned attached;    /* of CREATED */
    unsigned host_memory; /* by the quota, bytes */
    unsigned shown[2];    /* by the scanouts */
};

static struct state state(void)
{
    const struct fake_blob *blob = fake_renderer_blob(&commands.fake.renderer, CREATED);
    return (struct state){
        .contexts = commands.fake.renderer.context_count,
        .blobs = commands.fake.renderer.blob_count,
        .submits = commands.fake.renderer.submit_count,
        .transfers = commands.fake.renderer.transfer_count,
        .slots = commands.fake.slot_count,
        .resources = commands.fake.gpu.resources.count,
        .attached = blob ? blob->attached : 0,
        .host_memory = (unsigned)commands.fake.gpu.quota.use[QUOTA_HOST_MEMORY].now,
        .shown = {commands.fake.gpu.scanouts[0].resource_id,
                  commands.fake.gpu.scanouts[1].resource_id},
    };
}

static void check_error(uint32_t want)
{
    ck_assert_msg(commands.response.header.type == want, "%#x, not %#x: %s",
                  commands.response.header.type, want,
                  fake_output_text(&commands.fake.trace_output));
    ck_assert_uint_eq(commands.response.size, HEADER);
}

void refused(const void *request, uint32_t size, uint64_t room, uint32_t want)
{
    struct state before = state();
    ck_assert(!run(request, size, room));
    check_error(want);
    struct state after = state();
    ck_assert_mem_eq(&after, &before, sizeof before);
    ck_assert_uint_eq(atomic_load(&commands.fake.trace.warnings), 1);
    atomic_store(&commands.fake.trace.warnings, 0);
}

// clang-format off
const struct good_command good_commands[GOOD_COMMANDS] = {
    [GOOD_DISPLAY_INFO] = {"GET_DISPLAY_INFO", {.hdr.type = CMD(GET_DISPLAY_INFO)},
     HEADER, VIRTIO_GPU_RESP_OK_DISPLAY_INFO, 408},
    [GOOD_CAPSET_INFO] = {"GET_CAPSET_INFO", {.capset_info = {.hdr.type = CMD(GET_CAPSET_INFO), .capset_index = 1}},
     LENGTH(capset_info), VIRTIO_GPU_RESP_OK_CAPSET_INFO, 40},
    [GOOD_CAPSET] = {"GET_CAPSET", {.capset = {.hdr.type = CMD(GET_CAPSET), .capset_id = 4}},
     LENGTH(capset), VIRTIO_GPU_RESP_OK_CAPSET, HEADER + 160},
    [GOOD_CTX_CREATE] = {"CTX_CREATE", {.context_create = {.hdr = {.type = CMD(CTX_CREATE), .ctx_id = 9}, .nlen = 4,
                                       .context_init = 4, .debug_name = "test"}},
     LENGTH(context_create), OK_NODATA, HEADER},
    [GOOD_CTX_DESTROY] = {"CTX_DESTROY", {.hdr = {.type = CMD(CTX_DESTROY), .ctx_id = FAKE_CONTEXT}}, HEADER, OK_NODATA, HEADER},
    [GOOD_ATTACH] = {"CTX_ATTACH_RESOURCE", {.pair = {.hdr = {.type = CMD(CTX_ATTACH_RESOURCE), .ctx_id = FAKE_CONTEXT},
                                      .resource_id = CREATED}},
     LENGTH(pair), OK_NODATA, HEADER},
    [GOOD_DETACH] = {"CTX_DETACH_RESOURCE", {.pair = {.hdr = {.type = CMD(CTX_DETACH_RESOURCE), .ctx_id = FAKE_CONTEXT},
                                      .resource_id = CREATED}},
     LENGTH(pair), OK_NODATA, HEADER},
    [GOOD_SUBMIT] = {"SUBMIT_3D", {.submit = {.head = {.hdr = {.type = CMD(SUBMIT_3D), .ctx_id = FAKE_CONTEXT}, .size = 16},
                              .stream = {0x11223344, 2, 3, 4}}},
     LENGTH(submit), OK_NODATA, HEADER},
    [GOOD_CREATE_BLOB] = {"RESOURCE_CREATE_BLOB", {.create = {.hdr = {.type = CMD(RESOURCE_CREATE_BLOB), .ctx_id = FAKE_CONTEXT},
                                         .resource_id = NEW, .blob_mem = VIRTIO_GPU_BLOB_MEM_HOST3D,
                                         .blob_flags = 7, .blob_id = 12, .size = BLOB_SIZE}},
     LENGTH(create), OK_NODATA, HEADER},
    [GOOD_MAP_BLOB] = {"RESOURCE_MAP_BLOB", {.map = {.hdr.type = CMD(RESOURCE_MAP_BLOB), .resource_id = CREATED, .offset = BLOB_SIZE}},
     LENGTH(map), VIRTIO_GPU_RESP_OK_MAP_INFO, 32},
    [GOOD_UNMAP_BLOB] = {"RESOURCE_UNMAP_BLOB", {.unmap = {.hdr.type = CMD(RESOURCE_UNMAP_BLOB), .resource_id = MAPPED}},
     LENGTH(unmap), OK_NODATA, HEADER},
    [GOOD_UNREF] = {"RESOURCE_UNREF", {.unref = {.hdr.type = CMD(RESOURCE_UNREF), .resource_id = CREATED}},
     LENGTH(unref), OK_NODATA, HEADER},
    [GOOD_EDID] = {"GET_EDID", {.edid = {.hdr.type = CMD(GET_EDID), .scanout = 1}}, LENGTH(edid), VIRTIO_GPU_RESP_OK_EDID, 1056},
    [GOOD_CREATE_2D] = {"RESOURCE_CREATE_2D", {.create_2d = {.hdr.type = CMD(RESOURCE_CREATE_2D), .resource_id = NEW, .format = FORMAT,
                                               .width = 3, .height = 5}},
     LENGTH(create_2d), OK_NODATA, HEADER},
    [GOOD_ATTACH_BACKING] = {"RESOURCE_ATTACH_BACKING", {.attach = {.head = {.hdr.type = CMD(RESOURCE_ATTACH_BACKING), .resource_id = BARE,
                                                                    .nr_entries = 2},
                                                         .entries = {{.addr = PIXELS, .length = 4096}, {.addr = 0, .length = 4096}}}},
     LENGTH(attach), OK_NODATA, HEADER},
    [GOOD_DETACH_BACKING] = {"RESOURCE_DETACH_BACKING", {.detach = {.hdr.type = CMD(RESOURCE_DETACH_BACKING), .resource_id = IMAGE}},
     LENGTH(detach), OK_NODATA, HEADER},
    [GOOD_TRANSFER] = {"TRANSFER_TO_HOST_2D", {.transfer = {.hdr.type = CMD(TRANSFER_TO_HOST_2D), .r = {4, 8, 16, 32},
                                               .offset = 4 * (8 * IMAGE_SIZE + 4), .resource_id = IMAGE}},
     LENGTH(transfer), OK_NODATA, HEADER},
    [GOOD_FLUSH] = {"RESOURCE_FLUSH", {.flush = {.hdr.type = CMD(RESOURCE_FLUSH), .r = {4, 8, 16, 32}, .resource_id = IMAGE}},
     LENGTH(flush), OK_NODATA, HEADER},
    [GOOD_SCANOUT] = {"SET_SCANOUT", {.scanout = {.hdr.type = CMD(SET_SCANOUT), .r = {4, 8, 16, 32}, .scanout_id = 1, .resource_id = IMAGE}},
     LENGTH(scanout), OK_NODATA, HEADER},
    [GOOD_SCANOUT_BLOB] = {"SET_SCANOUT_BLOB", {.scanout_blob = {.hdr.type = CMD(SET_SCANOUT_BLOB), .r = {4, 8, 16, 32}, .scanout_id = 1,
                                                .resource_id = CREATED, .width = 32, .height = 64, .format = FORMAT,
                                                .strides = {200}, .offsets = {BLOB_SIZE - 63 * 200 - 128}}},
     LENGTH(scanout_blob), OK_NODATA, HEADER},
    [GOOD_UUID] = {"RESOURCE_ASSIGN_UUID", {.uuid = {.hdr.type = CMD(RESOURCE_ASSIGN_UUID), .resource_id = IMAGE}},
     LENGTH(uuid), VIRTIO_GPU_RESP_OK_RESOURCE_UUID, 40},
    [GOOD_CREATE_3D] = {"RESOURCE_CREATE_3D", {.create_3d = {.hdr = {.type = CMD(RESOURCE_CREATE_3D)}, .resource_id = NEW, .target = 2,
                                         .format = 1, .bind = 2, .width = 64, .height = 32, .depth = 1, .array_size = 1}},
     LENGTH(create_3d), OK_NODATA, HEADER},
    [GOOD_TRANSFER_TO] = {"TRANSFER_TO_HOST_3D", {.transfer_3d = {.hdr = {.type = CMD(TRANSFER_TO_HOST_3D), .ctx_id = FAKE_CONTEXT},
                                         .box = {.w = 4, .h = 4, .d = 1}, .resource_id = TEXTURE}},
     LENGTH(transfer_3d), OK_NODATA, HEADER},
    [GOOD_TRANSFER_FROM] = {"TRANSFER_FROM_HOST_3D", {.transfer_3d = {.hdr = {.type = CMD(TRANSFER_FROM_HOST_3D)},
                                         .box = {.x = 1, .y = 2, .w = 3, .h = 2, .d = 1}, .offset = 16, .resource_id = TEXTURE, .stride = 16}},
     LENGTH(transfer_3d), OK_NODATA, HEADER},
};
// clang-format on

/* SPDX-License-Identifier: MIT */
#include "tests/unit/gpu_commands.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

struct gpu_commands commands;

void gpu_commands_set_up(void)
{
    fake_gpu_init(&commands.fake);
    fake_gpu_create_blob(&commands.fake, CREATED, BLOB_SIZE);
    fake_gpu_map_blob(&commands.fake, MAPPED, BLOB_SIZE, 0);
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
    unsigned contexts, blobs, submits, slots, resources;
    unsigned attached; /* of CREATED */
};

static struct state state(void)
{
    const struct fake_blob *blob = fake_renderer_blob(&commands.fake.renderer, CREATED);
    return (struct state){
        .contexts = commands.fake.renderer.context_count,
        .blobs = commands.fake.renderer.blob_count,
        .submits = commands.fake.renderer.submit_count,
        .slots = commands.fake.slot_count,
        .resources = commands.fake.gpu.resources.count,
        .attached = blob ? blob->attached : 0,
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
};
// clang-format on

/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake_gpu.h"
#include "tests/unit/suites.h"

#define CREATED 2u /* resources of the fixture */
#define MAPPED  3u
#define NEW     4u
#define NOBODY  50u
#define SIZE    (4 * PAGE_SIZE_4K)
#define ROOM    GPU_RESPONSE_MAX
#define HEADER  (uint32_t)sizeof(struct virtio_gpu_ctrl_hdr)

#define OK        VIRTIO_GPU_RESP_OK_NODATA
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

static struct fake_gpu fake;
static struct gpu_response response;
static struct renderer_timeline timeline;

static void set_up(void)
{
    fake_gpu_init(&fake);
    fake_gpu_create_blob(&fake, CREATED, SIZE);
    fake_gpu_map_blob(&fake, MAPPED, SIZE, 0);
}

static void tear_down(void)
{
    fake_gpu_finish(&fake);
}

/* The request is exactly as long as it says, so that a look behind it is found. */
static bool run(const void *request, uint32_t size, uint64_t room)
{
    void *copy = malloc(size ? size : 1);
    memcpy(copy, request, size);
    memset(&response, 0xdd, sizeof response);
    memset(&timeline, 0xdd, sizeof timeline);
    bool fenced = gpu_command(&fake.gpu, copy, size, room, &response, &timeline);
    free(copy);
    ck_assert_uint_ge(response.size, HEADER);
    ck_assert_uint_le(response.size, GPU_RESPONSE_MAX);
    return fenced;
}

/* What a command may change. */
struct state {
    unsigned contexts, blobs, submits, slots, resources;
    unsigned attached; /* of CREATED */
};

static struct state state(void)
{
    const struct fake_blob *blob = fake_renderer_blob(&fake.renderer, CREATED);
    return (struct state){
        .contexts = fake.renderer.context_count,
        .blobs = fake.renderer.blob_count,
        .submits = fake.renderer.submit_count,
        .slots = fake.slot_count,
        .resources = fake.gpu.resources.count,
        .attached = blob ? blob->attached : 0,
    };
}

static void check_error(uint32_t want)
{
    ck_assert_msg(response.header.type == want, "%#x, not %#x: %s", response.header.type,
                  want, fake_output_text(&fake.trace_output));
    ck_assert_uint_eq(response.size, HEADER);
}

/* Runs what must fail and must not change anything. */
static void refused(const void *request, uint32_t size, uint64_t room, uint32_t want)
{
    struct state before = state();
    ck_assert(!run(request, size, room));
    check_error(want);
    struct state after = state();
    ck_assert_mem_eq(&after, &before, sizeof before);
    ck_assert_uint_eq(atomic_load(&fake.trace.warnings), 1);
    atomic_store(&fake.trace.warnings, 0);
}

/* --- each command, done right and nearly right --- */

#define CMD(name)    VIRTIO_GPU_CMD_##name
#define LENGTH(part) (uint32_t)sizeof(((union request *)NULL)->part)

// clang-format off
static const struct {
    const char *name;
    union request request;
    uint32_t size; /* of the request */
    uint32_t answer;
    uint32_t answer_size;
} commands[] = {
    {"GET_DISPLAY_INFO", {.hdr.type = CMD(GET_DISPLAY_INFO)},
     HEADER, VIRTIO_GPU_RESP_OK_DISPLAY_INFO, 408},
    {"GET_CAPSET_INFO", {.capset_info = {.hdr.type = CMD(GET_CAPSET_INFO), .capset_index = 1}},
     LENGTH(capset_info), VIRTIO_GPU_RESP_OK_CAPSET_INFO, 40},
    {"GET_CAPSET", {.capset = {.hdr.type = CMD(GET_CAPSET), .capset_id = 4}},
     LENGTH(capset), VIRTIO_GPU_RESP_OK_CAPSET, HEADER + 160},
    {"CTX_CREATE", {.context_create = {.hdr = {.type = CMD(CTX_CREATE), .ctx_id = 9}, .nlen = 4,
                                       .context_init = 4, .debug_name = "test"}},
     LENGTH(context_create), OK, HEADER},
    {"CTX_DESTROY", {.hdr = {.type = CMD(CTX_DESTROY), .ctx_id = FAKE_CONTEXT}}, HEADER, OK, HEADER},
    {"CTX_ATTACH_RESOURCE", {.pair = {.hdr = {.type = CMD(CTX_ATTACH_RESOURCE), .ctx_id = FAKE_CONTEXT},
                                      .resource_id = CREATED}},
     LENGTH(pair), OK, HEADER},
    {"CTX_DETACH_RESOURCE", {.pair = {.hdr = {.type = CMD(CTX_DETACH_RESOURCE), .ctx_id = FAKE_CONTEXT},
                                      .resource_id = CREATED}},
     LENGTH(pair), OK, HEADER},
    {"SUBMIT_3D", {.submit = {.head = {.hdr = {.type = CMD(SUBMIT_3D), .ctx_id = FAKE_CONTEXT}, .size = 16},
                              .stream = {0x11223344, 2, 3, 4}}},
     LENGTH(submit), OK, HEADER},
    {"RESOURCE_CREATE_BLOB", {.create = {.hdr = {.type = CMD(RESOURCE_CREATE_BLOB), .ctx_id = FAKE_CONTEXT},
                                         .resource_id = NEW, .blob_mem = VIRTIO_GPU_BLOB_MEM_HOST3D,
                                         .blob_flags = 7, .blob_id = 12, .size = SIZE}},
     LENGTH(create), OK, HEADER},
    {"RESOURCE_MAP_BLOB", {.map = {.hdr.type = CMD(RESOURCE_MAP_BLOB), .resource_id = CREATED, .offset = SIZE}},
     LENGTH(map), VIRTIO_GPU_RESP_OK_MAP_INFO, 32},
    {"RESOURCE_UNMAP_BLOB", {.unmap = {.hdr.type = CMD(RESOURCE_UNMAP_BLOB), .resource_id = MAPPED}},
     LENGTH(unmap), OK, HEADER},
    {"RESOURCE_UNREF", {.unref = {.hdr.type = CMD(RESOURCE_UNREF), .resource_id = CREATED}},
     LENGTH(unref), OK, HEADER},
};
// clang-format on

#define COMMANDS (int)ARRAY_SIZE(commands)

START_TEST(a_command_is_answered_in_full)
{
    ck_assert(!run(&commands[_i].request, commands[_i].size, commands[_i].answer_size));
    ck_assert_msg(response.header.type == commands[_i].answer, "%s: %s",
                  commands[_i].name, fake_output_text(&fake.trace_output));
    ck_assert_uint_eq(response.size, commands[_i].answer_size);
    ck_assert_uint_eq(response.header.flags, 0);
    ck_assert_uint_eq(response.header.fence_id, 0);
    ck_assert_uint_eq(response.header.ctx_id, 0);
    ck_assert_uint_eq(response.header.ring_idx, 0);
    ck_assert_uint_eq(atomic_load(&fake.trace.warnings), 0);
}
END_TEST

START_TEST(a_command_may_be_longer_than_needed)
{
    uint8_t request[sizeof(union request) + 100] = {0};
    memcpy(request, &commands[_i].request, sizeof commands[_i].request);
    run(request, sizeof request, ROOM);
    ck_assert_uint_eq(response.header.type, commands[_i].answer);
}
END_TEST

START_TEST(one_byte_too_few_changes_nothing)
{
    refused(&commands[_i].request, commands[_i].size - 1, ROOM,
            strcmp(commands[_i].name, "SUBMIT_3D") == 0 ? PARAMETER : UNSPEC);
    refused(&commands[_i].request, HEADER - 1, ROOM, UNSPEC);
}
END_TEST

START_TEST(one_byte_of_room_too_few_changes_nothing)
{
    refused(&commands[_i].request, commands[_i].size, commands[_i].answer_size - 1,
            UNSPEC);
    refused(&commands[_i].request, commands[_i].size, HEADER - 1, UNSPEC);
    refused(&commands[_i].request, commands[_i].size, 0, UNSPEC);
}
END_TEST

START_TEST(the_header_alone_may_be_short)
{
    for (uint32_t size = 0; size < HEADER; size++)
        refused(&commands[0].request, size, ROOM, UNSPEC);
}
END_TEST

START_TEST(other_types_are_unspec)
{
    for (uint32_t type = 0; type < 0x2000; type++) {
        union request request = {.hdr.type = type};
        bool known = false;
        for (int i = 0; i < COMMANDS; i++)
            known |= commands[i].request.hdr.type == type;
        if (!known)
            refused(&request, sizeof request, ROOM, UNSPEC);
    }
    for (unsigned bit = 0; bit < 32; bit++) {
        union request request = {.hdr.type = CMD(RESOURCE_UNREF) ^ 1u << bit};
        if (bit > 8)
            refused(&request, sizeof request, ROOM, UNSPEC);
    }
}
END_TEST

/* --- error codes --- */

START_TEST(each_error_has_the_response_of_the_specification)
{
    uint32_t want = UNSPEC;
    if (_i == ERROR_GUEST_RESOURCE)
        want = RESOURCE;
    else if (_i == ERROR_GUEST_CONTEXT)
        want = CONTEXT;
    else if (_i == ERROR_GUEST_PARAMETER)
        want = PARAMETER;
    else if (_i == ERROR_GUEST_LIMIT || _i == ERROR_HOST_MEMORY)
        want = VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
    fake.renderer.submit_fails = (enum error_code)_i;
    refused(&commands[7].request, commands[7].size, ROOM, want);
}
END_TEST

// clang-format off
#define CREATE(context, id, memory, flags, entries, bytes) \
    {.create = {.hdr = {.type = CMD(RESOURCE_CREATE_BLOB), .ctx_id = (context)}, .resource_id = (id), \
                .blob_mem = (memory), .blob_flags = (flags), .nr_entries = (entries), .size = (bytes)}}
#define HOST3D VIRTIO_GPU_BLOB_MEM_HOST3D
#define MAP(id, place) {.map = {.hdr.type = CMD(RESOURCE_MAP_BLOB), .resource_id = (id), .offset = (place)}}
#define PAIR(command, context, id) \
    {.pair = {.hdr = {.type = CMD(command), .ctx_id = (context)}, .resource_id = (id)}}
#define SUBMIT(context, bytes) \
    {.submit.head = {.hdr = {.type = CMD(SUBMIT_3D), .ctx_id = (context)}, .size = (bytes)}}
#define CTX(context, length, init) \
    {.context_create = {.hdr = {.type = CMD(CTX_CREATE), .ctx_id = (context)}, .nlen = (length), \
                        .context_init = (init)}}

static const struct {
    const char *name;
    union request request;
    uint32_t want;
} mistakes[] = {
    {"capset index behind the last", {.capset_info = {.hdr.type = CMD(GET_CAPSET_INFO), .capset_index = 2}}, PARAMETER},
    {"the largest capset index", {.capset_info = {.hdr.type = CMD(GET_CAPSET_INFO), .capset_index = UINT32_MAX}}, PARAMETER},
    {"unknown capset", {.capset = {.hdr.type = CMD(GET_CAPSET), .capset_id = 2}}, PARAMETER},
    {"newer capset version", {.capset = {.hdr.type = CMD(GET_CAPSET), .capset_id = 1, .capset_version = 2}}, PARAMETER},

    {"context 0", CTX(0, 0, 4), CONTEXT},
    {"context twice", CTX(FAKE_CONTEXT, 0, 4), CONTEXT},
    {"long name", CTX(9, 65, 4), PARAMETER},
    {"longest name", CTX(9, UINT32_MAX, 4), PARAMETER},
    {"no such capset", CTX(9, 0, 5), PARAMETER},
    {"bits above the capset", CTX(9, 0, 0x104), PARAMETER},
    {"destroy nobody", {.hdr = {.type = CMD(CTX_DESTROY), .ctx_id = NOBODY}}, CONTEXT},
    {"destroy the device itself", {.hdr = {.type = CMD(CTX_DESTROY), .ctx_id = 0}}, CONTEXT},

    {"attach, no context", PAIR(CTX_ATTACH_RESOURCE, NOBODY, CREATED), CONTEXT},
    {"attach, no resource", PAIR(CTX_ATTACH_RESOURCE, FAKE_CONTEXT, NOBODY), RESOURCE},
    {"detach, no context", PAIR(CTX_DETACH_RESOURCE, NOBODY, CREATED), CONTEXT},
    {"detach, no resource", PAIR(CTX_DETACH_RESOURCE, FAKE_CONTEXT, NOBODY), RESOURCE},

    {"stream longer than the command", SUBMIT(FAKE_CONTEXT, 20), PARAMETER},
    {"stream of nearly 4 GiB", SUBMIT(FAKE_CONTEXT, UINT32_MAX - 3), PARAMETER},
    {"stream of 32 bytes less than 4 GiB", SUBMIT(FAKE_CONTEXT, UINT32_MAX - 31), PARAMETER},
    {"odd stream", SUBMIT(FAKE_CONTEXT, 6), PARAMETER},
    {"stream for nobody", SUBMIT(NOBODY, 16), CONTEXT},

    {"resource 0", CREATE(FAKE_CONTEXT, 0, HOST3D, 1, 0, SIZE), RESOURCE},
    {"resource twice", CREATE(FAKE_CONTEXT, CREATED, HOST3D, 1, 0, SIZE), RESOURCE},
    {"memory 0", CREATE(FAKE_CONTEXT, NEW, 0, 1, 0, SIZE), PARAMETER},
    {"guest memory", CREATE(FAKE_CONTEXT, NEW, VIRTIO_GPU_BLOB_MEM_GUEST, 1, 0, SIZE), PARAMETER},
    {"both memories", CREATE(FAKE_CONTEXT, NEW, VIRTIO_GPU_BLOB_MEM_HOST3D_GUEST, 1, 0, SIZE), PARAMETER},
    {"unknown flag", CREATE(FAKE_CONTEXT, NEW, HOST3D, 9, 0, SIZE), PARAMETER},
    {"entries", CREATE(FAKE_CONTEXT, NEW, HOST3D, 1, 1, SIZE), PARAMETER},
    {"size 0", CREATE(FAKE_CONTEXT, NEW, HOST3D, 1, 0, 0), PARAMETER},
    {"a byte more", CREATE(FAKE_CONTEXT, NEW, HOST3D, 1, 0, SIZE + 1), PARAMETER},
    {"larger than the window", CREATE(FAKE_CONTEXT, NEW, HOST3D, 1, 0, FAKE_WINDOW + PAGE_SIZE_4K), PARAMETER},
    {"largest size", CREATE(FAKE_CONTEXT, NEW, HOST3D, 1, 0, UINT64_MAX - PAGE_SIZE_4K + 1), PARAMETER},
    {"blob in no context", CREATE(0, NEW, HOST3D, 1, 0, SIZE), CONTEXT},

    {"map nothing", MAP(NOBODY, SIZE), RESOURCE},
    {"map resource 0", MAP(0, SIZE), RESOURCE},
    {"map twice", MAP(MAPPED, SIZE), UNSPEC},
    {"map inside of a page", MAP(CREATED, SIZE + 1), PARAMETER},
    {"map over another", MAP(CREATED, SIZE - PAGE_SIZE_4K), PARAMETER},
    {"map over the end", MAP(CREATED, FAKE_WINDOW - PAGE_SIZE_4K), PARAMETER},
    {"map beyond", MAP(CREATED, FAKE_WINDOW), PARAMETER},
    {"map around the end", MAP(CREATED, UINT64_MAX - SIZE + 1), PARAMETER},
    {"unmap nothing", {.unmap = {.hdr.type = CMD(RESOURCE_UNMAP_BLOB), .resource_id = NOBODY}}, RESOURCE},
    {"unmap what is not mapped", {.unmap = {.hdr.type = CMD(RESOURCE_UNMAP_BLOB), .resource_id = CREATED}}, UNSPEC},
    {"unref nothing", {.unref = {.hdr.type = CMD(RESOURCE_UNREF), .resource_id = NOBODY}}, RESOURCE},
};
// clang-format on

/* As long as the command of this type. */
static uint32_t mistake_size(const union request *request)
{
    for (int i = 0; i < COMMANDS; i++)
        if (commands[i].request.hdr.type == request->hdr.type)
            return commands[i].size;
    return HEADER;
}

START_TEST(a_mistake_gets_its_error_and_changes_nothing)
{
    refused(&mistakes[_i].request, mistake_size(&mistakes[_i].request), ROOM,
            mistakes[_i].want);
}
END_TEST

/* --- fences --- */

START_TEST(a_fence_is_repeated_in_the_response)
{
    union request request = commands[_i].request;
    request.hdr.flags = FENCE | 0xff00;
    request.hdr.fence_id = 0x123456789abcdef0;
    request.hdr.ring_idx = 3;
    ck_assert(run(&request, commands[_i].size, ROOM));
    ck_assert_uint_eq(response.header.type, commands[_i].answer);
    ck_assert_uint_eq(response.header.flags, FENCE);
    ck_assert_uint_eq(response.header.fence_id, request.hdr.fence_id);
    ck_assert_uint_eq(response.header.ctx_id, request.hdr.ctx_id);
    ck_assert_uint_eq(timeline.context_id, 0); /* the global one */
    ck_assert_uint_eq(timeline.ring, 0);
}
END_TEST

START_TEST(a_ring_is_a_timeline_of_its_context)
{
    union request request = commands[_i].request;
    if (request.hdr.ctx_id == 0)
        request.hdr.ctx_id = FAKE_CONTEXT;
    request.hdr.flags = FENCE | RING;
    request.hdr.fence_id = 77;
    request.hdr.ring_idx = 3;
    ck_assert(run(&request, commands[_i].size, ROOM));
    ck_assert_uint_eq(response.header.type, commands[_i].answer);
    ck_assert_uint_eq(response.header.flags, FENCE | RING);
    ck_assert_uint_eq(response.header.fence_id, 77);
    ck_assert_uint_eq(response.header.ctx_id, request.hdr.ctx_id);
    ck_assert_uint_eq(response.header.ring_idx, 3);
    /* A destroyed context has no rings: its own end is an event of the global timeline. */
    bool destroyed = request.hdr.type == CMD(CTX_DESTROY);
    ck_assert_uint_eq(timeline.context_id, destroyed ? 0 : request.hdr.ctx_id);
    ck_assert_uint_eq(timeline.ring, destroyed ? 0 : 3);
}
END_TEST

START_TEST(a_ring_of_an_unknown_context_is_refused)
{
    union request request = commands[_i].request;
    if (request.hdr.type == CMD(CTX_CREATE))
        return; /* its context is new */
    static const uint32_t nobody[] = {0, NOBODY, UINT32_MAX};
    for (size_t i = 0; i < ARRAY_SIZE(nobody); i++) {
        request.hdr.flags = FENCE | RING;
        request.hdr.fence_id = 78;
        request.hdr.ctx_id = nobody[i];
        refused(&request, commands[_i].size, ROOM, CONTEXT);
        ck_assert_uint_eq(response.header.flags, FENCE | RING);
        ck_assert_uint_eq(response.header.fence_id, 78);
    }
}
END_TEST

START_TEST(a_refused_command_repeats_its_fence_and_does_not_wait)
{
    union request request = mistakes[_i].request;
    request.hdr.flags = FENCE;
    request.hdr.fence_id = 5;
    refused(&request, mistake_size(&request), ROOM, mistakes[_i].want);
    ck_assert_uint_eq(response.header.flags, FENCE);
    ck_assert_uint_eq(response.header.fence_id, 5);
}
END_TEST

START_TEST(a_ring_without_a_fence_is_nothing)
{
    union request request = commands[_i].request;
    request.hdr.flags = RING;
    request.hdr.ring_idx = 3;
    ck_assert(!run(&request, commands[_i].size, ROOM));
    ck_assert_uint_eq(response.header.type, commands[_i].answer);
    ck_assert_uint_eq(response.header.flags, 0);
}
END_TEST

/* --- what single commands do --- */

START_TEST(the_displays_are_off)
{
    run(&commands[0].request, HEADER, ROOM);
    for (unsigned i = 0; i < VIRTIO_GPU_MAX_SCANOUTS; i++)
        ck_assert_uint_eq(response.display_info.pmodes[i].enabled, 0);
    for (size_t i = HEADER; i < response.size; i++)
        ck_assert_uint_eq(response.bytes[i], 0);
}
END_TEST

START_TEST(capsets_are_the_renderers)
{
    union request request = {.capset_info.hdr.type = CMD(GET_CAPSET_INFO)};
    run(&request, LENGTH(capset_info), ROOM);
    ck_assert_uint_eq(response.capset_info.capset_id, 1);
    ck_assert_uint_eq(response.capset_info.capset_max_version, 1);
    ck_assert_uint_eq(response.capset_info.capset_max_size, 308);

    for (uint32_t version = 0; version <= 1; version++) {
        request.capset = (struct virtio_gpu_get_capset){
            .hdr.type = CMD(GET_CAPSET), .capset_id = 1, .capset_version = version};
        run(&request, LENGTH(capset), ROOM);
        ck_assert_uint_eq(response.size, HEADER + 308);
        ck_assert_uint_eq(response.bytes[HEADER], 0xc5);
        ck_assert_uint_eq(response.bytes[HEADER + 307], 0xc5);
    }
}
END_TEST

START_TEST(a_capset_that_does_not_fit_is_refused)
{
    const union request request = {
        .capset = {.hdr.type = CMD(GET_CAPSET), .capset_id = 1}};
    static const uint32_t sizes[] = {GPU_RESPONSE_MAX - HEADER + 1, UINT32_MAX};
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        fake.renderer.capsets[0].size = sizes[i];
        fake_output_clear(&fake.trace_output);
        fake.trace.out = fake.trace_output.stream;
        refused(&request, LENGTH(capset), UINT64_MAX, UNSPEC);
        ck_assert_ptr_nonnull(strstr(fake_output_text(&fake.trace_output), "bytes"));
    }
    fake.renderer.capsets[0].size = GPU_RESPONSE_MAX - HEADER;
    run(&request, LENGTH(capset), ROOM);
    ck_assert_uint_eq(response.header.type, VIRTIO_GPU_RESP_OK_CAPSET);
    ck_assert_uint_eq(response.size, GPU_RESPONSE_MAX);
    ck_assert_uint_eq(response.bytes[GPU_RESPONSE_MAX - 1], 0xc5);
}
END_TEST

static const struct {
    const char *name;
    uint32_t length;
    const char *want;
} names[] = {
    {"", 0, ""},
    {"vkcube", 6, "vkcube"},
    {"vkcube", 3, "vkc"},
    {"a\n\x1b[31m\x7f\xff", 9, "a??[31m??"},
    {"with\0zero", 9, "with?zero"},
    {"0123456789012345678901234567890123456789012345678901234567890123", 64,
     "0123456789012345678901234567890123456789012345678901234567890123"},
};

START_TEST(names_are_cut_and_cleaned)
{
    union request request = CTX(9, names[_i].length, 4);
    memcpy(request.context_create.debug_name, names[_i].name, names[_i].length);
    run(&request, LENGTH(context_create), ROOM);
    ck_assert_uint_eq(response.header.type, OK);
    ck_assert_str_eq(fake.renderer.context_name, names[_i].want);
}
END_TEST

START_TEST(context_init_counts_only_when_negotiated)
{
    union request request = CTX(9, 0, 4);
    run(&request, LENGTH(context_create), ROOM);
    ck_assert_uint_eq(fake.renderer.context_capset, 4);
    fake.gpu.virtio.driver_features = 0;
    request = (union request)CTX(10, 0, 0xffff);
    run(&request, LENGTH(context_create), ROOM);
    ck_assert_uint_eq(response.header.type, OK);
    ck_assert_uint_eq(fake.renderer.context_capset, 0);
}
END_TEST

START_TEST(a_stream_gets_to_the_renderer)
{
    union request request = commands[7].request;
    for (uint32_t size = 4; size <= 16; size += 4) {
        request.submit.head.size = size;
        run(&request, LENGTH(submit), ROOM);
        ck_assert_uint_eq(response.header.type, OK);
        ck_assert_uint_eq(fake.renderer.submitted_size, size);
        ck_assert_uint_eq(fake.renderer.submitted_word, 0x11223344);
    }
    ck_assert_uint_eq(fake.renderer.submit_count, 4);
}
END_TEST

START_TEST(a_stream_of_nothing_is_a_fence)
{
    union request request = SUBMIT(FAKE_CONTEXT, 0);
    request.hdr.flags = FENCE | RING;
    request.hdr.ring_idx = 1;
    ck_assert(run(&request, LENGTH(submit.head), ROOM));
    ck_assert_uint_eq(response.header.type, OK);
    ck_assert_uint_eq(timeline.context_id, FAKE_CONTEXT);
    ck_assert_uint_eq(timeline.ring, 1);
    ck_assert_uint_eq(fake.renderer.submit_count, 0);
    request.hdr.ctx_id = NOBODY;
    request.hdr.flags = 0;
    refused(&request, LENGTH(submit.head), ROOM, CONTEXT);
}
END_TEST

START_TEST(the_blobs_arguments_are_the_guests)
{
    run(&commands[8].request, commands[8].size, ROOM);
    const struct renderer_blob *blob =
        &fake_renderer_blob(&fake.renderer, NEW)->arguments;
    ck_assert_uint_eq(blob->context_id, FAKE_CONTEXT);
    ck_assert_uint_eq(blob->memory, VIRTIO_GPU_BLOB_MEM_HOST3D);
    ck_assert_uint_eq(blob->flags, 7);
    ck_assert_uint_eq(blob->blob_id, 12);
    ck_assert_uint_eq(blob->size, SIZE);
}
END_TEST

START_TEST(map_info_is_in_the_response)
{
    run(&commands[9].request, commands[9].size, ROOM);
    ck_assert_uint_eq(response.map_info.map_info, VIRTIO_GPU_MAP_CACHE_CACHED);
    ck_assert_uint_eq(response.map_info.padding, 0);
    ck_assert_uint_eq(fake.slot_address, FAKE_WINDOW_BASE + SIZE);
}
END_TEST

/* --- a guest that tries everything --- */

static uint32_t random_number(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static uint64_t pick(uint32_t *seed)
{
    static const uint64_t favourites[] = {
        0,      1,    2,           3,          4,          5,  0x1000, 0x2000,
        0x4000, 0x11, FAKE_WINDOW, UINT32_MAX, UINT64_MAX, 24, 0x8000};
    return favourites[random_number(seed) % ARRAY_SIZE(favourites)];
}

START_TEST(nothing_that_a_guest_says_does_harm)
{
    uint32_t seed = (uint32_t)_i;
    struct error error;
    for (unsigned round = 0; round < 3000; round++) {
        const unsigned which = random_number(&seed) % (unsigned)COMMANDS;
        union request request = commands[which].request;
        uint8_t *bytes = (uint8_t *)&request;
        uint32_t size = commands[which].size;
        /* A few words of it, but not the type. */
        for (unsigned change = random_number(&seed) % 4; change > 0; change--) {
            uint64_t value = pick(&seed);
            size_t word = 4 + 4 * (random_number(&seed) % ((size - 4) / 4));
            memcpy(bytes + word, &value, 4);
        }
        if (random_number(&seed) % 16 == 0)
            size = random_number(&seed) % (uint32_t)sizeof request;
        /* What the fake renderer cannot count. */
        request.hdr.ctx_id %= 64;
        if (request.hdr.type == CMD(RESOURCE_CREATE_BLOB))
            request.create.resource_id %= 40;
        fake.renderer.plan.claimed = 1 + random_number(&seed) % 4;
        fake.renderer.plan.fd = random_number(&seed) % FAKE_FD_COUNT;
        fake.renderer.plan.pointer = random_number(&seed) % (FAKE_POINTER_NULL + 1);
        fake.slots_fail = random_number(&seed) % 16 == 0;
        fake.removal_fails = random_number(&seed) % 16 == 0;
        run(&request, size, random_number(&seed) % 4 ? ROOM : pick(&seed));

        ck_assert_uint_eq(fake.gpu.resources.count, fake.renderer.blob_count);
        ck_assert_uint_eq(fake.gpu.context_count, fake.renderer.context_count);
        ck_assert_uint_eq(fake.slot_count, fake.memslots.count);
        unsigned mapped = 0;
        for (uint32_t id = 1; id < 64; id++) {
            const struct resource *resource =
                resource_find(&fake.gpu.resources, id, &error);
            mapped += resource && resource->mapping.mapped;
        }
        ck_assert_uint_eq(mapped, fake.slot_count);
    }
}
END_TEST

Suite *command_suite(void)
{
    Suite *suite = suite_create("command");
    TCase *test_case = tcase_create("command");
    const int mistake_count = (int)ARRAY_SIZE(mistakes);
    tcase_add_checked_fixture(test_case, set_up, tear_down);
    tcase_add_loop_test(test_case, a_command_is_answered_in_full, 0, COMMANDS);
    tcase_add_loop_test(test_case, a_command_may_be_longer_than_needed, 0, COMMANDS);
    tcase_add_loop_test(test_case, one_byte_too_few_changes_nothing, 0, COMMANDS);
    tcase_add_loop_test(test_case, one_byte_of_room_too_few_changes_nothing, 0, COMMANDS);
    tcase_add_test(test_case, the_header_alone_may_be_short);
    tcase_add_test(test_case, other_types_are_unspec);
    tcase_add_loop_test(test_case, each_error_has_the_response_of_the_specification, 1,
                        ERROR_CODE_COUNT);
    tcase_add_loop_test(test_case, a_mistake_gets_its_error_and_changes_nothing, 0,
                        mistake_count);
    tcase_add_loop_test(test_case, a_fence_is_repeated_in_the_response, 0, COMMANDS);
    tcase_add_loop_test(test_case, a_ring_is_a_timeline_of_its_context, 0, COMMANDS);
    tcase_add_loop_test(test_case, a_ring_of_an_unknown_context_is_refused, 0, COMMANDS);
    tcase_add_loop_test(test_case, a_refused_command_repeats_its_fence_and_does_not_wait,
                        0, mistake_count);
    tcase_add_loop_test(test_case, a_ring_without_a_fence_is_nothing, 0, COMMANDS);
    tcase_add_test(test_case, the_displays_are_off);
    tcase_add_test(test_case, capsets_are_the_renderers);
    tcase_add_test(test_case, a_capset_that_does_not_fit_is_refused);
    tcase_add_loop_test(test_case, names_are_cut_and_cleaned, 0, (int)ARRAY_SIZE(names));
    tcase_add_test(test_case, context_init_counts_only_when_negotiated);
    tcase_add_test(test_case, a_stream_gets_to_the_renderer);
    tcase_add_test(test_case, a_stream_of_nothing_is_a_fence);
    tcase_add_test(test_case, the_blobs_arguments_are_the_guests);
    tcase_add_test(test_case, map_info_is_in_the_response);
    tcase_add_loop_test(test_case, nothing_that_a_guest_says_does_harm, 0, 4);
    suite_add_tcase(suite, test_case);
    return suite;
}

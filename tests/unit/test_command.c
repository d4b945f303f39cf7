/* SPDX-License-Identifier: MIT */
/* Each command of the control queue: lengths, errors, fences. */
#include <check.h>
#include <string.h>

#include "tests/unit/gpu_commands.h"
#include "tests/unit/suites.h"

/* --- each command, done right and nearly right --- */

START_TEST(a_command_is_answered_in_full)
{
    ck_assert(!run(&good_commands[_i].request, good_commands[_i].size,
                   good_commands[_i].answer_size));
    ck_assert_msg(commands.response.header.type == good_commands[_i].answer, "%s: %s",
                  good_commands[_i].name, fake_output_text(&commands.fake.trace_output));
    ck_assert_uint_eq(commands.response.size, good_commands[_i].answer_size);
    ck_assert_uint_eq(commands.response.header.flags, 0);
    ck_assert_uint_eq(commands.response.header.fence_id, 0);
    ck_assert_uint_eq(commands.response.header.ctx_id, 0);
    ck_assert_uint_eq(commands.response.header.ring_idx, 0);
    ck_assert_uint_eq(atomic_load(&commands.fake.trace.warnings), 0);
}
END_TEST

START_TEST(a_command_may_be_longer_than_needed)
{
    uint8_t request[sizeof(union request) + 100] = {0};
    memcpy(request, &good_commands[_i].request, sizeof good_commands[_i].request);
    run(request, sizeof request, ROOM);
    ck_assert_uint_eq(commands.response.header.type, good_commands[_i].answer);
}
END_TEST

START_TEST(one_byte_too_few_changes_nothing)
{
    refused(&good_commands[_i].request, good_commands[_i].size - 1, ROOM,
            _i == GOOD_SUBMIT || _i == GOOD_ATTACH_BACKING ? PARAMETER : UNSPEC);
    refused(&good_commands[_i].request, HEADER - 1, ROOM, UNSPEC);
}
END_TEST

START_TEST(one_byte_of_room_too_few_changes_nothing)
{
    refused(&good_commands[_i].request, good_commands[_i].size,
            good_commands[_i].answer_size - 1, UNSPEC);
    refused(&good_commands[_i].request, good_commands[_i].size, HEADER - 1, UNSPEC);
    refused(&good_commands[_i].request, good_commands[_i].size, 0, UNSPEC);
}
END_TEST

START_TEST(the_header_alone_may_be_short)
{
    for (uint32_t size = 0; size < HEADER; size++)
        refused(&good_commands[GOOD_DISPLAY_INFO].request, size, ROOM, UNSPEC);
}
END_TEST

START_TEST(other_types_are_unspec)
{
    for (uint32_t type = 0; type < 0x2000; type++) {
        union request request = {.hdr.type = type};
        bool known = false;
        for (int i = 0; i < GOOD_COMMANDS; i++)
            known |= good_commands[i].request.hdr.type == type;
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
    else if (_i == ERROR_GUEST_SCANOUT)
        want = SCANOUT;
    else if (_i == ERROR_GUEST_PARAMETER)
        want = PARAMETER;
    else if (_i == ERROR_GUEST_LIMIT || _i == ERROR_HOST_MEMORY)
        want = MEMORY;
    commands.fake.renderer.submit_fails = (enum error_code)_i;
    refused(&good_commands[GOOD_SUBMIT].request, good_commands[GOOD_SUBMIT].size, ROOM,
            want);
}
END_TEST

// clang-format off
#define CREATE(context, id, memory, flags, entries, bytes) \
    {.create = {.hdr = {.type = CMD(RESOURCE_CREATE_BLOB), .ctx_id = (context)}, .resource_id = (id), \
                .blob_mem = (memory), .blob_flags = (flags), .nr_entries = (entries), .size = (bytes)}}
#define HOST3D VIRTIO_GPU_BLOB_MEM_HOST3D
#define MAP(id, place) {.map = {.hdr.type = CMD(RESOURCE_MAP_BLOB), .resource_id = (id), .offset = (place)}}
#define TEX(id, kind, w, h, d, layers, last, samples) \
    {.create_3d = {.hdr.type = CMD(RESOURCE_CREATE_3D), .resource_id = (id), .target = (kind), .format = 1, .width = (w), .height = (h), \
                   .depth = (d), .array_size = (layers), .last_level = (last), .nr_samples = (samples)}}
#define MOVE(command, context, id, place) \
    {.transfer_3d = {.hdr = {.type = CMD(command), .ctx_id = (context)}, .resource_id = (id), .offset = (place), \
                     .box = {.w = 1, .h = 1, .d = 1}}}
#define PAIR(command, context, id) \
    {.pair = {.hdr = {.type = CMD(command), .ctx_id = (context)}, .resource_id = (id)}}

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

    {"resource 0", CREATE(FAKE_CONTEXT, 0, HOST3D, 1, 0, BLOB_SIZE), RESOURCE},
    {"resource twice", CREATE(FAKE_CONTEXT, CREATED, HOST3D, 1, 0, BLOB_SIZE), RESOURCE},
    {"memory 0", CREATE(FAKE_CONTEXT, NEW, 0, 1, 0, BLOB_SIZE), PARAMETER},
    {"memory 4", CREATE(FAKE_CONTEXT, NEW, 4, 1, 0, BLOB_SIZE), PARAMETER},
    {"guest memory that did not come", CREATE(FAKE_CONTEXT, NEW, VIRTIO_GPU_BLOB_MEM_GUEST, 1, 1, BLOB_SIZE), PARAMETER},
    {"guest memory for nobody", CREATE(NOBODY, NEW, VIRTIO_GPU_BLOB_MEM_GUEST, 1, 0, BLOB_SIZE), CONTEXT},
    {"both memories, of which one did not come", CREATE(FAKE_CONTEXT, NEW, VIRTIO_GPU_BLOB_MEM_HOST3D_GUEST, 1, UINT32_MAX, BLOB_SIZE), PARAMETER},
    {"both memories in no context", CREATE(0, NEW, VIRTIO_GPU_BLOB_MEM_HOST3D_GUEST, 1, 0, BLOB_SIZE), CONTEXT},
    {"unknown flag", CREATE(FAKE_CONTEXT, NEW, HOST3D, 9, 0, BLOB_SIZE), PARAMETER},
    {"entries", CREATE(FAKE_CONTEXT, NEW, HOST3D, 1, 1, BLOB_SIZE), PARAMETER},
    {"size 0", CREATE(FAKE_CONTEXT, NEW, HOST3D, 1, 0, 0), PARAMETER},
    {"a byte more", CREATE(FAKE_CONTEXT, NEW, HOST3D, 1, 0, BLOB_SIZE + 1), PARAMETER},
    {"larger than the window", CREATE(FAKE_CONTEXT, NEW, HOST3D, 1, 0, FAKE_WINDOW + PAGE_SIZE_4K), PARAMETER},
    {"largest size", CREATE(FAKE_CONTEXT, NEW, HOST3D, 1, 0, UINT64_MAX - PAGE_SIZE_4K + 1), PARAMETER},
    {"blob in no context", CREATE(0, NEW, HOST3D, 1, 0, BLOB_SIZE), CONTEXT},

    {"map nothing", MAP(NOBODY, BLOB_SIZE), RESOURCE},
    {"map resource 0", MAP(0, BLOB_SIZE), RESOURCE},
    {"map twice", MAP(MAPPED, BLOB_SIZE), UNSPEC},
    {"map inside of a page", MAP(CREATED, BLOB_SIZE + 1), PARAMETER},
    {"map over another", MAP(CREATED, BLOB_SIZE - PAGE_SIZE_4K), PARAMETER},
    {"map over the end", MAP(CREATED, FAKE_WINDOW - PAGE_SIZE_4K), PARAMETER},
    {"map beyond", MAP(CREATED, FAKE_WINDOW), PARAMETER},
    {"map around the end", MAP(CREATED, UINT64_MAX - BLOB_SIZE + 1), PARAMETER},
    {"unmap nothing", {.unmap = {.hdr.type = CMD(RESOURCE_UNMAP_BLOB), .resource_id = NOBODY}}, RESOURCE},
    {"unmap what is not mapped", {.unmap = {.hdr.type = CMD(RESOURCE_UNMAP_BLOB), .resource_id = CREATED}}, UNSPEC},
    {"map a texture", MAP(TEXTURE, BLOB_SIZE), UNSPEC},
    {"texture 0", TEX(0, 2, 4, 4, 1, 1, 0, 0), RESOURCE},
    {"texture twice", TEX(TEXTURE, 2, 4, 4, 1, 1, 0, 0), RESOURCE},
    {"texture over a blob", TEX(CREATED, 2, 4, 4, 1, 1, 0, 0), RESOURCE},
    {"no width", TEX(NEW, 2, 0, 4, 1, 1, 0, 0), PARAMETER},
    {"no height", TEX(NEW, 2, 4, 0, 1, 1, 0, 0), PARAMETER},
    {"no depth", TEX(NEW, 2, 4, 4, 0, 1, 0, 0), PARAMETER},
    {"no layer", TEX(NEW, 2, 4, 4, 1, 0, 0, 0), PARAMETER},
    {"too wide", TEX(NEW, 2, 16385, 4, 1, 1, 0, 0), PARAMETER},
    {"too high", TEX(NEW, 2, 4, UINT32_MAX, 1, 1, 0, 0), PARAMETER},
    {"too deep", TEX(NEW, 3, 4, 4, 2049, 1, 0, 0), PARAMETER},
    {"too many layers", TEX(NEW, 7, 4, 4, 1, 2049, 0, 0), PARAMETER},
    {"too many levels", TEX(NEW, 2, 4, 4, 1, 1, 15, 0), PARAMETER},
    {"too many samples", TEX(NEW, 2, 4, 4, 1, 1, 0, 33), PARAMETER},
    {"too many texels", TEX(NEW, 7, 16384, 16384, 1, 2, 0, 0), VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY},
    {"all at their most", TEX(NEW, 7, 16384, 16384, 2048, 2048, 14, 32), VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY},
    {"empty buffer", TEX(NEW, 0, 0, 1, 1, 1, 0, 0), PARAMETER},
    {"huge buffer", TEX(NEW, 0, UINT32_MAX, 1, 1, 1, 0, 0), PARAMETER},
    {"transfer nothing", MOVE(TRANSFER_TO_HOST_3D, 0, NOBODY, 0), RESOURCE},
    {"transfer for nobody", MOVE(TRANSFER_TO_HOST_3D, NOBODY, TEXTURE, 0), CONTEXT},
    {"transfer back for nobody", MOVE(TRANSFER_FROM_HOST_3D, NOBODY, TEXTURE, 0), CONTEXT},
    {"transfer from behind its memory", MOVE(TRANSFER_TO_HOST_3D, 0, TEXTURE, PAGE_SIZE_4K + 1), PARAMETER},
    {"transfer to the largest offset", MOVE(TRANSFER_FROM_HOST_3D, 0, TEXTURE, UINT64_MAX), PARAMETER},
    {"transfer of a blob without guest memory", MOVE(TRANSFER_TO_HOST_3D, 0, CREATED, 0), UNSPEC},

    {"unref nothing", {.unref = {.hdr.type = CMD(RESOURCE_UNREF), .resource_id = NOBODY}}, RESOURCE},
};
// clang-format on

/* As long as the command of this type. */
static uint32_t mistake_size(const union request *request)
{
    for (int i = 0; i < GOOD_COMMANDS; i++)
        if (good_commands[i].request.hdr.type == request->hdr.type)
            return good_commands[i].size;
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
    union request request = good_commands[_i].request;
    request.hdr.flags = FENCE | 0xff00;
    request.hdr.fence_id = 0x123456789abcdef0;
    request.hdr.ring_idx = 3;
    ck_assert(run(&request, good_commands[_i].size, ROOM));
    ck_assert_uint_eq(commands.response.header.type, good_commands[_i].answer);
    ck_assert_uint_eq(commands.response.header.flags, FENCE);
    ck_assert_uint_eq(commands.response.header.fence_id, request.hdr.fence_id);
    ck_assert_uint_eq(commands.response.header.ctx_id, request.hdr.ctx_id);
    ck_assert_uint_eq(commands.timeline.context_id, 0); /* the global one */
    ck_assert_uint_eq(commands.timeline.ring, 0);
}
END_TEST

START_TEST(a_context_has_64_rings)
{
    struct virtio_gpu_ctx_resource request = {
        .hdr = {.type = CMD(CTX_ATTACH_RESOURCE),
                .flags = FENCE | RING,
                .ctx_id = FAKE_CONTEXT},
        .resource_id = 2,
    };
    fake_gpu_create_blob(&commands.fake, 99, 4096);
    request.resource_id = 99;
    request.hdr.ring_idx = 63;
    ck_assert(run(&request, sizeof request, ROOM));
    request.hdr.ring_idx = 64;
    ck_assert(!run(&request, sizeof request, ROOM));
    ck_assert_uint_eq(commands.response.header.type,
                      VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
}
END_TEST

START_TEST(a_ring_is_a_timeline_of_its_context)
{
    union request request = good_commands[_i].request;
    if (request.hdr.ctx_id == 0)
        request.hdr.ctx_id = FAKE_CONTEXT;
    request.hdr.flags = FENCE | RING;
    request.hdr.fence_id = 77;
    request.hdr.ring_idx = 3;
    ck_assert(run(&request, good_commands[_i].size, ROOM));
    ck_assert_uint_eq(commands.response.header.type, good_commands[_i].answer);
    ck_assert_uint_eq(commands.response.header.flags, FENCE | RING);
    ck_assert_uint_eq(commands.response.header.fence_id, 77);
    ck_assert_uint_eq(commands.response.header.ctx_id, request.hdr.ctx_id);
    ck_assert_uint_eq(commands.response.header.ring_idx, 3);
    /* A destroyed context has no rings: its own end is an event of the global timeline. */
    bool destroyed = request.hdr.type == CMD(CTX_DESTROY);
    ck_assert_uint_eq(commands.timeline.context_id, destroyed ? 0 : request.hdr.ctx_id);
    ck_assert_uint_eq(commands.timeline.ring, destroyed ? 0 : 3);
}
END_TEST

START_TEST(a_ring_of_an_unknown_context_is_refused)
{
    union request request = good_commands[_i].request;
    if (request.hdr.type == CMD(CTX_CREATE))
        return; /* its context is new */
    static const uint32_t nobody[] = {0, NOBODY, UINT32_MAX};
    for (size_t i = 0; i < ARRAY_SIZE(nobody); i++) {
        request.hdr.flags = FENCE | RING;
        request.hdr.fence_id = 78;
        request.hdr.ctx_id = nobody[i];
        refused(&request, good_commands[_i].size, ROOM, CONTEXT);
        ck_assert_uint_eq(commands.response.header.flags, FENCE | RING);
        ck_assert_uint_eq(commands.response.header.fence_id, 78);
    }
}
END_TEST

START_TEST(a_refused_command_repeats_its_fence_and_does_not_wait)
{
    union request request = mistakes[_i].request;
    request.hdr.flags = FENCE;
    request.hdr.fence_id = 5;
    refused(&request, mistake_size(&request), ROOM, mistakes[_i].want);
    ck_assert_uint_eq(commands.response.header.flags, FENCE);
    ck_assert_uint_eq(commands.response.header.fence_id, 5);
}
END_TEST

START_TEST(a_ring_without_a_fence_is_nothing)
{
    union request request = good_commands[_i].request;
    request.hdr.flags = RING;
    request.hdr.ring_idx = 3;
    ck_assert(!run(&request, good_commands[_i].size, ROOM));
    ck_assert_uint_eq(commands.response.header.type, good_commands[_i].answer);
    ck_assert_uint_eq(commands.response.header.flags, 0);
}
END_TEST

Suite *command_suite(void)
{
    Suite *suite = suite_create("command");
    TCase *test_case = tcase_create("command");
    const int mistake_count = (int)ARRAY_SIZE(mistakes);
    tcase_add_checked_fixture(test_case, gpu_commands_set_up, gpu_commands_tear_down);
    tcase_add_loop_test(test_case, a_command_is_answered_in_full, 0, GOOD_COMMANDS);
    tcase_add_loop_test(test_case, a_command_may_be_longer_than_needed, 0, GOOD_COMMANDS);
    tcase_add_loop_test(test_case, one_byte_too_few_changes_nothing, 0, GOOD_COMMANDS);
    tcase_add_loop_test(test_case, one_byte_of_room_too_few_changes_nothing, 0,
                        GOOD_COMMANDS);
    tcase_add_test(test_case, the_header_alone_may_be_short);
    tcase_add_test(test_case, other_types_are_unspec);
    tcase_add_loop_test(test_case, each_error_has_the_response_of_the_specification, 1,
                        ERROR_CODE_COUNT);
    tcase_add_loop_test(test_case, a_mistake_gets_its_error_and_changes_nothing, 0,
                        mistake_count);
    tcase_add_loop_test(test_case, a_fence_is_repeated_in_the_response, 0, GOOD_COMMANDS);
    tcase_add_test(test_case, a_context_has_64_rings);
    tcase_add_loop_test(test_case, a_ring_is_a_timeline_of_its_context, 0, GOOD_COMMANDS);
    tcase_add_loop_test(test_case, a_ring_of_an_unknown_context_is_refused, 0,
                        GOOD_COMMANDS);
    tcase_add_loop_test(test_case, a_refused_command_repeats_its_fence_and_does_not_wait,
                        0, mistake_count);
    tcase_add_loop_test(test_case, a_ring_without_a_fence_is_nothing, 0, GOOD_COMMANDS);
    suite_add_tcase(suite, test_case);
    return suite;
}

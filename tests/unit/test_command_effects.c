/* SPDX-License-Identifier: MIT */
/* What single commands do, and what a guest cannot do with any of them. */
#include <check.h>
#include <string.h>

#include "tests/unit/gpu_commands.h"
#include "tests/unit/suites.h"

/* --- what single commands do --- */

START_TEST(capsets_are_the_renderers)
{
    union request request = {.capset_info.hdr.type = CMD(GET_CAPSET_INFO)};
    run(&request, LENGTH(capset_info), ROOM);
    ck_assert_uint_eq(commands.response.capset_info.capset_id, 1);
    ck_assert_uint_eq(commands.response.capset_info.capset_max_version, 1);
    ck_assert_uint_eq(commands.response.capset_info.capset_max_size, 308);

    for (uint32_t version = 0; version <= 1; version++) {
        request.capset = (struct virtio_gpu_get_capset){
            .hdr.type = CMD(GET_CAPSET), .capset_id = 1, .capset_version = version};
        run(&request, LENGTH(capset), ROOM);
        ck_assert_uint_eq(commands.response.size, HEADER + 308);
        ck_assert_uint_eq(commands.response.bytes[HEADER], 0xc5);
        ck_assert_uint_eq(commands.response.bytes[HEADER + 307], 0xc5);
    }
}
END_TEST

START_TEST(a_capset_that_does_not_fit_is_refused)
{
    const union request request = {
        .capset = {.hdr.type = CMD(GET_CAPSET), .capset_id = 1}};
    static const uint32_t sizes[] = {GPU_RESPONSE_MAX - HEADER + 1, UINT32_MAX};
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        commands.fake.renderer.capsets[0].size = sizes[i];
        fake_output_clear(&commands.fake.trace_output);
        commands.fake.trace.out = commands.fake.trace_output.stream;
        refused(&request, LENGTH(capset), UINT64_MAX, UNSPEC);
        ck_assert_ptr_nonnull(
            strstr(fake_output_text(&commands.fake.trace_output), "bytes"));
    }
    commands.fake.renderer.capsets[0].size = GPU_RESPONSE_MAX - HEADER;
    run(&request, LENGTH(capset), ROOM);
    ck_assert_uint_eq(commands.response.header.type, VIRTIO_GPU_RESP_OK_CAPSET);
    ck_assert_uint_eq(commands.response.size, GPU_RESPONSE_MAX);
    ck_assert_uint_eq(commands.response.bytes[GPU_RESPONSE_MAX - 1], 0xc5);
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
    ck_assert_uint_eq(commands.response.header.type, OK_NODATA);
    ck_assert_str_eq(commands.fake.renderer.context_name, names[_i].want);
}
END_TEST

START_TEST(context_init_counts_only_when_negotiated)
{
    union request request = CTX(9, 0, 4);
    run(&request, LENGTH(context_create), ROOM);
    ck_assert_uint_eq(commands.fake.renderer.context_capset, 4);
    commands.fake.gpu.virtio.driver_features = 0;
    request = (union request)CTX(10, 0, 0xffff);
    run(&request, LENGTH(context_create), ROOM);
    ck_assert_uint_eq(commands.response.header.type, OK_NODATA);
    ck_assert_uint_eq(commands.fake.renderer.context_capset, VIRTIO_GPU_CAPSET_VIRGL);
}
END_TEST

START_TEST(a_stream_gets_to_the_renderer)
{
    union request request = good_commands[GOOD_SUBMIT].request;
    for (uint32_t size = 4; size <= 16; size += 4) {
        request.submit.head.size = size;
        run(&request, LENGTH(submit), ROOM);
        ck_assert_uint_eq(commands.response.header.type, OK_NODATA);
        ck_assert_uint_eq(commands.fake.renderer.submitted_size, size);
        ck_assert_uint_eq(commands.fake.renderer.submitted_word, 0x11223344);
    }
    ck_assert_uint_eq(commands.fake.renderer.submit_count, 4);
}
END_TEST

START_TEST(a_stream_of_nothing_is_a_fence)
{
    union request request = SUBMIT(FAKE_CONTEXT, 0);
    request.hdr.flags = FENCE | RING;
    request.hdr.ring_idx = 1;
    ck_assert(run(&request, LENGTH(submit.head), ROOM));
    ck_assert_uint_eq(commands.response.header.type, OK_NODATA);
    ck_assert_uint_eq(commands.timeline.context_id, FAKE_CONTEXT);
    ck_assert_uint_eq(commands.timeline.ring, 1);
    ck_assert_uint_eq(commands.fake.renderer.submit_count, 0);
    request.hdr.ctx_id = NOBODY;
    request.hdr.flags = 0;
    refused(&request, LENGTH(submit.head), ROOM, CONTEXT);
}
END_TEST

START_TEST(the_blobs_arguments_are_the_guests)
{
    run(&good_commands[GOOD_CREATE_BLOB].request, good_commands[GOOD_CREATE_BLOB].size,
        ROOM);
    const struct renderer_blob *blob =
        &fake_renderer_blob(&commands.fake.renderer, NEW)->arguments;
    ck_assert_uint_eq(blob->context_id, FAKE_CONTEXT);
    ck_assert_uint_eq(blob->memory, VIRTIO_GPU_BLOB_MEM_HOST3D);
    ck_assert_uint_eq(blob->flags, 7);
    ck_assert_uint_eq(blob->blob_id, 12);
    ck_assert_uint_eq(blob->size, BLOB_SIZE);
}
END_TEST

START_TEST(map_info_is_in_the_response)
{
    run(&good_commands[GOOD_MAP_BLOB].request, good_commands[GOOD_MAP_BLOB].size, ROOM);
    ck_assert_uint_eq(commands.response.map_info.map_info, VIRTIO_GPU_MAP_CACHE_CACHED);
    ck_assert_uint_eq(commands.response.map_info.padding, 0);
    ck_assert_uint_eq(commands.fake.slot_address, FAKE_WINDOW_BASE + BLOB_SIZE);
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

/* The counters are right, and the renderer knows what is its. */
static void check_counts(const struct resource_table *table)
{
    const struct quota_use *use = table->quota->use;
    unsigned count = 0;
    unsigned images = 0;
    uint64_t bytes = 0;
    for (const struct resource *resource = resource_next(table, NULL); resource;
         resource = resource_next(table, resource)) {
        count++;
        images += resource->kind == RESOURCE_2D;
        bytes += resource->share.of[QUOTA_HOST_MEMORY];
        ck_assert_uint_ge(resource->share.of[QUOTA_HOST_MEMORY],
                          sizeof *resource +
                              (resource->image.pixels ? resource->size : 0));
    }
    ck_assert_uint_eq(table->count, count);
    ck_assert_uint_eq(use[QUOTA_RESOURCES].now, count);
    ck_assert_uint_eq(use[QUOTA_HOST_MEMORY].now, bytes);
    ck_assert_uint_eq(commands.fake.renderer.blob_count, count - images);
}

START_TEST(nothing_that_a_guest_says_does_harm)
{
    uint32_t seed = (uint32_t)_i;
    struct error error;
    for (unsigned round = 0; round < 3000; round++) {
        const unsigned which = random_number(&seed) % (unsigned)GOOD_COMMANDS;
        union request request = good_commands[which].request;
        uint8_t *bytes = (uint8_t *)&request;
        uint32_t size = good_commands[which].size;
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
        /* What it counts the bytes of, on small machines. */
        if (request.hdr.type == CMD(RESOURCE_CREATE_2D))
            request.create_2d.width %= 256;
        commands.fake.renderer.plan.claimed = 1 + random_number(&seed) % 4;
        commands.fake.renderer.plan.fd = random_number(&seed) % FAKE_FD_COUNT;
        commands.fake.renderer.plan.pointer =
            random_number(&seed) % (FAKE_POINTER_NULL + 1);
        commands.fake.slots_fail = random_number(&seed) % 16 == 0;
        commands.fake.removal_fails = random_number(&seed) % 16 == 0;
        run(&request, size, random_number(&seed) % 4 ? ROOM : pick(&seed));

        check_counts(&commands.fake.gpu.resources);
        ck_assert_uint_eq(commands.fake.gpu.context_count,
                          commands.fake.renderer.context_count);
        ck_assert_uint_eq(commands.fake.slot_count, commands.fake.memslots.count);
        unsigned mapped = 0;
        for (uint32_t id = 1; id < 64; id++) {
            const struct resource *resource =
                resource_find(&commands.fake.gpu.resources, id, &error);
            mapped += resource && resource->mapping.mapped;
        }
        ck_assert_uint_eq(mapped, commands.fake.slot_count);
    }
}
END_TEST

Suite *command_effects_suite(void)
{
    Suite *suite = suite_create("command_effects");
    TCase *test_case = tcase_create("command_effects");
    tcase_add_checked_fixture(test_case, gpu_commands_set_up, gpu_commands_tear_down);
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

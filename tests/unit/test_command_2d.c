/* SPDX-License-Identifier: MIT */
/* 2D resources, guest memory, scanouts: the mistakes, and what the commands do. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/gpu_commands.h"
#include "tests/unit/suites.h"

#define FAR UINT32_MAX

// clang-format off
#define CREATE_2D(id, pixels, w, h) \
    {.create_2d = {.hdr.type = CMD(RESOURCE_CREATE_2D), .resource_id = (id), .format = (pixels), .width = (w), .height = (h)}}
#define ATTACH(id, count, first, bytes) \
    {.attach = {.head = {.hdr.type = CMD(RESOURCE_ATTACH_BACKING), .resource_id = (id), .nr_entries = (count)}, \
                .entries = {{.addr = (first), .length = (bytes)}, {.addr = 0, .length = 4096}}}}
#define DETACH(id) {.detach = {.hdr.type = CMD(RESOURCE_DETACH_BACKING), .resource_id = (id)}}
#define TRANSFER(id, place, ...) \
    {.transfer = {.hdr.type = CMD(TRANSFER_TO_HOST_2D), .r = {__VA_ARGS__}, .offset = (place), .resource_id = (id)}}
#define FLUSH(id, ...) {.flush = {.hdr.type = CMD(RESOURCE_FLUSH), .r = {__VA_ARGS__}, .resource_id = (id)}}
#define SHOW(number, id, ...) \
    {.scanout = {.hdr.type = CMD(SET_SCANOUT), .r = {__VA_ARGS__}, .scanout_id = (number), .resource_id = (id)}}
#define SHOW_BLOB(number, id, w, h, pixels, stride, start, ...) \
    {.scanout_blob = {.hdr.type = CMD(SET_SCANOUT_BLOB), .r = {__VA_ARGS__}, .scanout_id = (number), .resource_id = (id), \
                      .width = (w), .height = (h), .format = (pixels), .strides = {stride}, .offsets = {start}}}

static const struct {
    const char *name;
    union request request;
    uint32_t want;
} mistakes[] = {
    {"resource 0", CREATE_2D(0, FORMAT, 64, 64), RESOURCE},
    {"a taken id", CREATE_2D(IMAGE, FORMAT, 64, 64), RESOURCE},
    {"the id of a blob", CREATE_2D(CREATED, FORMAT, 64, 64), RESOURCE},
    {"format 0", CREATE_2D(NEW, 0, 64, 64), PARAMETER},
    {"no format", CREATE_2D(NEW, 5, 64, 64), PARAMETER},
    {"no width", CREATE_2D(NEW, FORMAT, 0, 64), PARAMETER},
    {"no height", CREATE_2D(NEW, FORMAT, 64, 0), PARAMETER},
    {"too wide", CREATE_2D(NEW, FORMAT, RESOURCE_SIDE_MAX + 1, 1), PARAMETER},
    {"4 * width * height is 0 in 32 bits", CREATE_2D(NEW, FORMAT, 0x8000, 0x8000), PARAMETER},
    {"4 * width * height is 0 in 64 bits", CREATE_2D(NEW, FORMAT, 0x80000000, 0x80000000), PARAMETER},
    {"1 GiB of pixels", CREATE_2D(NEW, FORMAT, RESOURCE_SIDE_MAX, RESOURCE_SIDE_MAX), MEMORY},

    {"attach to nothing", ATTACH(NOBODY, 2, PIXELS, 4096), RESOURCE},
    {"attach to a HOST3D blob", ATTACH(CREATED, 2, PIXELS, 4096), RESOURCE},
    {"attach twice", ATTACH(IMAGE, 2, PIXELS, 4096), UNSPEC},
    {"no entries", ATTACH(BARE, 0, PIXELS, 4096), PARAMETER},
    {"more entries than came", ATTACH(BARE, 3, PIXELS, 4096), PARAMETER},
    {"2^28 + 2 entries", ATTACH(BARE, 0x10000002, PIXELS, 4096), PARAMETER},
    {"4 G entries", ATTACH(BARE, FAR, PIXELS, 4096), PARAMETER},
    {"more entries than one resource may have", ATTACH(BARE, GUEST_PAGES_ENTRIES_MAX + 1, PIXELS, 4096), PARAMETER},
    {"an empty entry", ATTACH(BARE, 2, PIXELS, 0), PARAMETER},
    {"behind the memory", ATTACH(BARE, 2, FAKE_RAM, 4096), UNSPEC},
    {"over the end of the memory", ATTACH(BARE, 2, FAKE_RAM - 1, 2), UNSPEC},
    {"around the end", ATTACH(BARE, 2, UINT64_MAX - 1, 4096), UNSPEC},
    {"detach from nothing", DETACH(NOBODY), RESOURCE},
    {"detach nothing", DETACH(BARE), UNSPEC},
    {"detach from a blob", DETACH(CREATED), UNSPEC},

    {"transfer to nothing", TRANSFER(NOBODY, 0, 0, 0, 1, 1), RESOURCE},
    {"transfer to a blob", TRANSFER(CREATED, 0, 0, 0, 1, 1), RESOURCE},
    {"transfer from nothing", TRANSFER(BARE, 0, 0, 0, 1, 1), UNSPEC},
    {"too wide", TRANSFER(IMAGE, 0, 1, 0, 64, 1), PARAMETER},
    {"too high", TRANSFER(IMAGE, 0, 0, 64, 1, 1), PARAMETER},
    {"x + width is 0", TRANSFER(IMAGE, 0, FAR, 0, 1, 1), PARAMETER},
    {"y + height is 1", TRANSFER(IMAGE, 0, 0, FAR, 1, 2), PARAMETER},
    {"height of 4 G", TRANSFER(IMAGE, 0, 0, 0, 1, FAR), PARAMETER},
    {"a byte too far", TRANSFER(IMAGE, 1, 0, 0, 64, 64), PARAMETER},
    {"behind the memory", TRANSFER(IMAGE, IMAGE_BYTES, 0, 0, 1, 1), PARAMETER},
    {"offset + length is 0", TRANSFER(IMAGE, UINT64_MAX - 3, 0, 0, 1, 1), PARAMETER},
    {"offset + length is 4", TRANSFER(IMAGE, UINT64_MAX - 255, 0, 0, 1, 2), PARAMETER},

    {"flush nothing", FLUSH(NOBODY, 0, 0, 1, 1), RESOURCE},
    {"flush beyond", FLUSH(IMAGE, 1, 0, 64, 1), PARAMETER},
    {"flush around the end", FLUSH(IMAGE, 0, FAR, 1, 1), PARAMETER},

    {"scanout 2 of 2", SHOW(2, IMAGE, 0, 0, 64, 64), SCANOUT},
    {"scanout 16", SHOW(16, 0, 0, 0, 64, 64), SCANOUT},
    {"the last scanout", SHOW(FAR, IMAGE, 0, 0, 64, 64), SCANOUT},
    {"show nothing", SHOW(0, NOBODY, 0, 0, 64, 64), RESOURCE},
    {"show a blob without its layout", SHOW(0, CREATED, 0, 0, 64, 64), RESOURCE},
    {"no width", SHOW(0, IMAGE, 0, 0, 0, 64), PARAMETER},
    {"no height", SHOW(0, IMAGE, 0, 0, 64, 0), PARAMETER},
    {"too wide", SHOW(0, IMAGE, 1, 0, 64, 64), PARAMETER},
    {"too high", SHOW(0, IMAGE, 0, 1, 64, 64), PARAMETER},
    {"x + width is 63", SHOW(0, IMAGE, FAR, 0, 64, 64), PARAMETER},
    {"y + height is 63", SHOW(0, IMAGE, 0, FAR, 64, 64), PARAMETER},
    {"4 G wide", SHOW(0, IMAGE, 0, 0, FAR, 64), PARAMETER},

    {"blob on scanout 2", SHOW_BLOB(2, CREATED, 64, 64, FORMAT, 256, 0, 0, 0, 64, 64), SCANOUT},
    {"show no blob", SHOW_BLOB(0, NOBODY, 64, 64, FORMAT, 256, 0, 0, 0, 64, 64), RESOURCE},
    {"an image is no blob", SHOW_BLOB(0, IMAGE, 64, 64, FORMAT, 256, 0, 0, 0, 64, 64), RESOURCE},
    {"no format", SHOW_BLOB(0, CREATED, 64, 64, 0, 256, 0, 0, 0, 64, 64), PARAMETER},
    {"no width", SHOW_BLOB(0, CREATED, 0, 64, FORMAT, 256, 0, 0, 0, 64, 64), PARAMETER},
    {"no height", SHOW_BLOB(0, CREATED, 64, 0, FORMAT, 256, 0, 0, 0, 64, 64), PARAMETER},
    {"too large", SHOW_BLOB(0, CREATED, RESOURCE_SIDE_MAX + 1, 1, FORMAT, FAR, 0, 0, 0, 1, 1), PARAMETER},
    {"4 * width is 4 in 32 bits", SHOW_BLOB(0, CREATED, 0x40000001, 1, FORMAT, 256, 0, 0, 0, 1, 1), PARAMETER},
    {"a short stride", SHOW_BLOB(0, CREATED, 64, 64, FORMAT, 255, 0, 0, 0, 64, 64), PARAMETER},
    {"no stride", SHOW_BLOB(0, CREATED, 64, 64, FORMAT, 0, 0, 0, 0, 64, 64), PARAMETER},
    {"a long stride", SHOW_BLOB(0, CREATED, 64, 64, FORMAT, 257, 0, 0, 0, 64, 64), PARAMETER},
    {"the longest stride", SHOW_BLOB(0, CREATED, 64, 64, FORMAT, FAR, 0, 0, 0, 64, 64), PARAMETER},
    {"a byte too far", SHOW_BLOB(0, CREATED, 64, 64, FORMAT, 256, 1, 0, 0, 64, 64), PARAMETER},
    {"the last offset", SHOW_BLOB(0, CREATED, 64, 64, FORMAT, 256, FAR, 0, 0, 64, 64), PARAMETER},
    {"the rectangle too wide", SHOW_BLOB(0, CREATED, 64, 64, FORMAT, 256, 0, 1, 0, 64, 64), PARAMETER},
    {"the rectangle empty", SHOW_BLOB(0, CREATED, 64, 64, FORMAT, 256, 0, 0, 0, 0, 0), PARAMETER},
    {"the rectangle beyond", SHOW_BLOB(0, CREATED, 64, 64, FORMAT, 256, 0, FAR, 0, 1, 1), PARAMETER},

    {"EDID of scanout 2", {.edid = {.hdr.type = CMD(GET_EDID), .scanout = 2}}, SCANOUT},
    {"EDID of the last scanout", {.edid = {.hdr.type = CMD(GET_EDID), .scanout = FAR}}, SCANOUT},
    {"UUID of nothing", {.uuid = {.hdr.type = CMD(RESOURCE_ASSIGN_UUID), .resource_id = NOBODY}}, RESOURCE},
    {"UUID of 0", {.uuid = {.hdr.type = CMD(RESOURCE_ASSIGN_UUID)}}, RESOURCE},
};
// clang-format on

static uint32_t size_of(uint32_t type)
{
    for (int i = 0; i < GOOD_COMMANDS; i++)
        if (good_commands[i].request.hdr.type == type)
            return good_commands[i].size;
    return HEADER;
}

static void do_it(const union request *request)
{
    run(request, size_of(request->hdr.type), ROOM);
    ck_assert_msg(commands.response.header.type < VIRTIO_GPU_RESP_ERR_UNSPEC, "%s",
                  fake_output_text(&commands.fake.trace_output));
}

START_TEST(a_mistake_gets_its_error_and_changes_nothing)
{
    refused(&mistakes[_i].request, size_of(mistakes[_i].request.hdr.type), ROOM,
            mistakes[_i].want);
}
END_TEST

/* The driver did not take the feature that the command needs. */
START_TEST(commands_need_their_features)
{
    static const struct {
        int feature;
        enum good_command_index command;
    } needs[] = {{VIRTIO_GPU_F_EDID, GOOD_EDID},
                 {VIRTIO_GPU_F_RESOURCE_UUID, GOOD_UUID},
                 {VIRTIO_GPU_F_RESOURCE_BLOB, GOOD_SCANOUT_BLOB}};
    for (size_t i = 0; i < ARRAY_SIZE(needs); i++) {
        const struct good_command *command = &good_commands[needs[i].command];
        commands.fake.gpu.virtio.driver_features &= ~(UINT64_C(1) << needs[i].feature);
        refused(&command->request, command->size, ROOM, UNSPEC);
    }
}
END_TEST

static struct resource *find(uint32_t id)
{
    struct error error;
    return resource_find(&commands.fake.gpu.resources, id, &error);
}

static uint8_t *pixels_of(uint32_t id)
{
    return find(id)->image.pixels;
}

/* Byte i of IMAGE's guest memory. */
static uint8_t pattern(uint32_t i)
{
    return (uint8_t)(i % 253 + 1);
}

static void fill_guest_memory(void)
{
    struct error error;
    for (uint32_t i = 0; i < IMAGE_BYTES; i++) {
        uint8_t byte = pattern(i);
        ck_assert(
            guest_memory_write(&commands.fake.memory, gpa(PIXELS + i), &byte, 1, &error));
    }
}

START_TEST(a_transfer_takes_its_rectangle)
{
    const union request whole = TRANSFER(IMAGE, 0, 0, 0, 64, 64);
    const uint8_t *pixels = pixels_of(IMAGE);
    fill_guest_memory();
    do_it(&good_commands[GOOD_TRANSFER].request); /* 16 x 32 at (4, 8), from its place */
    for (uint32_t i = 0; i < IMAGE_BYTES; i++) {
        uint32_t x = i / 4 % 64;
        uint32_t y = i / 4 / 64;
        bool inside = x >= 4 && x < 20 && y >= 8 && y < 40;
        ck_assert_uint_eq(pixels[i], inside ? pattern(i) : 0);
    }
    do_it(&whole);
    for (uint32_t i = 0; i < IMAGE_BYTES; i++)
        ck_assert_uint_eq(pixels[i], pattern(i));
}
END_TEST

/* From any place, with the rows as far apart as the image's are. */
START_TEST(a_transfer_starts_at_its_offset)
{
    const union request request = TRANSFER(IMAGE, 10, 60, 62, 4, 2);
    const uint8_t *pixels = pixels_of(IMAGE);
    fill_guest_memory();
    do_it(&request);
    for (uint32_t i = 0; i < 16; i++) {
        ck_assert_uint_eq(pixels[4 * (62 * 64 + 60) + i], pattern(10 + i));
        ck_assert_uint_eq(pixels[4 * (63 * 64 + 60) + i], pattern(10 + 256 + i));
    }
}
END_TEST

START_TEST(an_empty_rectangle_is_nothing_to_do)
{
    const union request requests[] = {TRANSFER(IMAGE, UINT64_MAX, 64, 0, 0, 64),
                                      TRANSFER(IMAGE, 0, 0, 64, 64, 0),
                                      FLUSH(IMAGE, 0, 0, 0, 0)};
    fill_guest_memory();
    for (size_t i = 0; i < ARRAY_SIZE(requests); i++)
        do_it(&requests[i]);
    for (uint32_t i = 0; i < IMAGE_BYTES; i++)
        ck_assert_uint_eq(pixels_of(IMAGE)[i], 0);
}
END_TEST

/* Not even the rows that could be copied. */
START_TEST(a_refused_transfer_copies_nothing)
{
    const union request request = TRANSFER(IMAGE, 1, 0, 0, 64, 64);
    fill_guest_memory();
    refused(&request, LENGTH(transfer), ROOM, PARAMETER);
    for (uint32_t i = 0; i < IMAGE_BYTES; i++)
        ck_assert_uint_eq(pixels_of(IMAGE)[i], 0);
}
END_TEST

/* Seen from Linux 6.12, whose dumb buffers are guest blobs when there is no virgl. */
START_TEST(a_guest_blob_needs_no_transfer)
{
    const union request request = TRANSFER(CREATED, 0, 0, 0, 64, 64);
    find(CREATED)->blob_memory = VIRTIO_GPU_BLOB_MEM_GUEST;
    do_it(&request);
    find(CREATED)->blob_memory = VIRTIO_GPU_BLOB_MEM_HOST3D;
    refused(&request, LENGTH(transfer), ROOM, RESOURCE);
}
END_TEST

START_TEST(detached_memory_is_not_used)
{
    const union request again = ATTACH(IMAGE, 1, 0, IMAGE_BYTES);
    const union request transfer = TRANSFER(IMAGE, 0, 0, 0, 64, 64);
    do_it(&good_commands[GOOD_DETACH_BACKING].request);
    refused(&transfer, LENGTH(transfer), ROOM, UNSPEC);
    do_it(&again);
    do_it(&transfer);
}
END_TEST

/* So many bytes more than there are now. */
static void allow_more(uint64_t bytes)
{
    struct quota *quota = &commands.fake.gpu.quota;
    quota->limits.of[QUOTA_HOST_MEMORY] = quota->use[QUOTA_HOST_MEMORY].now + bytes;
}

/* What is unreferenced counts no more. */
START_TEST(pixels_have_a_quota)
{
    union request half = CREATE_2D(10, FORMAT, 512, 512); /* 1 MiB each */
    union request unref = {.unref = {.hdr.type = CMD(RESOURCE_UNREF), .resource_id = 10}};
    allow_more(3 * MIB / 2);
    do_it(&half);
    half.create_2d.resource_id = 11;
    refused(&half, LENGTH(create_2d), ROOM, MEMORY);
    ck_assert_ptr_nonnull(
        strstr(fake_output_text(&commands.fake.trace_output), "--quota host-memory"));
    do_it(&unref);
    do_it(&half);
}
END_TEST

/* The host's lists of them. */
START_TEST(entries_have_a_quota)
{
    const union request attach = ATTACH(BARE, 2, PIXELS, 4096);
    allow_more(79);
    refused(&attach, LENGTH(attach), ROOM, MEMORY);
    allow_more(80);
    do_it(&attach);
}
END_TEST

START_TEST(a_uuid_is_random_and_stays)
{
    union request request = good_commands[GOOD_UUID].request;
    uint8_t first[16];
    do_it(&request);
    memcpy(first, commands.response.uuid.uuid, sizeof first);
    ck_assert_uint_eq(first[6] >> 4, 4); /* RFC 4122, 4.4 */
    ck_assert_uint_eq(first[8] >> 6, 2);
    do_it(&request);
    ck_assert_mem_eq(commands.response.uuid.uuid, first, sizeof first);
    request.uuid.resource_id = BARE;
    do_it(&request);
    ck_assert_mem_ne(commands.response.uuid.uuid, first, sizeof first);
}
END_TEST

Suite *command_2d_suite(void)
{
    Suite *suite = suite_create("command_2d");
    TCase *test_case = tcase_create("command_2d");
    tcase_add_checked_fixture(test_case, gpu_commands_set_up, gpu_commands_tear_down);
    tcase_add_loop_test(test_case, a_mistake_gets_its_error_and_changes_nothing, 0,
                        (int)ARRAY_SIZE(mistakes));
    tcase_add_test(test_case, commands_need_their_features);
    tcase_add_test(test_case, a_transfer_takes_its_rectangle);
    tcase_add_test(test_case, a_transfer_starts_at_its_offset);
    tcase_add_test(test_case, an_empty_rectangle_is_nothing_to_do);
    tcase_add_test(test_case, a_refused_transfer_copies_nothing);
    tcase_add_test(test_case, a_guest_blob_needs_no_transfer);
    tcase_add_test(test_case, detached_memory_is_not_used);
    tcase_add_test(test_case, pixels_have_a_quota);
    tcase_add_test(test_case, entries_have_a_quota);
    tcase_add_test(test_case, a_uuid_is_random_and_stays);
    suite_add_tcase(suite, test_case);
    return suite;
}

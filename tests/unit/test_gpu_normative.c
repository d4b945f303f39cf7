/* SPDX-License-Identifier: MIT */
/* Statements of the specification about displays, scanouts, the cursor and events, one test for
 * each: docs/virtio-gpu.md lists them (virtio 1.4, 5.7). */
#include <check.h>
#include <string.h>

#include "devices/gpu/scanout.h"
#include "tests/unit/gpu_commands.h"
#include "tests/unit/suites.h"

#define PICTURE 20u /* a 2D resource */
#define WIDTH   64u
#define HEIGHT  64u
#define SCANOUT VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID

static uint32_t answer_to(const void *request, uint32_t size)
{
    run(request, size, ROOM);
    return commands.response.header.type;
}

#define RUN(kind, ...)                                                                   \
    answer_to(&(const struct virtio_gpu_##kind){__VA_ARGS__},                            \
              sizeof(struct virtio_gpu_##kind))
#define TYPE(name) .hdr.type = VIRTIO_GPU_CMD_##name

static const struct virtio_gpu_rect whole = {.width = WIDTH, .height = HEIGHT};

static void set_up(void)
{
    gpu_commands_set_up();
    ck_assert_uint_eq(
        RUN(resource_create_2d, TYPE(RESOURCE_CREATE_2D), .resource_id = PICTURE,
            .format = VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, .width = WIDTH, .height = HEIGHT),
        OK_NODATA);
}

static uint32_t set_scanout(uint32_t scanout, uint32_t resource,
                            struct virtio_gpu_rect rect)
{
    return RUN(set_scanout, TYPE(SET_SCANOUT), .r = rect, .scanout_id = scanout,
               .resource_id = resource);
}

static uint32_t cursor_command(struct virtio_gpu_update_cursor command)
{
    gpu_cursor_command(&commands.fake.gpu, &command, sizeof command, &commands.response);
    return commands.response.header.type;
}

static struct resource *shown(unsigned scanout)
{
    return scanout_resource(&commands.fake.gpu, scanout);
}

/* 5.7.6.8, GET_DISPLAY_INFO. */
START_TEST(each_scanout_is_reported)
{
    ck_assert_uint_eq(RUN(ctrl_hdr, .type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO),
                      VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
    const struct virtio_gpu_resp_display_info *info = &commands.response.display_info;
    for (unsigned i = 0; i < VIRTIO_GPU_MAX_SCANOUTS; i++) {
        const struct gpu_display *display = &commands.fake.gpu.config.displays[i];
        ck_assert_uint_eq(info->pmodes[i].enabled, display->width > 0);
        ck_assert_uint_eq(info->pmodes[i].r.width, display->width);
        ck_assert_uint_eq(info->pmodes[i].r.height, display->height);
    }
}
END_TEST

/* 5.7.6.8, GET_EDID: the block is VESA's, at most 1024 bytes. */
START_TEST(a_scanout_has_an_edid)
{
    static const uint8_t magic[] = {0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0};
    ck_assert_uint_eq(RUN(cmd_get_edid, TYPE(GET_EDID), .scanout = 1),
                      VIRTIO_GPU_RESP_OK_EDID);
    const struct virtio_gpu_resp_edid *edid = &commands.response.edid;
    ck_assert_uint_ge(edid->size, 128);
    ck_assert_uint_le(edid->size, sizeof edid->edid);
    ck_assert_mem_eq(edid->edid, magic, sizeof magic);
    uint8_t sum = 0;
    for (unsigned i = 0; i < 128; i++)
        sum = (uint8_t)(sum + edid->edid[i]);
    ck_assert_uint_eq(sum, 0);
}
END_TEST

/* 5.7.6.7: every command that names a scanout. */
START_TEST(a_scanout_that_does_not_exist)
{
    static const uint32_t scanouts[] = {2, VIRTIO_GPU_MAX_SCANOUTS, UINT32_MAX};
    uint32_t none = scanouts[_i];
    ck_assert_uint_eq(set_scanout(none, PICTURE, whole), SCANOUT);
    ck_assert_uint_eq(set_scanout(none, 0, whole), SCANOUT);
    ck_assert_uint_eq(RUN(cmd_get_edid, TYPE(GET_EDID), .scanout = none), SCANOUT);
    ck_assert_uint_eq(RUN(set_scanout_blob, TYPE(SET_SCANOUT_BLOB), .r = whole,
                          .scanout_id = none, .resource_id = CREATED, .width = WIDTH,
                          .height = HEIGHT, .format = VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM,
                          .strides = {4 * WIDTH}),
                      SCANOUT);
    ck_assert_uint_eq(cursor_command((struct virtio_gpu_update_cursor){
                          TYPE(MOVE_CURSOR), .pos.scanout_id = none}),
                      SCANOUT);
    ck_assert_uint_eq(
        cursor_command((struct virtio_gpu_update_cursor){
            TYPE(UPDATE_CURSOR), .pos.scanout_id = none, .resource_id = PICTURE}),
        SCANOUT);
}
END_TEST

static const struct virtio_gpu_rect outside[] = {
    {.width = WIDTH + 1, .height = 1},
    {.width = 1, .height = HEIGHT + 1},
    {.x = 1, .width = WIDTH, .height = 1},
    {.y = 1, .width = 1, .height = HEIGHT},
    {.x = UINT32_MAX, .width = 2, .height = 1},
    {.y = UINT32_MAX, .width = 1, .height = 2},
    {.x = WIDTH, .width = UINT32_MAX, .height = 1},
    {.width = 0, .height = HEIGHT},
    {.width = WIDTH, .height = 0},
};

/* 5.7.6.8, SET_SCANOUT: the rectangle is covered by the resource. */
START_TEST(a_scanout_lies_inside_of_its_resource)
{
    ck_assert_uint_eq(set_scanout(0, PICTURE, whole), OK_NODATA);
    struct resource *before = shown(0);
    ck_assert_uint_eq(set_scanout(0, PICTURE, outside[_i]), PARAMETER);
    ck_assert_ptr_eq(shown(0), before);
}
END_TEST

/* 5.7.6.8, SET_SCANOUT. */
START_TEST(resource_0_disables_a_scanout)
{
    ck_assert_uint_eq(set_scanout(0, PICTURE, whole), OK_NODATA);
    ck_assert_ptr_nonnull(shown(0));
    ck_assert_uint_eq(set_scanout(0, 0, (struct virtio_gpu_rect){0}), OK_NODATA);
    ck_assert_ptr_null(shown(0));
}
END_TEST

/* 5.7.6.8, SET_SCANOUT, RESOURCE_FLUSH: the same resource on both, and one flush. */
START_TEST(scanouts_may_overlap)
{
    const struct virtio_gpu_rect half = {.x = WIDTH / 2, .width = WIDTH / 2, .height = 1};
    ck_assert_uint_eq(set_scanout(0, PICTURE, whole), OK_NODATA);
    ck_assert_uint_eq(set_scanout(1, PICTURE, half), OK_NODATA);
    ck_assert_ptr_eq(shown(0), shown(1));
    ck_assert_uint_eq(
        RUN(resource_flush, TYPE(RESOURCE_FLUSH), .r = whole, .resource_id = PICTURE),
        OK_NODATA);
}
END_TEST

/* 5.7.6.8, SET_SCANOUT_BLOB: one of enum virtio_gpu_formats. */
START_TEST(a_scanout_blob_has_a_known_format)
{
    static const struct {
        uint32_t format, want;
    } formats[] = {
        {1, OK_NODATA},          {2, OK_NODATA},  {3, OK_NODATA},   {4, OK_NODATA},
        {67, OK_NODATA},         {68, OK_NODATA}, {121, OK_NODATA}, {134, OK_NODATA},
        {0, PARAMETER},          {5, PARAMETER},  {66, PARAMETER},  {135, PARAMETER},
        {UINT32_MAX, PARAMETER},
    };
    for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
        uint32_t answer =
            RUN(set_scanout_blob, TYPE(SET_SCANOUT_BLOB),
                .r = {.width = 32, .height = 32}, .resource_id = CREATED, .width = 32,
                .height = 32, .format = formats[i].format, .strides = {128});
        ck_assert_msg(answer == formats[i].want, "format %u: %#x", formats[i].format,
                      answer);
    }
}
END_TEST

/* 5.7.6.6: 64 x 64. */
START_TEST(a_cursor_has_64_pixels_squared)
{
    ck_assert_uint_eq(RUN(resource_create_2d, TYPE(RESOURCE_CREATE_2D),
                          .resource_id = PICTURE + 1,
                          .format = VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, .width = WIDTH,
                          .height = HEIGHT + 1),
                      OK_NODATA);
    struct virtio_gpu_update_cursor command = {TYPE(UPDATE_CURSOR),
                                               .resource_id = PICTURE + 1};
    ck_assert_uint_eq(cursor_command(command), PARAMETER);
    ck_assert(!commands.fake.gpu.scanouts[0].cursor.visible);
    command.resource_id = PICTURE;
    ck_assert_uint_eq(cursor_command(command), OK_NODATA);
    ck_assert(commands.fake.gpu.scanouts[0].cursor.visible);
}
END_TEST

/* 5.7.6.10: only the position counts. */
START_TEST(a_move_ignores_the_other_fields)
{
    ck_assert_uint_eq(cursor_command((struct virtio_gpu_update_cursor){
                          TYPE(UPDATE_CURSOR), .resource_id = PICTURE}),
                      OK_NODATA);
    ck_assert_uint_eq(cursor_command((struct virtio_gpu_update_cursor){
                          TYPE(MOVE_CURSOR), .pos = {.x = 7, .y = 9},
                          .resource_id = NOBODY, .hot_x = UINT32_MAX}),
                      OK_NODATA);
    const struct cursor *cursor = &commands.fake.gpu.scanouts[0].cursor;
    ck_assert(cursor->visible);
    ck_assert_int_eq(cursor->x, 7);
    ck_assert_int_eq(cursor->y, 9);
}
END_TEST

/* What a transport does when the driver writes to the configuration space. */
static void write_config(uint32_t offset, uint32_t value)
{
    struct virtio_device *device = &commands.fake.gpu.virtio;
    memcpy(device->config + offset, &value, sizeof value);
    device->config_written(device->context, offset, sizeof value);
}

#define EVENTS_READ  0u
#define EVENTS_CLEAR 4u

/* 5.7.4.1 and 5.7.4.2. */
START_TEST(an_event_is_cleared_by_a_1)
{
    struct error error;
    const uint32_t *read = (const uint32_t *)commands.fake.gpu.virtio.config;
    ck_assert_uint_eq(*read, 0);
    ck_assert(gpu_display_resize(&commands.fake.gpu, 0, 800, 600, &error));
    ck_assert_uint_eq(*read, VIRTIO_GPU_EVENT_DISPLAY);
    write_config(EVENTS_CLEAR, 0);
    ck_assert_uint_eq(*read, VIRTIO_GPU_EVENT_DISPLAY);
    write_config(EVENTS_CLEAR, ~(uint32_t)VIRTIO_GPU_EVENT_DISPLAY);
    ck_assert_uint_eq(*read, VIRTIO_GPU_EVENT_DISPLAY);
    write_config(EVENTS_CLEAR, VIRTIO_GPU_EVENT_DISPLAY);
    ck_assert_uint_eq(*read, 0);
    RUN(ctrl_hdr, .type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO);
    ck_assert_uint_eq(commands.response.display_info.pmodes[0].r.width, 800);
}
END_TEST

/* 5.7.4.1: the driver must not write any other field. */
START_TEST(the_configuration_is_the_devices)
{
    uint8_t before[20];
    struct virtio_device *device = &commands.fake.gpu.virtio;
    ck_assert_uint_eq(device->config_size, sizeof before);
    memcpy(before, device->config, sizeof before);
    for (uint32_t offset = 0; offset < sizeof before; offset += 4)
        write_config(offset, UINT32_MAX);
    ck_assert_mem_eq(device->config, before, sizeof before);
}
END_TEST

/* 5.7.4.1: the bounds of its fields. */
START_TEST(the_configuration_is_in_bounds)
{
    const struct gpu *gpu = &commands.fake.gpu;
    uint32_t alignment = gpu->registers.blob_alignment;
    ck_assert_uint_ge(gpu->registers.num_scanouts, 1);
    ck_assert_uint_le(gpu->registers.num_scanouts, VIRTIO_GPU_MAX_SCANOUTS);
    ck_assert_uint_ge(alignment, 1);
    ck_assert_uint_eq(alignment & (alignment - 1), 0);
}
END_TEST

Suite *gpu_normative_suite(void)
{
    Suite *suite = suite_create("gpu_normative");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, set_up, gpu_commands_tear_down);
    tcase_add_test(all, each_scanout_is_reported);
    tcase_add_test(all, a_scanout_has_an_edid);
    tcase_add_loop_test(all, a_scanout_that_does_not_exist, 0, 3);
    tcase_add_loop_test(all, a_scanout_lies_inside_of_its_resource, 0,
                        ARRAY_SIZE(outside));
    tcase_add_test(all, resource_0_disables_a_scanout);
    tcase_add_test(all, scanouts_may_overlap);
    tcase_add_test(all, a_scanout_blob_has_a_known_format);
    tcase_add_test(all, a_cursor_has_64_pixels_squared);
    tcase_add_test(all, a_move_ignores_the_other_fields);
    tcase_add_test(all, an_event_is_cleared_by_a_1);
    tcase_add_test(all, the_configuration_is_the_devices);
    tcase_add_test(all, the_configuration_is_in_bounds);
    suite_add_tcase(suite, all);
    return suite;
}

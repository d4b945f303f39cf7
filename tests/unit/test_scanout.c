/* SPDX-License-Identifier: MIT */
/* What the scanouts show, with the cursor over it; displays, their events, and screenshots. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "devices/gpu/cursor.h"
#include "tests/unit/gpu_commands.h"
#include "tests/unit/png_reader.h"
#include "tests/unit/suites.h"

static struct gpu *gpu(void)
{
    return &commands.fake.gpu;
}

static struct resource *find(uint32_t id)
{
    struct error error;
    return resource_find(&gpu()->resources, id, &error);
}

/* Pixel (x, y) of IMAGE: blue x, green y, red 7, alpha 9. */
static void paint(uint32_t id)
{
    uint8_t *pixels = find(id)->image.pixels;
    for (uint32_t i = 0; i < IMAGE_SIZE * IMAGE_SIZE; i++) {
        const uint8_t bgra[] = {(uint8_t)(i % IMAGE_SIZE), (uint8_t)(i / IMAGE_SIZE), 7,
                                9};
        memcpy(pixels + (size_t)4 * i, bgra, 4);
    }
}

static void show(unsigned scanout, uint32_t id)
{
    struct error error;
    const struct virtio_gpu_rect rect = {4, 8, 16, 32};
    ck_assert(scanout_set(gpu(), scanout, id, &rect, &error));
}

static void check_picture(const struct picture *picture)
{
    ck_assert_uint_eq(picture->width, 16);
    ck_assert_uint_eq(picture->height, 32);
    for (uint32_t y = 0; y < 32; y++)
        for (uint32_t x = 0; x < 16; x++) {
            const uint8_t want[] = {7, (uint8_t)(y + 8), (uint8_t)(x + 4), 9};
            ck_assert_mem_eq(picture->pixels + 4 * (y * 16 + x), want, 4);
        }
}

static void shows_nothing(unsigned scanout)
{
    struct error error;
    struct picture picture;
    ck_assert(!scanout_read(gpu(), scanout, &picture, &error));
    ck_assert_int_eq(error.code, ERROR_GUEST_STATE);
}

START_TEST(a_scanout_shows_its_rectangle)
{
    struct error error;
    struct picture picture;
    paint(IMAGE);
    show(1, IMAGE);
    shows_nothing(0);
    ck_assert(scanout_read(gpu(), 1, &picture, &error));
    check_picture(&picture);
    picture_finish(&picture);
}
END_TEST

START_TEST(a_scanout_is_switched_off)
{
    struct error error;
    struct virtio_gpu_set_scanout_blob blob = {.scanout_id = 1};
    show(1, IMAGE);
    ck_assert(scanout_set(gpu(), 1, 0, &(struct virtio_gpu_rect){0}, &error));
    shows_nothing(1);
    show(1, IMAGE);
    ck_assert(scanout_set_blob(gpu(), &blob, &error));
    shows_nothing(1);
}
END_TEST

/* Neither a use after free, nor another resource of the same number. */
START_TEST(the_end_of_a_resource_ends_its_scanouts)
{
    show(0, IMAGE);
    show(1, IMAGE);
    ck_assert_ptr_eq(scanout_resource(gpu(), 0), find(IMAGE));
    resource_remove(&gpu()->resources, find(IMAGE));
    shows_nothing(0);
    shows_nothing(1);
    create_image(IMAGE);
    ck_assert_ptr_null(scanout_resource(gpu(), 0));
    shows_nothing(1);
}
END_TEST

START_TEST(a_blob_is_shown_by_its_layout)
{
    const struct good_command *command = &good_commands[GOOD_SCANOUT_BLOB];
    const struct resource_view *view = &gpu()->scanouts[1].view;
    run(&command->request, command->size, ROOM);
    ck_assert_ptr_eq(scanout_resource(gpu(), 1), find(CREATED));
    ck_assert_uint_eq(view->format, FORMAT);
    ck_assert_uint_eq(view->offset, BLOB_SIZE - 63 * 200 - 128);
    ck_assert_uint_eq(view->stride, 200);
    ck_assert_uint_eq(view->x, 4);
    ck_assert_uint_eq(view->y, 8);
    ck_assert_uint_eq(view->width, 16);
    ck_assert_uint_eq(view->height, 32);
}
END_TEST

START_TEST(a_reset_turns_all_off)
{
    struct error error;
    show(0, IMAGE);
    const struct virtio_gpu_update_cursor update = {.pos.scanout_id = 1,
                                                    .resource_id = IMAGE};
    ck_assert(cursor_update(gpu(), &update, &error));
    ck_assert(gpu_display_resize(gpu(), 0, 800, 600, &error));
    gpu()->virtio.ops->reset(gpu());
    shows_nothing(0);
    ck_assert(!gpu()->scanouts[1].cursor.visible);
    ck_assert_ptr_null(gpu()->scanouts[1].cursor.picture.pixels);
    ck_assert_uint_eq(gpu()->registers.events_read, 0);
    ck_assert_uint_eq(gpu()->displays[0].width, 800); /* the window's, not the driver's */
}
END_TEST

/* --- the cursor --- */

static void set_cursor(int32_t x, int32_t y)
{
    struct error error;
    const struct virtio_gpu_update_cursor update = {
        .pos = {.scanout_id = 1, .x = (uint32_t)x, .y = (uint32_t)y},
        .resource_id = BARE,
    };
    ck_assert_msg(cursor_update(gpu(), &update, &error), "%s", error.text);
}

/* Its places: inside, over each edge, just outside, and as far as a number goes. */
static const struct {
    int32_t x, y;
} places[] = {{0, 0},         {3, 5},         {-60, -40}, {15, 31},
              {16, 0},        {0, 32},        {-64, 0},   {0, -64},
              {INT32_MIN, 3}, {3, INT32_MIN}, {-63, 31},  {INT32_MAX, INT32_MAX}};

START_TEST(a_cursor_is_blended)
{
    struct error error;
    struct picture picture;
    paint(IMAGE);
    show(1, IMAGE);
    uint8_t *pixels = find(BARE)->image.pixels;
    const uint8_t half[] = {10, 20, 30, 128}; /* multiplied by its alpha already */
    for (uint32_t i = 0; i < IMAGE_SIZE * IMAGE_SIZE; i++)
        memcpy(pixels + (size_t)4 * i, half, 4);
    set_cursor(places[_i].x, places[_i].y);
    memset(pixels, 0xff, IMAGE_BYTES); /* it has been copied */
    ck_assert(scanout_read(gpu(), 1, &picture, &error));
    for (int y = 0; y < 32; y++)
        for (int x = 0; x < 16; x++) {
            const uint8_t *pixel = picture.pixels + 4 * (y * 16 + x);
            bool over = x >= places[_i].x && x < (int64_t)places[_i].x + 64 &&
                        y >= places[_i].y && y < (int64_t)places[_i].y + 64;
            ck_assert_int_eq(pixel[0], over ? 30 + 3 : 7);
            ck_assert_int_eq(pixel[1], over ? 20 + ((y + 8) * 127 + 127) / 255 : y + 8);
            ck_assert_uint_eq(pixel[3], 9);
        }
    picture_finish(&picture);
}
END_TEST

START_TEST(a_cursor_moves_and_hides)
{
    struct error error;
    struct picture picture;
    const struct virtio_gpu_cursor_pos away = {.scanout_id = 1, .x = 16};
    const struct virtio_gpu_update_cursor hide = {.pos.scanout_id = 1};
    paint(IMAGE);
    show(1, IMAGE);
    memset(find(BARE)->image.pixels, 0xff, IMAGE_BYTES);
    set_cursor(0, 0);
    ck_assert(cursor_move(gpu(), &away, &error));
    ck_assert(scanout_read(gpu(), 1, &picture, &error));
    check_picture(&picture);
    picture_finish(&picture);
    set_cursor(0, 0);
    ck_assert(cursor_update(gpu(), &hide, &error));
    ck_assert(scanout_read(gpu(), 1, &picture, &error));
    check_picture(&picture);
    picture_finish(&picture);
}
END_TEST

/* Colours above their alpha are not possible, but a guest can send them. */
START_TEST(a_cursor_does_not_overflow)
{
    struct error error;
    struct picture picture;
    show(1, IMAGE);
    memset(find(IMAGE)->image.pixels, 0xff, IMAGE_BYTES);
    for (uint32_t i = 0; i < IMAGE_BYTES; i++)
        find(BARE)->image.pixels[i] = i % 4 == 3 ? 1 : 200;
    set_cursor(0, 0);
    ck_assert(scanout_read(gpu(), 1, &picture, &error));
    ck_assert_uint_eq(picture.pixels[0], 255);
    picture_finish(&picture);
}
END_TEST

START_TEST(a_bad_cursor_is_refused)
{
    static const struct {
        uint32_t scanout, resource;
        enum error_code code;
    } bad[] = {{2, IMAGE, ERROR_GUEST_SCANOUT},
               {UINT32_MAX, 0, ERROR_GUEST_SCANOUT},
               {0, NOBODY, ERROR_GUEST_RESOURCE},
               {0, NEW, ERROR_GUEST_PARAMETER}};
    struct error error;
    run(&good_commands[GOOD_CREATE_2D].request, LENGTH(create_2d), ROOM); /* 3 x 5 */
    set_cursor(0, 0);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        const struct virtio_gpu_update_cursor update = {
            .pos = {.scanout_id = bad[i].scanout, .x = 5},
            .resource_id = bad[i].resource};
        ck_assert(!cursor_update(gpu(), &update, &error));
        ck_assert_int_eq(error.code, bad[i].code);
        if (bad[i].code == ERROR_GUEST_SCANOUT)
            ck_assert(!cursor_move(gpu(), &update.pos, &error));
    }
    ck_assert(gpu()->scanouts[1].cursor.visible);
    ck_assert_int_eq(gpu()->scanouts[0].cursor.x, 0);
}
END_TEST

/* --- displays --- */

START_TEST(the_displays_stand_side_by_side)
{
    const struct virtio_gpu_display_one *modes = commands.response.display_info.pmodes;
    run(&good_commands[GOOD_DISPLAY_INFO].request, HEADER, ROOM);
    ck_assert_uint_eq(modes[0].enabled, 1);
    ck_assert_uint_eq(modes[0].r.x, 0);
    ck_assert_uint_eq(modes[0].r.width, 640);
    ck_assert_uint_eq(modes[0].r.height, 480);
    ck_assert_uint_eq(modes[1].enabled, 1);
    ck_assert_uint_eq(modes[1].r.x, 640);
    ck_assert_uint_eq(modes[1].r.width, 1024);
    for (unsigned i = 2; i < VIRTIO_GPU_MAX_SCANOUTS; i++)
        ck_assert_uint_eq(modes[i].enabled, 0);
}
END_TEST

START_TEST(a_display_that_is_off_has_no_edid)
{
    const struct good_command *edid = &good_commands[GOOD_EDID];
    run(&edid->request, edid->size, ROOM);
    ck_assert_uint_eq(commands.response.edid.size, 128);
    ck_assert_uint_eq(commands.response.edid.edid[1], 0xff);
    gpu()->displays[1] = (struct gpu_display){0};
    run(&edid->request, edid->size, ROOM);
    ck_assert_uint_eq(commands.response.header.type, VIRTIO_GPU_RESP_OK_EDID);
    ck_assert_uint_eq(commands.response.edid.size, 0);
    run(&good_commands[GOOD_DISPLAY_INFO].request, HEADER, ROOM);
    ck_assert_uint_eq(commands.response.display_info.pmodes[1].enabled, 0);
}
END_TEST

/* As a transport does it. */
static void write_config(uint32_t offset, uint32_t value)
{
    struct virtio_device *device = &gpu()->virtio;
    memcpy(device->config + offset, &value, sizeof value);
    device->config_written(device->context, offset, sizeof value);
}

START_TEST(a_resized_display_is_an_event)
{
    const struct gpu_configuration *registers = &gpu()->registers;
    struct error error;
    uint32_t generation = gpu()->virtio.config_generation;
    ck_assert(gpu_display_resize(gpu(), 0, 800, 600, &error));
    ck_assert_uint_eq(registers->events_read, VIRTIO_GPU_EVENT_DISPLAY);
    ck_assert_uint_eq(gpu()->virtio.config_generation, generation + 1);
    run(&good_commands[GOOD_DISPLAY_INFO].request, HEADER, ROOM);
    ck_assert_uint_eq(commands.response.display_info.pmodes[0].r.width, 800);
    ck_assert_uint_eq(commands.response.display_info.pmodes[1].r.x, 800);

    write_config(4, ~(uint32_t)VIRTIO_GPU_EVENT_DISPLAY);
    ck_assert_uint_eq(registers->events_read, VIRTIO_GPU_EVENT_DISPLAY);
    write_config(4, VIRTIO_GPU_EVENT_DISPLAY);
    ck_assert_uint_eq(registers->events_read, 0);
    ck_assert_uint_eq(registers->events_clear, 0);
}
END_TEST

START_TEST(the_driver_changes_nothing_else)
{
    const struct gpu_configuration before = gpu()->registers;
    for (uint32_t offset = 0; offset < sizeof before; offset += 4) {
        write_config(offset, UINT32_MAX);
        ck_assert_mem_eq(&gpu()->registers, &before, sizeof before);
    }
}
END_TEST

START_TEST(a_display_has_limits)
{
    static const struct {
        unsigned index;
        uint32_t width, height;
    } bad[] = {{2, 800, 600}, {0, 63, 600}, {0, 800, 63}, {0, 8193, 600}, {0, 800, 8193}};
    struct error error;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        ck_assert(!gpu_display_resize(gpu(), bad[i].index, bad[i].width, bad[i].height,
                                      &error));
        ck_assert_int_eq(error.code, ERROR_CONFIG_USAGE);
    }
    ck_assert_uint_eq(gpu()->registers.events_read, 0);
}
END_TEST

/* --- screenshots --- */

static bool nothing_to_start(void *context, struct error *error)
{
    (void)context;
    (void)error;
    return true;
}

static void one_file(const char *folder, const char *name)
{
    char full[128];
    struct picture picture;
    snprintf(full, sizeof full, "%s/%s", folder, name);
    png_read(full, &picture);
    check_picture(&picture);
    picture_finish(&picture);
    unlink(full);
}

/* Through the device's thread; a scanout that shows nothing does not spoil the other. */
START_TEST(a_screenshot_is_what_is_shown)
{
    struct error error;
    char folder[] = "/tmp/s2vmm-shot-XXXXXX";
    char path[64];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/shot.png", folder);
    gpu()->config.screenshot = path;
    paint(IMAGE);
    show(1, IMAGE);
    ck_assert(virtio_device_run(&gpu()->virtio, nothing_to_start, NULL, &error));
    ck_assert(!gpu_screenshot(gpu(), &error));
    ck_assert_int_eq(error.code, ERROR_GUEST_STATE);
    ck_assert_msg(strstr(error.text, "scanout 0") != NULL, "%s", error.text);
    one_file(folder, "shot-1.png");
    show(0, IMAGE);
    ck_assert_msg(gpu_screenshot(gpu(), &error), "%s", error.text);
    one_file(folder, "shot-0.png");
    one_file(folder, "shot-1.png");
    gpu()->config.display_count = 1;
    ck_assert(gpu_screenshot(gpu(), &error));
    one_file(folder, "shot.png");
    virtio_device_stop(&gpu()->virtio);
    ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

START_TEST(a_screenshot_needs_a_display_and_a_file)
{
    struct error error;
    ck_assert(!gpu_screenshot(gpu(), &error));
    ck_assert_int_eq(error.code, ERROR_CONFIG_USAGE);
    gpu()->config.screenshot = "/dev/null/none.png";
    gpu()->config.display_count = 0;
    ck_assert(!gpu_screenshot(gpu(), &error));
    ck_assert_int_eq(error.code, ERROR_CONFIG_USAGE);
    gpu()->config.display_count = 1;
    show(0, IMAGE);
    ck_assert(virtio_device_run(&gpu()->virtio, nothing_to_start, NULL, &error));
    ck_assert(!gpu_screenshot(gpu(), &error));
    ck_assert_int_eq(error.code, ERROR_CONFIG_FILE);
    virtio_device_stop(&gpu()->virtio);
}
END_TEST

Suite *scanout_suite(void)
{
    Suite *suite = suite_create("scanout");
    TCase *test_case = tcase_create("scanout");
    tcase_add_checked_fixture(test_case, gpu_commands_set_up, gpu_commands_tear_down);
    tcase_add_test(test_case, a_scanout_shows_its_rectangle);
    tcase_add_test(test_case, a_scanout_is_switched_off);
    tcase_add_test(test_case, the_end_of_a_resource_ends_its_scanouts);
    tcase_add_test(test_case, a_blob_is_shown_by_its_layout);
    tcase_add_test(test_case, a_reset_turns_all_off);
    tcase_add_loop_test(test_case, a_cursor_is_blended, 0, (int)ARRAY_SIZE(places));
    tcase_add_test(test_case, a_cursor_moves_and_hides);
    tcase_add_test(test_case, a_cursor_does_not_overflow);
    tcase_add_test(test_case, a_bad_cursor_is_refused);
    tcase_add_test(test_case, the_displays_stand_side_by_side);
    tcase_add_test(test_case, a_display_that_is_off_has_no_edid);
    tcase_add_test(test_case, a_resized_display_is_an_event);
    tcase_add_test(test_case, the_driver_changes_nothing_else);
    tcase_add_test(test_case, a_display_has_limits);
    tcase_add_test(test_case, a_screenshot_is_what_is_shown);
    tcase_add_test(test_case, a_screenshot_needs_a_display_and_a_file);
    suite_add_tcase(suite, test_case);
    return suite;
}

/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <string.h>

#include "devices/gpu/picture.h"
#include "devices/gpu/protocol.h"
#include "tests/unit/suites.h"

static const struct {
    uint32_t format;
    const char *bytes; /* what the name says, lowest byte first */
} formats[] = {
    {VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM, "bgra"},
    {VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, "bgrx"},
    {VIRTIO_GPU_FORMAT_A8R8G8B8_UNORM, "argb"},
    {VIRTIO_GPU_FORMAT_X8R8G8B8_UNORM, "xrgb"},
    {VIRTIO_GPU_FORMAT_R8G8B8A8_UNORM, "rgba"},
    {VIRTIO_GPU_FORMAT_X8B8G8R8_UNORM, "xbgr"},
    {VIRTIO_GPU_FORMAT_A8B8G8R8_UNORM, "abgr"},
    {VIRTIO_GPU_FORMAT_R8G8B8X8_UNORM, "rgbx"},
};

START_TEST(every_format_is_converted)
{
    for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
        uint8_t pixels[9];
        memset(pixels, 0xee, sizeof pixels);
        ck_assert(picture_format_is_known(formats[i].format));
        picture_convert(pixels, (const uint8_t *)formats[i].bytes, formats[i].format, 1);
        bool opaque = strchr(formats[i].bytes, 'x') != NULL;
        const uint8_t want[] = {'r', 'g', 'b', opaque ? 255 : 'a', 0xee};
        ck_assert_mem_eq(pixels, want, sizeof want);

        uint8_t two[8];
        memcpy(two, formats[i].bytes, 4);
        memset(two + 4, 9, 4);
        picture_convert(pixels, two, formats[i].format, 2);
        const uint8_t want_two[] = {'r', 'g', 'b', want[3], 9, 9, 9, opaque ? 255 : 9,
                                    0xee};
        ck_assert_mem_eq(pixels, want_two, sizeof want_two);
        picture_convert(two, two, formats[i].format, 2);
        ck_assert_mem_eq(two, want_two, sizeof two);
    }
}
END_TEST

START_TEST(others_are_not_known)
{
    unsigned known = 0;
    for (uint32_t format = 0; format < 1000; format++)
        known += picture_format_is_known(format);
    ck_assert_uint_eq(known, ARRAY_SIZE(formats));
    ck_assert(!picture_format_is_known(UINT32_MAX));
}
END_TEST

START_TEST(a_picture_begins_empty)
{
    struct picture picture;
    struct error error;
    static const uint8_t zero[4 * 5 * 3];
    ck_assert(picture_init(&picture, 5, 3, &error));
    ck_assert_uint_eq(picture.width, 5);
    ck_assert_uint_eq(picture.height, 3);
    ck_assert_mem_eq(picture.pixels, zero, sizeof zero);
    picture_finish(&picture);
    picture_finish(&picture);
    ck_assert(!picture_init(&picture, UINT32_MAX, UINT32_MAX, &error));
    ck_assert_int_eq(error.code, ERROR_HOST_MEMORY);
    picture_finish(&picture);
}
END_TEST

Suite *picture_suite(void)
{
    Suite *suite = suite_create("picture");
    TCase *test_case = tcase_create("picture");
    tcase_add_test(test_case, every_format_is_converted);
    tcase_add_test(test_case, others_are_not_known);
    tcase_add_test(test_case, a_picture_begins_empty);
    suite_add_tcase(suite, test_case);
    return suite;
}

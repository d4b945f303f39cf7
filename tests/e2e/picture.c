/* SPDX-License-Identifier: MIT */
#include "tests/e2e/picture.h"

#include <check.h>
#include <stdio.h>
#include <unistd.h>

#include "guest/linux/pattern.h"
#include "tests/unit/png_reader.h"

void picture_path(char path[PICTURE_PATH_MAX])
{
    snprintf(path, PICTURE_PATH_MAX, "/tmp/s2vmm-e2e-%d.png", (int)getpid());
    unlink(path);
}

static uint32_t expected_pixel(enum case_picture expected, uint32_t x, uint32_t y,
                               const struct picture *picture)
{
    return expected == PICTURE_CLEARED
               ? PATTERN_CLEAR
               : pattern_pixel(x, y, picture->width, picture->height);
}

void picture_check(const char *path, enum case_picture expected)
{
    struct picture picture;
    png_read(path, &picture);
    unlink(path);
    ck_assert_uint_gt(picture.width, 1);
    ck_assert_uint_gt(picture.height, 1);
    for (uint32_t y = 0; y < picture.height; y++) {
        for (uint32_t x = 0; x < picture.width; x++) {
            const uint8_t *pixel = &picture.pixels[4 * ((size_t)y * picture.width + x)];
            uint32_t got =
                (uint32_t)pixel[0] << 16 | (uint32_t)pixel[1] << 8 | (uint32_t)pixel[2];
            uint32_t want = expected_pixel(expected, x, y, &picture);
            ck_assert_msg(got == want,
                          "screenshot of %ux%u: pixel (%u, %u) is %06x, expected %06x",
                          picture.width, picture.height, x, y, got, want);
        }
    }
    picture_finish(&picture);
}

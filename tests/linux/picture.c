/* SPDX-License-Identifier: MIT */
#include "tests/linux/picture.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "guest/linux/pattern.h"

void picture_parts(uint32_t width, uint32_t height,
                   struct picture_part parts[PICTURE_PARTS])
{
    const uint32_t bar = width / PICTURE_BARS;
    for (uint32_t i = 0; i < PICTURE_BARS; i++)
        parts[i] = (struct picture_part){i * bar, 0, bar, height / 2, 0};
    struct picture_part *sides = &parts[PICTURE_BARS];
    sides[0] = (struct picture_part){0, 0, width, 1, 0};
    sides[1] = (struct picture_part){0, height - 1, width, 1, 0};
    sides[2] = (struct picture_part){0, 0, 1, height, 0};
    sides[3] = (struct picture_part){width - 1, 0, 1, height, 0};
    /* the middle of a bar is not on the frame, that of a side is */
    for (uint32_t i = 0; i < PICTURE_PARTS; i++)
        parts[i].colour = pattern_pixel(parts[i].x + parts[i].width / 2,
                                        parts[i].y + parts[i].height / 2, width, height);
}

void picture_gradient(uint32_t width, uint32_t height, bool blue_first, uint8_t *pixels)
{
    for (uint32_t y = height / 2; y < height; y++) {
        for (uint32_t x = 0; x < width; x++, pixels += 4) {
            uint32_t colour = pattern_pixel(x, y, width, height);
            pixels[blue_first ? 2 : 0] = (uint8_t)(colour >> 16);
            pixels[1] = (uint8_t)(colour >> 8);
            pixels[blue_first ? 0 : 2] = (uint8_t)colour;
            pixels[3] = 255;
        }
    }
}

bool picture_compare(const char *what, const uint8_t *pixels, uint32_t width,
                     uint32_t height, uint32_t stride, bool blue_first, bool from_bottom)
{
    uint32_t wrong = 0;
    for (uint32_t y = 0; y < height; y++) {
        const uint8_t *row = pixels + (size_t)(from_bottom ? height - 1 - y : y) * stride;
        for (uint32_t x = 0; x < width; x++) {
            const uint8_t *pixel = row + (size_t)4 * x;
            uint32_t got = (uint32_t)pixel[blue_first ? 2 : 0] << 16 |
                           (uint32_t)pixel[1] << 8 | pixel[blue_first ? 0 : 2];
            uint32_t want = pattern_pixel(x, y, width, height);
            if (got != want && wrong++ == 0)
                printf("%s: pixel (%u, %u) is %06x, expected %06x\n", what, x, y, got,
                       want);
        }
    }
    printf("%s: %u of %u pixels wrong\n", what, wrong, width * height);
    return wrong == 0;
}

static bool failed(const char *what, int error)
{
    printf("%s: %s\n", what, strerror(error));
    return false;
}

bool picture_open(struct gpu *card, struct screen *screen)
{
    int error = gpu_open_card(card);
    if (error)
        return failed("no card of virtio_gpu", error);
    error = screen_find(card, screen);
    if (error)
        return failed("no screen is connected (s2vmm run --display WxH)", error);
    const struct drm_mode_modeinfo *mode = &screen->mode;
    if (mode->hdisplay % PICTURE_BARS != 0 || mode->vdisplay % 2 != 0) {
        printf("a screen of %ux%u: the width must be a multiple of %u, the height even\n",
               mode->hdisplay, mode->vdisplay, PICTURE_BARS);
        return false;
    }
    return true;
}

bool picture_leave(const struct gpu *card, const struct screen *screen, uint32_t handle,
                   uint32_t stride)
{
    uint32_t framebuffer;
    int error = screen_show(card, screen, handle, stride, &framebuffer);
    if (!error)
        error = screen_flush(card, framebuffer);
    if (!error)
        error = drm_ioctl(card->fd, DRM_IOCTL_DROP_MASTER, NULL);
    if (error)
        return failed("cannot show the picture", error);
    (void)fflush(NULL);
    pid_t holder = fork();
    if (holder == 0) {
        for (;;)
            pause();
    }
    return holder > 0;
}

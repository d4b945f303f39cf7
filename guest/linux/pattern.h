/* SPDX-License-Identifier: MIT */
/*
 * The picture that the display scenarios show, as a function of the place, so that a test on the
 * host can compare a screenshot pixel by pixel: eight colour bars in the upper half, a gradient
 * with a different step in each channel below, and a frame of one white pixel around all, which
 * shows a picture that is displaced or cut off.
 */
#ifndef S2VMM_GUEST_LINUX_PATTERN_H
#define S2VMM_GUEST_LINUX_PATTERN_H

#include <stdint.h>

/* The colour of pixel (x, y) of a picture of width x height, as 0xRRGGBB. */
static inline uint32_t pattern_pixel(uint32_t x, uint32_t y, uint32_t width,
                                     uint32_t height)
{
    if (x == 0 || y == 0 || x == width - 1 || y == height - 1)
        return 0xffffffu;
    if (y < height / 2) {
        /* white yellow cyan green magenta red blue black: green is 4, red 2, blue 1 */
        uint32_t bar = 7 - x * 8 / width;
        return ((bar & 2) ? 0xff0000u : 0) | ((bar & 4) ? 0x00ff00u : 0) |
               ((bar & 1) ? 0x0000ffu : 0);
    }
    uint32_t red = x * 255 / (width - 1);
    uint32_t green = y * 255 / (height - 1);
    uint32_t blue = (x ^ y) & 0xff;
    return red << 16 | green << 8 | blue;
}

/* What display-virgl clears its texture to, as 0xRRGGBB. */
#define PATTERN_CLEAR 0x3366ccu

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What the programs that draw through Mesa have in common: the picture that must come out
 * (guest/linux/pattern.h), its place on a screen, and the comparison of what was read back.
 */
#ifndef S2VMM_TESTS_LINUX_PICTURE_H
#define S2VMM_TESTS_LINUX_PICTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "guest/linux/drm.h"
#include "guest/linux/screen.h"

/* A rectangle of one colour of the picture; pixels, y from the top. */
struct picture_part {
    uint32_t x;
    uint32_t y;
    uint32_t width;
    uint32_t height;
    uint32_t colour; /* 0xRRGGBB */
};

/* The bars, then the four sides of the frame; the rest is the gradient. */
#define PICTURE_BARS  8u
#define PICTURE_PARTS (PICTURE_BARS + 4u)

/* `width` is a multiple of 8, `height` even. */
void picture_parts(uint32_t width, uint32_t height,
                   struct picture_part parts[PICTURE_PARTS]);

/* Fills width x (height - height / 2) pixels with the picture's lower half, rows from the top.
 * Bytes in memory: red, green, blue, 255; or blue first. */
void picture_gradient(uint32_t width, uint32_t height, bool blue_first, uint8_t *pixels);

/* Compares width x height pixels, laid out as above; `from_bottom`: the first row is the
 * picture's last. False, and a line on stdout about the first wrong pixel and their number. */
bool picture_compare(const char *what, const uint8_t *pixels, uint32_t width,
                     uint32_t height, uint32_t stride, bool blue_first, bool from_bottom);

/* Opens the card and the first screen that is connected and of a size that the picture can
 * have. False, and a line on stdout. */
bool picture_open(struct gpu *card, struct screen *screen);

/* Shows a GEM object of the card, and leaves it on the screen: a process that never ends keeps
 * the card open, and is no longer its master. False, and a line on stdout. */
bool picture_leave(const struct gpu *card, const struct screen *screen, uint32_t handle,
                   uint32_t stride);

#endif

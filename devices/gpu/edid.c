/* SPDX-License-Identifier: MIT */
/*
 * Section numbers are those of VESA E-EDID Standard, Release A, Revision 2 (EDID 1.4), and of
 * VESA DisplayID Standard, Version 1.3.
 */
#include "devices/gpu/edid.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "vmm/types.h"

struct timing {
    uint32_t clock; /* 10 kHz */
    uint32_t width, h_blank, h_front, h_sync;
    uint32_t height, v_blank, v_front, v_sync;
};

/* CVT 1.1, 3.4: the number of lines of the vertical sync tells the aspect ratio. */
static uint32_t sync_lines(uint32_t width, uint32_t height)
{
    static const struct {
        uint32_t horizontal, vertical, lines;
    } ratios[] = {{4, 3, 4}, {16, 9, 5}, {16, 10, 6}, {5, 4, 7}, {15, 9, 7}};
    for (size_t i = 0; i < ARRAY_SIZE(ratios); i++)
        if (width * ratios[i].vertical == height * ratios[i].horizontal)
            return ratios[i].lines;
    return 10;
}

/* CVT 1.1, 5.4: 160 pixels of horizontal blanking, at least 460 us of vertical; the clock is a
 * multiple of 250 kHz. */
static struct timing make_timing(uint32_t width, uint32_t height)
{
    const uint32_t frame_ns = 1000000000 / 60;
    const uint32_t blank_ns = 460000;
    const uint32_t front = 3;
    const uint32_t back_min = 6;
    uint32_t sync = sync_lines(width, height);
    uint32_t line_ns = (frame_ns - blank_ns) / height;
    uint32_t blank = blank_ns / line_ns + 1;
    if (blank < front + sync + back_min)
        blank = front + sync + back_min;
    uint64_t clock = (uint64_t)(width + 160) * (height + blank) * 60 / 10000;
    return (struct timing){
        .clock = (uint32_t)(clock / 25 * 25),
        .width = width,
        .h_blank = 160,
        .h_front = 48,
        .h_sync = 32,
        .height = height,
        .v_blank = blank,
        .v_front = front,
        .v_sync = sync,
    };
}

static void put16(uint8_t *bytes, uint32_t value)
{
    bytes[0] = (uint8_t)value;
    bytes[1] = (uint8_t)(value >> 8);
}

/* The sum of all bytes becomes 0. */
static uint8_t checksum(const uint8_t *bytes, size_t count)
{
    uint8_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum = (uint8_t)(sum + bytes[i]);
    return (uint8_t)-sum;
}

/* 25.4 mm are 96 pixels. */
static uint32_t millimetres(uint32_t pixels)
{
    return (pixels * 254 + 480) / 960;
}

/* --- block 0 --- */

static bool fits_in_descriptor(const struct timing *timing)
{
    return timing->clock <= UINT16_MAX && timing->width < 4096 && timing->height < 4096 &&
           timing->v_blank < 4096;
}

/* 3.10.2: the upper bits of two fields of 12 bits in one byte. */
static uint8_t high_bits(uint32_t first, uint32_t second)
{
    return (uint8_t)((first >> 8 & 0xf) << 4 | (second >> 8 & 0xf));
}

static void put_timing(uint8_t *bytes, const struct timing *timing, uint32_t width_mm,
                       uint32_t height_mm)
{
    put16(bytes, timing->clock);
    bytes[2] = (uint8_t)timing->width;
    bytes[3] = (uint8_t)timing->h_blank;
    bytes[4] = high_bits(timing->width, timing->h_blank);
    bytes[5] = (uint8_t)timing->height;
    bytes[6] = (uint8_t)timing->v_blank;
    bytes[7] = high_bits(timing->height, timing->v_blank);
    bytes[8] = (uint8_t)timing->h_front;
    bytes[9] = (uint8_t)timing->h_sync;
    bytes[10] = (uint8_t)(timing->v_front << 4 | timing->v_sync);
    bytes[11] = 0; /* the upper bits of these four */
    bytes[12] = (uint8_t)width_mm;
    bytes[13] = (uint8_t)height_mm;
    bytes[14] = high_bits(width_mm, height_mm);
    bytes[17] = 0x1a; /* digital separate sync: horizontal +, vertical - */
}

/* 3.10.3: a descriptor of text, of 13 characters with a line feed and spaces behind. */
static void put_text(uint8_t *bytes, uint8_t tag, char between, uint32_t index)
{
    char text[13]; /* index has two digits at most */
    int length = snprintf(text, sizeof text, "s2vmm%c%u", between, index % 100);
    memset(bytes, 0, 5);
    bytes[3] = tag;
    memset(bytes + 5, ' ', 13);
    memcpy(bytes + 5, text, (size_t)length);
    bytes[5 + length] = '\n';
}

/* 3.8, at 60 Hz. */
static void put_established(uint8_t *bytes, uint32_t width, uint32_t height)
{
    if (width >= 640 && height >= 480)
        bytes[0] |= 0x20;
    if (width >= 800 && height >= 600)
        bytes[0] |= 0x01;
    if (width >= 1024 && height >= 768)
        bytes[1] |= 0x08;
}

static void put_base(uint8_t *bytes, const struct timing *timing, uint32_t index)
{
    static const uint8_t header[] = {0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0};
    static const uint8_t srgb[] = {0xee, 0x91, 0xa3, 0x54, 0x4c,
                                   0x99, 0x26, 0x0f, 0x50, 0x54};
    bool fits = fits_in_descriptor(timing);
    const struct timing fallback = make_timing(1024, 768);

    memset(bytes, 0, EDID_BLOCK);
    memcpy(bytes, header, sizeof header);
    /* 3.4.1: three letters of 5 bits, "SVM", which nobody has registered. */
    bytes[8] = ('S' - '@') << 2 | ('V' - '@') >> 3;
    bytes[9] = (uint8_t)(('V' - '@') << 5 | ('M' - '@'));
    put16(bytes + 10, 1);         /* product code */
    put16(bytes + 12, index + 1); /* serial number */
    bytes[16] = 0xff;             /* the next is the model's year, less 1990 */
    bytes[17] = 36;
    bytes[18] = 1;
    bytes[19] = 4;
    bytes[20] = 0xa0; /* digital, 8 bits for a colour, of no known interface */
    bytes[21] = (uint8_t)((millimetres(timing->width) + 5) / 10);
    bytes[22] = (uint8_t)((millimetres(timing->height) + 5) / 10);
    bytes[23] = 120;             /* gamma 2.2 */
    bytes[24] = fits ? 0x06 : 4; /* sRGB; the preferred mode is the native one */
    memcpy(bytes + 25, srgb, sizeof srgb);
    put_established(bytes + 35, timing->width, timing->height);
    memset(bytes + 38, 1, 16); /* no standard timings */
    put_timing(bytes + 54, fits ? timing : &fallback, millimetres(timing->width),
               millimetres(timing->height));
    put_text(bytes + 72, 0xfc, ' ', index);
    put_text(bytes + 90, 0xff, '-', index);
    bytes[111] = 0x10; /* an unused descriptor */
    bytes[126] = fits ? 0 : 1;
    bytes[127] = checksum(bytes, 127);
}

/* --- block 1 --- */

/* DisplayID 1.3, 4.4.1: type I detailed timing; each field but the options is one less. */
static void put_display_id(uint8_t *bytes, const struct timing *timing)
{
    const uint32_t positive = 0x8000;
    uint8_t *block = bytes + 5;

    memset(bytes, 0, EDID_BLOCK);
    bytes[0] = 0x70; /* this extension is a DisplayID section */
    bytes[1] = 0x13;
    bytes[2] = 23; /* bytes of data blocks */
    bytes[3] = 3;  /* a monitor */
    block[0] = 3;  /* type I timing */
    block[2] = 20;
    put16(block + 3, timing->clock - 1);
    block[5] = (uint8_t)((timing->clock - 1) >> 16);
    block[6] = 0x88; /* preferred, of an aspect ratio that has no number */
    put16(block + 7, timing->width - 1);
    put16(block + 9, timing->h_blank - 1);
    put16(block + 11, (timing->h_front - 1) | positive);
    put16(block + 13, timing->h_sync - 1);
    put16(block + 15, timing->height - 1);
    put16(block + 17, timing->v_blank - 1);
    put16(block + 19, timing->v_front - 1);
    put16(block + 21, timing->v_sync - 1);
    bytes[28] = checksum(bytes + 1, 27);
    bytes[127] = checksum(bytes, 127);
}

uint32_t edid_make(uint8_t *edid, uint32_t width, uint32_t height, uint32_t index)
{
    const struct timing timing = make_timing(width, height);
    put_base(edid, &timing, index);
    if (fits_in_descriptor(&timing))
        return EDID_BLOCK;
    put_display_id(edid + EDID_BLOCK, &timing);
    return 2 * EDID_BLOCK;
}

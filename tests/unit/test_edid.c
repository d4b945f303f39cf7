/* SPDX-License-Identifier: MIT */
/* Reads EDIDs back by the tables of E-EDID 1.4 and DisplayID 1.3. */
#include <check.h>
#include <string.h>

#include "devices/gpu/edid.h"
#include "tests/unit/suites.h"
#include "vmm/types.h"

static uint8_t sum(const uint8_t *bytes, size_t count)
{
    uint8_t result = 0;
    for (size_t i = 0; i < count; i++)
        result = (uint8_t)(result + bytes[i]);
    return result;
}

static uint32_t le16(const uint8_t *bytes)
{
    return bytes[0] | (uint32_t)bytes[1] << 8;
}

struct mode {
    uint32_t clock; /* 10 kHz */
    uint32_t width, h_total, height, v_total;
};

static struct mode read_descriptor(const uint8_t *bytes)
{
    uint32_t width = bytes[2] | (bytes[4] & 0xf0u) << 4;
    uint32_t height = bytes[5] | (bytes[7] & 0xf0u) << 4;
    return (struct mode){
        .clock = le16(bytes),
        .width = width,
        .h_total = width + (bytes[3] | (bytes[4] & 0x0fu) << 8),
        .height = height,
        .v_total = height + (bytes[6] | (bytes[7] & 0x0fu) << 8),
    };
}

static struct mode read_display_id(const uint8_t *bytes)
{
    uint32_t width = le16(bytes + 12) + 1;
    uint32_t height = le16(bytes + 20) + 1;
    return (struct mode){
        .clock = (le16(bytes + 8) | (uint32_t)bytes[10] << 16) + 1,
        .width = width,
        .h_total = width + le16(bytes + 14) + 1,
        .height = height,
        .v_total = height + le16(bytes + 22) + 1,
    };
}

static void check_mode(struct mode mode, uint32_t width, uint32_t height)
{
    ck_assert_uint_eq(mode.width, width);
    ck_assert_uint_eq(mode.height, height);
    /* 60 Hz, or less by the rounding of the clock to 250 kHz. */
    double at_60 = 60.0 * mode.h_total * mode.v_total;
    ck_assert(mode.clock * 10000.0 <= at_60 && mode.clock * 10000.0 > at_60 - 260000);
}

static const struct {
    uint32_t width, height;
    bool large; /* for block 0 */
} sizes[] = {
    {64, 64, false},     {640, 480, false},   {1024, 768, false},  {1280, 1024, false},
    {1920, 1080, false}, {2560, 1600, false}, {3840, 2160, false}, {4095, 2160, false},
    {4096, 2160, true},  {64, 4096, true},    {4095, 4095, true},  {8192, 8192, true},
    {8192, 64, true},    {333, 777, false},
};

START_TEST(the_size_is_the_preferred_mode)
{
    uint8_t edid[EDID_SIZE_MAX + 1];
    memset(edid, 0xee, sizeof edid);
    bool large = sizes[_i].large;
    uint32_t size = edid_make(edid, sizes[_i].width, sizes[_i].height, 3);
    ck_assert_uint_eq(size, large ? 256 : 128);
    ck_assert_uint_eq(edid[size], 0xee);
    ck_assert_mem_eq(edid, "\x00\xff\xff\xff\xff\xff\xff\x00", 8);
    ck_assert_uint_eq(edid[18], 1);
    ck_assert_uint_eq(edid[19], 4);
    ck_assert_uint_eq(edid[126], large ? 1 : 0);
    ck_assert_uint_eq(sum(edid, 128), 0);
    if (!large) {
        check_mode(read_descriptor(edid + 54), sizes[_i].width, sizes[_i].height);
        return;
    }
    check_mode(read_descriptor(edid + 54), 1024, 768);
    ck_assert_uint_eq(edid[128], 0x70);
    ck_assert_uint_eq(sum(edid + 128, 128), 0);
    ck_assert_uint_eq(sum(edid + 129, 5 + 23), 0);
    ck_assert_uint_eq(edid[128 + 11] & 0x80, 0x80); /* preferred */
    check_mode(read_display_id(edid + 128), sizes[_i].width, sizes[_i].height);
}
END_TEST

/* The numbers of "cvt -r 1920 1080": 138.50 MHz, 1920 1968 2000 2080, 1080 1083 1088 1111. */
START_TEST(the_timing_is_cvt_with_reduced_blanking)
{
    static const uint8_t want[] = {0x1a, 0x36, 0x80, 0xa0, 0x70, 0x38,
                                   0x1f, 0x40, 0x30, 0x20, 0x35, 0x00};
    uint8_t edid[EDID_SIZE_MAX];
    edid_make(edid, 1920, 1080, 0);
    ck_assert_mem_eq(edid + 54, want, sizeof want);
    ck_assert_uint_eq(edid[54 + 17], 0x1a);
}
END_TEST

START_TEST(scanouts_have_different_serials)
{
    uint8_t first[EDID_SIZE_MAX];
    uint8_t last[EDID_SIZE_MAX];
    edid_make(first, 1024, 768, 0);
    edid_make(last, 1024, 768, 15);
    ck_assert_uint_eq(le16(first + 12), 1);
    ck_assert_uint_eq(le16(last + 12), 16);
    ck_assert_mem_eq(first + 72, "\0\0\0\xfc\0s2vmm 0\n     ", 18);
    ck_assert_mem_eq(last + 90, "\0\0\0\xff\0s2vmm-15\n    ", 18);
}
END_TEST

Suite *edid_suite(void)
{
    Suite *suite = suite_create("edid");
    TCase *test_case = tcase_create("edid");
    tcase_add_loop_test(test_case, the_size_is_the_preferred_mode, 0,
                        (int)ARRAY_SIZE(sizes));
    tcase_add_test(test_case, the_timing_is_cvt_with_reduced_blanking);
    tcase_add_test(test_case, scanouts_have_different_serials);
    suite_add_tcase(suite, test_case);
    return suite;
}

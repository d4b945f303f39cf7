/* SPDX-License-Identifier: MIT */
/*
 * The parts of the tiny guest that need no machine: the encoders of command streams and
 * the parser of its command line. The expected streams were taken from a program that
 * virglrenderer 0.10.4, 1.1.0 and 1.3.0 accepted them from.
 */
#define options_parse guest_options_parse /* the VMM has one, too */
#include "guest/attribute.c"
#include "guest/options.c"
#include "guest/venus.c"
#include "guest/virgl.c"

#include <check.h>

#include "tests/unit/suites.h"

/* A guest with three attributes, and a console that nobody reads. */
bool mmu_has(enum memattr_type type)
{
    return type == MEMATTR_WB || type == MEMATTR_NC || type == MEMATTR_DEVICE_nGnRE;
}

void console_printf(struct console *console, const char *format, ...)
{
    (void)console;
    (void)format;
}

static void encode_instance(struct stream *stream)
{
    venus_encode_create_instance(stream, 0x101);
}

static void encode_physical_devices(struct stream *stream)
{
    venus_encode_enumerate_physical_devices(stream, 0x101, 0x102);
}

static void encode_device(struct stream *stream)
{
    venus_encode_create_device(stream, 0x102, 0x103);
}

static void encode_memory(struct stream *stream)
{
    venus_encode_allocate_memory(stream, 0x103, 0x104, 0x10000, VENUS_EXPORT_NONE);
}

static void encode_dma_buf_memory(struct stream *stream)
{
    venus_encode_allocate_memory(stream, 0x103, 0x105, 0x20000, VENUS_EXPORT_DMA_BUF);
}

static void encode_texture(struct stream *stream)
{
    virgl_encode_create_texture(stream, 1003, 64, 64);
}

static void encode_buffer(struct stream *stream)
{
    virgl_encode_create_buffer(stream, 1000, 65536);
}

// clang-format off
static const struct {
    void (*encode)(struct stream *stream);
    uint32_t size; /* bytes */
    uint32_t words[36];
} streams[] = {
    {encode_instance, 128,
     {0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0,
      0, 0, 0, 0, 0, 0, 0, 0x401000, 0, 0, 0, 0,
      0, 0, 0, 0, 1, 0, 0x101, 0}},
    {encode_physical_devices, 44,
     {2, 0, 0x101, 0, 1, 0, 1, 1, 0, 0x102, 0}},
    {encode_device, 144,
     {11, 0, 0x102, 0, 1, 0, 3, 0, 0, 0, 1, 1,
      0, 2, 0, 0, 0, 0, 1, 1, 0, 0x3f800000, 0, 0,
      0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0x103, 0}},
    {encode_memory, 72,
     {21, 0, 0x103, 0, 1, 0, 5, 0, 0, 0x10000, 0, 0,
      0, 0, 1, 0, 0x104, 0}},
    {encode_dma_buf_memory, 88,
     {21, 0, 0x103, 0, 1, 0, 5, 1, 0, 0x3b9be342, 0, 0,
      0x200, 0x20000, 0, 0, 0, 0, 1, 0, 0x105, 0}},
    {encode_texture, 48,
     {0xb0030, 2, 1, 0x40002, 64, 64, 1, 1, 0, 0, 0, 1003}},
    {encode_buffer, 48,
     {0xb0030, 0, 64, 0x10, 65536, 1, 1, 1, 0, 0, 6, 1000}},
};
// clang-format on

START_TEST(streams_are_those_that_work)
{
    struct stream stream = {.size = 0};
    streams[_i].encode(&stream);
    ck_assert_uint_eq(stream.size, streams[_i].size);
    ck_assert_mem_eq(stream.bytes, streams[_i].words, stream.size);
}
END_TEST

START_TEST(a_device_is_three_commands)
{
    struct stream together = {.size = 0}, apart = {.size = 0};
    venus_encode_device(&together);
    encode_instance(&apart);
    encode_physical_devices(&apart);
    encode_device(&apart);
    ck_assert_uint_eq(together.size, apart.size);
    ck_assert_mem_eq(together.bytes, apart.bytes, apart.size);
}
END_TEST

START_TEST(a_full_stream_is_not_overrun)
{
    struct stream stream = {.size = STREAM_SIZE_MAX - 4};
    stream_put64(&stream, 1);
    ck_assert_uint_eq(stream.size, STREAM_SIZE_MAX);
}
END_TEST

static const struct {
    const char *text;
    bool good;
    uint64_t number;
} numbers[] = {
    {"n=0", true, 0},
    {"n=4096", true, 4096},
    {"n=64K", true, 64 * KIB},
    {"n=0x10M", true, 16 * MIB},
    {"n=0xffffffffffffffff", true, UINT64_MAX},
    {"n=16777215G", true, 16777215 * GIB},
    {"m=1", true, 42}, /* not given: the fallback */
    {"n=", false, 0},
    {"n=0x", false, 0},
    {"n=12a", false, 0},
    {"n=1KK", false, 0},
    {"n=-1", false, 0},
    {"n=18446744073709551616", false, 0},
    {"n=0xffffffffffffffffK", false, 0},
};

START_TEST(numbers_are_read_or_refused)
{
    struct options options;
    uint64_t number;
    ck_assert(options_parse(&options, numbers[_i].text));
    ck_assert(options_number(&options, "n", 42, &number) == numbers[_i].good);
    if (numbers[_i].good)
        ck_assert_uint_eq(number, numbers[_i].number);
}
END_TEST

START_TEST(words_become_keys_and_values)
{
    struct options options;
    ck_assert(options_parse(&options, "  scenario=hello   s1=uc- size="));
    ck_assert_uint_eq(options.count, 3);
    ck_assert_str_eq(options_text(&options, "s1", ""), "uc-");
    ck_assert_str_eq(options_text(&options, "size", "x"), "");
    ck_assert_str_eq(options_text(&options, "rounds", "1"), "1");
    ck_assert_str_eq(options_unused(&options), "scenario");
    ck_assert_str_eq(options_text(&options, "scenario", ""), "hello");
    ck_assert_ptr_null(options_unused(&options));
}
END_TEST

START_TEST(a_bad_command_line_is_refused)
{
    struct options options;
    char text[OPTIONS_TEXT_MAX + 1];
    ck_assert(!options_parse(&options, "hello"));
    ck_assert(!options_parse(&options, "a=1 b"));
    ck_assert(options_parse(&options, "a= b= c= d= e= f= g= h= i= j= k= l= m= n= o= p="));
    ck_assert(
        !options_parse(&options, "a= b= c= d= e= f= g= h= i= j= k= l= m= n= o= p= q="));
    memset(text, 'x', sizeof text);
    text[1] = '=';
    text[OPTIONS_TEXT_MAX] = '\0';
    ck_assert(!options_parse(&options, text));
    text[OPTIONS_TEXT_MAX - 1] = '\0';
    ck_assert(options_parse(&options, text));
}
END_TEST

// clang-format off
static const struct {
    const char *command_line;
    bool good;
    bool wb, nc, device; /* which are wanted */
} attribute_lists[] = {
    {"",                       true,  true,  true,  true},
    {"s1=wb",                  true,  true,  false, false},
    {"s1=nc,wb",               true,  true,  true,  false},
    {"s1=device-ngnre,nc",     true,  false, true,  true},
    {"s1=nc,nc",               true,  false, true,  false},
    {"s1=",                    false, false, false, false},
    {"s1=w",                   false, false, false, false},
    {"s1=wbx",                 false, false, false, false},
    {"s1=wc",                  false, false, false, false}, /* no attribute of this guest */
    {"s1=device-ngnrne",       false, false, false, false},
    {"s1=wb,,nc",              false, false, false, false},
    {"s1=wb;nc",               false, false, false, false},
};
// clang-format on

START_TEST(lists_of_attributes_are_read_or_refused)
{
    struct guest guest = {.scenario = "test"};
    bool wanted[MEMATTR_TYPE_COUNT];
    ck_assert(options_parse(&guest.options, attribute_lists[_i].command_line));
    bool good = attribute_list_option(&guest, "s1", wanted);
    ck_assert_int_eq(good, attribute_lists[_i].good);
    for (enum memattr_type type = 0; good && type < MEMATTR_TYPE_COUNT; type++)
        ck_assert_int_eq(
            wanted[type],
            (type == MEMATTR_WB && attribute_lists[_i].wb) ||
                (type == MEMATTR_NC && attribute_lists[_i].nc) ||
                (type == MEMATTR_DEVICE_nGnRE && attribute_lists[_i].device));
}
END_TEST

START_TEST(an_attribute_is_read_or_refused)
{
    struct guest guest = {.scenario = "test"};
    enum memattr_type type;
    ck_assert(options_parse(&guest.options, "s1=nc then-s1=uc-"));
    ck_assert(attribute_option(&guest, "s1", MEMATTR_WB, &type));
    ck_assert_int_eq(type, MEMATTR_NC);
    ck_assert(attribute_option(&guest, "other", MEMATTR_TYPE_COUNT, &type));
    ck_assert_int_eq(type, MEMATTR_TYPE_COUNT);
    ck_assert(!attribute_option(&guest, "then-s1", MEMATTR_WB, &type));
}
END_TEST

Suite *guest_streams_suite(void)
{
    Suite *suite = suite_create("guest streams");
    TCase *test_case = tcase_create("guest streams");
    tcase_add_loop_test(test_case, streams_are_those_that_work, 0, ARRAY_SIZE(streams));
    tcase_add_test(test_case, a_device_is_three_commands);
    tcase_add_test(test_case, a_full_stream_is_not_overrun);
    tcase_add_loop_test(test_case, numbers_are_read_or_refused, 0, ARRAY_SIZE(numbers));
    tcase_add_test(test_case, words_become_keys_and_values);
    tcase_add_test(test_case, a_bad_command_line_is_refused);
    tcase_add_loop_test(test_case, lists_of_attributes_are_read_or_refused, 0,
                        ARRAY_SIZE(attribute_lists));
    tcase_add_test(test_case, an_attribute_is_read_or_refused);
    suite_add_tcase(suite, test_case);
    return suite;
}

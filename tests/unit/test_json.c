/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/json_reader.h"
#include "tests/unit/suites.h"
#include "vmm/json.h"
#include "vmm/types.h"

static FILE *out;
static char *written;
static size_t size;
static struct json json;

static void set_up(void)
{
    out = open_memstream(&written, &size);
}

static void tear_down(void)
{
    fclose(out);
    free(written);
}

START_TEST(an_object_in_a_line)
{
    json_begin(&json, out);
    json_string(&json, "text", "udmabuf");
    json_number(&json, "large", UINT64_MAX);
    json_number(&json, "zero", 0);
    json_boolean(&json, "yes", true);
    json_boolean(&json, "no", false);
    json_string(&json, "none", NULL);
    json_open(&json, "inner");
    json_string(&json, "a", "b");
    json_close(&json);
    json_open(&json, "empty");
    json_close(&json);
    json_string(&json, "last", "");
    json_end(&json);
    ck_assert_str_eq(written,
                     "{\"text\":\"udmabuf\",\"large\":18446744073709551615,\"zero\":0,"
                     "\"yes\":true,\"no\":false,\"none\":null,\"inner\":{\"a\":\"b\"},"
                     "\"empty\":{},\"last\":\"\"}\n");
    struct json_reader reader;
    const char *at = written;
    ck_assert(json_reader_object(&reader, &at));
    ck_assert_uint_eq(reader.count, 10);
}
END_TEST

START_TEST(objects_do_not_touch_each_other)
{
    struct json_reader reader;
    for (unsigned i = 0; i < 3; i++) {
        json_begin(&json, out);
        if (i > 0)
            json_number(&json, "number", i);
        json_end(&json);
    }
    ck_assert_str_eq(written, "{}\n{\"number\":1}\n{\"number\":2}\n");
    const char *at = written;
    for (unsigned i = 0; i < 3; i++)
        ck_assert(json_reader_object(&reader, &at));
    ck_assert_str_eq(at, "");
}
END_TEST

static const struct {
    const char *text;
    const char *want;
} escapes[] = {
    {"\"", "\\\""},
    {"\\", "\\\\"},
    {"\\\"", "\\\\\\\""},
    {"/", "/"},
    {"\n\r\t\b\f", "\\u000a\\u000d\\u0009\\u0008\\u000c"},
    {"\x01\x1f\x7f", "\\u0001\\u001f\\u007f"},
    {"\x80\xff", "\\u0080\\u00ff"},
    {"\xc3\xa9", "\\u00c3\\u00a9"}, /* no encoding is assumed */
    {" ~{}[]:,'", " ~{}[]:,'"},
};

START_TEST(a_string_may_be_anything)
{
    struct json_reader reader;
    char want[128];
    json_begin(&json, out);
    json_string(&json, "key", escapes[_i].text);
    json_end(&json);
    snprintf(want, sizeof want, "{\"key\":\"%s\"}\n", escapes[_i].want);
    ck_assert_str_eq(written, want);
    const char *at = written;
    ck_assert(json_reader_object(&reader, &at));
    ck_assert_str_eq(json_reader_value(&reader, "key"), escapes[_i].text);
}
END_TEST

START_TEST(every_byte_is_read_back)
{
    struct json_reader reader;
    char text[256];
    for (unsigned i = 0; i < 255; i++)
        text[i] = (char)(i + 1);
    text[255] = '\0';
    json_begin(&json, out);
    json_string(&json, "key", text);
    json_end(&json);
    const char *at = written;
    ck_assert(json_reader_object(&reader, &at));
    ck_assert_str_eq(json_reader_value(&reader, "key"), text);
}
END_TEST

/* The reader of these tests refuses what is wrong. */
START_TEST(the_reader_is_strict)
{
    static const char *const wrong[] = {
        "",
        "{}",
        "[]\n",
        "{\"a\":1,}\n",
        "{\"a\":01}\n",
        "{\"a\" :1}\n",
        "{\"a\":nul}\n",
        "{\"a\":\"\n\"}\n",
        "{\"a\":\"\\x\"}\n",
        "{\"a\":\"\\u00g0\"}\n",
        "{\"a\":\"\xc3\"}\n",
        "{\"a\":1 \"b\":2}\n",
        "{\"a\":1,\"a\":2}\n",
        "{\"a\":{\"b\":1}\n",
        "{a:1}\n",
        "{\"a\":\"b}\n",
    };
    struct json_reader reader;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        const char *at = wrong[i];
        ck_assert_msg(!json_reader_object(&reader, &at), "%s", wrong[i]);
    }
}
END_TEST

Suite *json_suite(void)
{
    Suite *suite = suite_create("json");
    TCase *test_case = tcase_create("json");
    tcase_add_checked_fixture(test_case, set_up, tear_down);
    tcase_add_test(test_case, an_object_in_a_line);
    tcase_add_test(test_case, objects_do_not_touch_each_other);
    tcase_add_loop_test(test_case, a_string_may_be_anything, 0, (int)ARRAY_SIZE(escapes));
    tcase_add_test(test_case, every_byte_is_read_back);
    tcase_add_test(test_case, the_reader_is_strict);
    suite_add_tcase(suite, test_case);
    return suite;
}

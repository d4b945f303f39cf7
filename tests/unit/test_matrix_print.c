/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/json_reader.h"
#include "tests/unit/suites.h"
#include "vmm/matrix/explanations.h"
#include "vmm/matrix/print.h"
#include "vmm/platform_names.h"
#include "vmm/types.h"

static struct matrix matrix;
static struct matrix_summary summary;
static char *text;

static const struct matrix_explanation explanations[] = {
    {NULL, MATRIX_ANY, MATRIX_ANY, 0, MATRIX_LEAF, NULL, "UC", true, "a <new> finding"},
    {.text = NULL},
};

/* A measured matrix with a bit of everything. */
static void set_up(void)
{
    const struct platform_name *named = platform_name_find("arm64-nofwb");
    ck_assert(matrix_init(&matrix, &named->memattr, named->name, named->text));
    matrix.measured = true;
    matrix.explanations = explanations;
    struct matrix_row *row = matrix_add(&matrix, "vgem <&\">", MATRIX_LATE);
    row->buffer = (struct memattr_buffer){.page = MEMATTR_PAGE_RAM,
                                          .host = MEMATTR_NC,
                                          .vma = MEMATTR_VMA_PFNMAP,
                                          .vma_is_uncacheable = true};
    row->host_source = "the test";
    matrix_predict(&matrix, row);
    for (unsigned i = 0; i < matrix.column_count; i++)
        matrix_observed(&row->cells[i], MATRIX_SLOT, "accepted");
    matrix_observed(&row->cells[0], MATRIX_LEAF, "UC");
    matrix_observed(&row->cells[1], MATRIX_LEAF, "UC");
    matrix_observed(&row->cells[2], MATRIX_ACCESS, "EFAULT");
    matrix_missing(&matrix, row, MATRIX_LEAF, "a reason");
    row = matrix_add(&matrix, "heap", MATRIX_SLOT_OVER);
    snprintf(row->absent, sizeof row->absent, "no such file");
    matrix_compare(&matrix, &summary);
}

static void tear_down(void)
{
    matrix_finish(&matrix);
    free(text);
    text = NULL;
}

static void print(void (*printer)(FILE *out, const struct matrix *matrix,
                                  const struct matrix_summary *summary))
{
    size_t size;
    FILE *out = open_memstream(&text, &size);
    printer(out, &matrix, &summary);
    fclose(out);
}

static void has(const char *part)
{
    ck_assert_msg(strstr(text, part) != NULL, "\"%s\" is not in\n%s", part, text);
}

START_TEST(text_says_everything)
{
    print(matrix_print_text);
    has("arm64-nofwb: arm64 without FEAT_S2FWB");
    has("WB      !F  WT      !F  NC      =X  ONC-IWB !+");
    has("not here: heap: no such file\n");
    has("finding: vgem <&\">, late: leaf predicted WB, observed UC, with S1 WB WT: a "
        "<new> "
        "finding\n");
    has("unexplained: vgem <&\">, late: access predicted works, observed EFAULT, with S1 "
        "NC\n");
    has("not observed: leaf: a reason");
    has("8 cells predicted, 8 observed, 5 equal, 3 differ (0 explained, 2 findings, 1 "
        "unexplained)\n");
    has("leaf       8 times predicted, 2 observed, 0 equal, 2 differ");
    ck_assert_ptr_null(strstr(text, "unaligned "));
}
END_TEST

START_TEST(the_model_alone_has_no_counts)
{
    matrix.measured = false;
    print(matrix_print_text);
    ck_assert_ptr_null(strstr(text, "predicted"));
    ck_assert_ptr_null(strstr(text, "!F"));
}
END_TEST

static const char *value(const struct json_reader *reader, const char *key)
{
    const char *found = json_reader_value(reader, key);
    ck_assert_msg(found != NULL, "no key %s", key);
    return found;
}

START_TEST(json_has_an_object_for_each_cell)
{
    static struct json_reader reader;
    print(matrix_print_json);
    const char *at = text;
    for (unsigned i = 0; i < matrix.column_count; i++) {
        ck_assert(json_reader_object(&reader, &at));
        ck_assert_str_eq(value(&reader, "buffer"), "vgem <&\">");
        ck_assert_str_eq(value(&reader, "strategy"), "late");
        ck_assert_str_eq(value(&reader, "s1"), memattr_type_name(matrix.columns[i]));
        ck_assert_str_eq(value(&reader, "slot.result"), "equal");
        ck_assert_str_eq(value(&reader, "map_info"), "WC");
        if (i == 0) {
            ck_assert_str_eq(value(&reader, "leaf.observed"), "UC");
            ck_assert_str_eq(value(&reader, "leaf.explanation"), "a <new> finding");
            ck_assert_str_eq(value(&reader, "result"), "finding");
        } else if (i == 3) {
            ck_assert_str_eq(value(&reader, "leaf.observed"), "null");
            ck_assert_str_eq(value(&reader, "leaf.why"), "a reason");
            ck_assert_ptr_null(json_reader_value(&reader, "unaligned.result"));
        }
    }
    ck_assert(json_reader_object(&reader, &at));
    ck_assert_str_eq(value(&reader, "absent"), "no such file");
    ck_assert(json_reader_object(&reader, &at));
    ck_assert_str_eq(value(&reader, "summary"), "arm64-nofwb");
    ck_assert_str_eq(value(&reader, "cells.predicted"), "8");
    ck_assert_str_eq(value(&reader, "cells.unexplained"), "1");
    ck_assert_str_eq(value(&reader, "leaf.findings"), "2");
    ck_assert_str_eq(value(&reader, "absent"), "1");
    ck_assert_str_eq(at, "");
}
END_TEST

START_TEST(html_escapes_and_needs_no_colour)
{
    print(matrix_print_html);
    has("<th scope=\"row\">vgem &lt;&amp;&quot;&gt;<small>late; host NC, PFNMAP</small>");
    has("<td class=\"cell mismatch finding\"");
    has("<b>WB !</b><i>F</i>");
    has("<b>NC =</b><i>X</i>");
    has("not here: heap: no such file");
    has("a &lt;new&gt; finding");
    ck_assert_ptr_null(strstr(text, "<new>"));
    ck_assert_ptr_null(strstr(text, "http"));
    ck_assert_ptr_null(strstr(text, "<script"));
    has("</body></html>\n");
}
END_TEST

/* Each tag that is opened is closed: a table with a hole in it is shown, but not rightly. */
START_TEST(html_tags_are_balanced)
{
    static const char *const tags[] = {"table", "tbody", "thead", "tr", "td", "th", "dl",
                                       "ul",    "li",    "div",   "b",  "i",  "p"};
    print(matrix_print_html);
    for (size_t i = 0; i < ARRAY_SIZE(tags); i++) {
        char open[16], open_with[16], closed[16];
        int balance = 0;
        snprintf(open, sizeof open, "<%s>", tags[i]);
        snprintf(open_with, sizeof open_with, "<%s ", tags[i]);
        snprintf(closed, sizeof closed, "</%s>", tags[i]);
        for (const char *c = text; *c; c++) {
            balance += strncmp(c, open, strlen(open)) == 0 ||
                       strncmp(c, open_with, strlen(open_with)) == 0;
            balance -= strncmp(c, closed, strlen(closed)) == 0;
        }
        ck_assert_msg(balance == 0, "<%s>: %d", tags[i], balance);
    }
}
END_TEST

Suite *matrix_print_suite(void)
{
    Suite *suite = suite_create("matrix print");
    TCase *cases = tcase_create("cases");
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, text_says_everything);
    tcase_add_test(cases, the_model_alone_has_no_counts);
    tcase_add_test(cases, json_has_an_object_for_each_cell);
    tcase_add_test(cases, html_escapes_and_needs_no_colour);
    tcase_add_test(cases, html_tags_are_balanced);
    suite_add_tcase(suite, cases);
    return suite;
}

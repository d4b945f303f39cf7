/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/suites.h"
#include "vmm/experiments/experiment.h"

static const struct experiment question = {
    .name = "a-question", .question = "is it so?", .rule = "then do this"};

static struct experiment_log new_log(void)
{
    return (struct experiment_log){.experiment = &question};
}

static char *printed(const struct experiment_log *log,
                     void (*print)(FILE *out, const struct experiment_log *log))
{
    static char text[4096];
    FILE *out = fmemopen(text, sizeof text, "w");
    print(out, log);
    fclose(out);
    return text;
}

START_TEST(all_rows_have_to_agree)
{
    struct experiment_log log = new_log();
    experiment_fact(&log, "fact", "%u", 7);
    experiment_expect(&log, "first", "WB", "WB");
    ck_assert_int_eq(experiment_end_of(&log), EXPERIMENT_AS_EXPECTED);
    experiment_expect(&log, "second", "WC", "WB");
    ck_assert_int_eq(experiment_end_of(&log), EXPERIMENT_SURPRISE);
    experiment_expect(&log, "third", "WC", "WC");
    ck_assert_int_eq(experiment_end_of(&log), EXPERIMENT_SURPRISE);
}
END_TEST

START_TEST(what_cannot_be_done_decides_nothing)
{
    struct experiment_log log = new_log();
    experiment_expect(&log, "first", "WB", "WC");
    experiment_cannot(&log, "no %s", "module");
    ck_assert_int_eq(experiment_end_of(&log), EXPERIMENT_NOT_POSSIBLE);
    ck_assert_ptr_nonnull(
        strstr(printed(&log, experiment_print_text), "not possible here: no module"));
    ck_assert_ptr_null(strstr(printed(&log, experiment_print_text), "then do this"));
}
END_TEST

START_TEST(the_text_marks_the_surprise)
{
    struct experiment_log log = new_log();
    experiment_expect(&log, "leaf", "WB", "WB");
    experiment_expect(&log, "guest", "works", "EFAULT");
    const char *text = printed(&log, experiment_print_text);
    ck_assert_str_eq(text,
                     "a-question: is it so?\n"
                     "  what   expected  seen\n"
                     "  leaf   WB        WB\n"
                     "  guest  works     EFAULT  <- SURPRISE\n"
                     "  SURPRISE\n"
                     "  rule: then do this\n\n");
}
END_TEST

START_TEST(the_json_has_every_row)
{
    struct experiment_log log = new_log();
    experiment_fact(&log, "kernel", "6.12");
    experiment_expect(&log, "guest", "works", "works");
    ck_assert_str_eq(printed(&log, experiment_print_json),
                     "{\"experiment\":\"a-question\",\"question\":\"is it so?\","
                     "\"end\":\"as expected\",\"impossible\":null,"
                     "\"rows\":{\"kernel\":{\"expected\":null,\"seen\":\"6.12\"},"
                     "\"guest\":{\"expected\":\"works\",\"seen\":\"works\"}},"
                     "\"rule\":\"then do this\"}\n");
}
END_TEST

/* A name is what people type, and what the docs and the tests call it. */
START_TEST(every_experiment_is_complete)
{
    const struct experiment *experiment = &experiments[_i];
    ck_assert_str_ne(experiment->name, "all");
    ck_assert_uint_eq(strspn(experiment->name, "abcdefghijklmnopqrstuvwxyz-"),
                      strlen(experiment->name));
    ck_assert_int_eq(experiment->question[strlen(experiment->question) - 1], '?');
    ck_assert_ptr_nonnull(strchr(experiment->rule, '('));
    ck_assert(experiment->run != NULL);
    for (int i = 0; i < _i; i++)
        ck_assert_str_ne(experiments[i].name, experiment->name);
}
END_TEST

START_TEST(an_unknown_name_gets_the_list)
{
    const struct options options = {.command = OPTIONS_EXPERIMENT,
                                    .experiment = "nonsense"};
    const struct platform platform = {0};
    enum experiment_end end;
    struct error error;
    ck_assert(!experiment_command(&options, &platform, &end, &error));
    ck_assert_int_eq(error.code, ERROR_CONFIG_USAGE);
    for (unsigned i = 0; i < experiment_count; i++)
        ck_assert_ptr_nonnull(strstr(error.text, experiments[i].name));
}
END_TEST

Suite *experiments_suite(void)
{
    Suite *suite = suite_create("experiments");
    TCase *test_case = tcase_create("experiments");
    tcase_add_test(test_case, all_rows_have_to_agree);
    tcase_add_test(test_case, what_cannot_be_done_decides_nothing);
    tcase_add_test(test_case, the_text_marks_the_surprise);
    tcase_add_test(test_case, the_json_has_every_row);
    tcase_add_loop_test(test_case, every_experiment_is_complete, 0,
                        (int)experiment_count);
    tcase_add_test(test_case, an_unknown_name_gets_the_list);
    suite_add_tcase(suite, test_case);
    return suite;
}

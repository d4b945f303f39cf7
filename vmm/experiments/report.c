/* SPDX-License-Identifier: MIT */
#include "vmm/experiments/experiment.h"

#include <stdarg.h>
#include <string.h>

#include "vmm/json.h"

static struct experiment_row *add(struct experiment_log *log, const char *what)
{
    BUG_ON(log->row_count == EXPERIMENT_ROWS_MAX);
    struct experiment_row *row = &log->rows[log->row_count++];
    *row = (struct experiment_row){0};
    snprintf(row->what, sizeof row->what, "%s", what);
    return row;
}

void experiment_expect(struct experiment_log *log, const char *what, const char *expected,
                       const char *seen)
{
    struct experiment_row *row = add(log, what);
    snprintf(row->expected, sizeof row->expected, "%s", expected);
    snprintf(row->seen, sizeof row->seen, "%s", seen);
}

void experiment_fact(struct experiment_log *log, const char *what, const char *format,
                     ...)
{
    struct experiment_row *row = add(log, what);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(row->seen, sizeof row->seen, format, arguments);
    va_end(arguments);
}

void experiment_cannot(struct experiment_log *log, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(log->impossible, sizeof log->impossible, format, arguments);
    va_end(arguments);
}

static bool differs(const struct experiment_row *row)
{
    return row->expected[0] && strcmp(row->expected, row->seen) != 0;
}

enum experiment_end experiment_end_of(const struct experiment_log *log)
{
    if (log->impossible[0])
        return EXPERIMENT_NOT_POSSIBLE;
    bool decided = false;
    for (unsigned i = 0; i < log->row_count; i++) {
        if (differs(&log->rows[i]))
            return EXPERIMENT_SURPRISE;
        decided = decided || log->rows[i].expected[0];
    }
    BUG_ON(!decided); /* an experiment that expects nothing proves nothing */
    return EXPERIMENT_AS_EXPECTED;
}

static const char *end_name(enum experiment_end end)
{
    switch (end) {
    case EXPERIMENT_AS_EXPECTED:
        return "as expected";
    case EXPERIMENT_SURPRISE:
        return "SURPRISE";
    case EXPERIMENT_NOT_POSSIBLE:
        break;
    }
    return "not possible here";
}

void experiment_print_text(FILE *out, const struct experiment_log *log)
{
    const struct experiment *experiment = log->experiment;
    int what = 4;
    int expected = 8;
    for (unsigned i = 0; i < log->row_count; i++) {
        const struct experiment_row *row = &log->rows[i];
        what = (int)strlen(row->what) > what ? (int)strlen(row->what) : what;
        expected =
            (int)strlen(row->expected) > expected ? (int)strlen(row->expected) : expected;
    }
    fprintf(out, "%s: %s\n", experiment->name, experiment->question);
    if (log->row_count > 0)
        fprintf(out, "  %-*s  %-*s  %s\n", what, "what", expected, "expected", "seen");
    for (unsigned i = 0; i < log->row_count; i++) {
        const struct experiment_row *row = &log->rows[i];
        fprintf(out, "  %-*s  %-*s  %s%s\n", what, row->what, expected,
                row->expected[0] ? row->expected : "-", row->seen,
                differs(row) ? "  <- SURPRISE" : "");
    }
    fprintf(out, "  %s%s%s\n", end_name(experiment_end_of(log)),
            log->impossible[0] ? ": " : "", log->impossible);
    if (!log->impossible[0])
        fprintf(out, "  rule: %s\n", experiment->rule);
    fputc('\n', out);
}

void experiment_print_json(FILE *out, const struct experiment_log *log)
{
    struct json json;
    json_begin(&json, out);
    json_string(&json, "experiment", log->experiment->name);
    json_string(&json, "question", log->experiment->question);
    json_string(&json, "end", end_name(experiment_end_of(log)));
    json_string(&json, "impossible", log->impossible[0] ? log->impossible : NULL);
    json_open(&json, "rows");
    for (unsigned i = 0; i < log->row_count; i++) {
        const struct experiment_row *row = &log->rows[i];
        json_open(&json, row->what);
        json_string(&json, "expected", row->expected[0] ? row->expected : NULL);
        json_string(&json, "seen", row->seen);
        json_close(&json);
    }
    json_close(&json);
    json_string(&json, "rule", log->experiment->rule);
    json_end(&json);
}

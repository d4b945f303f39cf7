/* SPDX-License-Identifier: MIT */
/*
 * Prints the tables of the attribute model (vmm/memattr*.c) and of the refusals as Markdown,
 * and keeps the copies in docs/memory-attributes.md and docs/refusals.md equal to them:
 *
 *     print-memattr                  all to stdout
 *     print-memattr --check FILE     exit status 1 when the part between the markers differs
 *     print-memattr --update FILE    rewrites the part between the markers
 *
 * Which tables are a file's, its marker says.
 *
 * Each cell carries a number; the notes below a table say how that cell is known.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/golden/tables.h"
#include "vmm/types.h"

#define FILE_SIZE_MAX (1024 * 1024)
#define END_MARKER    "<!-- end -->\n"

static void print_model(FILE *out)
{
    tables_print_arm64(out);
    tables_print_x86(out);
}

static const struct section {
    const char *begin_marker;
    void (*print)(FILE *out);
} sections[] = {
    {"<!-- begin: printed by tests/golden/print_memattr.c -->\n", print_model},
    {"<!-- begin: refusals, printed by tests/golden/print_memattr.c -->\n",
     tables_print_refusals},
};

/* A section's tables, with the markers around; the caller frees. */
static char *print_section(const struct section *section)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    fprintf(out, "%s\n", section->begin_marker);
    section->print(out);
    fputs(END_MARKER, out);
    if (fclose(out) != 0)
        exit(2);
    return text;
}

/* The whole file, or the end of the program; the caller frees. */
static char *read_file(const char *path)
{
    char *text = calloc(1, FILE_SIZE_MAX + 1);
    FILE *file = fopen(path, "r");
    if (!text || !file || fread(text, 1, FILE_SIZE_MAX, file) == 0 || !feof(file)) {
        fprintf(stderr, "print-memattr: cannot read %s: %s\n", path, strerror(errno));
        exit(2);
    }
    fclose(file);
    return text;
}

static int rewrite(const char *path, const char *text, size_t before, const char *tables,
                   const char *after)
{
    FILE *file = fopen(path, "w");
    if (file && fprintf(file, "%.*s%s%s", (int)before, text, tables, after) >= 0 &&
        fclose(file) == 0)
        return 0;
    fprintf(stderr, "print-memattr: cannot write %s: %s\n", path, strerror(errno));
    return 2;
}

static int check_or_update_section(const char *path, const char *text, const char *begin,
                                   const struct section *section, bool update)
{
    const char *end = strstr(begin, END_MARKER);
    if (!end) {
        fprintf(stderr, "print-memattr: %s lacks the marker\n  %s", path, END_MARKER);
        return 2;
    }
    end += strlen(END_MARKER);
    char *tables = print_section(section);
    int status = 0;
    if (strlen(tables) != (size_t)(end - begin) ||
        strncmp(begin, tables, strlen(tables)) != 0) {
        if (update) {
            status = rewrite(path, text, (size_t)(begin - text), tables, end);
        } else {
            fprintf(stderr,
                    "print-memattr: %s differs from the tables in vmm/memattr*.c and "
                    "tests/golden: run `make docs`\n",
                    path);
            status = 1;
        }
    }
    free(tables);
    return status;
}

static int check_or_update(const char *path, bool update)
{
    char *text = read_file(path);
    for (size_t i = 0; i < ARRAY_SIZE(sections); i++) {
        const char *begin = strstr(text, sections[i].begin_marker);
        if (begin) {
            int status = check_or_update_section(path, text, begin, &sections[i], update);
            free(text);
            return status;
        }
    }
    fprintf(stderr, "print-memattr: %s has none of the markers\n", path);
    free(text);
    return 2;
}

int main(int argc, char **argv)
{
    if (argc == 1) {
        for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
            sections[i].print(stdout);
        return 0;
    }
    if (argc == 3 && strcmp(argv[1], "--check") == 0)
        return check_or_update(argv[2], false);
    if (argc == 3 && strcmp(argv[1], "--update") == 0)
        return check_or_update(argv[2], true);
    fprintf(stderr, "usage: %s [--check FILE | --update FILE]\n", argv[0]);
    return 2;
}

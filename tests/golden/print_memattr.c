/* SPDX-License-Identifier: MIT */
/*
 * Prints the tables of the attribute model (vmm/memattr*.c) as Markdown, and keeps the
 * copy in docs/memory-attributes.md equal to them:
 *
 *     print-memattr                  to stdout
 *     print-memattr --check FILE     exit status 1 when the part between the markers differs
 *     print-memattr --update FILE    rewrites the part between the markers
 *
 * Each cell carries a number; the notes below a table say how that cell is known.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/golden/tables.h"

#define FILE_SIZE_MAX (1024 * 1024)
#define BEGIN_MARKER  "<!-- begin: printed by tests/golden/print_memattr.c -->\n"
#define END_MARKER    "<!-- end -->\n"

/* All tables, with the markers around; the caller frees. */
static char *print_all(void)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    fputs(BEGIN_MARKER "\n", out);
    tables_print_arm64(out);
    tables_print_x86(out);
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

static int check_or_update(const char *path, const char *tables, bool update)
{
    char *text = read_file(path);
    char *begin = strstr(text, BEGIN_MARKER);
    char *end = begin ? strstr(begin, END_MARKER) : NULL;
    if (!end) {
        fprintf(stderr, "print-memattr: %s lacks the markers\n  %s  %s", path,
                BEGIN_MARKER, END_MARKER);
        return 2;
    }
    end += strlen(END_MARKER);
    int status = 0;
    if (strlen(tables) != (size_t)(end - begin) ||
        strncmp(begin, tables, strlen(tables)) != 0) {
        if (!update) {
            fprintf(stderr,
                    "print-memattr: %s differs from the tables in vmm/memattr*.c: "
                    "run `make docs`\n",
                    path);
            status = 1;
        } else {
            FILE *file = fopen(path, "w");
            if (!file ||
                fprintf(file, "%.*s%s%s", (int)(begin - text), text, tables, end) < 0 ||
                fclose(file) != 0) {
                fprintf(stderr, "print-memattr: cannot write %s: %s\n", path,
                        strerror(errno));
                status = 2;
            }
        }
    }
    free(text);
    return status;
}

int main(int argc, char **argv)
{
    char *tables = print_all();
    int status = 0;
    if (argc == 1) {
        fputs(tables, stdout);
    } else if (argc == 3 && strcmp(argv[1], "--check") == 0) {
        status = check_or_update(argv[2], tables, false);
    } else if (argc == 3 && strcmp(argv[1], "--update") == 0) {
        status = check_or_update(argv[2], tables, true);
    } else {
        fprintf(stderr, "usage: %s [--check FILE | --update FILE]\n", argv[0]);
        status = 2;
    }
    free(tables);
    return status;
}

/* SPDX-License-Identifier: MIT */
/*
 * Prints the tables of the attribute model (vmm/memattr.c) as Markdown, and keeps the
 * copy in docs/memory-attributes.md equal to them:
 *
 *     print-memattr                  to stdout
 *     print-memattr --check FILE     exit status 1 when the part between the markers
 * differs print-memattr --update FILE    rewrites the part between the markers
 *
 * Each cell carries a number; the notes below a table say how that cell is known.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/memattr.h"
#include "vmm/types.h"

#define FILE_SIZE_MAX (1024 * 1024)
#define BEGIN_MARKER  "<!-- begin: printed by tests/golden/print_memattr.c -->\n"
#define END_MARKER    "<!-- end -->\n"

static const struct {
    const char *name;
    struct memattr_platform platform;
} hosts[] = {
    {"Intel EPT, IPAT (KVM's default)", {MEMATTR_EPT, true, true}},
    {"Intel EPT, guest PAT honoured", {MEMATTR_EPT, false, true}},
    {"AMD NPT", {MEMATTR_NPT, false, true}},
    {"shadow paging", {MEMATTR_SHADOW, false, true}},
};

/* Numbered notes below a table; equal ones share a number. */
struct notes {
    unsigned count;
    char *lines[64];
};

static unsigned note(struct notes *notes, const char *prefix, const char *text)
{
    char line[512];
    snprintf(line, sizeof line, "%s%s", prefix, text);
    for (unsigned i = 0; i < notes->count; i++)
        if (strcmp(notes->lines[i], line) == 0)
            return i + 1;
    if (notes->count == ARRAY_SIZE(notes->lines)) {
        fprintf(stderr, "print-memattr: more than %zu notes\n", ARRAY_SIZE(notes->lines));
        exit(2);
    }
    notes->lines[notes->count++] = strdup(line);
    return notes->count;
}

static unsigned known(struct notes *notes, enum memattr_basis basis, const char *source)
{
    char prefix[32];
    snprintf(prefix, sizeof prefix, "%s: ", memattr_basis_name(basis));
    return note(notes, prefix, source);
}

static void print_notes(FILE *out, struct notes *notes)
{
    fputs("\n", out);
    for (unsigned i = 0; i < notes->count; i++) {
        fprintf(out, "%u. %s\n", i + 1, notes->lines[i]);
        free(notes->lines[i]);
    }
    fputs("\n", out);
}

static void print_type_columns(FILE *out, const char *first)
{
    fprintf(out, "| %s |", first);
    for (enum memattr_type type = MEMATTR_WB; type < MEMATTR_TYPE_COUNT; type++)
        fprintf(out, " %s |", memattr_type_name(type));
    fputs("\n|---|---|---|---|---|---|---|\n", out);
}

static void print_leaves(FILE *out)
{
    struct notes notes = {0};
    fputs(
        "### The leaf that KVM installs\n\n"
        "| host | page | leaf | S1 | note |\n|---|---|---|---|---|\n",
        out);
    for (size_t i = 0; i < ARRAY_SIZE(hosts); i++)
        for (enum memattr_page page = MEMATTR_PAGE_RAM; page < MEMATTR_PAGE_COUNT;
             page++) {
            const struct memattr_expected_leaf *expected =
                memattr_expected_leaf(&hosts[i].platform, page);
            fprintf(out, "| %s | %s | %s | %s | %u |\n", hosts[i].name,
                    memattr_page_name(page), memattr_type_name(expected->leaf.type),
                    expected->leaf.ignores_s1 ? "ignored" : "counts",
                    known(&notes, expected->basis, expected->source));
        }
    print_notes(out, &notes);
}

static void print_effective_row(FILE *out, struct notes *notes,
                                const struct memattr_platform *platform,
                                enum memattr_page page, struct memattr_leaf leaf)
{
    for (enum memattr_type s1 = MEMATTR_WB; s1 < MEMATTR_TYPE_COUNT; s1++) {
        struct memattr_effective effective = memattr_combine(platform, page, leaf, s1);
        fprintf(out, " %s (%u) |", memattr_type_name(effective.type),
                known(notes, effective.basis, effective.source));
    }
    fputs("\n", out);
}

static void print_effective(FILE *out)
{
    struct notes notes = {0};
    fputs(
        "### The effective type of the guest's access\n\n"
        "With the leaf above; columns: the guest's attribute (S1).\n\n",
        out);
    print_type_columns(out, "host, page, leaf");
    for (size_t i = 0; i < ARRAY_SIZE(hosts); i++)
        for (enum memattr_page page = MEMATTR_PAGE_RAM; page < MEMATTR_PAGE_COUNT;
             page++) {
            struct memattr_leaf leaf = memattr_leaf_of(&hosts[i].platform, page);
            fprintf(out, "| %s, %s, leaf %s |", hosts[i].name, memattr_page_name(page),
                    memattr_type_name(leaf.type));
            print_effective_row(out, &notes, &hosts[i].platform, page, leaf);
        }
    print_notes(out, &notes);
}

static void print_ept_combinations(FILE *out)
{
    struct notes notes = {0};
    fputs(
        "### Intel EPT: any leaf without IPAT\n\n"
        "For a leaf that was read from KVM; columns: the guest's attribute (S1).\n\n",
        out);
    print_type_columns(out, "leaf");
    static const struct memattr_platform platform = {MEMATTR_EPT, false, true};
    for (enum memattr_type type = MEMATTR_WB; type < MEMATTR_TYPE_COUNT; type++) {
        fprintf(out, "| %s |", memattr_type_name(type));
        struct memattr_leaf leaf = {type, false};
        print_effective_row(out, &notes, &platform, MEMATTR_PAGE_RAM, leaf);
    }
    print_notes(out, &notes);
}

static void print_advice(FILE *out)
{
    struct notes notes = {0};
    fputs(
        "### The map_info that is handed out\n\n"
        "Columns: the host attribute. A dash is a refusal.\n\n",
        out);
    print_type_columns(out, "host, page");
    for (unsigned mtrr = 0; mtrr < 2; mtrr++)
        for (size_t i = 0; i < ARRAY_SIZE(hosts); i++)
            for (struct memattr_buffer buffer = {0}; buffer.page < MEMATTR_PAGE_COUNT;
                 buffer.page++) {
                struct memattr_platform platform = hosts[i].platform;
                platform.guest_mtrr_is_wb = mtrr == 0;
                fprintf(out, "| %s, %s%s |", hosts[i].name,
                        memattr_page_name(buffer.page),
                        platform.guest_mtrr_is_wb ? "" : ", guest's MTRR not WB");
                for (buffer.host = MEMATTR_WB; buffer.host < MEMATTR_TYPE_COUNT;
                     buffer.host++) {
                    struct memattr_advice advice = memattr_advise(&platform, &buffer);
                    if (advice.refusal == MEMATTR_ACCEPTED)
                        fprintf(out, " %s |", memattr_map_info_name(advice.map_info));
                    else
                        fprintf(out, " - (%u) |", note(&notes, "", advice.reason));
                }
                fputs("\n", out);
            }
    fputs("\nAlso refused, on every host:\n\n", out);
    for (unsigned sync = 0; sync < 2; sync++) {
        struct memattr_buffer buffer = {.needs_sync = sync == 0, .may_change = sync == 1};
        struct memattr_advice advice = memattr_advise(&hosts[0].platform, &buffer);
        fprintf(out, "* %s: %s\n", memattr_refusal_name(advice.refusal), advice.reason);
    }
    fputs("\nNotes:\n", out);
    print_notes(out, &notes);
}

/* The platform that lets each S1 through shows every pair of effective types. */
static void print_mismatches(FILE *out)
{
    static const enum memattr_type types[] = {MEMATTR_WB, MEMATTR_WC, MEMATTR_UC};
    static const struct memattr_platform platform = {MEMATTR_EPT, false, true};
    static const struct memattr_leaf leaf = {MEMATTR_WB, false};
    fputs(
        "### What a mismatch costs\n\n"
        "| page | guest | host | what happens |\n|---|---|---|---|\n",
        out);
    for (struct memattr_buffer buffer = {0}; buffer.page < MEMATTR_PAGE_COUNT;
         buffer.page++)
        for (size_t guest = 0; guest < ARRAY_SIZE(types); guest++)
            for (size_t host = 0; host < ARRAY_SIZE(types); host++) {
                buffer.host = types[host];
                struct memattr_judgement judgement =
                    memattr_judge(&platform, &buffer, leaf, types[guest]);
                if (judgement.verdict == MEMATTR_MISMATCH &&
                    judgement.host == types[host])
                    fprintf(out, "| %s | %s | %s | %s |\n",
                            memattr_page_name(buffer.page),
                            memattr_type_name(judgement.guest.type),
                            memattr_type_name(judgement.host), judgement.reason);
            }
    fputs("\n", out);
}

/* All tables, with the markers around; the caller frees. */
static char *print_all(void)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    fputs(BEGIN_MARKER "\n", out);
    print_leaves(out);
    print_effective(out);
    print_ept_combinations(out);
    print_advice(out);
    print_mismatches(out);
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
                    "print-memattr: %s differs from the tables in vmm/memattr.c: "
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

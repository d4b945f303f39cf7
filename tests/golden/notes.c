/* SPDX-License-Identifier: MIT */
#include "tests/golden/tables.h"

#include <stdlib.h>
#include <string.h>

#include "vmm/types.h"

unsigned notes_add(struct notes *notes, const char *text)
{
    for (unsigned i = 0; i < notes->count; i++)
        if (strcmp(notes->lines[i], text) == 0)
            return i + 1;
    if (notes->count == ARRAY_SIZE(notes->lines)) {
        fprintf(stderr, "print-memattr: more than %zu notes\n", ARRAY_SIZE(notes->lines));
        exit(2);
    }
    notes->lines[notes->count++] = strdup(text);
    return notes->count;
}

unsigned notes_add_source(struct notes *notes, enum memattr_basis basis,
                          const char *source)
{
    char line[512];
    snprintf(line, sizeof line, "%s: %s", memattr_basis_name(basis), source);
    return notes_add(notes, line);
}

void notes_print(FILE *out, struct notes *notes)
{
    fputs("\n", out);
    for (unsigned i = 0; i < notes->count; i++) {
        fprintf(out, "%u. %s\n", i + 1, notes->lines[i]);
        free(notes->lines[i]);
    }
    fputs("\n", out);
    notes->count = 0;
}

/* SPDX-License-Identifier: MIT */
/* The tables of docs/memory-attributes.md, one function for each family of models. */
#ifndef S2VMM_TESTS_GOLDEN_TABLES_H
#define S2VMM_TESTS_GOLDEN_TABLES_H

#include <stdio.h>

#include "vmm/memattr.h"

void tables_print_x86(FILE *out);
void tables_print_arm64(FILE *out);

/* Those of docs/refusals.md. */
void tables_print_refusals(FILE *out);

/* Numbered notes below a table; equal ones share a number. */
struct notes {
    unsigned count;
    char *lines[64];
};

/* The number of the note, which is added if it is new. */
unsigned notes_add(struct notes *notes, const char *text);

/* The number of the note that says how a cell is known. */
unsigned notes_add_source(struct notes *notes, enum memattr_basis basis,
                          const char *source);

/* Prints the notes, and forgets them. */
void notes_print(FILE *out, struct notes *notes);

#endif

/* SPDX-License-Identifier: MIT */
/* The command line: "key=value key=value ...". A key that nobody asked for is a mistake
 * of the user, and is reported at the end. */
#ifndef S2VMM_GUEST_OPTIONS_H
#define S2VMM_GUEST_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#define OPTIONS_MAX      16
#define OPTIONS_TEXT_MAX 512

struct option {
    const char *key;
    const char *value;
    bool used;
};

struct options {
    unsigned count;
    struct option list[OPTIONS_MAX];
    char text[OPTIONS_TEXT_MAX];
};

/* Takes a command line apart. False when it is too long, or a word has no '='. */
bool options_parse(struct options *options, const char *command_line);

/* The value of `key`, or `fallback` if it is not given. */
const char *options_text(struct options *options, const char *key, const char *fallback);

/* As a number: decimal, or hexadecimal after "0x"; K, M and G stand for KiB, MiB, GiB.
 * False when the value is not a number. */
bool options_number(struct options *options, const char *key, uint64_t fallback,
                    uint64_t *number);

/* A key that was given and never asked for, or NULL. */
const char *options_unused(const struct options *options);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * A strict reader for one JSON object (RFC 8259), for tests of what we write. It shares
 * nothing with the writer.
 */
#ifndef S2VMM_TESTS_UNIT_JSON_READER_H
#define S2VMM_TESTS_UNIT_JSON_READER_H

#include <stdbool.h>

#define JSON_READER_PAIRS_MAX 96

/* Key and value; a nested object's keys are "outer.inner". */
struct json_reader_pair {
    char key[64];
    char value[512]; /* a string's characters (\uXXXX as Latin-1), or the literal text */
    bool is_string;
};

struct json_reader {
    unsigned count;
    struct json_reader_pair pairs[JSON_READER_PAIRS_MAX];
};

/* Reads one object that ends in a newline, and moves *text behind it; false if it is not
 * one, or has a key twice. */
bool json_reader_object(struct json_reader *reader, const char **text);

/* The value, or NULL when there is no such key. */
const char *json_reader_value(const struct json_reader *reader, const char *key);

#endif

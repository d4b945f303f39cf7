/* SPDX-License-Identifier: MIT */
#include "tests/unit/json_reader.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cursor {
    struct json_reader *reader;
    const char *at;
};

static bool accept(struct cursor *cursor, char c)
{
    if (*cursor->at != c)
        return false;
    cursor->at++;
    return true;
}

static bool read_escape(struct cursor *cursor, char *c)
{
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";
    if (accept(cursor, 'u')) {
        char digits[5] = {0};
        for (unsigned i = 0; i < 4; i++) {
            if (!isxdigit((unsigned char)*cursor->at))
                return false;
            digits[i] = *cursor->at++;
        }
        *c = (char)strtoul(digits, NULL, 16);
        return digits[0] == '0' && digits[1] == '0';
    }
    const char *found = *cursor->at ? strchr(from, *cursor->at) : NULL;
    if (!found)
        return false;
    cursor->at++;
    *c = to[found - from];
    return true;
}

static bool read_string(struct cursor *cursor, char *target, size_t size)
{
    size_t length = 0;
    if (!accept(cursor, '"'))
        return false;
    while (!accept(cursor, '"')) {
        unsigned char c = (unsigned char)*cursor->at++;
        char escaped = (char)c;
        if (c < 0x20 || c >= 0x7f || length + 1 == size)
            return false;
        if (c == '\\' && !read_escape(cursor, &escaped))
            return false;
        target[length++] = escaped;
    }
    target[length] = '\0';
    return true;
}

/* true, false, null, or a whole number without leading zeroes. */
static bool read_literal(struct cursor *cursor, char *target, size_t size)
{
    size_t length = strspn(cursor->at, "abcdefghijklmnopqrstuvwxyz0123456789");
    if (length == 0 || length >= size)
        return false;
    memcpy(target, cursor->at, length);
    target[length] = '\0';
    cursor->at += length;
    if (isdigit((unsigned char)target[0]))
        return strspn(target, "0123456789") == length &&
               (length == 1 || target[0] != '0');
    return strcmp(target, "true") == 0 || strcmp(target, "false") == 0 ||
           strcmp(target, "null") == 0;
}

static bool read_pair(struct cursor *cursor, const char *outer, bool *nested)
{
    struct json_reader *reader = cursor->reader;
    if (reader->count == JSON_READER_PAIRS_MAX)
        return false;
    struct json_reader_pair *pair = &reader->pairs[reader->count];
    char key[32];
    if (!read_string(cursor, key, sizeof key) || !accept(cursor, ':'))
        return false;
    snprintf(pair->key, sizeof pair->key, "%s%s%s", outer, *outer ? "." : "", key);
    if (json_reader_value(reader, pair->key))
        return false;
    *pair->value = '\0';
    pair->is_string = *cursor->at == '"';
    reader->count++;
    *nested = *cursor->at == '{';
    if (*nested)
        return true;
    return pair->is_string ? read_string(cursor, pair->value, sizeof pair->value)
                           : read_literal(cursor, pair->value, sizeof pair->value);
}

/* Two levels are all that we write. */
static bool read_object(struct cursor *cursor, const char *outer)
{
    if (!accept(cursor, '{'))
        return false;
    if (accept(cursor, '}'))
        return true;
    do {
        bool nested;
        if (!read_pair(cursor, outer, &nested))
            return false;
        const char *key = cursor->reader->pairs[cursor->reader->count - 1].key;
        if (nested && (*outer || !read_object(cursor, key)))
            return false;
    } while (accept(cursor, ','));
    return accept(cursor, '}');
}

bool json_reader_object(struct json_reader *reader, const char **text)
{
    *reader = (struct json_reader){0};
    struct cursor cursor = {reader, *text};
    if (!read_object(&cursor, "") || !accept(&cursor, '\n'))
        return false;
    *text = cursor.at;
    return true;
}

const char *json_reader_value(const struct json_reader *reader, const char *key)
{
    for (unsigned i = 0; i < reader->count; i++)
        if (strcmp(reader->pairs[i].key, key) == 0)
            return reader->pairs[i].value;
    return NULL;
}

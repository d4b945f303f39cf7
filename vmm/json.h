/* SPDX-License-Identifier: MIT */
/*
 * JSON for programs that read us: one object for each line. A writer only; keys are ours
 * and need no escaping, string values may be anything.
 *
 *     struct json json;
 *     json_begin(&json, stdout);
 *     json_string(&json, "exporter", "udmabuf");
 *     json_end(&json);
 */
#ifndef S2VMM_JSON_H
#define S2VMM_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json {
    FILE *out;
    bool separator;
};

void json_begin(struct json *json, FILE *out);

/* Ends the line and flushes it: a reader sees whole objects only. */
void json_end(struct json *json);

/* A NULL value is written as null. */
void json_string(struct json *json, const char *key, const char *value);
void json_number(struct json *json, const char *key, uint64_t value);
void json_boolean(struct json *json, const char *key, bool value);

/* An object as the value of a key. */
void json_open(struct json *json, const char *key);
void json_close(struct json *json);

#endif

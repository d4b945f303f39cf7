/* SPDX-License-Identifier: MIT */
#include "vmm/json.h"

#include <inttypes.h>

static void write_string(FILE *out, const char *text)
{
    fputc('"', out);
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == '"' || *c == '\\')
            fprintf(out, "\\%c", *c);
        else if (*c < 0x20 || *c >= 0x7f) /* bytes of an unknown encoding: as Latin-1 */
            fprintf(out, "\\u%04x", *c);
        else
            fputc(*c, out);
    }
    fputc('"', out);
}

static void write_key(struct json *json, const char *key)
{
    if (json->separator)
        fputc(',', json->out);
    json->separator = true;
    fprintf(json->out, "\"%s\":", key);
}

void json_begin(struct json *json, FILE *out)
{
    *json = (struct json){.out = out};
    fputc('{', out);
}

void json_end(struct json *json)
{
    fputs("}\n", json->out);
    fflush(json->out);
}

void json_string(struct json *json, const char *key, const char *value)
{
    write_key(json, key);
    if (value)
        write_string(json->out, value);
    else
        fputs("null", json->out);
}

void json_number(struct json *json, const char *key, uint64_t value)
{
    write_key(json, key);
    fprintf(json->out, "%" PRIu64, value);
}

void json_boolean(struct json *json, const char *key, bool value)
{
    write_key(json, key);
    fputs(value ? "true" : "false", json->out);
}

void json_open(struct json *json, const char *key)
{
    write_key(json, key);
    fputc('{', json->out);
    json->separator = false;
}

void json_close(struct json *json)
{
    fputc('}', json->out);
    json->separator = true;
}

/* SPDX-License-Identifier: MIT */
#include "guest/options.h"

#include <stddef.h>

#include "guest/string.h"
#include "vmm/types.h"

/* Cuts the word at `text` into key and value; returns what comes behind it, NULL if the
 * word has no '='. */
static char *cut_word(struct option *option, char *text)
{
    option->key = text;
    while (*text != '=') {
        if (*text == '\0' || *text == ' ')
            return NULL;
        text++;
    }
    *text++ = '\0';
    option->value = text;
    while (*text != '\0' && *text != ' ')
        text++;
    if (*text == ' ')
        *text++ = '\0';
    return text;
}

bool options_parse(struct options *options, const char *command_line)
{
    size_t length = 0;
    while (command_line[length] != '\0') {
        if (length == sizeof options->text - 1)
            return false;
        options->text[length] = command_line[length];
        length++;
    }
    options->text[length] = '\0';

    char *text = options->text;
    options->count = 0;
    for (;;) {
        while (*text == ' ')
            text++;
        if (*text == '\0')
            return true;
        if (options->count == OPTIONS_MAX)
            return false;
        struct option *option = &options->list[options->count++];
        option->used = false;
        text = cut_word(option, text);
        if (text == NULL)
            return false;
    }
}

const char *options_text(struct options *options, const char *key, const char *fallback)
{
    for (unsigned i = 0; i < options->count; i++) {
        if (string_equal(options->list[i].key, key)) {
            options->list[i].used = true;
            return options->list[i].value;
        }
    }
    return fallback;
}

static unsigned digit_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return (unsigned)(digit - '0');
    if (digit >= 'a' && digit <= 'f')
        return (unsigned)(digit - 'a') + 10;
    return 16;
}

bool options_number(struct options *options, const char *key, uint64_t fallback,
                    uint64_t *number)
{
    const char *text = options_text(options, key, NULL);
    uint64_t value = 0;
    unsigned base = 10;
    if (text == NULL) {
        *number = fallback;
        return true;
    }
    if (text[0] == '0' && text[1] == 'x') {
        base = 16;
        text += 2;
    }
    if (digit_value(*text) >= base)
        return false;
    for (; digit_value(*text) < base; text++) {
        if (__builtin_mul_overflow(value, base, &value) ||
            !u64_add(value, digit_value(*text), &value))
            return false;
    }
    uint64_t unit = *text == 'K' ? KIB : *text == 'M' ? MIB : *text == 'G' ? GIB : 1;
    if (unit != 1)
        text++;
    return *text == '\0' && !__builtin_mul_overflow(value, unit, number);
}

const char *options_unused(const struct options *options)
{
    for (unsigned i = 0; i < options->count; i++) {
        if (!options->list[i].used)
            return options->list[i].key;
    }
    return NULL;
}

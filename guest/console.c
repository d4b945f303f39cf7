/* SPDX-License-Identifier: MIT */
#include "guest/console.h"

#include <stdarg.h>
#include <stdbool.h>

#include "guest/arch.h"

void console_flush(struct console *console)
{
    if (console->port != 0 && console->length > 0)
        arch_serial_write(console->port, console->line, console->length);
    console->length = 0;
}

static void put_character(struct console *console, char character)
{
    console->line[console->length++] = character;
    if (character == '\n' || console->length == sizeof console->line)
        console_flush(console);
}

static void put_string(struct console *console, const char *text)
{
    while (*text != '\0')
        put_character(console, *text++);
}

static void put_number(struct console *console, uint64_t number, unsigned base)
{
    char digits[20]; /* of the largest number in base 10 */
    unsigned count = 0;
    do {
        digits[count++] = "0123456789abcdef"[number % base];
        number /= base;
    } while (number != 0);
    while (count > 0)
        put_character(console, digits[--count]);
}

void console_printf(struct console *console, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    for (; *format != '\0'; format++) {
        if (*format != '%') {
            put_character(console, *format);
            continue;
        }
        bool is_long = *++format == 'l';
        if (is_long)
            format++;
        switch (*format) {
        case 's':
            put_string(console, va_arg(arguments, const char *));
            break;
        case 'c':
            put_character(console, (char)va_arg(arguments, int));
            break;
        case 'u':
        case 'x': {
            uint64_t number =
                is_long ? va_arg(arguments, uint64_t) : va_arg(arguments, unsigned);
            put_number(console, number, *format == 'x' ? 16 : 10);
            break;
        }
        default:
            put_character(console, *format);
            break;
        }
    }
    va_end(arguments);
}

/* SPDX-License-Identifier: MIT */
/* Text to the serial port, one burst for each line. */
#ifndef S2VMM_GUEST_CONSOLE_H
#define S2VMM_GUEST_CONSOLE_H

#include <stddef.h>
#include <stdint.h>

struct console {
    uint64_t port; /* base of the serial device; 0 = there is none, text is lost */
    size_t length;
    char line[128];
};

/* Knows %s %c %u %x, with l for 64 bits, and %%; no width and no flags. Text is sent at
 * each newline, and earlier when the line is longer than the buffer. */
void console_printf(struct console *console, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Sends what is left of a line. */
void console_flush(struct console *console);

#endif

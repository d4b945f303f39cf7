/* SPDX-License-Identifier: MIT */
#include "guest/check.h"

static void print_place(struct guest *guest, const char *file, int line, const char *text)
{
    console_printf(&guest->console, "FAIL %s %s:%u: %s", guest->scenario, file,
                   (unsigned)line, text);
}

void check_failed(struct guest *guest, const char *file, int line, const char *text)
{
    print_place(guest, file, line, text);
    console_printf(&guest->console, "\n");
}

bool check_equal(struct guest *guest, const char *file, int line, const char *text,
                 uint64_t got, uint64_t want)
{
    if (got == want)
        return true;
    print_place(guest, file, line, text);
    console_printf(&guest->console, ", got 0x%lx, want 0x%lx\n", got, want);
    return false;
}

bool check_response(struct guest *guest, const char *file, int line, const char *text,
                    uint32_t got, uint32_t want)
{
    if (got == want)
        return true;
    print_place(guest, file, line, text);
    console_printf(&guest->console, ", got %s (0x%x), want %s (0x%x)\n",
                   gpu_response_name(got), got, gpu_response_name(want), want);
    return false;
}

bool check_option(struct guest *guest, const char *key, uint64_t fallback,
                  uint64_t *number)
{
    if (options_number(&guest->options, key, fallback, number))
        return true;
    console_printf(&guest->console, "FAIL %s: option %s=%s is not a number\n",
                   guest->scenario, key, options_text(&guest->options, key, ""));
    return false;
}

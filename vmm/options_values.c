/* SPDX-License-Identifier: MIT */
#include "vmm/options_values.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/types.h"

#define DISPLAY_MIN 64u   /* pixels */
#define DISPLAY_MAX 8192u /* the same as GPU_DISPLAY_SIZE_MAX */

/* strtoull() would take white space and a sign, and make -1 a large number. */
static bool begins_with_digit(const char *text)
{
    return text[0] >= '0' && text[0] <= '9';
}

bool parse_number(const char *option, const char *text, uint64_t minimum,
                  uint64_t maximum, uint64_t *value, struct error *error)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (errno || !begins_with_digit(text) || *end || number < minimum || number > maximum)
        return error_set(error, ERROR_CONFIG_USAGE,
                         "%s \"%s\": expected a whole number from %llu to %llu", option,
                         text, (unsigned long long)minimum, (unsigned long long)maximum);
    *value = number;
    return true;
}

bool parse_size(const char *option, const char *text, uint64_t *size, struct error *error)
{
    static const char suffixes[] = "KMG";
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    bool good = !errno && begins_with_digit(text);
    uint64_t unit = 1;
    const char *suffix = *end ? strchr(suffixes, *end) : NULL;
    if (suffix) {
        unit = KIB << (10 * (suffix - suffixes));
        end++;
    }
    if (!good || *end || __builtin_mul_overflow(number, unit, size))
        return error_set(
            error, ERROR_CONFIG_USAGE,
            "%s \"%s\": expected a size in bytes, or with K, M or G, e.g. 64M", option,
            text);
    return true;
}

bool parse_choice(const char *option, const char *text, const char *const *choices,
                  unsigned *choice, struct error *error)
{
    char all[80] = "";
    for (unsigned i = 0; choices[i]; i++) {
        if (strcmp(text, choices[i]) == 0) {
            *choice = i;
            return true;
        }
        size_t used = strlen(all);
        snprintf(all + used, sizeof all - used, "%s%s", i ? ", " : "", choices[i]);
    }
    return error_set(error, ERROR_CONFIG_USAGE, "%s \"%s\": expected one of %s", option,
                     text, all);
}

/* Takes the suffix off the end of the text, if it is there. */
static bool cut_suffix(char *text, const char *suffix)
{
    size_t length = strlen(text);
    size_t tail = strlen(suffix);
    bool is_there = length > tail && strcmp(text + length - tail, suffix) == 0;
    if (is_there)
        text[length - tail] = '\0';
    return is_there;
}

bool parse_disk(char *text, struct options *options, struct error *error)
{
    if (options->disk_count == OPTIONS_DISKS_MAX)
        return error_set(error, ERROR_CONFIG_USAGE, "--disk %s: %d disks are possible",
                         text, OPTIONS_DISKS_MAX);
    struct options_disk *disk = &options->disks[options->disk_count];
    disk->readonly = cut_suffix(text, ",readonly");
    if (text[0] == '\0')
        return error_set(error, ERROR_CONFIG_USAGE,
                         "--disk needs the path of an image: FILE or FILE,readonly");
    disk->path = text;
    options->disk_count++;
    return true;
}

static bool is_hexadecimal(char digit)
{
    return (digit >= '0' && digit <= '9') || (digit >= 'a' && digit <= 'f');
}

/* DDDD:BB:SS.F, as sysfs has it. */
static bool is_pci_address(const char *text)
{
    static const char form[] = "hhhh:hh:hh.d";
    if (strlen(text) != sizeof form - 1)
        return false;
    for (unsigned i = 0; form[i]; i++)
        if (!(form[i] == 'h'   ? is_hexadecimal(text[i])
              : form[i] == 'd' ? text[i] >= '0' && text[i] <= '7'
                               : text[i] == form[i]))
            return false;
    return true;
}

bool parse_vfio(char *text, struct options *options, struct error *error)
{
    if (options->vfio_count == OPTIONS_VFIO_MAX)
        return error_set(error, ERROR_CONFIG_USAGE, "--vfio %s: %d devices are possible",
                         text, OPTIONS_VFIO_MAX);
    struct options_vfio *vfio = &options->vfio[options->vfio_count];
    vfio->traps = cut_suffix(text, ",trap");
    if (!is_pci_address(text))
        return error_set(
            error, ERROR_CONFIG_USAGE,
            "--vfio \"%s\": expected a PCI device as in /sys/bus/pci/devices, "
            "e.g. 0000:00:05.0, or 0000:00:05.0,trap",
            text);
    for (unsigned i = 0; i < options->vfio_count; i++)
        if (strcmp(options->vfio[i].address, text) == 0)
            return error_set(error, ERROR_CONFIG_USAGE, "--vfio %s: given twice", text);
    vfio->address = text;
    options->vfio_count++;
    return true;
}

static bool parse_pixels(const char **text, uint32_t *pixels)
{
    char *end;
    if (!begins_with_digit(*text))
        return false;
    unsigned long number = strtoul(*text, &end, 10);
    *text = end;
    *pixels = (uint32_t)number;
    return number >= DISPLAY_MIN && number <= DISPLAY_MAX;
}

/* WIDTHxHEIGHT[/WIDTHxHEIGHT...] */
static bool parse_display(const char **text, struct options_display *display)
{
    display->size_count = 0;
    while (display->size_count < OPTIONS_SIZES_MAX) {
        struct options_size *size = &display->sizes[display->size_count++];
        if (!parse_pixels(text, &size->width) || *(*text)++ != 'x' ||
            !parse_pixels(text, &size->height))
            return false;
        if (**text != '/')
            return true;
        (*text)++;
    }
    return false;
}

bool parse_displays(const char *text, struct options *options, struct error *error)
{
    const char *rest = text;
    options->display_count = 0;
    while (options->display_count < OPTIONS_DISPLAYS_MAX) {
        if (!parse_display(&rest, &options->displays[options->display_count]))
            break;
        options->display_count++;
        if (*rest == '\0')
            return true;
        if (*rest++ != ',')
            break;
    }
    return error_set(
        error, ERROR_CONFIG_USAGE,
        "--display \"%s\": expected WIDTHxHEIGHT, up to %d times with commas "
        "between, each number from %u to %u, e.g. 1024x768; up to %d sizes of one "
        "display "
        "have slashes between",
        text, OPTIONS_DISPLAYS_MAX, DISPLAY_MIN, DISPLAY_MAX, OPTIONS_SIZES_MAX);
}

static bool parse_limit(const char *name, const char *value, struct quota_limits *limits,
                        struct error *error)
{
    char all[80] = "";
    char option[40];
    snprintf(option, sizeof option, "--quota %s", name);
    for (unsigned i = 0; i < QUOTA_KIND_COUNT; i++) {
        enum quota_kind kind = (enum quota_kind)i;
        if (strcmp(name, quota_name(kind)) == 0)
            return quota_is_size(kind)
                       ? parse_size(option, value, &limits->of[kind], error) &&
                             (limits->of[kind] > 0 ||
                              error_set(error, ERROR_CONFIG_USAGE,
                                        "%s=0: a guest needs some", option))
                       : parse_number(option, value, 1, UINT32_MAX, &limits->of[kind],
                                      error);
        size_t used = strlen(all);
        snprintf(all + used, sizeof all - used, "%s, ", quota_name(kind));
    }
    if (strcmp(name, "command-time") == 0)
        return parse_number(option, value, 1, UINT32_MAX, &limits->command_milliseconds,
                            error);
    return error_set(error, ERROR_CONFIG_USAGE,
                     "--quota \"%s\": expected NAME=VALUE, with one of %scommand-time",
                     name, all);
}

bool parse_quota(char *text, struct quota_limits *limits, struct error *error)
{
    char *rest = text;
    char *item;
    while ((item = strsep(&rest, ",")) != NULL) {
        char *value = strchr(item, '=');
        if (value)
            *value++ = '\0';
        if (!parse_limit(item, value ? value : "", limits, error))
            return false;
    }
    return true;
}

/* A descriptor that is open and ours, not one of the three that everybody has. */
static bool take_socket(unsigned long number, int *fd)
{
    *fd = number > 2 && number <= INT_MAX ? (int)number : -1;
    return *fd >= 0 && fcntl(*fd, F_SETFD, FD_CLOEXEC) == 0;
}

bool parse_take_over(const char *text, struct options *options, struct error *error)
{
    char *end;
    unsigned long control = strtoul(text, &end, 10);
    unsigned long takeover = *end == ',' ? strtoul(end + 1, &end, 10) : 0;
    if (*end || !take_socket(control, &options->update_control) ||
        !take_socket(takeover, &options->update_takeover))
        return error_set(error, ERROR_CONFIG_USAGE,
                         "--take-over \"%s\": it is for `s2vmm update` only, which says "
                         "what is behind it",
                         text);
    return true;
}

bool parse_forced_map_info(const char *text, struct options *options, struct error *error)
{
    static const char *const words[] = {"cached", "uncached", "wc"};
    options->force_map_info = true;
    for (unsigned i = 0; i < ARRAY_SIZE(words); i++) {
        if (strcmp(text, words[i]) == 0) {
            options->forced_map_info = MEMATTR_MAP_CACHED + i;
            return true;
        }
    }
    char *end;
    unsigned long value = strtoul(text, &end, 0);
    if (!begins_with_digit(text) || *end || value > UINT8_MAX)
        return error_set(error, ERROR_CONFIG_USAGE,
                         "--force-map-info \"%s\": expected cached, uncached, wc, or the "
                         "number to send, from 0 to 0xff",
                         text);
    options->forced_map_info = (uint32_t)value;
    return true;
}

/* SPDX-License-Identifier: MIT */
#include "vmm/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/types.h"

static const struct {
    const char *name;
    enum error_group group;
} codes[ERROR_CODE_COUNT] = {
    [ERROR_NONE] = {"none", ERROR_GROUP_NONE},
    [ERROR_GUEST_ADDRESS] = {"guest-address", ERROR_GROUP_GUEST},
    [ERROR_GUEST_RING] = {"guest-ring", ERROR_GROUP_GUEST},
    [ERROR_GUEST_COMMAND] = {"guest-command", ERROR_GROUP_GUEST},
    [ERROR_GUEST_CONTEXT] = {"guest-context", ERROR_GROUP_GUEST},
    [ERROR_GUEST_SCANOUT] = {"guest-scanout", ERROR_GROUP_GUEST},
    [ERROR_GUEST_RESOURCE] = {"guest-resource", ERROR_GROUP_GUEST},
    [ERROR_GUEST_PARAMETER] = {"guest-parameter", ERROR_GROUP_GUEST},
    [ERROR_GUEST_STATE] = {"guest-state", ERROR_GROUP_GUEST},
    [ERROR_GUEST_LIMIT] = {"guest-limit", ERROR_GROUP_GUEST},
    [ERROR_REFUSED] = {"refused", ERROR_GROUP_REFUSED},
    [ERROR_HOST_KVM] = {"host-kvm", ERROR_GROUP_HOST},
    [ERROR_HOST_SYSTEM] = {"host-system", ERROR_GROUP_HOST},
    [ERROR_HOST_MEMORY] = {"host-memory", ERROR_GROUP_HOST},
    [ERROR_HOST_RENDERER] = {"host-renderer", ERROR_GROUP_HOST},
    [ERROR_HOST_BUFFER] = {"host-buffer", ERROR_GROUP_HOST},
    [ERROR_CONFIG_USAGE] = {"config-usage", ERROR_GROUP_CONFIG},
    [ERROR_CONFIG_FILE] = {"config-file", ERROR_GROUP_CONFIG},
    [ERROR_CONFIG_HOST] = {"config-host", ERROR_GROUP_CONFIG},
};

bool error_set(struct error *error, enum error_code code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    error->code = code;
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    return false;
}

bool error_wrap(struct error *error, const char *format, ...)
{
    char whole[2 * sizeof error->text];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(whole, sizeof error->text, format, arguments);
    va_end(arguments);

    size_t length = strlen(whole);
    snprintf(whole + length, sizeof whole - length, ": %s", error->text);
    memcpy(error->text, whole, sizeof error->text - 1);
    error->text[sizeof error->text - 1] = '\0';
    return false;
}

const char *error_code_name(enum error_code code)
{
    return (unsigned)code < ERROR_CODE_COUNT ? codes[code].name : "unknown";
}

enum error_group error_code_group(enum error_code code)
{
    BUG_ON((unsigned)code >= ERROR_CODE_COUNT);
    return codes[code].group;
}

void bug(const char *file, int line, const char *what)
{
    fprintf(stderr, "s2vmm: BUG: %s:%d: %s; please report this\n", file, line, what);
    abort();
}

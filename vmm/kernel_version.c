/* SPDX-License-Identifier: MIT */
#include "vmm/kernel_version.h"

#include <stdlib.h>
#include <sys/utsname.h>

unsigned kernel_version(void)
{
    struct utsname system = {.release = ""};
    char *end;
    uname(&system);
    unsigned long major = strtoul(system.release, &end, 10);
    if (major == 0 || *end != '.')
        return ~0u;
    return KERNEL_VERSION_OF(major, strtoul(end + 1, NULL, 10));
}

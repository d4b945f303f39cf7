/* SPDX-License-Identifier: MIT */
/* See import.h. */
#include "tests/series/import.h"

#include <drm.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { CARDS = 16 };

int import_into(const char *driver, int fd)
{
    for (int number = 0; number < CARDS; number++) {
        char path[32];
        char name[32] = "";
        snprintf(path, sizeof(path), "/dev/dri/card%d", number);
        int card = open(path, O_RDWR | O_CLOEXEC);
        struct drm_version version = {.name = name, .name_len = sizeof(name) - 1};
        struct drm_prime_handle prime = {.fd = fd};
        if (card >= 0 && ioctl(card, DRM_IOCTL_VERSION, &version) == 0 &&
            strcmp(name, driver) == 0 &&
            ioctl(card, DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime) == 0)
            return card;
        if (card >= 0)
            close(card);
    }
    errno = ENODEV;
    return -1;
}

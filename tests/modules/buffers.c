/* SPDX-License-Identifier: MIT */
/* See buffers.h. */
#include "tests/modules/buffers.h"

#include <drm.h>
#include <drm_mode.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/udmabuf.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { CARDS = 16 };

int buffer_udmabuf(size_t size)
{
    int device = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
    int memory = memfd_create("module-stress", MFD_ALLOW_SEALING | MFD_CLOEXEC);
    int buffer = -1, error = 0;

    if (device >= 0 && memory >= 0 && ftruncate(memory, (off_t)size) == 0 &&
        fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK) == 0) {
        struct udmabuf_create create = {
            .memfd = (unsigned)memory, .flags = UDMABUF_FLAGS_CLOEXEC, .size = size};
        buffer = ioctl(device, UDMABUF_CREATE, &create);
    }
    error = errno;
    if (device >= 0)
        close(device);
    if (memory >= 0)
        close(memory);
    errno = error;
    return buffer;
}

static int open_card(const char *driver)
{
    for (int number = 0; number < CARDS; number++) {
        char path[32], name[32] = "";
        snprintf(path, sizeof(path), "/dev/dri/card%d", number);
        int card = open(path, O_RDWR | O_CLOEXEC);
        if (card < 0)
            continue;
        struct drm_version version = {.name = name, .name_len = sizeof(name) - 1};
        if (ioctl(card, DRM_IOCTL_VERSION, &version) == 0 && strcmp(name, driver) == 0)
            return card;
        close(card);
    }
    errno = ENODEV;
    return -1;
}

int buffer_drm(const char *driver, size_t size, int writable)
{
    int card = open_card(driver), buffer = -1;
    /* 1024 pixels of 4 bytes are one page */
    struct drm_mode_create_dumb create = {
        .width = 1024, .height = (unsigned)(size / 4096), .bpp = 32};

    if (card < 0)
        return -1;
    if (ioctl(card, DRM_IOCTL_MODE_CREATE_DUMB, &create) == 0) {
        struct drm_prime_handle prime = {
            .handle = create.handle, .flags = DRM_CLOEXEC | (writable ? DRM_RDWR : 0)};
        if (ioctl(card, DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime) == 0)
            buffer = prime.fd;
    }
    int error = errno;
    close(card);
    errno = error;
    return buffer;
}

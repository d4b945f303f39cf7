/* SPDX-License-Identifier: MIT */
/* Buffers of a DRM driver: dumb ones, which every driver with a display has. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xf86drm.h>

#include "devices/gpu/exporters/target.h"

#define NODES_MAX    16
#define WIDTH        1024u /* pixels of 32 bits: a row is a page */
#define BYTES_OF_ROW UINT64_C(4096)

static bool is_driver(int node, const char *driver)
{
    drmVersion *version = drmGetVersion(node);
    bool is = version && strcmp(version->name, driver) == 0;
    drmFreeVersion(version);
    return is;
}

static bool open_node(struct target *target, const char *driver, int *node,
                      struct error *error)
{
    for (unsigned i = 0; i < NODES_MAX; i++) {
        char path[32];
        snprintf(path, sizeof path, "/dev/dri/card%u", i);
        *node = open(path, O_RDWR | O_CLOEXEC);
        if (*node >= 0 && is_driver(*node, driver)) {
            memcpy(target->drm_node, path, sizeof path);
            return true;
        }
        if (*node >= 0)
            close(*node);
    }
    return error_set(error, ERROR_CONFIG_HOST, "no node in /dev/dri is of the driver %s",
                     driver);
}

/* The buffer lives as long as the node, which the target keeps. */
static bool create_dumb(struct target *target, const char *driver, int *node,
                        uint32_t *handle, struct error *error)
{
    if (!open_node(target, driver, node, error))
        return false;
    target_keep(target, *node);
    struct drm_mode_create_dumb create = {
        .width = WIDTH,
        .height = (uint32_t)(target->backing.size / BYTES_OF_ROW),
        .bpp = 32,
    };
    if (drmIoctl(*node, DRM_IOCTL_MODE_CREATE_DUMB, &create) != 0)
        return error_set(error, ERROR_CONFIG_HOST, "%s: DRM_IOCTL_MODE_CREATE_DUMB: %s",
                         driver, strerror(errno));
    *handle = create.handle;
    return true;
}

bool exporter_drm_prime(struct target *target, const char *driver, struct error *error)
{
    int node = -1;
    uint32_t handle = 0;
    if (!create_dumb(target, driver, &node, &handle, error))
        return false;
    if (drmPrimeHandleToFD(node, handle, DRM_CLOEXEC | DRM_RDWR, &target->backing.fd) !=
        0) {
        target->backing.fd = -1;
        return error_set(error, ERROR_CONFIG_HOST, "%s: DRM_IOCTL_PRIME_HANDLE_TO_FD: %s",
                         driver, strerror(errno));
    }
    return target_map(target, error);
}

bool exporter_drm_dumb(struct target *target, const char *driver, struct error *error)
{
    int node = -1;
    uint32_t handle = 0;
    if (!create_dumb(target, driver, &node, &handle, error))
        return false;
    struct drm_mode_map_dumb map = {.handle = handle};
    if (drmIoctl(node, DRM_IOCTL_MODE_MAP_DUMB, &map) != 0)
        return error_set(error, ERROR_CONFIG_HOST, "%s: DRM_IOCTL_MODE_MAP_DUMB: %s",
                         driver, strerror(errno));
    target->backing.fd = fcntl(node, F_DUPFD_CLOEXEC, 3);
    target->file_offset = map.offset;
    return target_map(target, error);
}

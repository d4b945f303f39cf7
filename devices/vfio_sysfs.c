/* SPDX-License-Identifier: MIT */
/* What sysfs says about a device that is to be passed through (Documentation/driver-api/vfio.rst,
 * "VFIO Usage Example"). */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "devices/vfio_container.h"

#define DRIVER "vfio-pci"

/* The last part of what a link points to; "" if there is none. */
static void read_link(const struct vfio_calls *calls, const char *address,
                      const char *link, char *name, size_t size)
{
    char path[PATH_MAX];
    char target[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s/%s", calls->devices, address, link);
    ssize_t length = readlink(path, target, sizeof target - 1);
    target[length > 0 ? length : 0] = '\0';
    const char *last = strrchr(target, '/');
    snprintf(name, size, "%.*s", (int)size - 1, last ? last + 1 : "");
}

static bool exists(const struct vfio_calls *calls, const char *address)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", calls->devices, address);
    return access(path, F_OK) == 0;
}

bool vfio_find_group(const struct vfio_calls *calls, const char *address, unsigned *group,
                     struct error *error)
{
    char driver[64];
    char number[64];
    if (!exists(calls, address))
        return error_set(error, ERROR_CONFIG_HOST,
                         "PCI device %s: there is none; `ls %s` lists them", address,
                         calls->devices);
    read_link(calls, address, "driver", driver, sizeof driver);
    if (strcmp(driver, DRIVER) != 0)
        return error_set(error, ERROR_CONFIG_HOST,
                         "PCI device %s: it is bound to %s, not to " DRIVER
                         ": `modprobe " DRIVER "; cd %s/%s; echo " DRIVER
                         " >driver_override%s; echo %s >/sys/bus/pci/drivers_probe`",
                         address, driver[0] ? driver : "no driver", calls->devices,
                         address, driver[0] ? "; echo ${PWD##*/} >driver/unbind" : "",
                         address);
    read_link(calls, address, "iommu_group", number, sizeof number);
    char *end;
    unsigned long value = strtoul(number, &end, 10);
    if (number[0] == '\0' || *end != '\0' || value > INT_MAX)
        return error_set(
            error, ERROR_CONFIG_HOST,
            "PCI device %s: no IOMMU is behind it, so that it would reach all "
            "of the host's memory; switch the IOMMU on in the firmware, and "
            "with intel_iommu=on on Linux' command line",
            address);
    *group = (unsigned)value;
    return true;
}

void vfio_name_strangers(const struct vfio_calls *calls, const char *address, char *text,
                         size_t size)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s/iommu_group/devices", calls->devices, address);
    DIR *folder = opendir(path);
    const struct dirent *entry;
    size_t used = 0;
    text[0] = '\0';
    while (folder && (entry = readdir(folder)) != NULL && used < size) {
        char driver[64];
        if (entry->d_name[0] == '.')
            continue;
        read_link(calls, entry->d_name, "driver", driver, sizeof driver);
        if (driver[0] == '\0' || strcmp(driver, DRIVER) == 0)
            continue;
        int more = snprintf(text + used, size - used, "%s%s (%s)", used ? ", " : "",
                            entry->d_name, driver);
        used += more > 0 ? (size_t)more : 0;
    }
    if (folder)
        closedir(folder);
}

/* SPDX-License-Identifier: MIT */
/* Buffers of the host module dmabuf-lab: every attribute, backing and kind of mapping. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "devices/gpu/exporters/lab.h"

#define DEVICE "/dev/dmabuf-lab"

static bool open_device(int *device, struct error *error)
{
    *device = open(DEVICE, O_RDWR | O_CLOEXEC);
    if (*device >= 0)
        return true;
    return errno == ENOENT
               ? error_set(error, ERROR_CONFIG_HOST,
                           DEVICE ": %s: load the module dmabuf-lab", strerror(errno))
               : error_set(error, ERROR_CONFIG_HOST, DEVICE ": %s", strerror(errno));
}

/* The buffer's memory is a part of the BAR: it may be smaller than what was asked for. */
static bool choose_place(struct target *target, struct dmabuf_lab_create *create,
                         struct error *error)
{
    struct pci_memory memory;
    if (create->backing != DMABUF_LAB_BAR)
        return true;
    if (!exporter_pci_find_memory(&memory, error))
        return false;
    create->pci_address = memory.address;
    create->bar = memory.bar;
    if (memory.size < target->backing.size)
        target->backing.size = memory.size;
    return true;
}

bool exporter_lab(struct target *target, const char *words, struct error *error)
{
    struct dmabuf_lab_create create;
    int device;
    if (!lab_parse(words, &create, error) || !choose_place(target, &create, error) ||
        !open_device(&device, error))
        return false;
    create.size = target->backing.size;
    create.fd_flags = O_RDWR | O_CLOEXEC;
    bool made = ioctl(device, DMABUF_LAB_IOCTL_CREATE, &create) == 0;
    int number = errno;
    close(device);
    if (!made)
        return error_set(
            error, ERROR_CONFIG_HOST,
            "dmabuf-lab:%s: DMABUF_LAB_IOCTL_CREATE: %s; its kernel messages "
            "say why",
            words, strerror(number));
    target->backing.fd = create.fd;
    lab_facts(&create, target->model, target);
    return target_map(target, error);
}

static bool control(const char *name, unsigned long request, const void *argument,
                    struct error *error)
{
    int device;
    if (!open_device(&device, error))
        return false;
    bool good = ioctl(device, request, argument) == 0;
    int number = errno;
    close(device);
    return good || error_set(error, ERROR_CONFIG_HOST, "dmabuf-lab: %s: %s", name,
                             strerror(number));
}

bool exporter_lab_move(const struct target *target, struct error *error)
{
    const int32_t fd = target->backing.fd;
    return control("MOVE", DMABUF_LAB_IOCTL_MOVE, &fd, error);
}

bool exporter_lab_set_attribute(const struct target *target, const char *attribute,
                                struct error *error)
{
    struct dmabuf_lab_set_attribute set = {.fd = target->backing.fd};
    return lab_parse_attribute(attribute, &set.attribute, error) &&
           control("SET_ATTRIBUTE", DMABUF_LAB_IOCTL_SET_ATTRIBUTE, &set, error);
}

bool exporter_lab_revoke(const struct target *target, struct error *error)
{
    const int32_t fd = target->backing.fd;
    return control("REVOKE", DMABUF_LAB_IOCTL_REVOKE, &fd, error);
}

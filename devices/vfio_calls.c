/* SPDX-License-Identifier: MIT */
#include "devices/vfio_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static int system_open(void *context, const char *path)
{
    (void)context;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static void system_close(void *context, int fd)
{
    (void)context;
    close(fd);
}

static int system_control(void *context, int fd, unsigned long request, void *argument)
{
    (void)context;
    int result = ioctl(fd, request, argument);
    return result < 0 ? -errno : result;
}

static ssize_t system_read(void *context, int fd, void *bytes, size_t size,
                           uint64_t offset)
{
    (void)context;
    ssize_t result = pread(fd, bytes, size, (off_t)offset);
    return result < 0 ? -errno : result;
}

static ssize_t system_write(void *context, int fd, const void *bytes, size_t size,
                            uint64_t offset)
{
    (void)context;
    ssize_t result = pwrite(fd, bytes, size, (off_t)offset);
    return result < 0 ? -errno : result;
}

static void *system_map(void *context, int fd, size_t size, uint64_t offset,
                        int protection)
{
    (void)context;
    void *address = mmap(NULL, size, protection, MAP_SHARED, fd, (off_t)offset);
    return address == MAP_FAILED ? NULL : address;
}

static void system_unmap(void *context, void *address, size_t size)
{
    (void)context;
    munmap(address, size);
}

const struct vfio_calls vfio_system_calls = {
    .devices = "/sys/bus/pci/devices",
    .open = system_open,
    .close = system_close,
    .control = system_control,
    .read = system_read,
    .write = system_write,
    .map = system_map,
    .unmap = system_unmap,
};

/* SPDX-License-Identifier: MIT */
#include "tests/unit/fake_kernel.h"

#include <dirent.h>
#include <drm.h>
#include <errno.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "devices/dmabuf-info/dma_buf_info.h"
#include "vmm/error.h"
#include "vmm/types.h"

#define FAKE_HANDLE 7u

struct fake_kernel fake_kernel = {.info_error = ENOTTY};

void fake_kernel_reset(void)
{
    fake_kernel = (struct fake_kernel){.info_error = ENOTTY};
}

static bool has_name(int fd, const char *name)
{
    char path[64];
    char target[64] = "";
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return readlink(path, target, sizeof target - 1) > 0 &&
           strncmp(target, name, strlen(name)) == 0;
}

static bool is_fake_dma_buf(int fd)
{
    return has_name(fd, "/memfd:dma-buf");
}

static int fail(int number)
{
    errno = number;
    return -1;
}

/* As drm_copy_field(): as much as fits, and the whole length. */
static void put_text(char *target, __kernel_size_t *length, const char *text)
{
    size_t whole = strlen(text);
    if (target)
        memcpy(target, text, whole < *length ? whole : *length);
    *length = whole;
}

static int drm_ioctl(unsigned long request, void *argument)
{
    if (request == DRM_IOCTL_VERSION) {
        struct drm_version *version = argument;
        put_text(version->name, &version->name_len, fake_kernel.drm_driver);
        put_text(version->date, &version->date_len, "20260101");
        put_text(version->desc, &version->desc_len, "fake");
        return 0;
    }
    if (request == DRM_IOCTL_PRIME_FD_TO_HANDLE && fake_kernel.drm_imports) {
        struct drm_prime_handle *prime = argument;
        prime->handle = FAKE_HANDLE;
        fake_kernel.drm_handles++;
        return 0;
    }
    if (request == DRM_IOCTL_MODE_MAP_DUMB && fake_kernel.drm_owns) {
        struct drm_mode_map_dumb *map = argument;
        BUG_ON(map->handle != FAKE_HANDLE);
        map->offset = 0x1000;
        return 0;
    }
    if (request == DRM_IOCTL_GEM_CLOSE) {
        const struct drm_gem_close *gem = argument;
        BUG_ON(gem->handle != FAKE_HANDLE);
        fake_kernel.drm_handles--;
        return 0;
    }
    return fail(EINVAL);
}

static int info_ioctl(struct dma_buf_info *info)
{
    if (fake_kernel.info_error == ENOTTY)
        return fail(ENOTTY);
    if (info->param == DMA_BUF_INFO_VM_PROT) {
        if (fake_kernel.info_error)
            return fail(fake_kernel.info_error);
        info->value = fake_kernel.info_value;
        return 0;
    }
    uint32_t further = info->param - DMA_BUF_INFO_SOURCE;
    if (further >= ARRAY_SIZE(fake_kernel.info_further) ||
        !(fake_kernel.info_known & (1u << further)))
        return fail(EINVAL);
    info->value = fake_kernel.info_further[further];
    return 0;
}

int ioctl(int fd, unsigned long request, ...)
{
    va_list arguments;
    va_start(arguments, request);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);

    if (fake_kernel.drm_driver && _IOC_TYPE(request) == DRM_IOCTL_BASE)
        return drm_ioctl(request, argument);
    if (request == DMA_BUF_IOCTL_INFO && is_fake_dma_buf(fd))
        return info_ioctl(argument);
    if (request == DMA_BUF_IOCTL_SYNC && is_fake_dma_buf(fd)) {
        const struct dma_buf_sync *sync = argument;
        if (fake_kernel.sync_count < ARRAY_SIZE(fake_kernel.syncs))
            fake_kernel.syncs[fake_kernel.sync_count] = sync->flags;
        fake_kernel.sync_count++;
        return 0;
    }
    return (int)syscall(SYS_ioctl, fd, request, argument);
}

int fstatfs(int fd, struct statfs *file_system)
{
    if (syscall(SYS_fstatfs, fd, file_system) != 0)
        return -1;
    if (is_fake_dma_buf(fd))
        file_system->f_type = DMA_BUF_MAGIC;
    return 0;
}

off_t lseek(int fd, off_t offset, int whence)
{
    off_t result = (off_t)syscall(SYS_lseek, fd, offset, whence);
    return has_name(fd, "/memfd:dma-buf-liar") ? 1 << 30 : result;
}

int fake_kernel_dma_buf(uint64_t size)
{
    int fd = memfd_create("dma-buf", MFD_CLOEXEC);
    BUG_ON(fd < 0 || ftruncate(fd, (off_t)size) != 0);
    return fd;
}

unsigned fake_kernel_open_fds(void)
{
    unsigned count = 0;
    DIR *folder = opendir("/proc/self/fd");
    BUG_ON(!folder);
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

unsigned fake_kernel_mappings(const char *text)
{
    unsigned count = 0;
    char line[512];
    FILE *file = fopen("/proc/self/maps", "re");
    BUG_ON(!file);
    while (fgets(line, sizeof line, file))
        count += strstr(line, text) != NULL;
    fclose(file);
    return count;
}

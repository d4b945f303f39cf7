/* SPDX-License-Identifier: MIT */
#include "devices/gpu/backing.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "vmm/placement.h"
#include "vmm/touch.h"

bool backing_is_dmabuf(int fd)
{
    struct statfs file_system;
    return fstatfs(fd, &file_system) == 0 && file_system.f_type == DMA_BUF_MAGIC;
}

static bool read_file_system(int fd, struct statfs *file_system, struct error *error)
{
    return fstatfs(fd, file_system) == 0 ||
           error_set(error, ERROR_HOST_BUFFER, "fstatfs of the renderer's fd %d: %s", fd,
                     strerror(errno));
}

/* Not hugetlbfs: there, a part of a huge page cannot be unmapped (mm/hugetlb.c,
 * hugetlb_vm_op_split()), so that a small blob could be mapped and never again unmapped.
 */
static bool is_shmem(const struct statfs *file_system)
{
    return file_system->f_type == TMPFS_MAGIC;
}

bool backing_read_exporter(int fd, char *name, size_t size, struct error *error)
{
    static const char key[] = "\nexp_name:";
    char path[64];
    char text[1024];
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
    snprintf(name, size, "unknown");
    int info = open(path, O_RDONLY | O_CLOEXEC);
    if (info < 0 && (errno == ENOENT || errno == EACCES))
        return true; /* no /proc */
    ssize_t length = info < 0 ? -1 : read(info, text, sizeof text - 1);
    if (length < 0)
        error_set(error, ERROR_HOST_SYSTEM, "the exporter's name, in %s: %s", path,
                  strerror(errno));
    if (info >= 0)
        close(info);
    if (length < 0)
        return false;
    text[length] = '\0';
    const char *value = strstr(text, key);
    if (!value)
        return true;
    value += sizeof key - 1;
    value += strspn(value, " \t");
    snprintf(name, size, "%.*s", (int)strcspn(value, "\n"), value);
    return true;
}

static bool check_dmabuf(struct backing *backing, struct error *error)
{
    struct statfs file_system;
    if (!read_file_system(backing->fd, &file_system, error))
        return false;
    if (file_system.f_type != DMA_BUF_MAGIC)
        return error_set(
            error, ERROR_HOST_BUFFER,
            "the renderer says that fd %d is a dma-buf, and it is not one (a %s); "
            "virglrenderer 0.10.4 with Mesa 22.3 does this: use newer ones",
            backing->fd, is_shmem(&file_system) ? "memfd" : "different file");
    return backing_read_exporter(backing->fd, backing->exporter, sizeof backing->exporter,
                                 error);
}

static bool check_shm(struct backing *backing, struct error *error)
{
    struct statfs file_system;
    if (!read_file_system(backing->fd, &file_system, error))
        return false;
    if (!is_shmem(&file_system))
        return error_set(error, ERROR_HOST_BUFFER,
                         "the renderer says that fd %d is shared memory, and it is not",
                         backing->fd);
    int seals = fcntl(backing->fd, F_GET_SEALS);
    if (seals < 0 || !(seals & F_SEAL_SHRINK))
        return error_set(
            error, ERROR_HOST_BUFFER,
            "shared memory fd %d is not sealed against shrinking: its owner could "
            "truncate it under the guest",
            backing->fd);
    /* As mmap() would find out; but in the window that has to work (hostmem_window.c). */
    if (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
        return error_set(error, ERROR_HOST_BUFFER,
                         "shared memory fd %d is sealed against writing: the guest could "
                         "not use it",
                         backing->fd);
    snprintf(backing->exporter, sizeof backing->exporter, "shmem");
    return true;
}

/* The type is a number of the renderer's, and may be none of ours. */
static bool check_kind(struct backing *backing, enum renderer_fd_type type,
                       struct error *error)
{
    switch (type) {
    case RENDERER_FD_DMABUF:
        backing->kind = BACKING_DMABUF;
        return check_dmabuf(backing, error);
    case RENDERER_FD_SHM:
        backing->kind = BACKING_SHM;
        return check_shm(backing, error);
    case RENDERER_FD_OPAQUE:
        return error_set(error, ERROR_HOST_BUFFER,
                         "an OPAQUE fd cannot be mapped by hand");
    }
    return error_set(error, ERROR_HOST_BUFFER,
                     "the renderer says that fd %d has type %u, which does not exist",
                     backing->fd, (unsigned)type);
}

static bool map_failed(const struct backing *backing, struct error *error)
{
    return error_set(error, ERROR_HOST_BUFFER, "mmap of %llu bytes of %s (%s): %s",
                     (unsigned long long)backing->size, backing_kind_name(backing->kind),
                     backing->exporter, strerror(errno));
}

/* Whether the exporter maps it at all, and how: nobody but a mapping tells. */
static bool try_mapping(struct backing *backing, struct error *error)
{
    if (backing->kind != BACKING_DMABUF)
        return true;
    void *host =
        mmap(NULL, backing->size, PROT_READ | PROT_WRITE, MAP_SHARED, backing->fd, 0);
    if (host == MAP_FAILED)
        return map_failed(backing, error);
    backing->is_pfnmap = placement_is_pfnmap(host);
    munmap(host, backing->size);
    return true;
}

static bool check_size(const struct backing *backing, struct error *error)
{
    off_t end = lseek(backing->fd, 0, SEEK_END);
    return (end >= 0 && (uint64_t)end >= backing->size) ||
           error_set(
               error, ERROR_HOST_BUFFER,
               "the %s fd %d has %lld bytes, the blob claims %llu: create the blob with "
               "the size of its memory",
               backing_kind_name(backing->kind), backing->fd, (long long)end,
               (unsigned long long)backing->size);
}

bool backing_get_fd(struct backing *backing, enum renderer_fd_type type, int fd,
                    uint64_t size, struct error *error)
{
    *backing = (struct backing){.fd = fd, .size = size};
    if (check_kind(backing, type, error) && check_size(backing, error) &&
        try_mapping(backing, error))
        return true;
    close(fd);
    *backing = (struct backing){.fd = -1};
    return false;
}

bool backing_map(struct backing *backing, void *place, struct error *error)
{
    const int flags = MAP_SHARED | (place ? MAP_FIXED : 0);
    void *host =
        mmap(place, backing->size, PROT_READ | PROT_WRITE, flags, backing->fd, 0);
    if (host == MAP_FAILED)
        return map_failed(backing, error);
    if (!backing->lazy && !touch_pages(host, backing->size, error)) {
        if (!place)
            munmap(host, backing->size);
        return error_wrap(error, "%s (%s)", backing_kind_name(backing->kind),
                          backing->exporter);
    }
    backing->host = host;
    return true;
}

bool backing_open_fd(struct backing *backing, enum renderer_fd_type type, int fd,
                     uint64_t size, struct error *error)
{
    if (!backing_get_fd(backing, type, fd, size, error))
        return false;
    if (backing_map(backing, NULL, error))
        return true;
    close(backing->fd);
    *backing = (struct backing){.fd = -1};
    return false;
}

/* The renderer maps it: heap memory of an OpenGL driver, or what an OPAQUE fd refers to.
 */
static bool open_pointer(struct backing *backing, const struct renderer *renderer,
                         uint32_t resource_id, uint64_t size, struct error *error)
{
    void *host = NULL;
    uint64_t mapped = 0;
    if (!renderer->ops->blob_map(renderer->context, resource_id, &host, &mapped, error))
        return false;
    /* virglrenderer accepts a blob that is larger than the buffer behind it; the rest
     * would be somebody else's heap. */
    if (mapped < size)
        error_set(
            error, ERROR_HOST_BUFFER,
            "the buffer behind the blob has %llu bytes, the blob claims %llu: create the "
            "blob with the size of its memory",
            (unsigned long long)mapped, (unsigned long long)size);
    else if (!host)
        error_set(error, ERROR_HOST_BUFFER,
                  "the renderer says that it has mapped the buffer, and not where");
    else if (!is_aligned((uintptr_t)host, (uint64_t)getpagesize()))
        error_set(
            error, ERROR_HOST_BUFFER,
            "the renderer's mapping at %p does not start at a page: its first page holds "
            "other data",
            host);
    else if (touch_pages(host, size, error)) {
        *backing = (struct backing){
            .kind = BACKING_POINTER,
            .fd = -1,
            .host = host,
            .size = size,
            .is_pfnmap = placement_is_pfnmap(host),
        };
        snprintf(backing->exporter, sizeof backing->exporter, "renderer");
        return true;
    }
    renderer->ops->blob_unmap(renderer->context, resource_id);
    return false;
}

bool backing_get(struct backing *backing, const struct renderer *renderer,
                 uint32_t resource_id, uint64_t size, struct error *error)
{
    enum renderer_fd_type type;
    int fd = -1;
    struct error export_error;
    *backing = (struct backing){.fd = -1};

    if (!renderer->ops->blob_export(renderer->context, resource_id, &type, &fd,
                                    &export_error)) {
        if (open_pointer(backing, renderer, resource_id, size, error))
            return true;
        /* A wrong size is worth more than the failed export before it. */
        return error->code == ERROR_HOST_BUFFER
                   ? false
                   : error_wrap(error, "%s; then", export_error.text);
    }
    if (type == RENDERER_FD_OPAQUE) {
        close(fd);
        return open_pointer(backing, renderer, resource_id, size, error);
    }
    return backing_get_fd(backing, type, fd, size, error);
}

bool backing_open(struct backing *backing, const struct renderer *renderer,
                  uint32_t resource_id, uint64_t size, struct error *error)
{
    if (!backing_get(backing, renderer, resource_id, size, error))
        return false;
    if (backing->host || backing_map(backing, NULL, error))
        return true;
    backing_close(backing, renderer, resource_id);
    return false;
}

void backing_close(struct backing *backing, const struct renderer *renderer,
                   uint32_t resource_id)
{
    if (backing->size == 0)
        return;
    if (backing->kind == BACKING_POINTER) {
        renderer->ops->blob_unmap(renderer->context, resource_id);
    } else {
        if (backing->host)
            munmap(backing->host, backing->size);
        close(backing->fd);
    }
    *backing = (struct backing){.fd = -1};
}

const char *backing_kind_name(enum backing_kind kind)
{
    static const char *const names[] = {
        [BACKING_DMABUF] = "DMABUF",
        [BACKING_SHM] = "SHM",
        [BACKING_POINTER] = "POINTER",
    };
    return names[kind];
}

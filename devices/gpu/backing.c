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

#include "vmm/touch.h"

bool backing_is_dmabuf(int fd)
{
    struct statfs file_system;
    return fstatfs(fd, &file_system) == 0 && file_system.f_type == DMA_BUF_MAGIC;
}

/* Not hugetlbfs: there, a part of a huge page cannot be unmapped (mm/hugetlb.c,
 * hugetlb_vm_op_split()), so that a small blob could be mapped and never again unmapped.
 */
static bool is_shmem(int fd)
{
    struct statfs file_system;
    return fstatfs(fd, &file_system) == 0 && file_system.f_type == TMPFS_MAGIC;
}

void backing_read_exporter(int fd, char *name, size_t size)
{
    char path[64];
    char line[128];
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
    snprintf(name, size, "unknown");
    FILE *file = fopen(path, "re");
    if (!file)
        return;
    while (fgets(line, sizeof line, file)) {
        static const char key[] = "exp_name:";
        if (strncmp(line, key, sizeof key - 1) != 0)
            continue;
        const char *value = line + sizeof key - 1;
        value += strspn(value, " \t");
        snprintf(name, size, "%.*s", (int)strcspn(value, "\n"), value);
        break;
    }
    fclose(file);
}

static bool check_dmabuf(struct backing *backing, struct error *error)
{
    if (!backing_is_dmabuf(backing->fd))
        return error_set(
            error, ERROR_HOST_BUFFER,
            "the renderer says that fd %d is a dma-buf, and it is not one (a %s); "
            "virglrenderer 0.10.4 with Mesa 22.3 does this: use newer ones",
            backing->fd, is_shmem(backing->fd) ? "memfd" : "different file");
    backing_read_exporter(backing->fd, backing->exporter, sizeof backing->exporter);
    return true;
}

static bool check_shm(struct backing *backing, struct error *error)
{
    if (!is_shmem(backing->fd))
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

bool backing_open_fd(struct backing *backing, enum renderer_fd_type type, int fd,
                     uint64_t size, struct error *error)
{
    *backing = (struct backing){.fd = fd, .size = size};
    if (!check_kind(backing, type, error))
        goto fail;

    off_t end = lseek(fd, 0, SEEK_END);
    if (end < 0 || (uint64_t)end < size) {
        error_set(
            error, ERROR_HOST_BUFFER,
            "the %s fd %d has %lld bytes, the blob claims %llu: create the blob with the "
            "size of its memory",
            backing_kind_name(backing->kind), fd, (long long)end,
            (unsigned long long)size);
        goto fail;
    }
    void *host = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (host == MAP_FAILED) {
        error_set(error, ERROR_HOST_BUFFER, "mmap of %llu bytes of %s (%s): %s",
                  (unsigned long long)size, backing_kind_name(backing->kind),
                  backing->exporter, strerror(errno));
        goto fail;
    }
    backing->host = host;
    if (!touch_pages(host, size, error)) {
        error_wrap(error, "%s (%s)", backing_kind_name(backing->kind), backing->exporter);
        goto fail;
    }
    return true;

fail:
    if (backing->host)
        munmap(backing->host, size);
    close(fd);
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
    else if (!is_aligned((uintptr_t)host, (uint64_t)getpagesize()))
        error_set(
            error, ERROR_HOST_BUFFER,
            "the renderer's mapping at %p does not start at a page: its first page holds "
            "other data",
            host);
    else if (touch_pages(host, size, error)) {
        *backing = (struct backing){
            .kind = BACKING_POINTER, .fd = -1, .host = host, .size = size};
        snprintf(backing->exporter, sizeof backing->exporter, "renderer");
        return true;
    }
    renderer->ops->blob_unmap(renderer->context, resource_id);
    return false;
}

bool backing_open(struct backing *backing, const struct renderer *renderer,
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
    return backing_open_fd(backing, type, fd, size, error);
}

void backing_close(struct backing *backing, const struct renderer *renderer,
                   uint32_t resource_id)
{
    if (!backing->host)
        return;
    if (backing->kind == BACKING_POINTER) {
        renderer->ops->blob_unmap(renderer->context, resource_id);
    } else {
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

/* SPDX-License-Identifier: MIT */
#include "guest/linux/drm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

/* Minors of DRM: cards from 0, render nodes from 128, 64 of each. */
#define NODES        64u
#define FIRST_RENDER 128u

int drm_ioctl(int fd, unsigned long request, void *argument)
{
    int status;
    do
        status = ioctl(fd, request, argument);
    while (status < 0 && (errno == EINTR || errno == EAGAIN));
    return status < 0 ? errno : 0;
}

static uint64_t pointer(const void *address)
{
    return (uint64_t)(uintptr_t)address;
}

static bool is_virtio_gpu(int fd)
{
    char name[32] = "";
    struct drm_version version = {.name = name, .name_len = sizeof name - 1};
    return drm_ioctl(fd, DRM_IOCTL_VERSION, &version) == 0 &&
           strcmp(name, "virtio_gpu") == 0;
}

static int open_node(const char *format, unsigned first, int *fd)
{
    for (unsigned i = 0; i < NODES; i++) {
        char path[64];
        (void)snprintf(path, sizeof path, "/dev/dri/%s%u", format, first + i);
        *fd = open(path, O_RDWR | O_CLOEXEC);
        if (*fd >= 0 && is_virtio_gpu(*fd))
            return 0;
        if (*fd >= 0)
            close(*fd);
    }
    return ENODEV;
}

/* 0 for a parameter that the driver does not know. The driver writes 32 bits of some, and 64 of
 * CAPSETS from 6.1 on: the rest stays 0. */
static uint64_t get_parameter(const struct gpu *gpu, enum virtgpu_parameter parameter)
{
    uint64_t value = 0;
    struct virtgpu_get_parameter get = {
        .parameter = parameter,
        .value = pointer(&value),
    };
    return drm_ioctl(gpu->fd, VIRTGPU_IOCTL_GET_PARAMETER, &get) == 0 ? value : 0;
}

static int open_gpu(struct gpu *gpu, const char *format, unsigned first)
{
    *gpu = (struct gpu){.fd = -1};
    int error = open_node(format, first, &gpu->fd);
    if (error)
        return error;
    gpu->has_3d = get_parameter(gpu, VIRTGPU_HAS_3D) != 0;
    gpu->has_blobs = get_parameter(gpu, VIRTGPU_HAS_BLOBS) != 0;
    gpu->has_window = get_parameter(gpu, VIRTGPU_HAS_WINDOW) != 0;
    gpu->has_cross_device = get_parameter(gpu, VIRTGPU_HAS_CROSS_DEVICE) != 0;
    gpu->capsets = get_parameter(gpu, VIRTGPU_CAPSETS);
    return 0;
}

int gpu_open_card(struct gpu *gpu)
{
    return open_gpu(gpu, "card", 0);
}

int gpu_open_render(struct gpu *gpu)
{
    return open_gpu(gpu, "renderD", FIRST_RENDER);
}

void gpu_close(struct gpu *gpu)
{
    if (gpu->fd >= 0)
        close(gpu->fd);
    gpu->fd = -1;
}

int gpu_context(const struct gpu *gpu, uint32_t capset, uint32_t rings)
{
    struct virtgpu_context_parameter parameters[] = {
        {.parameter = VIRTGPU_CONTEXT_CAPSET, .value = capset},
        {.parameter = VIRTGPU_CONTEXT_RINGS, .value = rings},
    };
    struct virtgpu_context context = {
        .count = rings > 0 ? 2 : 1,
        .parameters = pointer(parameters),
    };
    return drm_ioctl(gpu->fd, VIRTGPU_IOCTL_CONTEXT, &context);
}

int gpu_submit(const struct gpu *gpu, const struct stream *stream, uint32_t ring,
               const uint32_t *handles, uint32_t handle_count, int *fence)
{
    struct virtgpu_submit submit = {
        .flags =
            (fence ? VIRTGPU_SUBMIT_FENCE_OUT : 0) | (ring > 0 ? VIRTGPU_SUBMIT_RING : 0),
        .size = stream->size,
        .command = pointer(stream->bytes),
        .handles = pointer(handles),
        .handle_count = handle_count,
        .fence_fd = -1,
        .ring = ring,
    };
    int error = drm_ioctl(gpu->fd, VIRTGPU_IOCTL_SUBMIT, &submit);
    if (fence)
        *fence = submit.fence_fd;
    return error;
}

int gpu_create_blob(const struct gpu *gpu, struct virtgpu_create_blob *create)
{
    return drm_ioctl(gpu->fd, VIRTGPU_IOCTL_CREATE_BLOB, create);
}

int gpu_create(const struct gpu *gpu, struct virtgpu_create *create)
{
    return drm_ioctl(gpu->fd, VIRTGPU_IOCTL_CREATE, create);
}

int gpu_get_capset(const struct gpu *gpu, uint32_t id, void *bytes, uint32_t size)
{
    struct virtgpu_get_capset get = {.id = id, .address = pointer(bytes), .size = size};
    return drm_ioctl(gpu->fd, VIRTGPU_IOCTL_GET_CAPSET, &get);
}

int gpu_resource_id(const struct gpu *gpu, uint32_t handle, uint32_t *resource_id)
{
    struct virtgpu_info info = {.handle = handle};
    int error = drm_ioctl(gpu->fd, VIRTGPU_IOCTL_INFO, &info);
    *resource_id = info.resource_id;
    return error;
}

int gpu_wait(const struct gpu *gpu, uint32_t handle)
{
    struct virtgpu_wait wait = {.handle = handle};
    return drm_ioctl(gpu->fd, VIRTGPU_IOCTL_WAIT, &wait);
}

int gpu_transfer(const struct gpu *gpu, bool to_host,
                 const struct virtgpu_transfer *transfer)
{
    struct virtgpu_transfer copy = *transfer;
    return drm_ioctl(gpu->fd, to_host ? VIRTGPU_IOCTL_TO_HOST : VIRTGPU_IOCTL_FROM_HOST,
                     &copy);
}

int gpu_map(const struct gpu *gpu, uint32_t handle, uint64_t size, void **address)
{
    struct virtgpu_map map = {.handle = handle};
    int error = drm_ioctl(gpu->fd, VIRTGPU_IOCTL_MAP, &map);
    if (error)
        return error;
    void *mapped =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, gpu->fd, (off_t)map.offset);
    if (mapped == MAP_FAILED)
        return errno;
    *address = mapped;
    return 0;
}

int gpu_close_handle(const struct gpu *gpu, uint32_t handle)
{
    struct drm_gem_close close_handle = {.handle = handle};
    return drm_ioctl(gpu->fd, DRM_IOCTL_GEM_CLOSE, &close_handle);
}

int gpu_export(const struct gpu *gpu, uint32_t handle, int *fd)
{
    struct drm_prime_handle prime = {.handle = handle, .flags = DRM_CLOEXEC | DRM_RDWR};
    int error = drm_ioctl(gpu->fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime);
    *fd = prime.fd;
    return error;
}

int gpu_import(const struct gpu *gpu, int fd, uint32_t *handle)
{
    struct drm_prime_handle prime = {.fd = fd};
    int error = drm_ioctl(gpu->fd, DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime);
    *handle = prime.handle;
    return error;
}

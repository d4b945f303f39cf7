/* SPDX-License-Identifier: MIT */
/*
 * A file of Linux' virtio_gpu driver, render node or card, and what can be asked of it. Each open
 * file is a context of the GPU. Functions that return int return 0 or an errno, so that a
 * scenario can demand an error.
 */
#ifndef S2VMM_GUEST_LINUX_DRM_H
#define S2VMM_GUEST_LINUX_DRM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest/linux/virtgpu.h"
#include "guest/stream.h"

#define GPU_CAPSET_VIRGL  1u
#define GPU_CAPSET_VIRGL2 2u
#define GPU_CAPSET_VENUS  4u

struct gpu {
    int fd;
    bool has_3d;
    bool has_blobs;
    bool has_window; /* the host-visible one */
    bool has_cross_device;
    uint64_t capsets; /* bit N: capset id N; 0 on a kernel that cannot tell */
};

/* Opens the first card or render node of driver "virtio_gpu". */
int gpu_open_card(struct gpu *gpu);
int gpu_open_render(struct gpu *gpu);
void gpu_close(struct gpu *gpu);

static inline bool gpu_has_capset(const struct gpu *gpu, uint32_t id)
{
    return (gpu->capsets >> id) & 1;
}

/* Makes the file's context one of capset `capset`, with `rings` rings (0: does not ask). */
int gpu_context(const struct gpu *gpu, uint32_t capset, uint32_t rings);

/* Submits commands to ring `ring`; returns a fence in *fence if that is not NULL. */
int gpu_submit(const struct gpu *gpu, const struct stream *stream, uint32_t ring,
               const uint32_t *handles, uint32_t handle_count, int *fence);

int gpu_create_blob(const struct gpu *gpu, struct virtgpu_create_blob *create);
int gpu_create(const struct gpu *gpu, struct virtgpu_create *create);
int gpu_get_capset(const struct gpu *gpu, uint32_t id, void *bytes, uint32_t size);
int gpu_resource_id(const struct gpu *gpu, uint32_t handle, uint32_t *resource_id);
int gpu_wait(const struct gpu *gpu, uint32_t handle);
int gpu_transfer(const struct gpu *gpu, bool to_host,
                 const struct virtgpu_transfer *transfer);

/* Maps a GEM object of `size` bytes at a new place, for reading and writing. */
int gpu_map(const struct gpu *gpu, uint32_t handle, uint64_t size, void **address);

int gpu_close_handle(const struct gpu *gpu, uint32_t handle);
int gpu_export(const struct gpu *gpu, uint32_t handle, int *fd);
int gpu_import(const struct gpu *gpu, int fd, uint32_t *handle);

/* ioctl() that goes on when a signal interrupts it; 0 or an errno. */
int drm_ioctl(int fd, unsigned long request, void *argument);

#endif

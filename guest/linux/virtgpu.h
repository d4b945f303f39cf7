/* SPDX-License-Identifier: MIT */
/*
 * The ioctls of Linux' virtio_gpu driver (include/uapi/drm/virtgpu_drm.h) that Debian 12's libdrm
 * headers lack, and those that grew since: of the kernel's interface, with names of our own, so
 * that any version of the header will do beside them.
 */
#ifndef S2VMM_GUEST_LINUX_VIRTGPU_H
#define S2VMM_GUEST_LINUX_VIRTGPU_H

#include <stdint.h>

#include <drm.h>
#include <drm_mode.h>

struct virtgpu_map {
    uint64_t offset; /* out: for mmap() */
    uint32_t handle;
    uint32_t pad;
};

#define VIRTGPU_SUBMIT_FENCE_OUT 2u
#define VIRTGPU_SUBMIT_RING      4u

struct virtgpu_submit {
    uint32_t flags;
    uint32_t size;    /* bytes */
    uint64_t command; /* address */
    uint64_t handles; /* address of an array of GEM handles */
    uint32_t handle_count;
    int32_t fence_fd; /* out */
    uint32_t ring;
    uint32_t syncobj[7]; /* not used here */
};

enum virtgpu_parameter {
    VIRTGPU_HAS_3D = 1,
    VIRTGPU_HAS_BLOBS = 3,
    VIRTGPU_HAS_WINDOW = 4,
    VIRTGPU_HAS_CROSS_DEVICE = 5,
    VIRTGPU_HAS_CONTEXT_INIT = 6,
    VIRTGPU_CAPSETS = 7, /* a bit for each capset id */
};

struct virtgpu_get_parameter {
    uint64_t parameter; /* enum virtgpu_parameter */
    uint64_t value;     /* address of a uint32_t for some, of a uint64_t for others */
};

struct virtgpu_create {
    uint32_t target;
    uint32_t format;
    uint32_t bind;
    uint32_t width;
    uint32_t height;
    uint32_t depth;
    uint32_t array_size;
    uint32_t last_level;
    uint32_t nr_samples;
    uint32_t flags;
    uint32_t handle;      /* out */
    uint32_t resource_id; /* out */
    uint32_t size;        /* bytes */
    uint32_t stride;
};

struct virtgpu_info {
    uint32_t handle;
    uint32_t resource_id; /* out */
    uint32_t size;        /* out, bytes */
    uint32_t blob_memory; /* out */
};

struct virtgpu_transfer {
    uint32_t handle;
    uint32_t x, y, z, width, height, depth;
    uint32_t level;
    uint32_t offset;
    uint32_t stride;
    uint32_t layer_stride;
};

struct virtgpu_wait {
    uint32_t handle;
    uint32_t flags;
};

struct virtgpu_get_capset {
    uint32_t id;
    uint32_t version;
    uint64_t address;
    uint32_t size;
    uint32_t pad;
};

#define VIRTGPU_MEMORY_GUEST        1u
#define VIRTGPU_MEMORY_HOST3D       2u
#define VIRTGPU_MEMORY_HOST3D_GUEST 3u

#define VIRTGPU_USE_MAPPABLE     1u
#define VIRTGPU_USE_SHAREABLE    2u
#define VIRTGPU_USE_CROSS_DEVICE 4u

struct virtgpu_create_blob {
    uint32_t memory;      /* VIRTGPU_MEMORY_* */
    uint32_t flags;       /* VIRTGPU_USE_* */
    uint32_t handle;      /* out */
    uint32_t resource_id; /* out */
    uint64_t size;        /* bytes */
    uint32_t pad;
    uint32_t command_size;
    uint64_t command;
    uint64_t blob_id;
};

#define VIRTGPU_CONTEXT_CAPSET 1u
#define VIRTGPU_CONTEXT_RINGS  2u

struct virtgpu_context_parameter {
    uint64_t parameter; /* VIRTGPU_CONTEXT_* */
    uint64_t value;
};

struct virtgpu_context {
    uint32_t count;
    uint32_t pad;
    uint64_t parameters; /* address */
};

#define VIRTGPU_IOCTL(number, type) DRM_IOWR(DRM_COMMAND_BASE + (number), type)

#define VIRTGPU_IOCTL_MAP           VIRTGPU_IOCTL(0x01, struct virtgpu_map)
#define VIRTGPU_IOCTL_SUBMIT        VIRTGPU_IOCTL(0x02, struct virtgpu_submit)
#define VIRTGPU_IOCTL_GET_PARAMETER VIRTGPU_IOCTL(0x03, struct virtgpu_get_parameter)
#define VIRTGPU_IOCTL_CREATE        VIRTGPU_IOCTL(0x04, struct virtgpu_create)
#define VIRTGPU_IOCTL_INFO          VIRTGPU_IOCTL(0x05, struct virtgpu_info)
#define VIRTGPU_IOCTL_FROM_HOST     VIRTGPU_IOCTL(0x06, struct virtgpu_transfer)
#define VIRTGPU_IOCTL_TO_HOST       VIRTGPU_IOCTL(0x07, struct virtgpu_transfer)
#define VIRTGPU_IOCTL_WAIT          VIRTGPU_IOCTL(0x08, struct virtgpu_wait)
#define VIRTGPU_IOCTL_GET_CAPSET    VIRTGPU_IOCTL(0x09, struct virtgpu_get_capset)
#define VIRTGPU_IOCTL_CREATE_BLOB   VIRTGPU_IOCTL(0x0a, struct virtgpu_create_blob)
#define VIRTGPU_IOCTL_CONTEXT       VIRTGPU_IOCTL(0x0b, struct virtgpu_context)

_Static_assert(sizeof(struct virtgpu_submit) == 64, "drm_virtgpu_execbuffer");
_Static_assert(sizeof(struct virtgpu_create) == 56, "drm_virtgpu_resource_create");
_Static_assert(sizeof(struct virtgpu_transfer) == 44, "drm_virtgpu_3d_transfer_to_host");
_Static_assert(sizeof(struct virtgpu_create_blob) == 48,
               "drm_virtgpu_resource_create_blob");

#endif

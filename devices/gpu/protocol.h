/* SPDX-License-Identifier: MIT */
/*
 * The wire format of virtio-gpu (virtio 1.2, 5.7): the kernel's own header, the sizes
 * that the specification gives, and the few names that Debian 12's header lacks. Nothing
 * but wire structures belongs here. Included by the device, by the tiny guest and by the
 * tests.
 */
#ifndef S2VMM_GPU_PROTOCOL_H
#define S2VMM_GPU_PROTOCOL_H

#include <linux/virtio_gpu.h>

/* 5.7.6.8: capset ids. */
#ifndef VIRTIO_GPU_CAPSET_VENUS
#define VIRTIO_GPU_CAPSET_VENUS 4
#endif

/* 5.7.6.7: the rings of a context. */
#define GPU_RING_MAX 63u

#define GPU_QUEUE_CONTROL 0u
#define GPU_QUEUE_CURSOR  1u
#define GPU_QUEUE_COUNT   2u

_Static_assert(sizeof(struct virtio_gpu_ctrl_hdr) == 24, "5.7.6.7");
_Static_assert(sizeof(struct virtio_gpu_resp_display_info) == 24 + 16 * 24, "5.7.6.8");
_Static_assert(sizeof(struct virtio_gpu_get_capset_info) == 32, "5.7.6.8");
_Static_assert(sizeof(struct virtio_gpu_resp_capset_info) == 40, "5.7.6.8");
_Static_assert(sizeof(struct virtio_gpu_get_capset) == 32, "5.7.6.8");
_Static_assert(sizeof(struct virtio_gpu_ctx_create) == 96, "5.7.6.9");
_Static_assert(sizeof(struct virtio_gpu_ctx_resource) == 32, "5.7.6.9");
_Static_assert(sizeof(struct virtio_gpu_cmd_submit) == 32, "5.7.6.9");
_Static_assert(sizeof(struct virtio_gpu_resource_unref) == 32, "5.7.6.8");
_Static_assert(sizeof(struct virtio_gpu_resource_create_blob) == 56, "5.7.6.8");
_Static_assert(sizeof(struct virtio_gpu_resource_map_blob) == 40, "5.7.6.9");
_Static_assert(sizeof(struct virtio_gpu_resource_unmap_blob) == 32, "5.7.6.9");
_Static_assert(sizeof(struct virtio_gpu_resp_map_info) == 32, "5.7.6.9");

#endif

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

/* virtio 1.4 draft, 5.7.3 and 5.7.4. */
#ifndef VIRTIO_GPU_F_BLOB_ALIGNMENT
#define VIRTIO_GPU_F_BLOB_ALIGNMENT 5
#endif
struct gpu_configuration {
    __le32 events_read; /* VIRTIO_GPU_EVENT_* */
    __le32 events_clear;
    __le32 num_scanouts;
    __le32 num_capsets;
    __le32 blob_alignment; /* bytes, a power of two */
};

/* 5.7.6.6: a cursor's picture has 64 by 64 pixels. */
#define GPU_CURSOR_SIZE 64u

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
_Static_assert(sizeof(struct gpu_configuration) == 20, "5.7.4");
_Static_assert(sizeof(struct virtio_gpu_resource_create_2d) == 40, "5.7.6.8");
_Static_assert(sizeof(struct virtio_gpu_set_scanout) == 48, "5.7.6.8");
_Static_assert(sizeof(struct virtio_gpu_resource_flush) == 48, "5.7.6.8");
_Static_assert(sizeof(struct virtio_gpu_transfer_to_host_2d) == 56, "5.7.6.8");
_Static_assert(sizeof(struct virtio_gpu_resource_attach_backing) == 32, "5.7.6.8");
_Static_assert(sizeof(struct virtio_gpu_mem_entry) == 16, "5.7.6.8");
_Static_assert(sizeof(struct virtio_gpu_resource_detach_backing) == 32, "5.7.6.8");
_Static_assert(sizeof(struct virtio_gpu_cmd_get_edid) == 32, "5.7.6.8");
_Static_assert(sizeof(struct virtio_gpu_resp_edid) == 1056, "5.7.6.8");
_Static_assert(sizeof(struct virtio_gpu_resource_assign_uuid) == 32, "5.7.6.8");
_Static_assert(sizeof(struct virtio_gpu_resp_resource_uuid) == 40, "5.7.6.8");
_Static_assert(sizeof(struct virtio_gpu_set_scanout_blob) == 96, "5.7.6.8");
_Static_assert(sizeof(struct virtio_gpu_update_cursor) == 56, "5.7.6.10");
_Static_assert(sizeof(struct virtio_gpu_resource_create_blob) == 56, "5.7.6.8");
_Static_assert(sizeof(struct virtio_gpu_resource_map_blob) == 40, "5.7.6.9");
_Static_assert(sizeof(struct virtio_gpu_resource_unmap_blob) == 32, "5.7.6.9");
_Static_assert(sizeof(struct virtio_gpu_resp_map_info) == 32, "5.7.6.9");

#endif

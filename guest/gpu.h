/* SPDX-License-Identifier: MIT */
/*
 * The virtio-gpu device, from the driver's side: one function for each command
 * (virtio 1.2, 5.7). Each submits, waits for the answer, and returns the type of the
 * response, VIRTIO_GPU_RESP_*; 0 stands for "no answer, or one that is no valid
 * response", and the console says which.
 */
#ifndef S2VMM_GUEST_GPU_H
#define S2VMM_GUEST_GPU_H

#include <linux/virtio_gpu.h>

#include "guest/virtio.h"
#include "guest/virtqueue.h"
#include "vmm/types.h"

#define GPU_CONTROL_QUEUE 0u

/* The features that the scenarios need. */
#define GPU_FEATURES                                                                     \
    (VIRTIO_FEATURE(VIRTIO_GPU_F_VIRGL) | VIRTIO_FEATURE(VIRTIO_GPU_F_RESOURCE_BLOB) |   \
     VIRTIO_FEATURE(VIRTIO_GPU_F_CONTEXT_INIT))

/* Capsets, which are also what CTX_CREATE takes as context_init (virtio 1.2, 5.7.6.8 and 5.7.6.9). */
#define GPU_CAPSET_VIRGL2 2u
#define GPU_CAPSET_VENUS  4u

struct gpu {
    struct guest *guest;
    struct virtio virtio;
    struct virtqueue control;
    struct gpa_range window; /* the host-visible region; empty if there is none */
};

/* Finds and resets the device, negotiates GPU_FEATURES and `more_features` as far as they
 * are offered, and starts the control queue. Says on the console what is wrong. Can be
 * called again: that is a reset. */
bool gpu_start(struct guest *guest, uint64_t more_features);

/* Any command. `payload` follows the request in a descriptor of its own, if payload_size
 * is not 0. Checks of the answer: it came, has a header and no more bytes than
 * `response`, and repeats the fence of the request. */
uint32_t gpu_command(struct gpu *gpu, const void *request, uint32_t request_size,
                     const void *payload, uint32_t payload_size,
                     struct virtio_gpu_ctrl_hdr *response, uint32_t response_size);

uint32_t gpu_get_display_info(struct gpu *gpu, struct virtio_gpu_resp_display_info *info);
uint32_t gpu_get_capset_info(struct gpu *gpu, uint32_t index,
                             struct virtio_gpu_resp_capset_info *info);
/* `response` has room for `size` bytes of capset behind its header. */
uint32_t gpu_get_capset(struct gpu *gpu, uint32_t id, uint32_t version,
                        struct virtio_gpu_resp_capset *response, uint32_t size);

uint32_t gpu_context_create(struct gpu *gpu, uint32_t context_id, uint32_t context_init);
uint32_t gpu_context_destroy(struct gpu *gpu, uint32_t context_id);
uint32_t gpu_context_attach(struct gpu *gpu, uint32_t context_id, uint32_t resource_id);
uint32_t gpu_context_detach(struct gpu *gpu, uint32_t context_id, uint32_t resource_id);
uint32_t gpu_submit(struct gpu *gpu, uint32_t context_id, const void *stream,
                    uint32_t size);

/* A VIRTIO_GPU_BLOB_MEM_HOST3D blob. */
uint32_t gpu_blob_create(struct gpu *gpu, uint32_t context_id, uint32_t resource_id,
                         uint32_t flags, uint64_t blob_id, uint64_t size);
/* On success `map_info` is what the device said, VIRTIO_GPU_MAP_CACHE_*. */
uint32_t gpu_blob_map(struct gpu *gpu, uint32_t resource_id, uint64_t offset,
                      uint32_t *map_info);
uint32_t gpu_blob_unmap(struct gpu *gpu, uint32_t resource_id);
uint32_t gpu_resource_unref(struct gpu *gpu, uint32_t resource_id);

/* "OK_NODATA", "ERR_UNSPEC", ... Never NULL. */
const char *gpu_response_name(uint32_t type);

#endif

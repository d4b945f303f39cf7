/* SPDX-License-Identifier: MIT */
#include "guest/gpu.h"

#include <linux/virtio_ids.h>

#include "guest/arch.h"
#include "guest/guest.h"

/* Seconds for one answer. The first command of a context loads a whole graphics driver,
 * in the lab on an emulated CPU. */
#define ANSWER_TIMEOUT 30u

static bool start_failed(struct guest *guest, const char *what)
{
    console_printf(&guest->console, "FAIL %s: virtio-gpu: %s\n", guest->scenario, what);
    return false;
}

bool gpu_start(struct guest *guest, uint64_t more_features)
{
    struct gpu *gpu = &guest->gpu;
    struct virtio *virtio = &gpu->virtio;
    gpu->guest = guest;
    if (!virtio_find(guest, VIRTIO_ID_GPU, virtio))
        return start_failed(guest, "there is no such device");
    if (!virtio_reset(virtio))
        return start_failed(guest, "the status never reads 0 after a reset");
    if (!virtio_negotiate(virtio, GPU_FEATURES | more_features))
        return start_failed(guest, "the device does not accept our features");
    if (!virtqueue_create(&gpu->control, guest, virtio, GPU_CONTROL_QUEUE))
        return start_failed(guest, "the control queue is in use or too small");
    virtio_driver_ok(virtio);
    if (!virtio_shm(virtio, VIRTIO_GPU_SHM_ID_HOST_VISIBLE, &gpu->window))
        gpu->window = (struct gpa_range){.size = 0};
    return true;
}

static uint32_t bad_answer(struct gpu *gpu, uint32_t command, const char *what)
{
    console_printf(&gpu->guest->console,
                   "virtio-gpu: command 0x%x: %s; device status 0x%x\n", command, what,
                   virtio_status(&gpu->virtio));
    return VIRTIO_GPU_UNDEFINED;
}

/* Waits for the only chain in flight; false when the device takes too long. */
static bool wait_for_answer(struct gpu *gpu, int chain, uint32_t *written)
{
    uint64_t start = arch_ticks();
    while (virtqueue_take_used(&gpu->control, written) != chain) {
        if (arch_ticks() - start > ANSWER_TIMEOUT * arch_ticks_per_second())
            return false;
        arch_pause();
    }
    return true;
}

/* A response repeats flag and id of the request's fence (virtio 1.2, 5.7.6.7). */
static bool fence_matches(const struct virtio_gpu_ctrl_hdr *request,
                          const struct virtio_gpu_ctrl_hdr *response)
{
    if ((request->flags & VIRTIO_GPU_FLAG_FENCE) !=
        (response->flags & VIRTIO_GPU_FLAG_FENCE))
        return false;
    return (request->flags & VIRTIO_GPU_FLAG_FENCE) == 0 ||
           request->fence_id == response->fence_id;
}

uint32_t gpu_command(struct gpu *gpu, const void *request, uint32_t request_size,
                     const void *payload, uint32_t payload_size,
                     struct virtio_gpu_ctrl_hdr *response, uint32_t response_size)
{
    const struct virtio_gpu_ctrl_hdr *header = request;
    struct virtqueue_part parts[3];
    unsigned count = 0;
    uint32_t written = 0;

    parts[count++] = (struct virtqueue_part){.data = request, .length = request_size};
    if (payload_size > 0)
        parts[count++] = (struct virtqueue_part){.data = payload, .length = payload_size};
    parts[count++] = (struct virtqueue_part){
        .data = response, .length = response_size, .device_writes = true};

    response->type = VIRTIO_GPU_UNDEFINED;
    int chain = virtqueue_add(&gpu->control, parts, count);
    if (chain < 0)
        return bad_answer(gpu, header->type, "no descriptor is free");
    virtqueue_kick(&gpu->control);
    if (!wait_for_answer(gpu, chain, &written))
        return bad_answer(gpu, header->type, "no answer");
    if (written < sizeof *response || written > response_size)
        return bad_answer(gpu, header->type, "the answer has a wrong length");
    if (request_size >= sizeof *header && !fence_matches(header, response))
        return bad_answer(gpu, header->type, "the answer does not repeat the fence");
    return response->type;
}

/* A command whose answer is a header. */
static uint32_t simple_command(struct gpu *gpu, const void *request, uint32_t size)
{
    struct virtio_gpu_ctrl_hdr response;
    return gpu_command(gpu, request, size, NULL, 0, &response, sizeof response);
}

uint32_t gpu_get_display_info(struct gpu *gpu, struct virtio_gpu_resp_display_info *info)
{
    struct virtio_gpu_ctrl_hdr request = {.type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO};
    return gpu_command(gpu, &request, sizeof request, NULL, 0, &info->hdr, sizeof *info);
}

uint32_t gpu_get_capset_info(struct gpu *gpu, uint32_t index,
                             struct virtio_gpu_resp_capset_info *info)
{
    struct virtio_gpu_get_capset_info request = {
        .hdr.type = VIRTIO_GPU_CMD_GET_CAPSET_INFO,
        .capset_index = index,
    };
    return gpu_command(gpu, &request, sizeof request, NULL, 0, &info->hdr, sizeof *info);
}

uint32_t gpu_get_capset(struct gpu *gpu, uint32_t id, uint32_t version,
                        struct virtio_gpu_resp_capset *response, uint32_t size)
{
    struct virtio_gpu_get_capset request = {
        .hdr.type = VIRTIO_GPU_CMD_GET_CAPSET,
        .capset_id = id,
        .capset_version = version,
    };
    return gpu_command(gpu, &request, sizeof request, NULL, 0, &response->hdr,
                       (uint32_t)sizeof *response + size);
}

uint32_t gpu_context_create(struct gpu *gpu, uint32_t context_id, uint32_t context_init)
{
    struct virtio_gpu_ctx_create request = {
        .hdr = {.type = VIRTIO_GPU_CMD_CTX_CREATE, .ctx_id = context_id},
        .nlen = 5,
        .context_init = context_init,
        .debug_name = "guest",
    };
    return simple_command(gpu, &request, sizeof request);
}

uint32_t gpu_context_destroy(struct gpu *gpu, uint32_t context_id)
{
    struct virtio_gpu_ctx_destroy request = {
        .hdr = {.type = VIRTIO_GPU_CMD_CTX_DESTROY, .ctx_id = context_id},
    };
    return simple_command(gpu, &request, sizeof request);
}

static uint32_t context_resource(struct gpu *gpu, uint32_t type, uint32_t context_id,
                                 uint32_t resource_id)
{
    struct virtio_gpu_ctx_resource request = {
        .hdr = {.type = type, .ctx_id = context_id},
        .resource_id = resource_id,
    };
    return simple_command(gpu, &request, sizeof request);
}

uint32_t gpu_context_attach(struct gpu *gpu, uint32_t context_id, uint32_t resource_id)
{
    return context_resource(gpu, VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, context_id,
                            resource_id);
}

uint32_t gpu_context_detach(struct gpu *gpu, uint32_t context_id, uint32_t resource_id)
{
    return context_resource(gpu, VIRTIO_GPU_CMD_CTX_DETACH_RESOURCE, context_id,
                            resource_id);
}

uint32_t gpu_submit(struct gpu *gpu, uint32_t context_id, const void *stream,
                    uint32_t size)
{
    struct virtio_gpu_cmd_submit request = {
        .hdr = {.type = VIRTIO_GPU_CMD_SUBMIT_3D, .ctx_id = context_id},
        .size = size,
    };
    struct virtio_gpu_ctrl_hdr response;
    return gpu_command(gpu, &request, sizeof request, stream, size, &response,
                       sizeof response);
}

uint32_t gpu_blob_create(struct gpu *gpu, uint32_t context_id, uint32_t resource_id,
                         uint32_t flags, uint64_t blob_id, uint64_t size)
{
    struct virtio_gpu_resource_create_blob request = {
        .hdr = {.type = VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, .ctx_id = context_id},
        .resource_id = resource_id,
        .blob_mem = VIRTIO_GPU_BLOB_MEM_HOST3D,
        .blob_flags = flags,
        .blob_id = blob_id,
        .size = size,
    };
    return simple_command(gpu, &request, sizeof request);
}

uint32_t gpu_blob_map(struct gpu *gpu, uint32_t resource_id, uint64_t offset,
                      uint32_t *map_info)
{
    struct virtio_gpu_resource_map_blob request = {
        .hdr.type = VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB,
        .resource_id = resource_id,
        .offset = offset,
    };
    struct virtio_gpu_resp_map_info response = {.map_info = 0};
    uint32_t type = gpu_command(gpu, &request, sizeof request, NULL, 0, &response.hdr,
                                sizeof response);
    *map_info = response.map_info & VIRTIO_GPU_MAP_CACHE_MASK;
    return type;
}

uint32_t gpu_blob_unmap(struct gpu *gpu, uint32_t resource_id)
{
    struct virtio_gpu_resource_unmap_blob request = {
        .hdr.type = VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB,
        .resource_id = resource_id,
    };
    return simple_command(gpu, &request, sizeof request);
}

uint32_t gpu_resource_unref(struct gpu *gpu, uint32_t resource_id)
{
    struct virtio_gpu_resource_unref request = {
        .hdr.type = VIRTIO_GPU_CMD_RESOURCE_UNREF,
        .resource_id = resource_id,
    };
    return simple_command(gpu, &request, sizeof request);
}

const char *gpu_response_name(uint32_t type)
{
    switch (type) {
    case VIRTIO_GPU_UNDEFINED:
        return "no answer";
    case VIRTIO_GPU_RESP_OK_NODATA:
        return "OK_NODATA";
    case VIRTIO_GPU_RESP_OK_DISPLAY_INFO:
        return "OK_DISPLAY_INFO";
    case VIRTIO_GPU_RESP_OK_CAPSET_INFO:
        return "OK_CAPSET_INFO";
    case VIRTIO_GPU_RESP_OK_CAPSET:
        return "OK_CAPSET";
    case VIRTIO_GPU_RESP_OK_MAP_INFO:
        return "OK_MAP_INFO";
    case VIRTIO_GPU_RESP_ERR_UNSPEC:
        return "ERR_UNSPEC";
    case VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY:
        return "ERR_OUT_OF_MEMORY";
    case VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID:
        return "ERR_INVALID_SCANOUT_ID";
    case VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID:
        return "ERR_INVALID_RESOURCE_ID";
    case VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID:
        return "ERR_INVALID_CONTEXT_ID";
    case VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER:
        return "ERR_INVALID_PARAMETER";
    default:
        return "unknown";
    }
}

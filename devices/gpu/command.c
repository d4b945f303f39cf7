/* SPDX-License-Identifier: MIT */
/*
 * Both queues: finds a command's row in the tables of command_*.c, checks the length of request
 * and response, runs the handler, and answers; an error becomes the response that the
 * specification names for it, and a trace line.
 */
#include <string.h>
#include <time.h>

#include "devices/gpu/command.h"

/* virtio 1.2, 5.7.6.7: ERR_UNSPEC is for what no other code describes. */
static uint32_t response_type(enum error_code code)
{
    switch (code) {
    case ERROR_GUEST_RESOURCE:
        return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
    case ERROR_GUEST_SCANOUT:
        return VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID;
    case ERROR_GUEST_CONTEXT:
        return VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID;
    case ERROR_GUEST_PARAMETER:
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    case ERROR_GUEST_LIMIT:
    case ERROR_HOST_MEMORY:
        return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
    case ERROR_NONE:
    case ERROR_GUEST_ADDRESS:
    case ERROR_GUEST_RING:
    case ERROR_GUEST_COMMAND:
    case ERROR_GUEST_STATE:
    case ERROR_REFUSED:
    case ERROR_HOST_KVM:
    case ERROR_HOST_SYSTEM:
    case ERROR_HOST_RENDERER:
    case ERROR_HOST_BUFFER:
    case ERROR_CONFIG_USAGE:
    case ERROR_CONFIG_FILE:
    case ERROR_CONFIG_HOST:
    case ERROR_CODE_COUNT:
        break;
    }
    return VIRTIO_GPU_RESP_ERR_UNSPEC;
}

/* Commands that are in no table are answered ERR_UNSPEC: docs/virtio-gpu.md lists them. */
static const struct command *find_command(uint32_t type, bool cursor_queue)
{
    static const struct command_table *const control[] = {
        &gpu_commands_display, &gpu_commands_2d,   &gpu_commands_context,
        &gpu_commands_3d,      &gpu_commands_blob,
    };
    static const struct command_table *const cursor[] = {&gpu_commands_cursor};
    const struct command_table *const *tables = cursor_queue ? cursor : control;
    size_t count = cursor_queue ? ARRAY_SIZE(cursor) : ARRAY_SIZE(control);
    for (size_t i = 0; i < count; i++)
        for (unsigned j = 0; j < tables[i]->count; j++)
            if (tables[i]->commands[j].type == type)
                return &tables[i]->commands[j];
    return NULL;
}

/* A fence on a ring needs the ring; its context may be made by this very command. */
static bool check_ring(const struct gpu *gpu, const struct command *command,
                       const struct virtio_gpu_ctrl_hdr *header, struct error *error)
{
    if (header->ring_idx > GPU_RING_MAX)
        return error_set(error, ERROR_GUEST_PARAMETER,
                         "ring %u: a context has rings 0 to %u", header->ring_idx,
                         GPU_RING_MAX);
    return command->makes_context || gpu_context_check(gpu, header->ctx_id, error);
}

static const struct command *choose(const struct gpu *gpu, const struct call *call,
                                    bool cursor_queue, struct error *error)
{
    const struct virtio_gpu_ctrl_hdr *header = call->request;
    const struct command *command = NULL;
    if (call->size < sizeof *header)
        error_set(error, ERROR_GUEST_COMMAND,
                  "a command of %u bytes is shorter than its header", call->size);
    else if (!(command = find_command(header->type, cursor_queue)))
        error_set(error, ERROR_GUEST_COMMAND,
                  "command %#x is unknown, or not offered on this queue", header->type);
    else if (command->features & ~gpu->virtio.driver_features)
        error_set(error, ERROR_GUEST_COMMAND,
                  "%s needs the features %#llx, the driver did not take them",
                  command->name, (unsigned long long)command->features);
    else if (call->size < command->request_size)
        error_set(error, ERROR_GUEST_COMMAND, "%s: %u bytes, at least %u are needed",
                  command->name, call->size, command->request_size);
    else
        return command;
    return NULL;
}

static bool run(struct gpu *gpu, struct call *call, uint64_t room, const char **name,
                struct error *error)
{
    const struct virtio_gpu_ctrl_hdr *header = call->request;
    const struct command *command = choose(gpu, call, false, error);
    if (!command)
        return false;
    *name = command->name;
    /* Before the command runs: afterwards its effect could not be told. */
    if (room < command->response_size)
        return error_set(error, ERROR_GUEST_COMMAND,
                         "room for a response of %llu bytes, at least %u are needed",
                         (unsigned long long)room, command->response_size);
    if (header->flags & VIRTIO_GPU_FLAG_FENCE &&
        header->flags & VIRTIO_GPU_FLAG_INFO_RING_IDX &&
        !check_ring(gpu, command, header, error))
        return false;
    return command->handle(gpu, call, error);
}

static void begin(struct gpu_response *response)
{
    response->header = (struct virtio_gpu_ctrl_hdr){.type = VIRTIO_GPU_RESP_OK_NODATA};
    response->size = sizeof response->header;
}

/* Says how it went, and makes an error the response. */
static void end(struct gpu *gpu, const char *name, const struct error *error,
                struct gpu_response *response)
{
    if (!error) {
        trace_detail(gpu->trace, "gpu", "%s: ok", name);
        return;
    }
    trace_warning(gpu->trace, "gpu", "%s: %s", name, error->text);
    response->header.type = response_type(error->code);
    response->size = sizeof response->header;
}

/* 5.7.6.7: the response to a fenced command repeats fence, context and ring. */
static void repeat_fence(const struct virtio_gpu_ctrl_hdr *header,
                         struct gpu_response *response)
{
    if (!(header->flags & VIRTIO_GPU_FLAG_FENCE))
        return;
    response->header.flags =
        header->flags & (VIRTIO_GPU_FLAG_FENCE | VIRTIO_GPU_FLAG_INFO_RING_IDX);
    response->header.fence_id = header->fence_id;
    response->header.ctx_id = header->ctx_id;
    response->header.ring_idx = header->ring_idx;
}

/* Microseconds. */
static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

bool gpu_command(struct gpu *gpu, void *request, uint32_t size, uint64_t room,
                 struct gpu_response *response, struct renderer_timeline *timeline)
{
    struct virtio_gpu_ctrl_hdr header = {0};
    memcpy(&header, request, size < sizeof header ? size : sizeof header);
    begin(response);

    struct error error;
    const char *name = "control queue";
    struct call call = {.request = request, .size = size, .response = response};
    uint64_t start = now();
    bool good = run(gpu, &call, room, &name, &error);
    quota_command_took(&gpu->quota, name, now() - start);
    if (good && response->size > room)
        good = error_set(&error, ERROR_GUEST_COMMAND, "room for %llu of %u bytes",
                         (unsigned long long)room, response->size);
    end(gpu, name, good ? NULL : &error, response);
    repeat_fence(&header, response);
    bool on_ring = header.flags & VIRTIO_GPU_FLAG_INFO_RING_IDX &&
                   header.type != VIRTIO_GPU_CMD_CTX_DESTROY;
    *timeline = (struct renderer_timeline){
        .context_id = on_ring ? header.ctx_id : 0,
        .ring = on_ring ? header.ring_idx : 0,
    };
    return good && (header.flags & VIRTIO_GPU_FLAG_FENCE);
}

void gpu_cursor_command(struct gpu *gpu, void *request, uint32_t size,
                        struct gpu_response *response)
{
    struct virtio_gpu_ctrl_hdr header = {0};
    memcpy(&header, request, size < sizeof header ? size : sizeof header);
    begin(response);

    struct error error;
    struct call call = {.request = request, .size = size, .response = response};
    const struct command *command = choose(gpu, &call, true, &error);
    bool good = command && command->handle(gpu, &call, &error);
    end(gpu, command ? command->name : "cursor queue", good ? NULL : &error, response);
    repeat_fence(&header, response);
}

void gpu_command_too_long(struct gpu *gpu, const struct virtio_gpu_ctrl_hdr *header,
                          uint64_t size, struct gpu_response *response)
{
    struct error error;
    begin(response);
    error_set(&error, ERROR_GUEST_LIMIT,
              "command %#x of %llu bytes: %llu are the limit of this device",
              header->type, (unsigned long long)size,
              (unsigned long long)GPU_REQUEST_MAX);
    end(gpu, "control queue", &error, response);
    repeat_fence(header, response);
}

void gpu_write_statistics(struct gpu *gpu)
{
    pthread_mutex_lock(&gpu->lock);
    if (gpu->recorder->json) {
        quota_write(&gpu->quota, gpu->virtio.name, gpu->recorder->json);
        lent_write(&gpu->lent, gpu->recorder->json);
    }
    pthread_mutex_unlock(&gpu->lock);
}

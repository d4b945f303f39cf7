/* SPDX-License-Identifier: MIT */
/*
 * The control queue's commands: one table at the end of the file. A command is checked
 * against its row (length of request and response), run by its handler, and answered; an
 * error becomes the response that the specification names for it, and a trace line.
 *
 * The request is a snapshot: it was copied out of guest memory once.
 */
#include <string.h>

#include "devices/gpu/gpu.h"
#include "devices/gpu/lost.h"

struct call {
    void *request;
    uint32_t size; /* bytes of the request, at least the row's request_size */
    struct gpu_response *response; /* OK_NODATA, unless the handler says more */
};

struct command {
    uint32_t type;
    const char *name;
    uint32_t request_size;  /* at least */
    uint32_t response_size; /* at least */
    bool (*handle)(struct gpu *gpu, struct call *call, struct error *error);
};

/* --- display and capsets --- */

static bool get_display_info(struct gpu *gpu, struct call *call, struct error *error)
{
    (void)gpu;
    (void)error;
    /* No scanout is enabled: this device renders and shares, it does not show. */
    memset(&call->response->display_info, 0, sizeof call->response->display_info);
    call->response->header.type = VIRTIO_GPU_RESP_OK_DISPLAY_INFO;
    call->response->size = sizeof call->response->display_info;
    return true;
}

static bool get_capset_info(struct gpu *gpu, struct call *call, struct error *error)
{
    const struct virtio_gpu_get_capset_info *get = call->request;
    struct renderer_capset capset;
    if (!gpu->renderer.ops->capset(gpu->renderer.context, get->capset_index, &capset))
        return error_set(error, ERROR_GUEST_PARAMETER,
                         "capset index %u: num_capsets in the configuration space is %u",
                         get->capset_index, gpu->registers.num_capsets);
    call->response->capset_info = (struct virtio_gpu_resp_capset_info){
        .hdr.type = VIRTIO_GPU_RESP_OK_CAPSET_INFO,
        .capset_id = capset.id,
        .capset_max_version = capset.version,
        .capset_max_size = capset.size,
    };
    call->response->size = sizeof call->response->capset_info;
    return true;
}

static bool get_capset(struct gpu *gpu, struct call *call, struct error *error)
{
    const struct virtio_gpu_get_capset *get = call->request;
    struct renderer_capset capset;
    for (unsigned i = 0; gpu->renderer.ops->capset(gpu->renderer.context, i, &capset);
         i++) {
        if (capset.id != get->capset_id)
            continue;
        if (get->capset_version > capset.version)
            return error_set(error, ERROR_GUEST_PARAMETER,
                             "capset %u has version %u at most", capset.id,
                             capset.version);
        if (capset.size > GPU_RESPONSE_MAX - sizeof call->response->header)
            return error_set(error, ERROR_HOST_RENDERER,
                             "capset %u has %u bytes, more than a response can hold",
                             capset.id, capset.size);
        uint8_t *data = call->response->bytes + sizeof call->response->header;
        memset(data, 0, capset.size);
        gpu->renderer.ops->capset_fill(gpu->renderer.context, &capset,
                                       get->capset_version, data);
        call->response->header.type = VIRTIO_GPU_RESP_OK_CAPSET;
        call->response->size = (uint32_t)sizeof call->response->header + capset.size;
        return true;
    }
    return error_set(error, ERROR_GUEST_PARAMETER, "capset %u is not offered",
                     get->capset_id);
}

/* --- contexts --- */

static bool context_create(struct gpu *gpu, struct call *call, struct error *error)
{
    const struct virtio_gpu_ctx_create *create = call->request;
    char name[sizeof create->debug_name + 1] = {0};
    if (create->nlen > sizeof create->debug_name)
        return error_set(error, ERROR_GUEST_PARAMETER,
                         "a name of %u bytes: %zu are possible", create->nlen,
                         sizeof create->debug_name);
    /* The name goes to logs: nothing but printable characters. */
    for (uint32_t i = 0; i < create->nlen; i++) {
        char c = create->debug_name[i];
        name[i] = (char)(c >= ' ' && c <= '~' ? c : '?');
    }
    /* The field is reserved unless CONTEXT_INIT was negotiated. */
    uint32_t context_init = 0;
    if (gpu->virtio.driver_features & (UINT64_C(1) << VIRTIO_GPU_F_CONTEXT_INIT))
        context_init = create->context_init;
    if (context_init & ~(uint32_t)VIRTIO_GPU_CONTEXT_INIT_CAPSET_ID_MASK)
        return error_set(error, ERROR_GUEST_PARAMETER, "context_init %#x is not defined",
                         context_init);
    return gpu_context_create(gpu, create->hdr.ctx_id, context_init, name, error);
}

static bool context_destroy(struct gpu *gpu, struct call *call, struct error *error)
{
    const struct virtio_gpu_ctrl_hdr *header = call->request;
    return gpu_context_destroy(gpu, header->ctx_id, error);
}

static bool check_context_and_resource(struct gpu *gpu,
                                       const struct virtio_gpu_ctx_resource *pair,
                                       struct error *error)
{
    return gpu_context_check(gpu, pair->hdr.ctx_id, error) &&
           resource_find(&gpu->resources, pair->resource_id, error) != NULL;
}

static bool context_attach(struct gpu *gpu, struct call *call, struct error *error)
{
    const struct virtio_gpu_ctx_resource *pair = call->request;
    if (!check_context_and_resource(gpu, pair, error))
        return false;
    gpu->renderer.ops->attach(gpu->renderer.context, pair->hdr.ctx_id, pair->resource_id);
    return true;
}

static bool context_detach(struct gpu *gpu, struct call *call, struct error *error)
{
    const struct virtio_gpu_ctx_resource *pair = call->request;
    if (!check_context_and_resource(gpu, pair, error))
        return false;
    gpu->renderer.ops->detach(gpu->renderer.context, pair->hdr.ctx_id, pair->resource_id);
    return true;
}

static bool submit_3d(struct gpu *gpu, struct call *call, struct error *error)
{
    struct virtio_gpu_cmd_submit *submit = call->request;
    uint32_t available = call->size - (uint32_t)sizeof *submit;
    if (submit->size > available)
        return error_set(error, ERROR_GUEST_PARAMETER,
                         "a stream of %u bytes, of which %u came with the command",
                         submit->size, available);
    if (submit->size % 4 != 0)
        return error_set(error, ERROR_GUEST_PARAMETER,
                         "a stream of %u bytes is not a multiple of 4", submit->size);
    if (!gpu_context_check(gpu, submit->hdr.ctx_id, error))
        return false;
    /* The renderer is to see what the guest wrote before. */
    sync_copies(gpu);
    /* Venus sends no bytes when all that it wants is a fence, and Linux passes them on
     * (drivers/gpu/drm/virtio/virtgpu_submit.c, virtio_gpu_submit()). */
    if (submit->size == 0)
        return true;
    return gpu->renderer.ops->submit(gpu->renderer.context, submit->hdr.ctx_id,
                                     submit + 1, submit->size, error);
}

/* --- resources --- */

static bool resource_create_blob(struct gpu *gpu, struct call *call, struct error *error)
{
    const struct virtio_gpu_resource_create_blob *create = call->request;
    if (create->nr_entries != 0)
        return error_set(
            error, ERROR_GUEST_PARAMETER,
            "blob %u: a HOST3D blob has no guest memory, %u entries came with it",
            create->resource_id, create->nr_entries);
    const struct renderer_blob blob = {
        .resource_id = create->resource_id,
        .context_id = create->hdr.ctx_id,
        .memory = create->blob_mem,
        .flags = create->blob_flags,
        .blob_id = create->blob_id,
        .size = create->size,
    };
    return blob_create(gpu, &blob, error);
}

static bool resource_map_blob(struct gpu *gpu, struct call *call, struct error *error)
{
    const struct virtio_gpu_resource_map_blob *map = call->request;
    enum memattr_map_info map_info;
    if (!blob_map(gpu, map->resource_id, map->offset, &map_info, error))
        return error_wrap(error, "blob %u", map->resource_id);
    call->response->map_info = (struct virtio_gpu_resp_map_info){
        .hdr.type = VIRTIO_GPU_RESP_OK_MAP_INFO,
        .map_info = map_info,
    };
    call->response->size = sizeof call->response->map_info;
    return true;
}

static bool resource_unmap_blob(struct gpu *gpu, struct call *call, struct error *error)
{
    const struct virtio_gpu_resource_unmap_blob *unmap = call->request;
    return blob_unmap(gpu, unmap->resource_id, error) ||
           error_wrap(error, "blob %u", unmap->resource_id);
}

static bool resource_unref(struct gpu *gpu, struct call *call, struct error *error)
{
    const struct virtio_gpu_resource_unref *unref = call->request;
    return blob_destroy(gpu, unref->resource_id, error);
}

/* --- dispatch --- */

/* virtio 1.2, 5.7.6.7: ERR_UNSPEC is for what no other code describes. */
static uint32_t response_type(enum error_code code)
{
    switch (code) {
    case ERROR_GUEST_RESOURCE:
        return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
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

static const struct command *find_command(uint32_t type);

/* A fence on a ring needs the ring; its context may be made by this very command. */
static bool check_ring(const struct gpu *gpu, const struct command *command,
                       const struct virtio_gpu_ctrl_hdr *header, struct error *error)
{
    if (header->ring_idx > GPU_RING_MAX)
        return error_set(error, ERROR_GUEST_PARAMETER,
                         "ring %u: a context has rings 0 to %u", header->ring_idx,
                         GPU_RING_MAX);
    return command->handle == context_create ||
           gpu_context_check(gpu, header->ctx_id, error);
}

static bool run(struct gpu *gpu, struct call *call, uint64_t room, const char **name,
                struct error *error)
{
    const struct virtio_gpu_ctrl_hdr *header = call->request;
    if (call->size < sizeof *header)
        return error_set(error, ERROR_GUEST_COMMAND,
                         "a command of %u bytes is shorter than its header", call->size);
    const struct command *command = find_command(header->type);
    if (!command)
        return error_set(error, ERROR_GUEST_COMMAND,
                         "command %#x is unknown, or not offered by this device",
                         header->type);
    *name = command->name;
    if (call->size < command->request_size)
        return error_set(error, ERROR_GUEST_COMMAND, "%u bytes, at least %u are needed",
                         call->size, command->request_size);
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

bool gpu_command(struct gpu *gpu, void *request, uint32_t size, uint64_t room,
                 struct gpu_response *response, struct renderer_timeline *timeline)
{
    struct virtio_gpu_ctrl_hdr header = {0};
    memcpy(&header, request, size < sizeof header ? size : sizeof header);
    response->header = (struct virtio_gpu_ctrl_hdr){.type = VIRTIO_GPU_RESP_OK_NODATA};
    response->size = sizeof response->header;

    struct error error;
    const char *name = "control queue";
    struct call call = {.request = request, .size = size, .response = response};
    bool good = run(gpu, &call, room, &name, &error);
    if (good && response->size > room)
        good = error_set(&error, ERROR_GUEST_COMMAND, "room for %llu of %u bytes",
                         (unsigned long long)room, response->size);
    if (good) {
        trace_detail(gpu->trace, "gpu", "%s: ok", name);
    } else {
        trace_warning(gpu->trace, "gpu", "%s: %s", name, error.text);
        response->header.type = response_type(error.code);
        response->size = sizeof response->header;
    }

    /* 5.7.6.7: the response to a fenced command repeats fence, context and ring. */
    if (header.flags & VIRTIO_GPU_FLAG_FENCE) {
        response->header.flags =
            header.flags & (VIRTIO_GPU_FLAG_FENCE | VIRTIO_GPU_FLAG_INFO_RING_IDX);
        response->header.fence_id = header.fence_id;
        response->header.ctx_id = header.ctx_id;
        response->header.ring_idx = header.ring_idx;
    }
    bool on_ring = header.flags & VIRTIO_GPU_FLAG_INFO_RING_IDX &&
                   header.type != VIRTIO_GPU_CMD_CTX_DESTROY;
    *timeline = (struct renderer_timeline){
        .context_id = on_ring ? header.ctx_id : 0,
        .ring = on_ring ? header.ring_idx : 0,
    };
    return good && (header.flags & VIRTIO_GPU_FLAG_FENCE);
}

#define COMMAND(suffix, request, response, handler)                                      \
    {                                                                                    \
        .type = VIRTIO_GPU_CMD_##suffix, .name = #suffix,                                \
        .request_size = sizeof(struct virtio_gpu_##request),                             \
        .response_size = sizeof(struct virtio_gpu_##response), .handle = handler,        \
    }

/* The other commands of the specification are answered ERR_UNSPEC: no feature bit that
 * they need is offered, but for the 2D commands, which a device without an enabled
 * scanout has no use for, and the transfers of 3D resources. docs/virtio-gpu.md lists
 * them. */
static const struct command commands[] = {
    COMMAND(GET_DISPLAY_INFO, ctrl_hdr, resp_display_info, get_display_info),
    COMMAND(GET_CAPSET_INFO, get_capset_info, resp_capset_info, get_capset_info),
    COMMAND(GET_CAPSET, get_capset, ctrl_hdr, get_capset),
    COMMAND(CTX_CREATE, ctx_create, ctrl_hdr, context_create),
    COMMAND(CTX_DESTROY, ctx_destroy, ctrl_hdr, context_destroy),
    COMMAND(CTX_ATTACH_RESOURCE, ctx_resource, ctrl_hdr, context_attach),
    COMMAND(CTX_DETACH_RESOURCE, ctx_resource, ctrl_hdr, context_detach),
    COMMAND(SUBMIT_3D, cmd_submit, ctrl_hdr, submit_3d),
    COMMAND(RESOURCE_CREATE_BLOB, resource_create_blob, ctrl_hdr, resource_create_blob),
    COMMAND(RESOURCE_MAP_BLOB, resource_map_blob, resp_map_info, resource_map_blob),
    COMMAND(RESOURCE_UNMAP_BLOB, resource_unmap_blob, ctrl_hdr, resource_unmap_blob),
    COMMAND(RESOURCE_UNREF, resource_unref, ctrl_hdr, resource_unref),
};

static const struct command *find_command(uint32_t type)
{
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        if (commands[i].type == type)
            return &commands[i];
    }
    return NULL;
}

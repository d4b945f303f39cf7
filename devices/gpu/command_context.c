/* SPDX-License-Identifier: MIT */
/*
 * Capsets, contexts, and the command streams for them.
 */
#include <string.h>

#include "devices/gpu/command.h"
#include "devices/gpu/guest_blob.h"
#include "devices/gpu/lost.h"

/* --- capsets --- */

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

/* NULL, and an error: there is no such pair. */
static struct resource *find_pair(struct gpu *gpu,
                                  const struct virtio_gpu_ctx_resource *pair,
                                  struct error *error)
{
    return gpu_context_check(gpu, pair->hdr.ctx_id, error)
               ? resource_find(&gpu->resources, pair->resource_id, error)
               : NULL;
}

/* Linux attaches every resource that a context could use, those of 2D too: what the renderer
 * does not know is none of its business. */
static bool context_attach(struct gpu *gpu, struct call *call, struct error *error)
{
    const struct virtio_gpu_ctx_resource *pair = call->request;
    const struct resource *resource = find_pair(gpu, pair, error);
    if (resource && gpu_renderer_knows(gpu, resource))
        gpu->renderer.ops->attach(gpu->renderer.context, pair->hdr.ctx_id,
                                  pair->resource_id);
    return resource != NULL;
}

static bool context_detach(struct gpu *gpu, struct call *call, struct error *error)
{
    const struct virtio_gpu_ctx_resource *pair = call->request;
    const struct resource *resource = find_pair(gpu, pair, error);
    if (resource && gpu_renderer_knows(gpu, resource))
        gpu->renderer.ops->detach(gpu->renderer.context, pair->hdr.ctx_id,
                                  pair->resource_id);
    return resource != NULL;
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

static const struct command commands[] = {
    COMMAND(GET_CAPSET_INFO, get_capset_info, resp_capset_info, get_capset_info),
    COMMAND(GET_CAPSET, get_capset, ctrl_hdr, get_capset),
    {
        .type = VIRTIO_GPU_CMD_CTX_CREATE,
        .name = "CTX_CREATE",
        .request_size = sizeof(struct virtio_gpu_ctx_create),
        .response_size = sizeof(struct virtio_gpu_ctrl_hdr),
        .handle = context_create,
        .makes_context = true,
    },
    COMMAND(CTX_DESTROY, ctx_destroy, ctrl_hdr, context_destroy),
    COMMAND(CTX_ATTACH_RESOURCE, ctx_resource, ctrl_hdr, context_attach),
    COMMAND(CTX_DETACH_RESOURCE, ctx_resource, ctrl_hdr, context_detach),
    COMMAND(SUBMIT_3D, cmd_submit, ctrl_hdr, submit_3d),
};

const struct command_table gpu_commands_context = {commands, ARRAY_SIZE(commands)};

/* SPDX-License-Identifier: MIT */
/*
 * What the device asks of a renderer, in calls of libvirglrenderer. The traps of its versions
 * are listed in renderer_virgl.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "devices/gpu/protocol.h"
#include "devices/gpu/renderer_virgl_library.h"

#define CAPSET_MAX  6u      /* the last one of virtio 1.3, 5.7.6.8 */
#define POLL_PERIOD 1000000 /* nanoseconds, where the library cannot tell */

static bool failed(const struct renderer_virgl *virgl, int result, struct error *error,
                   const char *call, uint32_t id)
{
    return error_set(error, ERROR_HOST_RENDERER,
                     "%s: virgl_renderer_%s(%u) failed with %d (%s)", virgl->library_name,
                     call, id, result, strerror(abs(result)));
}

/* It is not, if it could not be restarted; then it has no context and no resource either, and is
 * not asked for anything of them. */
static bool is_there(const struct renderer_virgl *virgl, struct error *error)
{
    return virgl->initialised ||
           error_set(error, ERROR_HOST_RENDERER,
                     "%s ended with its render server, and could not be started again",
                     virgl->library_name);
}

/* Of the others (virtio 1.3, 5.7.6.8: gfxstream 3, cross-domain 5, drm 6) this library has drm,
 * on a host whose GPU has a native context. It says so by its size. */
static bool is_wanted(const struct renderer_virgl *virgl, uint32_t id)
{
    if (id == VIRTIO_GPU_CAPSET_VIRGL || id == VIRTIO_GPU_CAPSET_VIRGL2)
        return virgl->config.virgl;
    return id != VIRTIO_GPU_CAPSET_VENUS || virgl->config.venus;
}

static bool capset(void *renderer, unsigned index, struct renderer_capset *capset)
{
    const struct renderer_virgl *virgl = renderer;
    for (uint32_t id = 1; virgl->initialised && id <= CAPSET_MAX; id++) {
        uint32_t version = 0;
        uint32_t size = 0;
        if (is_wanted(virgl, id))
            virgl->calls.get_cap_set(id, &version, &size);
        if (size > 0 && index-- == 0) {
            *capset =
                (struct renderer_capset){.id = id, .version = version, .size = size};
            return true;
        }
    }
    return false;
}

static void capset_fill(void *renderer, const struct renderer_capset *capset,
                        uint32_t version, void *buffer)
{
    const struct renderer_virgl *virgl = renderer;
    virgl->calls.fill_caps(capset->id, version, buffer);
}

static bool context_create(void *renderer, uint32_t context_id, uint32_t capset_id,
                           const char *name, struct error *error)
{
    const struct renderer_virgl *virgl = renderer;
    if (!is_there(virgl, error))
        return false;
    int result = virgl->calls.context_create_with_flags(context_id, capset_id,
                                                        (uint32_t)strlen(name), name);
    return result == 0 ||
           failed(virgl, result, error, "context_create_with_flags", context_id);
}

static void context_destroy(void *renderer, uint32_t context_id)
{
    const struct renderer_virgl *virgl = renderer;
    virgl->calls.context_destroy(context_id);
}

static void attach(void *renderer, uint32_t context_id, uint32_t resource_id)
{
    const struct renderer_virgl *virgl = renderer;
    virgl->calls.ctx_attach_resource((int)context_id, (int)resource_id);
}

static void detach(void *renderer, uint32_t context_id, uint32_t resource_id)
{
    const struct renderer_virgl *virgl = renderer;
    virgl->calls.ctx_detach_resource((int)context_id, (int)resource_id);
}

static bool submit(void *renderer, uint32_t context_id, void *commands, uint32_t size,
                   struct error *error)
{
    const struct renderer_virgl *virgl = renderer;
    int result = virgl->calls.submit_cmd(commands, (int)context_id, (int)(size / 4));
    return result == 0 || failed(virgl, result, error, "submit_cmd", context_id);
}

/* A context of OpenGL is one timeline to the library, which knows its ring 0 only
 * (vrend_decode.c, vrend_decode_ctx_submit_fence(): -EINVAL for the others). Whatever ring the
 * driver names, the work before the fence is done when ring 0 gets there; the callback has the
 * driver's ring back from the number. */
static int create_context_fence(const struct renderer_virgl *virgl,
                                struct renderer_timeline timeline, uint32_t number)
{
    uint64_t fence = (uint64_t)timeline.ring << 32 | number;
    int result =
        virgl->calls.context_create_fence(timeline.context_id, 0, timeline.ring, fence);
    if (result == -EINVAL && timeline.ring != 0)
        result = virgl->calls.context_create_fence(timeline.context_id, 0, 0, fence);
    return result;
}

static bool fence(void *renderer, struct renderer_timeline timeline, uint32_t number,
                  struct error *error)
{
    struct renderer_virgl *virgl = renderer;
    bool is_global = timeline.context_id == 0;
    int result = 0;
    atomic_fetch_add(&virgl->fences_open, 1); /* it may be done before the call returns */
    if (!is_global)
        result = create_context_fence(virgl, timeline, number);
    /* The global timeline is OpenGL's. Without virgl the library has none, and no command
     * that is still under way belongs to it. */
    else if (!virgl->config.virgl || !virgl->initialised)
        renderer_virgl_global_fence_done(virgl, number);
    else
        result = virgl->calls.create_fence((int)number, 0);
    if (result == 0) {
        renderer_virgl_set_timer(virgl, POLL_PERIOD);
        return true;
    }
    atomic_fetch_sub(&virgl->fences_open, 1);
    return failed(virgl, result, error,
                  is_global ? "create_fence" : "context_create_fence", number);
}

static bool blob_create(void *renderer, const struct renderer_blob *blob,
                        struct error *error)
{
    const struct renderer_virgl *virgl = renderer;
    const struct virgl_renderer_resource_create_blob_args arguments = {
        .res_handle = blob->resource_id,
        .ctx_id = blob->context_id,
        .blob_mem = blob->memory,
        .blob_flags = blob->flags,
        .blob_id = blob->blob_id,
        .size = blob->size,
        .iovecs = blob->pages.vectors,
        .num_iovs = blob->pages.count,
    };
    if (!is_there(virgl, error))
        return false;
    int result = virgl->calls.resource_create_blob(&arguments);
    return result == 0 ||
           failed(virgl, result, error, "resource_create_blob", blob->resource_id);
}

static void resource_destroy(void *renderer, uint32_t resource_id)
{
    const struct renderer_virgl *virgl = renderer;
    virgl->calls.resource_unref(resource_id);
}

static bool blob_export(void *renderer, uint32_t resource_id, enum renderer_fd_type *type,
                        int *fd, struct error *error)
{
    const struct renderer_virgl *virgl = renderer;
    uint32_t claimed = 0;
    *fd = -1;
    int result = virgl->calls.resource_export_blob(resource_id, &claimed, fd);
    if (result != 0)
        return failed(virgl, result, error, "resource_export_blob", resource_id);
    if (*fd < 0)
        return error_set(error, ERROR_HOST_RENDERER,
                         "%s: export of resource %u succeeded without an fd",
                         virgl->library_name, resource_id);
    *type = (enum renderer_fd_type)claimed;
    return true;
}

static bool blob_map(void *renderer, uint32_t resource_id, void **host, uint64_t *size,
                     struct error *error)
{
    const struct renderer_virgl *virgl = renderer;
    int result = virgl->calls.resource_map(resource_id, host, size);
    return result == 0 || failed(virgl, result, error, "resource_map", resource_id);
}

static void blob_unmap(void *renderer, uint32_t resource_id)
{
    const struct renderer_virgl *virgl = renderer;
    virgl->calls.resource_unmap(resource_id);
}

static bool blob_map_info(void *renderer, uint32_t resource_id, uint32_t *map_info)
{
    const struct renderer_virgl *virgl = renderer;
    return virgl->calls.resource_get_map_info(resource_id, map_info) == 0;
}

/* For the library an imported dma-buf is always host memory: GUEST is -EINVAL (seen with 1.1).
 * It keeps and closes the fd (virglrenderer.c,
 * virgl_renderer_resource_import_blob()). */
static bool blob_import(void *renderer, const struct renderer_blob *blob, int fd,
                        struct error *error)
{
    const struct renderer_virgl *virgl = renderer;
    if (!is_there(virgl, error))
        return false;
    const struct virgl_renderer_resource_import_blob_args arguments = {
        .res_handle = blob->resource_id,
        .blob_mem = VIRGL_RENDERER_BLOB_MEM_HOST3D,
        .fd_type = VIRGL_RENDERER_BLOB_FD_TYPE_DMABUF,
        .fd = fcntl(fd, F_DUPFD_CLOEXEC, 0),
        .size = blob->size,
    };
    if (arguments.fd < 0)
        return error_set(error, ERROR_HOST_SYSTEM, "fd of a dma-buf: %s",
                         strerror(errno));
    int result = virgl->calls.resource_import_blob(&arguments);
    if (result == 0)
        return true;
    close(arguments.fd);
    return failed(virgl, result, error, "resource_import_blob", blob->resource_id);
}

/* --- 3D resources --- */

static bool resource_create(void *renderer, const struct renderer_resource *resource,
                            struct error *error)
{
    const struct renderer_virgl *virgl = renderer;
    struct virgl_renderer_resource_create_args arguments = {
        .handle = resource->resource_id,
        .target = resource->target,
        .format = resource->format,
        .bind = resource->bind,
        .width = resource->width,
        .height = resource->height,
        .depth = resource->depth,
        .array_size = resource->array_size,
        .last_level = resource->last_level,
        .nr_samples = resource->sample_count,
        .flags = resource->flags,
    };
    if (!virgl->config.virgl)
        return error_set(
            error, ERROR_HOST_RENDERER,
            "resource %u: 3D resources are OpenGL's, run it with --gpu=virgl",
            resource->resource_id);
    if (!is_there(virgl, error))
        return false;
    int result = virgl->calls.resource_create(&arguments, NULL, 0);
    return result == 0 ||
           failed(virgl, result, error, "resource_create", resource->resource_id);
}

/* The library only reads the array, and takes it without const. */
static struct iovec *vectors_of(struct renderer_pages pages)
{
    return (struct iovec *)(uintptr_t)pages.vectors;
}

static bool pages_attach(void *renderer, uint32_t resource_id,
                         struct renderer_pages pages, struct error *error)
{
    const struct renderer_virgl *virgl = renderer;
    int result = virgl->calls.resource_attach_iov((int)resource_id, vectors_of(pages),
                                                  (int)pages.count);
    return result == 0 ||
           failed(virgl, result, error, "resource_attach_iov", resource_id);
}

static void pages_detach(void *renderer, uint32_t resource_id)
{
    const struct renderer_virgl *virgl = renderer;
    virgl->calls.resource_detach_iov((int)resource_id, NULL, NULL);
}

static bool transfer(void *renderer, const struct renderer_transfer *t,
                     struct error *error)
{
    const struct renderer_virgl *virgl = renderer;
    /* struct virgl_box of the library's virgl_hw.h, which is not installed, is the same. */
    struct virtio_gpu_box box = {t->x, t->y, t->z, t->width, t->height, t->depth};
    struct virgl_box *virgl_box = (struct virgl_box *)&box;
    int result;
    if (t->direction == RENDERER_TO_HOST) {
        result = virgl->calls.transfer_write_iov(
            t->resource_id, t->context_id, (int)t->level, t->stride, t->layer_stride,
            virgl_box, t->offset, vectors_of(t->pages), t->pages.count);
        return result == 0 ||
               failed(virgl, result, error, "transfer_write_iov", t->resource_id);
    }
    result = virgl->calls.transfer_read_iov(
        t->resource_id, t->context_id, t->level, t->stride, t->layer_stride, virgl_box,
        t->offset, vectors_of(t->pages), (int)t->pages.count);
    return result == 0 ||
           failed(virgl, result, error, "transfer_read_iov", t->resource_id);
}

/* --- polling --- */

static int poll_fd(void *renderer)
{
    const struct renderer_virgl *virgl = renderer;
    return virgl->poll_fd;
}

static void poll_library(void *renderer)
{
    struct renderer_virgl *virgl = renderer;
    uint64_t ticks;
    if (virgl->config.venus)
        render_server_hear(virgl->config.server);
    if (virgl->timer_fd >= 0)
        (void)!read(virgl->timer_fd, &ticks, sizeof ticks);
    if (virgl->config.virgl && virgl->initialised)
        virgl->calls.poll();
    if (atomic_load(&virgl->fences_open) == 0)
        renderer_virgl_set_timer(virgl, 0);
}

static bool has_died(const void *renderer)
{
    const struct renderer_virgl *virgl = renderer;
    return !virgl->initialised ||
           (virgl->config.venus && render_server_has_died(virgl->config.server));
}

const struct renderer_ops renderer_virgl_ops = {
    .capset = capset,
    .capset_fill = capset_fill,
    .context_create = context_create,
    .context_destroy = context_destroy,
    .attach = attach,
    .detach = detach,
    .submit = submit,
    .fence = fence,
    .blob_create = blob_create,
    .resource_destroy = resource_destroy,
    .blob_export = blob_export,
    .blob_map = blob_map,
    .blob_unmap = blob_unmap,
    .blob_map_info = blob_map_info,
    .blob_import = blob_import,
    .resource_create = resource_create,
    .pages_attach = pages_attach,
    .pages_detach = pages_detach,
    .transfer = transfer,
    .poll_fd = poll_fd,
    .poll = poll_library,
    .has_died = has_died,
    .restart = renderer_virgl_restart,
};

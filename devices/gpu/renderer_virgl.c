/* SPDX-License-Identifier: MIT */
/*
 * Everything that touches libvirglrenderer, and nothing else does.
 *
 * Traps by version (0.10.4, 1.1.0, 1.3.0), all seen in the lab:
 *  - failures come as -22 or +22, depending on call and version: anything but 0 is one;
 *  - venus needs the render server from 1.1 on: init succeeds without it, and creating a
 *    context fails later, so the server is always asked for;
 *  - USE_EXTERNAL_BLOB makes buffers of a software OpenGL unmappable: never set;
 *  - 0.10.4 refuses to unmap an SHM blob: we map those through their fd, never here;
 *  - calls with an id that the library does not know may crash: the resource table and
 * the context list of the device are asked first, always.
 */
#define VIRGL_RENDERER_UNSTABLE_APIS /* 0.10.4 hides venus and the fences of contexts */
#include "devices/gpu/renderer_virgl.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <virgl/virglrenderer.h>

#include "devices/gpu/protocol.h"

#define LIBRARY         "libvirglrenderer.so.1"
#define RENDER_SERVER   "/usr/libexec/virgl_render_server"
#define SERVER_PATH_ENV "RENDER_SERVER_EXEC_PATH" /* read by the library, too */

/* The calls that we use, each with its own type from the library's header. */
#define VIRGL_CALLS(X)                                                                   \
    X(init)                                                                              \
    X(cleanup)                                                                           \
    X(get_cap_set)                                                                       \
    X(fill_caps)                                                                         \
    X(context_create_with_flags)                                                         \
    X(context_destroy)                                                                   \
    X(ctx_attach_resource)                                                               \
    X(ctx_detach_resource)                                                               \
    X(submit_cmd)                                                                        \
    X(create_fence)                                                                      \
    X(context_create_fence)                                                              \
    X(resource_create_blob)                                                              \
    X(resource_unref)                                                                    \
    X(resource_export_blob)                                                              \
    X(resource_map)                                                                      \
    X(resource_unmap)                                                                    \
    X(resource_get_map_info)

struct calls {
#define X(name) __typeof__(&virgl_renderer_##name) name;
    VIRGL_CALLS(X)
#undef X
};

struct renderer_virgl {
    struct renderer_virgl_config config;
    struct virgl_renderer_callbacks callbacks;
    struct calls calls;
    void *library;
    char library_name[64];
    bool initialised;
};

/* --- callbacks of the library --- */

static void global_fence_done(void *cookie, uint32_t fence)
{
    struct renderer_virgl *virgl = cookie;
    virgl->config.fence(virgl->config.fence_context, (struct renderer_timeline){0, 0},
                        fence);
}

static void context_fence_done(void *cookie, uint32_t context_id, uint32_t ring,
                               uint64_t fence)
{
    struct renderer_virgl *virgl = cookie;
    virgl->config.fence(virgl->config.fence_context,
                        (struct renderer_timeline){context_id, ring}, (uint32_t)fence);
}

/* The library owns and closes the fd; it may ask more than once. */
static int open_drm_node(void *cookie)
{
    struct renderer_virgl *virgl = cookie;
    return open(virgl->config.drm_node, O_RDWR | O_CLOEXEC);
}

/* --- start and stop --- */

static bool load(struct renderer_virgl *virgl, struct error *error)
{
    virgl->library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!virgl->library)
        return error_set(
            error, ERROR_CONFIG_HOST,
            "%s; install the package libvirglrenderer1, or run with --gpu=none",
            dlerror());

    struct link_map *map;
    char path[256];
    if (dlinfo(virgl->library, RTLD_DI_LINKMAP, &map) == 0) {
        ssize_t length = readlink(map->l_name, path, sizeof path - 1);
        path[length > 0 ? length : 0] = '\0';
        const char *full = length > 0 ? path : map->l_name;
        const char *slash = strrchr(full, '/');
        snprintf(virgl->library_name, sizeof virgl->library_name, "%.60s",
                 slash ? slash + 1 : full);
    }

#define X(name)                                                                          \
    *(void **)&virgl->calls.name = dlsym(virgl->library, "virgl_renderer_" #name);       \
    if (!virgl->calls.name)                                                              \
        return error_set(error, ERROR_CONFIG_HOST,                                       \
                         "%s has no virgl_renderer_" #name                               \
                         "; version 0.10.4 or newer is "                                 \
                         "needed",                                                       \
                         virgl->library_name);
    VIRGL_CALLS(X)
#undef X
    return true;
}

/* The library reports a server that it cannot start only as -1. */
static bool check_render_server(struct error *error)
{
    const char *path = getenv(SERVER_PATH_ENV);
    if (!path)
        path = RENDER_SERVER;
    if (access(path, X_OK) == 0)
        return true;
    return error_set(
        error, ERROR_CONFIG_HOST,
        "venus needs the render server %s: %s; install the package virgl-server, "
        "or set " SERVER_PATH_ENV,
        path, strerror(errno));
}

static bool check_drm_node(const char *path, struct error *error)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return error_set(error, ERROR_CONFIG_HOST,
                         "DRM node %s: %s; `s2vmm probe` lists the nodes of this host",
                         path, strerror(errno));
    close(fd);
    return true;
}

static bool start(struct renderer_virgl *virgl, struct error *error)
{
    const struct renderer_virgl_config *config = &virgl->config;
    int flags = VIRGL_RENDERER_THREAD_SYNC | VIRGL_RENDERER_ASYNC_FENCE_CB;
    if (config->virgl) {
        flags |= VIRGL_RENDERER_USE_EGL;
        if (!config->drm_node)
            flags |= VIRGL_RENDERER_USE_SURFACELESS;
    } else {
        flags |= VIRGL_RENDERER_NO_VIRGL;
    }
    if (config->venus) {
        if (!check_render_server(error))
            return false;
        flags |= VIRGL_RENDERER_VENUS | VIRGL_RENDERER_RENDER_SERVER;
    }
    if (config->drm_node && !check_drm_node(config->drm_node, error))
        return false;

    virgl->callbacks = (struct virgl_renderer_callbacks){
        .version = 3,
        .write_fence = global_fence_done,
        .get_drm_fd = config->drm_node ? open_drm_node : NULL,
        .write_context_fence = context_fence_done,
    };
    int result = virgl->calls.init(virgl, flags, &virgl->callbacks);
    if (result != 0)
        return error_set(
            error, ERROR_HOST_RENDERER,
            "%s: virgl_renderer_init(flags %#x) failed with %d; its own messages "
            "are above, `s2vmm probe` shows what works",
            virgl->library_name, (unsigned)flags, result);
    virgl->initialised = true;
    return true;
}

struct renderer_virgl *renderer_virgl_create(const struct renderer_virgl_config *config,
                                             struct error *error)
{
    struct renderer_virgl *virgl = calloc(1, sizeof *virgl);
    if (!virgl) {
        error_set(error, ERROR_HOST_MEMORY, "no memory for the renderer");
        return NULL;
    }
    virgl->config = *config;
    if (load(virgl, error) && start(virgl, error))
        return virgl;
    renderer_virgl_destroy(virgl);
    return NULL;
}

void renderer_virgl_destroy(struct renderer_virgl *virgl)
{
    if (!virgl)
        return;
    if (virgl->initialised)
        virgl->calls.cleanup(virgl);
    /* The library stays loaded: its drivers leave threads and atexit handlers behind. */
    free(virgl);
}

const char *renderer_virgl_library(const struct renderer_virgl *virgl)
{
    return virgl->library_name;
}

/* --- the ops --- */

static bool failed(const struct renderer_virgl *virgl, int result, struct error *error,
                   const char *call, uint32_t id)
{
    return error_set(error, ERROR_HOST_RENDERER,
                     "%s: virgl_renderer_%s(%u) failed with %d (%s)", virgl->library_name,
                     call, id, result, strerror(abs(result)));
}

static bool capset(void *renderer, unsigned index, struct renderer_capset *capset)
{
    static const uint32_t ids[] = {VIRTIO_GPU_CAPSET_VIRGL, VIRTIO_GPU_CAPSET_VIRGL2,
                                   VIRTIO_GPU_CAPSET_VENUS};
    const struct renderer_virgl *virgl = renderer;
    for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
        uint32_t version = 0;
        uint32_t size = 0;
        bool wanted =
            ids[i] == VIRTIO_GPU_CAPSET_VENUS ? virgl->config.venus : virgl->config.virgl;
        if (wanted)
            virgl->calls.get_cap_set(ids[i], &version, &size);
        if (size > 0 && index-- == 0) {
            *capset =
                (struct renderer_capset){.id = ids[i], .version = version, .size = size};
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

static bool fence(void *renderer, struct renderer_timeline timeline, uint32_t number,
                  struct error *error)
{
    struct renderer_virgl *virgl = renderer;
    int result;
    if (timeline.context_id != 0) {
        result = virgl->calls.context_create_fence(timeline.context_id, 0, timeline.ring,
                                                   number);
        return result == 0 ||
               failed(virgl, result, error, "context_create_fence", number);
    }
    /* The global timeline is OpenGL's. Without virgl the library has none, and no command
     * that is still under way belongs to it. */
    if (!virgl->config.virgl) {
        global_fence_done(virgl, number);
        return true;
    }
    result = virgl->calls.create_fence((int)number, 0);
    return result == 0 || failed(virgl, result, error, "create_fence", number);
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
    };
    int result = virgl->calls.resource_create_blob(&arguments);
    return result == 0 ||
           failed(virgl, result, error, "resource_create_blob", blob->resource_id);
}

static void blob_destroy(void *renderer, uint32_t resource_id)
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

static const struct renderer_ops ops = {
    .capset = capset,
    .capset_fill = capset_fill,
    .context_create = context_create,
    .context_destroy = context_destroy,
    .attach = attach,
    .detach = detach,
    .submit = submit,
    .fence = fence,
    .blob_create = blob_create,
    .blob_destroy = blob_destroy,
    .blob_export = blob_export,
    .blob_map = blob_map,
    .blob_unmap = blob_unmap,
    .blob_map_info = blob_map_info,
};

struct renderer renderer_virgl_interface(struct renderer_virgl *virgl)
{
    return (struct renderer){.ops = &ops, .context = virgl};
}

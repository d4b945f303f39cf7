/* SPDX-License-Identifier: MIT */
/*
 * Starts and stops libvirglrenderer. With renderer_virgl_ops.c this is everything that touches
 * the library.
 *
 * Traps by version (0.10.4, 1.1.0, 1.3.0), all seen in the lab:
 *  - failures come as -22 or +22, depending on call and version: anything but 0 is one;
 *  - venus needs the render server from 1.1 on: init succeeds without it, and creating a
 *    context fails later, so the server is always asked for, and given by get_server_fd;
 *  - if that gives none, the library forks one itself (proxy_server.c,
 *    proxy_server_create()), which no role of ours may: the server is there before init;
 *  - USE_EXTERNAL_BLOB makes buffers of a software OpenGL unmappable: never set;
 *  - 0.10.4 refuses to unmap an SHM blob: we map those through their fd, never here;
 *  - calls with an id that the library does not know may crash: the resource table and
 * the context list of the device are asked first, always.
 */
#include "devices/gpu/renderer_virgl_library.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "devices/gpu/protocol.h"

#define LIBRARY "libvirglrenderer.so.1"

/* --- callbacks of the library --- */

void renderer_virgl_global_fence_done(void *cookie, uint32_t fence)
{
    struct renderer_virgl *virgl = cookie;
    atomic_fetch_sub(&virgl->fences_open, 1);
    virgl->config.fence(virgl->config.fence_context, (struct renderer_timeline){0, 0},
                        fence);
}

void renderer_virgl_context_fence_done(void *cookie, uint32_t context_id, uint32_t ring,
                                       uint64_t fence)
{
    struct renderer_virgl *virgl = cookie;
    (void)ring; /* perhaps not the one that was asked for, which the number has */
    atomic_fetch_sub(&virgl->fences_open, 1);
    virgl->config.fence(virgl->config.fence_context,
                        (struct renderer_timeline){context_id, (uint32_t)(fence >> 32)},
                        (uint32_t)fence);
}

/* The library owns and closes the fd; it may ask more than once. */
static int open_drm_node(void *cookie)
{
    struct renderer_virgl *virgl = cookie;
    return open(virgl->config.drm_node, O_RDWR | O_CLOEXEC);
}

/* The library owns and closes it, too; it asks once in each init (proxy_server.c,
 * proxy_server_create()). 0 is the only version of the protocol. */
static int take_server_socket(void *cookie, uint32_t version)
{
    struct renderer_virgl *virgl = cookie;
    int socket = version == 0 ? virgl->server_socket : -1;
    virgl->server_socket = -1;
    return socket;
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

/* What a user has forgotten is found before anything is started. */
static bool check_render_server(struct error *error)
{
    const char *path = render_server_path();
    return access(path, X_OK) == 0 ||
           error_set(error, ERROR_CONFIG_HOST,
                     "venus needs the render server %s: %s; install the package "
                     "virgl-server, or set RENDER_SERVER_EXEC_PATH",
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

static bool check(const struct renderer_virgl_config *config, struct error *error)
{
    return (!config->venus || check_render_server(error)) &&
           (!config->drm_node || check_drm_node(config->drm_node, error));
}

static bool poll_for(const struct renderer_virgl *virgl, int fd, struct error *error)
{
    struct epoll_event event = {.events = EPOLLIN};
    return epoll_ctl(virgl->poll_fd, EPOLL_CTL_ADD, fd, &event) == 0 ||
           error_set(error, ERROR_HOST_SYSTEM, "epoll_ctl for %s: %s",
                     virgl->library_name, strerror(errno));
}

static bool start_polling(struct renderer_virgl *virgl, struct error *error)
{
    virgl->poll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (virgl->poll_fd < 0)
        return error_set(error, ERROR_HOST_SYSTEM, "epoll for %s: %s",
                         virgl->library_name, strerror(errno));
    return !virgl->config.venus || poll_for(virgl, virgl->config.server->control, error);
}

/* The library's threads say when a fence is done, where the driver lets them wait; it also has
 * an fd then, which asks for poll() (a query that a fence waits for needs this thread's
 * context). THREAD_SYNC is a hint: without it (VIRGL_DISABLE_MT, no shared contexts) there is no
 * fd, and fences are only looked at in poll() (virglrenderer.h at VIRGL_RENDERER_THREAD_SYNC). */
static bool poll_library(struct renderer_virgl *virgl, struct error *error)
{
    if (!virgl->config.virgl || virgl->timer_fd >= 0)
        return true;
    int fd = virgl->calls.get_poll_fd();
    if (fd >= 0)
        return poll_for(virgl, fd, error); /* until it is closed */
    virgl->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (virgl->timer_fd < 0)
        return error_set(error, ERROR_HOST_SYSTEM, "a timer for %s: %s",
                         virgl->library_name, strerror(errno));
    return poll_for(virgl, virgl->timer_fd, error);
}

void renderer_virgl_set_timer(const struct renderer_virgl *virgl, long nanoseconds)
{
    const struct itimerspec period = {.it_interval.tv_nsec = nanoseconds,
                                      .it_value.tv_nsec = nanoseconds};
    if (virgl->timer_fd >= 0)
        timerfd_settime(virgl->timer_fd, 0, &period, NULL);
}

static int flags_of(const struct renderer_virgl_config *config)
{
    int flags = VIRGL_RENDERER_THREAD_SYNC | VIRGL_RENDERER_ASYNC_FENCE_CB;
    if (config->virgl) {
        flags |= VIRGL_RENDERER_USE_EGL;
        if (!config->drm_node)
            flags |= VIRGL_RENDERER_USE_SURFACELESS;
    } else {
        flags |= VIRGL_RENDERER_NO_VIRGL;
    }
    if (config->venus)
        flags |= VIRGL_RENDERER_VENUS | VIRGL_RENDERER_RENDER_SERVER;
    return flags;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static bool start(struct renderer_virgl *virgl, struct error *error)
{
    const struct renderer_virgl_config *config = &virgl->config;
    int flags = flags_of(config);
    if (config->venus &&
        !render_server_start(config->server, &virgl->server_socket, error))
        return false;
    virgl->callbacks = (struct virgl_renderer_callbacks){
        .version = 3,
        .write_fence = renderer_virgl_global_fence_done,
        .get_drm_fd = config->drm_node ? open_drm_node : NULL,
        .write_context_fence = renderer_virgl_context_fence_done,
        .get_server_fd = take_server_socket,
    };
    int result = virgl->calls.init(virgl, flags, &virgl->callbacks);
    close_fd(&virgl->server_socket); /* not taken */
    if (result != 0)
        return error_set(
            error, ERROR_HOST_RENDERER,
            "%s: virgl_renderer_init(flags %#x) failed with %d; its own messages "
            "are above, `s2vmm probe` shows what works",
            virgl->library_name, (unsigned)flags, result);
    virgl->initialised = true;
    return poll_library(virgl, error);
}

/* The library's threads have ended when this returns, and its fences with them. */
static void stop(struct renderer_virgl *virgl)
{
    if (virgl->initialised)
        virgl->calls.cleanup(virgl);
    virgl->initialised = false;
    atomic_store(&virgl->fences_open, 0);
}

bool renderer_virgl_restart(void *renderer, struct error *error)
{
    struct renderer_virgl *virgl = renderer;
    stop(virgl);
    if (start(virgl, error))
        return true;
    stop(virgl);
    return false;
}

struct renderer_virgl *renderer_virgl_create(const struct renderer_virgl_config *config,
                                             struct error *error)
{
    struct renderer_virgl *virgl = calloc(1, sizeof *virgl);
    if (!virgl) {
        error_set(error, ERROR_HOST_MEMORY, "no memory for the renderer");
        return NULL;
    }
    BUG_ON(config->venus && !config->server);
    virgl->config = *config;
    virgl->server_socket = virgl->poll_fd = virgl->timer_fd = -1;
    if (load(virgl, error) && check(config, error) && start_polling(virgl, error) &&
        start(virgl, error))
        return virgl;
    renderer_virgl_destroy(virgl);
    return NULL;
}

void renderer_virgl_destroy(struct renderer_virgl *virgl)
{
    if (!virgl)
        return;
    stop(virgl);
    close_fd(&virgl->poll_fd);
    close_fd(&virgl->timer_fd);
    /* The library stays loaded: its drivers leave threads and atexit handlers behind. */
    free(virgl);
}

const char *renderer_virgl_library(const struct renderer_virgl *virgl)
{
    return virgl->library_name;
}

struct renderer renderer_virgl_interface(struct renderer_virgl *virgl)
{
    return (struct renderer){.ops = &renderer_virgl_ops, .context = virgl};
}

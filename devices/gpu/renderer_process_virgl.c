/* SPDX-License-Identifier: MIT */
/*
 * The renderer process with libvirglrenderer. Its threads have the roles that the same work has
 * in s2vmm without it: the renderer's thread, and the main thread, which waits for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "devices/gpu/renderer_process.h"
#include "devices/gpu/renderer_virgl.h"

#define SOCKET 3 /* beside stdin, stdout and stderr, which are the launcher's */

struct virgl_process {
    const struct renderer_process_config *config;
    const struct sandbox *sandbox;
    struct render_server server;
    struct renderer_process process;
    struct error failed; /* before there was somebody to be told */
};

static bool start(struct renderer_process *process, struct error *error)
{
    struct virgl_process *virgl = process->context;
    const struct renderer_process_config *options = virgl->config;
    const struct renderer_virgl_config config = {
        .virgl = options->virgl,
        .venus = options->venus,
        .server = &virgl->server,
        .drm_node = options->drm_node,
        .fence = renderer_process_fence_done,
        .fence_context = process,
    };
    if (virgl->failed.code != ERROR_NONE) {
        *error = virgl->failed;
        return false;
    }
    if (!sandbox_enter(virgl->sandbox, SANDBOX_RENDERER_START, error))
        return false;
    struct renderer_virgl *renderer = renderer_virgl_create(&config, error);
    if (!renderer ||
        !sandbox_enter(virgl->sandbox,
                       options->virgl ? SANDBOX_GPU_VIRGL : SANDBOX_GPU_VENUS, error))
        return false;
    process->renderer = renderer_virgl_interface(renderer);
    snprintf(process->library, sizeof process->library, "%s",
             renderer_virgl_library(renderer));
    return true;
}

static void *serve(void *context)
{
    struct virgl_process *virgl = context;
    prctl(PR_SET_NAME, "renderer");
    renderer_process_serve(&virgl->process);
    return NULL;
}

/* The launcher's descriptors are not ours; that the pipe of an error closes says that all is
 * well so far. */
static bool take_descriptors(int socket, struct error *error)
{
    if (dup3(socket, SOCKET, O_CLOEXEC) != SOCKET || close_range(SOCKET + 1, ~0u, 0) != 0)
        return error_set(error, ERROR_HOST_RENDERER, "its socket: %s", strerror(errno));
    return true;
}

/* What the renderer has is not destroyed at the end: nobody has a use for it, and a driver that
 * hangs would keep the process. */
void renderer_process_become(const struct launcher_child *child, int socket,
                             const struct sandbox *sandbox, const sigset_t *signals,
                             struct error *error)
{
    struct sandbox own = sandbox ? *sandbox : (struct sandbox){.mode = SANDBOX_OFF};
    struct virgl_process virgl;
    struct error entered;
    pthread_t thread;
    if (!take_descriptors(socket, error))
        return;
    own.screenshot = NULL; /* s2vmm writes it */
    virgl = (struct virgl_process){
        .config = child->context,
        .sandbox = &own,
        .process = {.socket = SOCKET, .start = start, .context = &virgl},
    };
    prctl(PR_SET_NAME, "s2vmm-renderer");
    pthread_sigmask(SIG_SETMASK, signals, NULL);
    if (virgl.config->venus)
        (void)render_server_init(&virgl.server, &own, virgl.config->trace, &virgl.failed);
    if (pthread_create(&thread, NULL, serve, &virgl) != 0 ||
        !sandbox_enter(&own, SANDBOX_MAIN, &entered))
        _exit(1);
    pthread_join(thread, NULL);
    render_server_finish(&virgl.server);
    _exit(0);
}

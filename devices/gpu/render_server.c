/* SPDX-License-Identifier: MIT */
#include "devices/gpu/render_server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "devices/gpu/render_launcher.h"

#define PATH          "/usr/libexec/virgl_render_server"
#define PATH_VARIABLE "RENDER_SERVER_EXEC_PATH"
#define PATIENCE      10 /* seconds that the launcher may take for an answer */

const char *render_server_path(void)
{
    const char *path = getenv(PATH_VARIABLE);
    return path ? path : PATH;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* --- what the launcher says --- */

enum heard { HEARD_NEWS, HEARD_NOTHING, HEARD_END };

/* *fd: the descriptor that came with it, or -1. END: errno says why. */
static enum heard hear(const struct render_server *server, int flags,
                       struct launcher_news *news, int *fd)
{
    union {
        struct cmsghdr header; /* for its alignment */
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec vector = {news, sizeof *news};
    struct msghdr message = {.msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    ssize_t got;
    *fd = -1;
    do {
        got = recvmsg(server->control, &message, flags | MSG_CMSG_CLOEXEC);
    } while (got < 0 && errno == EINTR);
    if (got < 0 && errno == EAGAIN && flags == MSG_DONTWAIT)
        return HEARD_NOTHING;
    const struct cmsghdr *header = got > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (header && header->cmsg_type == SCM_RIGHTS)
        memcpy(fd, CMSG_DATA(header), sizeof *fd);
    if (got == (ssize_t)sizeof *news)
        return HEARD_NEWS;
    int number = got < 0 ? errno : ECONNRESET;
    close_fd(fd);
    errno = number;
    return HEARD_END;
}

static void warn_of_end(struct render_server *server, const struct launcher_news *news)
{
    const struct launcher_child *child = server->child;
    server->end_told = true;
    if (WIFSIGNALED(news->status))
        trace_warning(server->trace, "gpu",
                      "the %s (process %d) was killed by signal %d (%s): %s", child->name,
                      news->pid, WTERMSIG(news->status),
                      strsignal(WTERMSIG(news->status)), child->outlook);
    else
        trace_warning(server->trace, "gpu",
                      "the %s (process %d) ended with status %d: %s", child->name,
                      news->pid, WEXITSTATUS(news->status), child->outlook);
}

static void lose_launcher(struct render_server *server)
{
    close_fd(&server->control);
    trace_warning(server->trace, "gpu",
                  "the process that starts the %s is gone: should the %s die, there will "
                  "be no other",
                  server->child->name, server->child->name);
}

void render_server_hear(struct render_server *server)
{
    struct launcher_news news = {0};
    int fd;
    while (server->control >= 0) {
        switch (hear(server, MSG_DONTWAIT, &news, &fd)) {
        case HEARD_NEWS:
            close_fd(&fd);
            warn_of_end(server, &news);
            break;
        case HEARD_NOTHING:
            return;
        case HEARD_END:
            lose_launcher(server);
        }
    }
}

/* --- server --- */

static bool failed(const struct render_server *server, struct error *error,
                   const char *why)
{
    const struct launcher_child *child = server->child;
    return error_set(error, ERROR_HOST_RENDERER, "%s%s%s: %s", child->name,
                     child->path ? " " : "", child->path ? child->path() : "", why);
}

static bool ask(const struct render_server *server, enum launcher_request request)
{
    char byte = (char)request;
    struct iovec vector = {&byte, 1};
    const struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    return sendmsg(server->control, &message, MSG_NOSIGNAL) == 1;
}

/* Before the answer there may be the end of the last server. */
static bool ask_launcher(struct render_server *server, struct launcher_news *news,
                         int *socket)
{
    if (!ask(server, LAUNCHER_START))
        return false;
    while (hear(server, 0, news, socket) == HEARD_NEWS) {
        if (news->kind == LAUNCHER_STARTED)
            return true;
        close_fd(socket);
        warn_of_end(server, news);
    }
    return false;
}

bool render_server_start(struct render_server *server, int *socket, struct error *error)
{
    struct launcher_news news = {0};
    *socket = -1;
    bool has_launcher = server->control >= 0;
    bool answered = has_launcher && ask_launcher(server, &news, socket);
    int number = errno;
    /* Not earlier: the old one would see that it is not needed any more, and its end be told. */
    close_fd(&server->connection);
    if (!has_launcher)
        return failed(server, error, "the process that starts it is gone");
    if (!answered) {
        lose_launcher(server);
        failed(server, error, strerror(number));
        return error_wrap(error, "the process that starts it does not answer");
    }
    if (*socket < 0)
        return failed(server, error, news.error.text);
    server->connection = fcntl(*socket, F_DUPFD_CLOEXEC, 0);
    if (server->connection < 0) {
        close_fd(socket);
        return failed(server, error, strerror(errno));
    }
    server->end_told = false;
    trace_detail(server->trace, "gpu", "%s: process %d", server->child->name, news.pid);
    return true;
}

bool render_server_has_died(const struct render_server *server)
{
    struct pollfd fd = {.fd = server->connection};
    return server->connection < 0 ||
           (poll(&fd, 1, 0) > 0 && (fd.revents & (POLLHUP | POLLERR)) != 0);
}

void render_server_end(struct render_server *server)
{
    if (server->control >= 0)
        (void)ask(server, LAUNCHER_END);
}

/* --- life --- */

bool render_server_init(struct render_server *server, const struct sandbox *sandbox,
                        struct trace *trace, struct error *error)
{
    static const struct launcher_child child = {
        .name = "render server",
        .outlook =
            "no new Vulkan context until another one is started, by a reset of "
            "the device or when nothing of a context is left",
        .path = render_server_path,
        .become = render_launcher_become_server,
    };
    return render_server_init_child(server, &child, sandbox, trace, error);
}

bool render_server_init_child(struct render_server *server,
                              const struct launcher_child *child,
                              const struct sandbox *sandbox, struct trace *trace,
                              struct error *error)
{
    const struct timeval patience = {.tv_sec = PATIENCE};
    int ends[2];
    sigset_t all;
    sigset_t before;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return error_set(error, ERROR_HOST_SYSTEM,
                         "socketpair for the %s: %s; see ulimit -n", child->name,
                         strerror(errno));
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all,
                    &before); /* the launcher's from the first moment */
    pid_t pid = fork();
    if (pid == 0)
        render_launcher_run(ends[1], child, sandbox, &before);
    int number = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return error_set(error, ERROR_HOST_SYSTEM,
                         "process that starts the %s: %s; see ulimit -u, or use "
                         "--gpu=none",
                         child->name, strerror(number));
    }
    setpgid(pid, pid); /* whoever of us is first */
    (void)setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    *server = (struct render_server){
        .initialised = true,
        .child = child,
        .trace = trace,
        .launcher = pid,
        .control = ends[0],
        .connection = -1,
    };
    return true;
}

void render_server_finish(struct render_server *server)
{
    if (!server->initialised)
        return;
    close_fd(&server->connection);
    close_fd(&server->control);
    while (server->launcher > 0 && waitpid(server->launcher, NULL, 0) < 0 &&
           errno == EINTR) {
    }
    *server = (struct render_server){0};
}

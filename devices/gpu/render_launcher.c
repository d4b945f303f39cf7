/* SPDX-License-Identifier: MIT */
#include "devices/gpu/render_launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE 5000 /* milliseconds */

/* Its descriptors, beside stdin, stdout and stderr. */
enum { SOCKET = 3, CHILDREN, OTHERS };

struct launcher {
    const struct launcher_child *child;
    const struct sandbox *sandbox;
    const sigset_t *signals;
    pid_t pid;   /* of the server; 0: none runs */
    pid_t group; /* it and its workers, perhaps without it; 0: none is left */
};

/* fd: goes with it; -1: none. If nobody is there to hear it, the socket's end says so. */
static void tell(const struct launcher_news *news, int fd)
{
    union {
        struct cmsghdr header; /* for its alignment */
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.bytes = {0}};
    struct iovec vector = {(void *)(uintptr_t)news, sizeof *news};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    if (fd >= 0) {
        message.msg_control = &control;
        message.msg_controllen = sizeof control;
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        *header = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof fd),
                                   .cmsg_level = SOL_SOCKET,
                                   .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(header), &fd, sizeof fd);
    }
    (void)sendmsg(SOCKET, &message, MSG_NOSIGNAL);
}

/* --- server --- */

void render_launcher_become_server(const struct launcher_child *child, int socket,
                                   const struct sandbox *sandbox, const sigset_t *signals,
                                   struct error *error)
{
    char number[16];
    const char *path = child->path();
    snprintf(number, sizeof number, "%d", dup(socket)); /* not close-on-exec */
    char *const arguments[] = {(char *)(uintptr_t)path, "--socket-fd", number, NULL};
    if (!sandbox_enter(sandbox, SANDBOX_RENDER_SERVER, error))
        return;
    sigprocmask(SIG_SETMASK, signals, NULL);
    execv(path, arguments);
    error_set(error, ERROR_HOST_RENDERER, "it cannot be executed: %s", strerror(errno));
}

/* The child says by a pipe what went wrong; execve() closes it, or the child does. */
static bool fork_server(struct launcher *launcher, int socket, struct error *error)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return error_set(error, ERROR_HOST_RENDERER, "pipe: %s", strerror(errno));
    pid_t pid = fork();
    if (pid == 0) {
        setpgid(0, 0);
        launcher->child->become(launcher->child, socket, launcher->sandbox,
                                launcher->signals, error);
        (void)!write(ends[1], error, sizeof *error);
        _exit(127);
    }
    int number = errno;
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return error_set(error, ERROR_HOST_RENDERER, "fork: %s; see ulimit -u",
                         strerror(number));
    }
    setpgid(pid, pid); /* whoever of us is first */
    launcher->pid = launcher->group = pid;
    bool failed = read(ends[0], error, sizeof *error) > 0;
    close(ends[0]);
    return !failed;
}

/* Workers without a server are our children (PR_SET_CHILD_SUBREAPER). As long as one of the group
 * is, and is not waited for, nobody else gets its number. */
static void end_group(struct launcher *launcher)
{
    siginfo_t info;
    while (launcher->group > 0 && waitid(P_PGID, (id_t)launcher->group, &info,
                                         WEXITED | WNOHANG | WNOWAIT) == 0) {
        kill(-launcher->group, SIGKILL);
        waitpid(-launcher->group, NULL, 0);
    }
    launcher->pid = launcher->group = 0;
}

/* --- requests and events --- */

static void start_server(struct launcher *launcher)
{
    int ends[2];
    struct launcher_news news = {.kind = LAUNCHER_STARTED};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
        error_set(&news.error, ERROR_HOST_RENDERER, "socketpair: %s", strerror(errno));
        tell(&news, -1);
        return;
    }
    bool started = fork_server(launcher, ends[1], &news.error);
    if (!started)
        end_group(launcher);
    news.pid = launcher->pid;
    tell(&news, started ? ends[0] : -1);
    close(ends[0]);
    close(ends[1]);
}

/* Also of workers that have lost their server. */
static void reap(struct launcher *launcher)
{
    struct launcher_news news = {.kind = LAUNCHER_ENDED};
    while ((news.pid = waitpid(-1, &news.status, WNOHANG)) > 0) {
        if (news.pid != launcher->pid)
            continue;
        launcher->pid = 0;
        tell(&news, -1);
    }
}

static void serve(struct launcher *launcher)
{
    struct pollfd fds[] = {{SOCKET, POLLIN, 0}, {CHILDREN, POLLIN, 0}};
    for (;;) {
        struct signalfd_siginfo info;
        char byte;
        if (poll(fds, 2, -1) < 0)
            continue;
        if (fds[1].revents != 0)
            (void)!read(CHILDREN, &info, sizeof info); /* one, for all that ended since */
        /* First: an end is told before the next start, also one whose signal is yet to come. */
        reap(launcher);
        if (fds[0].revents != 0) {
            if (read(SOCKET, &byte, 1) != 1)
                return;
            end_group(launcher);
            if (byte == LAUNCHER_START)
                start_server(launcher);
        }
    }
}

/* stdout is the guest's console, or the records: what a driver prints there goes to stderr. */
static bool take_descriptors(int socket)
{
    sigset_t children;
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    /* Out of the way of those that get a place. */
    socket = fcntl(socket, F_DUPFD, OTHERS);
    int signals = fcntl(signalfd(-1, &children, 0), F_DUPFD, OTHERS);
    int null = open("/dev/null", O_RDONLY);
    bool good = dup2(null, STDIN_FILENO) == STDIN_FILENO &&
                dup2(STDERR_FILENO, STDOUT_FILENO) == STDOUT_FILENO &&
                dup3(signals, CHILDREN, O_CLOEXEC) == CHILDREN &&
                dup3(socket, SOCKET, O_CLOEXEC) == SOCKET;
    close_range(OTHERS, ~0u, 0);
    return good;
}

/* The renderer process's own launcher: it has lost its socket, too, and ends. What a launcher that
 * was killed has left may take its time: then without us. */
static void wait_for_others(void)
{
    struct pollfd fd = {CHILDREN, POLLIN, 0};
    struct signalfd_siginfo info;
    pid_t pid;
    while ((pid = waitpid(-1, NULL, WNOHANG)) >= 0) {
        if (pid > 0)
            continue;
        if (poll(&fd, 1, PATIENCE) <= 0)
            return;
        (void)!read(CHILDREN, &info, sizeof info);
    }
}

_Noreturn void render_launcher_run(int socket, const struct launcher_child *child,
                                   const struct sandbox *sandbox, const sigset_t *signals)
{
    struct launcher launcher = {.child = child, .sandbox = sandbox, .signals = signals};
    struct error error;
    setpgid(0, 0);
    prctl(PR_SET_NAME, "s2vmm-launcher");
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    if (!take_descriptors(socket) ||
        !sandbox_enter(sandbox, SANDBOX_RENDER_LAUNCHER, &error))
        _exit(1);
    serve(&launcher);
    end_group(&launcher);
    wait_for_others();
    _exit(0);
}

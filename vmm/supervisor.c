/* SPDX-License-Identifier: MIT */
#include "vmm/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/update_wire.h"

#define CLIENT_LIMIT 1000 /* ms, for a client to say what it wants */
#define SEND_LIMIT   1000
#define LAST_LIMIT   15000 /* for a new VMM that is alone: longer than its own limits */
#define FAILURES_MAX 10    /* in a row: of hearing the VMM */

struct vmm {
    pid_t pid;   /* 0: there is none */
    int control; /* -1: closed */
    bool ended;
    int status; /* of waitpid() */
    unsigned
        failures; /* of hearing it, in a row: it may be the kernel's memory, and then pass */
};

struct supervisor {
    const char *path;
    char *const *argv;
    sigset_t mask; /* as it was, for children */
    int listener;
    int signals;
    int client; /* who asked for the update that is under way; -1: none is */
    struct vmm current;
    struct vmm next;
    struct vmm last;       /* has handed over, and is about to end */
    unsigned user_signals; /* came during an update, bits by number */
};

static bool failed(struct error *error, const char *what)
{
    return error_set(error, ERROR_HOST_SYSTEM, "supervisor: %s: %s", what,
                     strerror(errno));
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* --- the socket --- */

static bool fill_address(const char *path, struct sockaddr_un *address,
                         struct error *error)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address->sun_path)
        return error_set(error, ERROR_CONFIG_USAGE,
                         "--update-socket %s: %zu bytes at most are possible", path,
                         sizeof address->sun_path - 1);
    snprintf(address->sun_path, sizeof address->sun_path, "%s", path);
    return true;
}

/* A socket that nobody listens on any more is left over from a run that was killed. */
static void remove_leftover(const struct sockaddr_un *address)
{
    int probe = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (probe < 0)
        return;
    if (connect(probe, (const struct sockaddr *)address, sizeof *address) != 0 &&
        errno == ECONNREFUSED)
        unlink(address->sun_path);
    close(probe);
}

static bool listen_at(struct supervisor *supervisor, struct error *error)
{
    struct sockaddr_un address;
    if (!fill_address(supervisor->path, &address, error))
        return false;
    supervisor->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (supervisor->listener < 0)
        return failed(error, "socket");
    remove_leftover(&address);
    mode_t before = umask(0177);
    int result =
        bind(supervisor->listener, (const struct sockaddr *)&address, sizeof address);
    int number = errno;
    umask(before);
    if (result == 0 && listen(supervisor->listener, 4) == 0)
        return true;
    if (result == 0) {
        number = errno;
        unlink(supervisor->path);
    }
    close_fd(&supervisor->listener);
    return error_set(error, ERROR_CONFIG_FILE, "--update-socket %s: %s%s",
                     supervisor->path, strerror(number),
                     number == EADDRINUSE ? "; is it another run's?" : "");
}

/* --- signals --- */

static bool open_signals(struct supervisor *supervisor, struct error *error)
{
    struct sigaction hang_up;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    if (sigaction(SIGHUP, NULL, &hang_up) != 0 || hang_up.sa_handler != SIG_IGN)
        sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, &supervisor->mask);
    supervisor->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return supervisor->signals >= 0 || failed(error, "signalfd");
}

static void send_signal(const struct vmm *vmm, int number)
{
    if (vmm->pid > 0 && !vmm->ended)
        kill(vmm->pid, number);
}

/* One that is to end the run is for both: whoever of them has the guest. The others would end one
 * that does not wait for them yet. */
static void relay(struct supervisor *supervisor, int number)
{
    if (number == SIGUSR1 || number == SIGUSR2) {
        if (supervisor->next.pid > 0)
            supervisor->user_signals |= 1u << number;
        else
            send_signal(&supervisor->current, number);
        return;
    }
    send_signal(&supervisor->current, number);
    send_signal(&supervisor->next, number);
}

static void relay_late(struct supervisor *supervisor)
{
    unsigned late = supervisor->user_signals;
    supervisor->user_signals = 0;
    for (int number = 1; number < 32; number++)
        if ((late >> number & 1) != 0)
            send_signal(&supervisor->current, number);
}

/* --- children --- */

static void reap(struct vmm *vmm)
{
    int status;
    if (vmm->pid > 0 && !vmm->ended && waitpid(vmm->pid, &status, WNOHANG) == vmm->pid) {
        vmm->ended = true;
        vmm->status = status;
    }
}

static void forget(struct vmm *vmm)
{
    close_fd(&vmm->control);
    *vmm = (struct vmm){.control = -1};
}

/* Ends it, if it has not ended. */
static void end(struct vmm *vmm)
{
    send_signal(vmm, SIGKILL);
    if (vmm->pid > 0 && !vmm->ended)
        while (waitpid(vmm->pid, &vmm->status, 0) < 0 && errno == EINTR) {
        }
    forget(vmm);
}

static void become_child(const struct supervisor *supervisor, pid_t parent)
{
    sigprocmask(SIG_SETMASK, &supervisor->mask, NULL);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) /* it is dead already */
        _exit(1);
}

/* In the VMM *child becomes its end. */
static bool start_first(struct supervisor *supervisor, int *child, struct error *error)
{
    int ends[2];
    pid_t parent = getpid();
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return failed(error, "socketpair");
    pid_t pid = fork();
    if (pid < 0) {
        failed(error, "fork");
        close(ends[0]);
        close(ends[1]);
        return false;
    }
    if (pid == 0) {
        become_child(supervisor, parent);
        close(supervisor->listener);
        close(supervisor->signals);
        close(ends[0]);
        *child = ends[1];
        return true;
    }
    close(ends[1]);
    supervisor->current = (struct vmm){.pid = pid, .control = ends[0]};
    *child = -1;
    return true;
}

/* Never returns: the old VMM, which waits at the other end of `takeover`, is told what failed. */
static _Noreturn void execute(const struct supervisor *supervisor, int file, int control,
                              int takeover)
{
    char text[160];
    char option[64];
    size_t count = 0;
    while (supervisor->argv[count] != NULL)
        count++;
    char **argv = calloc(count + 2, sizeof *argv);
    snprintf(option, sizeof option, "--take-over=%d,%d", control, takeover);
    if (argv != NULL) {
        memcpy(argv, supervisor->argv, count * sizeof *argv);
        argv[count] = option;
        fcntl(control, F_SETFD, 0);
        fcntl(takeover, F_SETFD, 0);
        execveat(file, "", argv, environ, AT_EMPTY_PATH);
    }
    snprintf(text, sizeof text, "the new s2vmm cannot be executed: %s", strerror(errno));
    update_send_failed(takeover, text);
    _exit(127);
}

/* --- an update --- */

/* The client, which may be gone, hears the end. NULL: it went well. */
static void answer(struct supervisor *supervisor, const struct update_times *times,
                   const char *text)
{
    struct error error;
    if (supervisor->client < 0)
        return;
    if (times != NULL)
        (void)update_send_times(supervisor->client, times, SEND_LIMIT, &error);
    else
        update_send_failed(supervisor->client, text);
    close_fd(&supervisor->client);
}

static bool start_next(struct supervisor *supervisor, int file, struct error *error)
{
    int control[2];
    int takeover[2];
    pid_t parent = getpid();
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) != 0)
        return failed(error, "socketpair");
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, takeover) != 0) {
        failed(error, "socketpair");
        close(control[0]);
        close(control[1]);
        return false;
    }
    pid_t pid = fork();
    if (pid == 0) {
        become_child(supervisor, parent);
        execute(supervisor, file, control[1], takeover[1]);
    }
    if (pid < 0)
        failed(error, "fork");
    else
        supervisor->next = (struct vmm){.pid = pid, .control = control[0]};
    bool good = pid > 0 && update_send_fd(supervisor->current.control, UPDATE_REQUEST,
                                          takeover[0], SEND_LIMIT, error);
    if (pid < 0)
        close(control[0]);
    else if (!good)
        end(&supervisor->next);
    close(control[1]);
    close(takeover[0]);
    close(takeover[1]);
    return good;
}

static bool check_peer(int client, struct error *error)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(client, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
        return failed(error, "SO_PEERCRED");
    return peer.uid == geteuid() ||
           error_set(error, ERROR_CONFIG_USAGE,
                     "user %u asks for an update, the guest is user %u's", peer.uid,
                     geteuid());
}

static void take_client(struct supervisor *supervisor)
{
    struct update_message message = {0};
    struct error error;
    int client = accept4(supervisor->listener, NULL, NULL, SOCK_CLOEXEC);
    if (client < 0)
        return;
    supervisor->client = client;
    bool good = check_peer(client, &error) &&
                update_expect(client, UPDATE_START, &message, CLIENT_LIMIT, &error) &&
                (message.fd_count == 1 ||
                 error_set(&error, ERROR_CONFIG_USAGE, "no file to execute")) &&
                start_next(supervisor, message.fds[0], &error);
    update_message_finish(&message);
    if (!good)
        answer(supervisor, NULL, error.text);
}

/* The new VMM has the guest. times: NULL, which the client sees as zeroes, if the old one could not say them any more. */
static void switch_over(struct supervisor *supervisor, const struct update_times *times)
{
    static const struct update_times unknown;
    end(&supervisor->last);
    close_fd(&supervisor->current.control);
    supervisor->last = supervisor->current;
    supervisor->current = supervisor->next;
    supervisor->next = (struct vmm){.control = -1};
    answer(supervisor, times != NULL ? times : &unknown, NULL);
    relay_late(supervisor);
}

static void give_up(struct supervisor *supervisor, const char *text)
{
    struct error ignored;
    end(&supervisor->next);
    if (supervisor->current.control >= 0)
        (void)update_send(supervisor->current.control, UPDATE_ENDED, SEND_LIMIT,
                          &ignored);
    answer(supervisor, NULL, text);
    relay_late(supervisor);
}

/* The VMM that has the guest says how the update ended. */
static void hear_current(struct supervisor *supervisor)
{
    struct update_message message = {0};
    struct update_times times;
    struct error error;
    if (!update_receive(supervisor->current.control, &message, 0, &error)) {
        update_message_finish(&message);
        if (++supervisor->current.failures ==
            FAILURES_MAX) /* it ends: SIGCHLD tells how */
            close_fd(&supervisor->current.control);
        return;
    }
    supervisor->current.failures = 0;
    if (supervisor->next.pid > 0 && message.kind == UPDATE_DONE &&
        update_get_times(&message, &times))
        switch_over(supervisor, &times);
    else if (supervisor->next.pid > 0 && message.kind == UPDATE_FAILED)
        give_up(supervisor, update_text(&message));
    update_message_finish(&message);
}

/* The old VMM died in the middle: whether the new one has the guest's state, it says itself. It may
 * be waiting for a leave to run that the old one cannot give any more. */
static bool next_takes_over(struct supervisor *supervisor)
{
    int control = supervisor->next.control;
    struct error error;
    return supervisor->next.pid > 0 && control >= 0 &&
           update_expect_word(control, UPDATE_RUNNING, LAST_LIMIT, &error) &&
           update_send(control, UPDATE_GO, SEND_LIMIT, &error);
}

/* True: the run is over. */
static bool look_at_children(struct supervisor *supervisor)
{
    reap(&supervisor->next);
    reap(&supervisor->last);
    if (supervisor->last.ended)
        forget(&supervisor->last);
    reap(&supervisor->current);
    if (!supervisor->current.ended)
        return false;
    while (supervisor->next.pid > 0 && supervisor->current.control >= 0)
        hear_current(supervisor); /* its last words: DONE changes `current` */
    if (!supervisor->current.ended)
        return false;
    if (next_takes_over(supervisor)) {
        switch_over(supervisor, NULL);
        return false;
    }
    give_up(supervisor, "the old s2vmm ended before the new one had the guest");
    return true;
}

/* --- the whole --- */

static _Noreturn void leave(struct supervisor *supervisor)
{
    int status = supervisor->current.status;
    end(&supervisor->last);
    unlink(supervisor->path);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

static void read_signals(struct supervisor *supervisor)
{
    struct signalfd_siginfo info;
    while (read(supervisor->signals, &info, sizeof info) == (ssize_t)sizeof info)
        if (info.ssi_signo != SIGCHLD)
            relay(supervisor, (int)info.ssi_signo);
}

static _Noreturn void serve(struct supervisor *supervisor)
{
    enum { SIGNALS, CONTROL, LISTENER, COUNT };
    for (;;) {
        struct pollfd fds[COUNT] = {
            [SIGNALS] = {.fd = supervisor->signals, .events = POLLIN},
            [CONTROL] = {.fd = supervisor->current.control, .events = POLLIN},
            [LISTENER] = {.fd = supervisor->next.pid > 0 ? -1 : supervisor->listener,
                          .events = POLLIN},
        };
        if (poll(fds, COUNT, -1) < 0 && errno != EINTR)
            usleep(100000); /* no memory */
        if (fds[SIGNALS].revents != 0)
            read_signals(supervisor);
        if (fds[CONTROL].revents != 0)
            hear_current(supervisor);
        if (look_at_children(supervisor))
            leave(supervisor);
        if (fds[LISTENER].revents != 0)
            take_client(supervisor);
    }
}

bool supervisor_start(const char *path, char *const *argv, int *control,
                      struct error *error)
{
    struct supervisor supervisor = {
        .path = path,
        .argv = argv,
        .listener = -1,
        .signals = -1,
        .client = -1,
        .current = {.control = -1},
        .next = {.control = -1},
        .last = {.control = -1},
    };
    if (!listen_at(&supervisor, error))
        return false;
    if (!open_signals(&supervisor, error) || !start_first(&supervisor, control, error)) {
        unlink(path);
        return false;
    }
    if (supervisor.current.pid > 0)
        serve(&supervisor);
    return true;
}

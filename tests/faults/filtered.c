/* SPDX-License-Identifier: MIT */
#include "tests/faults/filtered.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "vmm/types.h"

#define LISTENER_LIMIT 30000 /* ms */

_Noreturn void die(const char *what)
{
    fprintf(stderr, "inject: %s: %s\n", what, strerror(errno));
    exit(2);
}

uint64_t milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* --- /proc --- */

pid_t read_status(pid_t thread, const char *key)
{
    char path[64];
    char line[128];
    pid_t number = 0;
    snprintf(path, sizeof path, "/proc/%d/status", thread);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, key, strlen(key)) == 0) {
            number = (pid_t)strtol(line + strlen(key), NULL, 10);
            break;
        }
    if (file)
        fclose(file);
    return number;
}

static void read_line(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "re");
    if (!file || !fgets(text, (int)size, file))
        text[0] = '\0';
    if (file)
        fclose(file);
    text[strcspn(text, "\n")] = '\0';
}

void read_children(pid_t process, char *text, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", process, process);
    read_line(path, text, size);
}

void read_name(pid_t thread, char *name, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/comm", thread);
    read_line(path, name, size);
}

/* --- the program --- */

static void redirect(const char *path, int to)
{
    int fd = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0644) : -1;
    if (path && (fd < 0 || dup2(fd, to) < 0))
        die(path);
    if (fd > 2)
        close(fd);
}

/* The listener has the lowest free number; `told` is where to say which that is. */
static _Noreturn void become_program(const struct filtered_plan *plan, int terminal,
                                     int told)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigreturn, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_restart_syscall, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog filter = {.len = ARRAY_SIZE(code), .filter = code};
    const struct rlimit no_core = {0};

    setsid();
    if (terminal >= 0)
        ioctl(terminal, TIOCSCTTY, 0);
    if (dup2(terminal >= 0 ? terminal : open("/dev/null", O_RDONLY), 0) < 0)
        die("standard input");
    redirect(plan->output, 1);
    redirect(plan->errors, 2);
    close_range(3, (unsigned)told - 1, 0);
    close_range((unsigned)told + 1, ~0u, 0);
    setrlimit(RLIMIT_CORE, &no_core);
    fcntl(told, F_SETFD, FD_CLOEXEC);
    int lowest = fcntl(0, F_DUPFD, 0);
    close(lowest);
    if (write(told, &lowest, sizeof lowest) != (ssize_t)sizeof lowest ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
                &filter) != lowest)
        die("seccomp filter");
    execv(plan->argv[0], plan->argv);
    die(plan->argv[0]);
}

/* Its own exec() waits for us. */
void filtered_start(struct filtered *filtered, const struct filtered_plan *plan)
{
    int ends[2];
    int number;
    int terminal = -1;
    *filtered = (struct filtered){.listener = -1};
    if (plan->terminal >= 0 &&
        (unlockpt(plan->terminal) != 0 ||
         (terminal = open(ptsname(plan->terminal), O_RDWR | O_NOCTTY)) < 0))
        die("terminal");
    if (pipe(ends) != 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
        die("pipe");
    filtered->process = fork();
    if (filtered->process == 0)
        become_program(plan, terminal, ends[1]);
    close(ends[1]);
    if (filtered->process < 0 ||
        read(ends[0], &number, sizeof number) != (ssize_t)sizeof number)
        die("child");
    close(ends[0]);
    int process = (int)syscall(SYS_pidfd_open, filtered->process, 0);
    for (unsigned i = 0; i < LISTENER_LIMIT && filtered->listener < 0; i++) {
        filtered->listener = (int)syscall(SYS_pidfd_getfd, process, number, 0);
        usleep(1000);
    }
    if (filtered->listener < 0)
        die("seccomp listener");
    close(process);
}

/* A thread that a signal takes away meanwhile makes its call again, or is gone: ENOENT. */
static void answer(const struct filtered *filtered, filtered_choice *choose,
                   void *context)
{
    struct seccomp_notif request = {0};
    if (ioctl(filtered->listener, SECCOMP_IOCTL_NOTIF_RECV, &request) != 0)
        return;
    struct seccomp_notif_resp response = {.id = request.id};
    response.error = -choose(context, &request);
    if (response.error == 0)
        response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    ioctl(filtered->listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

void filtered_answer(const struct filtered *filtered, int milliseconds_at_most,
                     filtered_choice *choose, void *context)
{
    struct pollfd fd = {.fd = filtered->listener, .events = POLLIN};
    if (poll(&fd, 1, milliseconds_at_most) > 0 && (fd.revents & POLLIN))
        answer(filtered, choose, context);
    else if (fd.revents & POLLHUP) /* the last process has gone, or is about to */
        usleep(1000);
}

void filtered_finish(struct filtered *filtered)
{
    close(filtered->listener);
    *filtered = (struct filtered){.listener = -1};
}

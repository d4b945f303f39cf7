/* SPDX-License-Identifier: MIT */
/* What the tests of the sandbox start from: a process of its own for each attempt, and attempts that
 * they share. Each file that includes this has its own. */
#ifndef S2VMM_TESTS_UNIT_SANDBOX_FIXTURE_H
#define S2VMM_TESTS_UNIT_SANDBOX_FIXTURE_H

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/sandbox.h"
#include "vmm/types.h"

/* How an attempt ends; else it is an errno. */
enum {
    DONE = 0,
    KILLED = 1000,
    NO_SANDBOX, /* it could not be entered */
    SCOPED,
};

static char folder[] = "/tmp/s2vmm-sandbox-XXXXXX";
static char file[64];
static struct sandbox sandbox;
static pid_t parent; /* of who tries: asking for it may be refused */

static inline int result_of(long result)
{
    return result < 0 ? errno : DONE;
}

static inline void set_up(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/file", folder);
    int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, "#!/bin/true\n", 12), 12);
    close(fd);
    sandbox = (struct sandbox){.mode = SANDBOX_ON};
    parent = getpid();
}

static inline void tear_down(void)
{
    unlink(file);
    rmdir(folder);
}

/* Not every role may end the process; this thread is all of it. */
static inline _Noreturn void leave(int status)
{
    syscall(SYS_exit_group, status);
    syscall(SYS_exit, status);
    abort();
}

/* In a child, which has a status of 8 bits: errno values of Linux on these architectures that
 * matter here are below 100. */
static inline int end_of(enum sandbox_role role, int (*try)(void))
{
    int status;
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        struct error error;
        if (!sandbox_init(&sandbox, &error) || !sandbox_enter(&sandbox, role, &error)) {
            fprintf(stderr, "%s\n", error.text);
            _exit(255);
        }
        leave(try());
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status))
        return WTERMSIG(status) == SIGSYS ? KILLED : 2000 + WTERMSIG(status);
    return WEXITSTATUS(status) == 255 ? NO_SANDBOX : WEXITSTATUS(status);
}

/* --- attempts --- */

static inline int try_fork(void)
{
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    return result_of(child);
}

static inline int try_tcp(void)
{
    return result_of(socket(AF_INET, SOCK_STREAM, 0));
}

static inline int try_local_socket(void)
{
    return result_of(socket(AF_UNIX, SOCK_STREAM, 0));
}

static inline int try_write_file(void)
{
    return result_of(open(file, O_WRONLY | O_CLOEXEC));
}

static inline void *do_nothing(void *context)
{
    return context;
}

static inline int try_thread(void)
{
    pthread_t thread;
    int result = pthread_create(&thread, NULL, do_nothing, NULL);
    if (result == 0)
        pthread_join(thread, NULL);
    return result;
}

static inline int try_message(void)
{
    return result_of(write(STDERR_FILENO, "", 0));
}

#endif

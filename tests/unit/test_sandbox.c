/* SPDX-License-Identifier: MIT */
/*
 * The real filters and rules of each role, in a process of its own for each attempt. That every
 * call of the lists is used is shown by tests/sandbox-needed.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/skip.h"
#include "tests/unit/suites.h"
#include "vmm/sandbox.h"
#include "vmm/thread.h"
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

static int result_of(long result)
{
    return result < 0 ? errno : DONE;
}

/* --- attempts --- */

static int try_execve(void)
{
    char *const arguments[] = {file, NULL};
    return result_of(execve(file, arguments, arguments + 1));
}

static int try_fork(void)
{
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    return result_of(child);
}

static int try_leave_group(void)
{
    return result_of(setpgid(0, 0));
}

static int try_ptrace(void)
{
    return result_of(ptrace(PTRACE_ATTACH, parent, NULL, NULL));
}

static int try_mount(void)
{
    return result_of(mount("none", folder, "tmpfs", 0, NULL));
}

static int try_bpf(void)
{
    return result_of(syscall(SYS_bpf, 0, NULL, 0));
}

static int try_unshare(void)
{
    return result_of(unshare(CLONE_NEWUSER));
}

static int try_tcp(void)
{
    return result_of(socket(AF_INET, SOCK_STREAM, 0));
}

static int try_local_socket(void)
{
    return result_of(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int try_read_file(void)
{
    return result_of(open(file, O_RDONLY | O_CLOEXEC));
}

static int try_write_file(void)
{
    return result_of(open(file, O_WRONLY | O_CLOEXEC));
}

static int try_proc(void)
{
    return result_of(open("/proc/self/fdinfo/0", O_RDONLY | O_CLOEXEC));
}

static int try_code(void)
{
    void *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return result_of(code == MAP_FAILED ? -1 : 0);
}

static int try_signal_to_other(void)
{
    return result_of(syscall(SYS_tgkill, parent, parent, 0));
}

static int try_signal_to_group(void)
{
    return result_of(kill(-INT_MAX, 0));
}

static int try_memory_of_other(void)
{
    char byte;
    const struct iovec vector = {&byte, 1};
    return result_of(process_vm_readv(parent, &vector, 1, &vector, 1, 0));
}

/* Landlock keeps a process from those outside of its rules (landlock.rst, "Ptrace restrictions"). */
static int try_memory_by_proc(void)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/%d/mem", parent);
    return result_of(open(path, O_RDONLY | O_CLOEXEC));
}

static void *do_nothing(void *context)
{
    return context;
}

static int try_thread(void)
{
    pthread_t thread;
    int result = pthread_create(&thread, NULL, do_nothing, NULL);
    if (result == 0)
        pthread_join(thread, NULL);
    return result;
}

static int try_kvm_request(void)
{
    return result_of(ioctl(-1, KVM_RUN, 0));
}

static int try_network_request(void)
{
    return result_of(ioctl(-1, 0x8912 /* SIOCGIFCONF */, 0));
}

static int try_own_signal(void)
{
    return result_of(syscall(SYS_tgkill, getpid(), getpid(), 0));
}

static int try_kill_child(void)
{
    return result_of(kill(parent, 0)); /* any other process, for the filter */
}

static int try_end(void)
{
    return result_of(syscall(SYS_exit_group, DONE));
}

static int try_message(void)
{
    return result_of(write(STDERR_FILENO, "", 0));
}

/* --- what becomes of them --- */

#define K KILLED
#define P EPERM
#define A EACCES /* by Landlock; without it: DONE */
#define L SCOPED /* EPERM by Landlock's version 6; without it: DONE */
#define S ESRCH
#define B EBADF

// clang-format off
static const struct attempt {
    const char *name;
    int (*try)(void);
    int ends[SANDBOX_ROLE_COUNT];
} attempts[] = {
    /*                                        main vcpu device disk terminal watcher signals update start launcher server gpu venus virgl */
    {"execve",              try_execve,          {K, K, K, K, K, K, K, K, P, A, A, K, K, K}},
    {"fork",                try_fork,            {P, P, P, P, P, P, P, P, P, 0, 0, P, P, P}},
    {"leave the group",     try_leave_group,     {P, P, P, P, P, P, P, P, 0, 0, P, P, P, P}},
    {"ptrace",              try_ptrace,          {K, K, K, K, K, K, K, K, P, P, P, K, K, K}},
    {"mount",               try_mount,           {K, K, K, K, K, K, K, K, P, P, P, K, K, K}},
    {"bpf",                 try_bpf,             {K, K, K, K, K, K, K, K, P, P, P, K, K, K}},
    {"unshare",             try_unshare,         {K, K, K, K, K, K, K, K, P, P, P, K, K, K}},
    {"memory of another",   try_memory_of_other, {K, K, K, K, K, K, K, K, P, P, P, P, P, P}},
    {"the same by /proc",   try_memory_by_proc,  {A, P, P, P, P, P, P, P, A, A, A, A, A, A}},
    {"TCP",                 try_tcp,             {P, P, P, P, P, P, P, P, P, P, P, P, P, P}},
    {"a local socket",      try_local_socket,    {P, P, P, P, P, P, P, P, 0, 0, 0, P, P, P}},
    {"read a file",         try_read_file,       {A, P, P, P, P, P, P, P, A, A, A, A, A, A}},
    {"write a file",        try_write_file,      {A, P, P, P, P, P, P, P, A, A, A, A, A, A}},
    {"/proc/self/fdinfo",   try_proc,            {A, P, P, P, P, P, P, P, 0, 0, 0, 0, 0, 0}},
    {"code",                try_code,            {P, P, P, P, P, P, P, P, 0, 0, 0, P, P, 0}},
    {"signal to another",   try_signal_to_other, {P, P, P, P, P, P, P, P, 0, 0, L, P, P, P}},
    {"signal to a group",   try_signal_to_group, {P, P, P, P, P, P, P, P, S, S, S, P, P, P}},
    {"kill a process",      try_kill_child,      {0, P, P, P, P, P, P, P, 0, 0, L, P, P, P}},
    {"thread",              try_thread,          {P, P, P, P, P, P, P, P, 0, 0, 0, P, 0, 0}},
    {"ioctl of a network",  try_network_request, {P, P, P, P, P, P, P, P, B, B, B, P, P, P}},
    {"ioctl of KVM",        try_kvm_request,     {B, B, B, P, P, P, P, B, B, B, B, B, B, B}},
    {"end of the process",  try_end,             {0, P, P, P, P, 0, P, P, 0, 0, 0, P, P, P}},
    {"own signal",          try_own_signal,      {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
    {"message",             try_message,         {0, 0, 0, 0, 0, P, 0, 0, 0, 0, 0, 0, 0, 0}},
};
// clang-format on

static void set_up(void)
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

static void tear_down(void)
{
    unlink(file);
    rmdir(folder);
}

/* Not every role may end the process; this thread is all of it. */
static _Noreturn void leave(int status)
{
    syscall(SYS_exit_group, status);
    syscall(SYS_exit, status);
    abort();
}

/* In a child, which has a status of 8 bits: errno values of Linux on these architectures that
 * matter here are below 100. */
static int end_of(enum sandbox_role role, int (*try)(void))
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

static int expected(const struct attempt *attempt, enum sandbox_role role)
{
    int end = attempt->ends[role];
    if (end == L)
        return sandbox_landlock_version() >= 6 ? EPERM : DONE;
    return end == A && sandbox_landlock_version() == 0 ? DONE : end;
}

START_TEST(a_role_can_do_what_it_has_to_and_nothing_else)
{
    enum sandbox_role role = (enum sandbox_role)_i;
    for (size_t i = 0; i < ARRAY_SIZE(attempts); i++) {
        int end = end_of(role, attempts[i].try);
        ck_assert_msg(end == expected(&attempts[i], role), "%s, %s: %d, expected %d",
                      sandbox_role_name(role), attempts[i].name, end,
                      expected(&attempts[i], role));
    }
}
END_TEST

/* Beside the list all is done, and logged. */
START_TEST(a_log_refuses_nothing)
{
    sandbox.mode = SANDBOX_LOG;
    for (unsigned role = 0; role < SANDBOX_ROLE_COUNT; role++) {
        ck_assert_int_eq(end_of((enum sandbox_role)role, try_tcp), DONE);
        ck_assert_int_eq(end_of((enum sandbox_role)role, try_write_file), DONE);
        ck_assert_int_eq(end_of((enum sandbox_role)role, try_fork), DONE);
    }
}
END_TEST

START_TEST(off_is_off)
{
    struct error error;
    sandbox.mode = SANDBOX_OFF;
    ck_assert_int_eq(end_of(SANDBOX_VCPU, try_tcp), DONE);
    ck_assert_int_eq(end_of(SANDBOX_VCPU, try_write_file), DONE);
    ck_assert(sandbox_enter(NULL, SANDBOX_VCPU, &error));
    ck_assert_int_eq(try_tcp(), DONE);
}
END_TEST

/* /proc/PID/status of a child that is in the role. */
static void read_status(enum sandbox_role role, char *text, size_t size)
{
    char path[32];
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        struct error error;
        bool good =
            sandbox_init(&sandbox, &error) && sandbox_enter(&sandbox, role, &error);
        while (good) {
            /* until it is killed */
        }
        _exit(1);
    }
    snprintf(path, sizeof path, "/proc/%d/status", child);
    time_t end = time(NULL) + 10;
    do {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ck_assert_int_eq(waitpid(child, NULL, WNOHANG), 0);
        ssize_t count = read(fd, text, size - 1);
        text[count > 0 ? count : 0] = '\0';
        close(fd);
    } while (!strstr(text, "Seccomp:\t2") && time(NULL) < end);
    kill(child, SIGKILL);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
}

START_TEST(no_privilege_is_left)
{
    static const char *const lines[] = {
        "CapEff:\t0000000000000000",
        "CapPrm:\t0000000000000000",
        "CapInh:\t0000000000000000",
        "CapAmb:\t0000000000000000",
        "NoNewPrivs:\t1",
        "CapBnd:\t0000000000000000",
    };
    char text[8192];
    read_status((enum sandbox_role)_i, text, sizeof text);
    /* Whoever may not empty the bounding set, the last line, has nothing to lose. */
    for (size_t i = 0; i < ARRAY_SIZE(lines) - (geteuid() != 0); i++)
        ck_assert_msg(strstr(text, lines[i]) != NULL, "%s: no %s in\n%s",
                      sandbox_role_name((enum sandbox_role)_i), lines[i], text);
}
END_TEST

/* A screenshot is made beside the others of its folder, and nowhere else. */
static char elsewhere[] = "/tmp/s2vmm-elsewhere-XXXXXX";

static int try_screenshot(void)
{
    char part[80];
    char other[80];
    snprintf(part, sizeof part, "%s/shot.png.part", folder);
    snprintf(other, sizeof other, "%s/shot.png", elsewhere);
    int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, "x", 1) != 1)
        return errno;
    if (rename(part, file) != 0)
        return errno;
    if (open(other, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) >= 0)
        return 98;
    return errno == EACCES ? DONE : errno;
}

START_TEST(a_screenshot_can_be_written)
{
    if (sandbox_landlock_version() == 0) {
        test_skip("sandbox: a_screenshot_can_be_written", "a kernel without Landlock");
        return;
    }
    ck_assert_ptr_nonnull(mkdtemp(elsewhere));
    sandbox.screenshot = file;
    ck_assert_int_eq(end_of(SANDBOX_GPU, try_screenshot), DONE);
    ck_assert_int_eq(end_of(SANDBOX_GPU_VENUS, try_screenshot), DONE);
    ck_assert_int_eq(end_of(SANDBOX_GPU_VIRGL, try_screenshot), DONE);
    ck_assert_int_eq(end_of(SANDBOX_MAIN, try_screenshot), EACCES);
    rmdir(elsewhere);
}
END_TEST

/* The launcher's child enters the server's role, which is to see as many files. */
static int try_server_role(void)
{
    char *const arguments[] = {"/usr/bin/true", NULL};
    struct error error;
    if (!sandbox_enter(&sandbox, SANDBOX_RENDER_SERVER, &error))
        return 97;
    return result_of(execve(arguments[0], arguments, arguments + 1));
}

START_TEST(a_launcher_executes_a_server)
{
    ck_assert_int_eq(end_of(SANDBOX_RENDER_LAUNCHER, try_server_role), DONE);
}
END_TEST

/* The renderer is started in one role, and the thread goes on in a closer one. */
static int try_second_role(void)
{
    struct error error;
    if (!sandbox_enter(&sandbox, SANDBOX_GPU_VENUS, &error))
        return 97;
    return try_local_socket() == EPERM && try_message() == DONE ? try_thread() : 96;
}

START_TEST(a_second_role_takes_away)
{
    ck_assert_int_eq(end_of(SANDBOX_RENDERER_START, try_second_role), DONE);
}
END_TEST

/* A thread of a role starts in it, and so does one that it starts itself; others are free. */
static void *note_ends(void *context)
{
    int *ends = context;
    ends[0] = try_tcp();
    return NULL;
}

static int try_thread_plan(void)
{
    int end = -1;
    pthread_t thread;
    struct error error;
    const struct thread_plan plan = {
        .name = "test",
        .run = note_ends,
        .context = &end,
        .sandbox = &sandbox,
        .role = SANDBOX_DISK,
    };
    if (!sandbox_init(&sandbox, &error) || !thread_start(&thread, &plan, &error))
        return 97;
    pthread_join(thread, NULL);
    return end == EPERM ? try_tcp() : 96;
}

START_TEST(a_thread_starts_in_its_role)
{
    pid_t child = fork();
    int status;
    if (child == 0)
        leave(try_thread_plan());
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(no_call_is_listed_twice_for_a_role)
{
    bool has;
    bool other_has;
    for (unsigned role = 0; role < SANDBOX_ROLE_COUNT; role++) {
        unsigned count = 0;
        int number;
        for (unsigned i = 0;
             (number = sandbox_listed_call(i, (enum sandbox_role)role, &has)) != -1;
             i++) {
            count += has;
            for (unsigned j = 0; has && j < i; j++)
                ck_assert(sandbox_listed_call(j, (enum sandbox_role)role, &other_has) !=
                              number ||
                          !other_has);
        }
        ck_assert_uint_eq(count > 0, role != SANDBOX_RENDERER_START &&
                                         role != SANDBOX_RENDER_LAUNCHER &&
                                         role != SANDBOX_RENDER_SERVER);
    }
}
END_TEST

Suite *sandbox_suite(void)
{
    Suite *suite = suite_create("sandbox");
    TCase *test_case = tcase_create("sandbox");
    tcase_add_checked_fixture(test_case, set_up, tear_down);
    tcase_set_timeout(test_case, 60);
    tcase_add_test(test_case, off_is_off);
    tcase_add_test(test_case, no_call_is_listed_twice_for_a_role);
    if (sandbox_default_mode() == SANDBOX_OFF) {
        test_skip("sandbox", "a sanitizer needs calls that no role has");
    } else {
        tcase_add_loop_test(test_case, a_role_can_do_what_it_has_to_and_nothing_else, 0,
                            SANDBOX_ROLE_COUNT);
        tcase_add_test(test_case, a_log_refuses_nothing);
        tcase_add_loop_test(test_case, no_privilege_is_left, 0, SANDBOX_ROLE_COUNT);
        tcase_add_test(test_case, a_screenshot_can_be_written);
        tcase_add_test(test_case, a_launcher_executes_a_server);
        tcase_add_test(test_case, a_second_role_takes_away);
        tcase_add_test(test_case, a_thread_starts_in_its_role);
    }
    suite_add_tcase(suite, test_case);
    return suite;
}

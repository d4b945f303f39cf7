/* SPDX-License-Identifier: MIT */
/*
 * The real filters and rules of each role, in a process of its own for each attempt. That every
 * call of the lists is used is shown by tests/sandbox-needed.
 */
#include <limits.h>
#include <linux/kvm.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#include "tests/unit/sandbox_fixture.h"
#include "tests/unit/skip.h"
#include "tests/unit/suites.h"

/* --- attempts --- */

static int try_execve(void)
{
    char *const arguments[] = {file, NULL};
    return result_of(execve(file, arguments, arguments + 1));
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

static int try_read_file(void)
{
    return result_of(open(file, O_RDONLY | O_CLOEXEC));
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

static int try_kvm_request(void)
{
    return result_of(ioctl(-1, KVM_RUN, 0));
}

static int try_network_request(void)
{
    return result_of(ioctl(-1, 0x8912 /* SIOCGIFCONF */, 0));
}

/* A chunk of the process' first heap that any thread frees may be the one at its end. */
static int try_heap(void)
{
    return result_of(syscall(SYS_brk, 0));
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
    {"the heap's end",      try_heap,            {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
    {"own signal",          try_own_signal,      {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
    {"message",             try_message,         {0, 0, 0, 0, 0, P, 0, 0, 0, 0, 0, 0, 0, 0}},
};
// clang-format on

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

Suite *sandbox_roles_suite(void)
{
    Suite *suite = suite_create("sandbox roles");
    TCase *test_case = tcase_create("sandbox roles");
    tcase_add_checked_fixture(test_case, set_up, tear_down);
    tcase_set_timeout(test_case, 60);
    if (sandbox_default_mode() == SANDBOX_OFF)
        test_skip("sandbox roles", "a sanitizer needs calls that no role has");
    else
        tcase_add_loop_test(test_case, a_role_can_do_what_it_has_to_and_nothing_else, 0,
                            SANDBOX_ROLE_COUNT);
    suite_add_tcase(suite, test_case);
    return suite;
}

/* SPDX-License-Identifier: MIT */
/*
 * Runs a program, and lets one of its system calls fail, once.
 *
 *   inject --count -- PROGRAM ...                            which calls are there?
 *   inject --fail NAME --at N --error E -- PROGRAM ...       the Nth call NAME fails with E
 *   inject --text E                                          what strerror() says of E
 *
 * A seccomp filter stops every system call of the program until we answer: go on, or an error
 * (seccomp_unotify(2); Linux 5.6 for pidfd_getfd(2)). So a failing call has no effect. The
 * program's children have the filter, too: their calls go on and are not counted. Neither are
 * those before the first prlimit64(RLIMIT_NOFILE): they are the dynamic linker's.
 *
 * --update old: the calls of the thread "update", of the VMM that a supervisor has started,
 * from its first message on;
 * --update new: those of the main thread of its second child, which takes over (docs/live-update.md).
 *
 * Standard output has, for --count, lines "NAME <tab> COUNT <tab> ERROR ...", and in the end
 *
 *   injected ...                the call has failed
 *   end exit N | end signal N | end time-limit
 *   left NAME                   a process that was still there LEFT_MILLISECONDS later
 *   terminal                    its modes are not those from before (with --terminal)
 *   unknown NAME                a call that calls.c does not know
 *
 * The program's own output goes to --output FILE and --errors FILE.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "tests/faults/calls.h"
#include "vmm/types.h"

#define CALLS_MAX         256
#define LEFT_MILLISECONDS 5000
#define SLICE             20    /* ms */
#define LISTENER_LIMIT    30000 /* the same */

struct counted_call {
    struct call call;
    unsigned count;
    bool known;
};

struct injector {
    bool count;
    const char *fail; /* NULL: none */
    unsigned at;      /* from 1 */
    int error;
    unsigned limit; /* seconds */
    const char *output;
    const char *errors;
    int terminal; /* our end of the program's standard input, or -1 */

    enum { OF_PROGRAM, OF_OLD, OF_NEW } whose;

    pid_t process;
    pid_t first_child; /* of the program; 0: not seen yet */
    int listener;
    bool armed;
    bool done; /* the call has failed */
    unsigned call_count;
    struct counted_call calls[CALLS_MAX];
};

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "inject: %s: %s\n", what, strerror(errno));
    exit(2);
}

static uint64_t milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
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
static _Noreturn void become_program(const struct injector *injector, char **argv,
                                     int terminal, int told)
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
    redirect(injector->output, 1);
    redirect(injector->errors, 2);
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
    execv(argv[0], argv);
    die(argv[0]);
}

/* Its own exec() waits for us. */
static void start(struct injector *injector, char **argv)
{
    int ends[2];
    int number;
    int terminal = -1;
    if (injector->terminal >= 0 &&
        (unlockpt(injector->terminal) != 0 ||
         (terminal = open(ptsname(injector->terminal), O_RDWR | O_NOCTTY)) < 0))
        die("terminal");
    if (pipe(ends) != 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
        die("pipe");
    injector->process = fork();
    if (injector->process == 0)
        become_program(injector, argv, terminal, ends[1]);
    close(ends[1]);
    if (injector->process < 0 ||
        read(ends[0], &number, sizeof number) != (ssize_t)sizeof number)
        die("child");
    close(ends[0]);
    int process = (int)syscall(SYS_pidfd_open, injector->process, 0);
    for (unsigned i = 0; i < LISTENER_LIMIT && injector->listener < 0; i++) {
        injector->listener = (int)syscall(SYS_pidfd_getfd, process, number, 0);
        usleep(1000);
    }
    if (injector->listener < 0)
        die("seccomp listener");
    close(process);
}

/* --- its calls --- */

/* A number of the thread's status; 0: it is gone. */
static pid_t read_status(pid_t thread, const char *key)
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

static bool is_called(pid_t thread, const char *name)
{
    char path[64];
    char line[32] = "";
    snprintf(path, sizeof path, "/proc/%d/comm", thread);
    FILE *file = fopen(path, "re");
    bool read = file && fgets(line, sizeof line, file);
    if (file)
        fclose(file);
    line[strcspn(line, "\n")] = '\0';
    return read && strcmp(line, name) == 0;
}

/* The process whose calls count, if the thread is of it; else 0. */
static pid_t judge(struct injector *injector, pid_t thread)
{
    pid_t process = thread == injector->process ? thread : read_status(thread, "Tgid:");
    if (injector->whose == OF_PROGRAM)
        return process == injector->process ? process : 0;
    if (process == injector->process || process == 0 ||
        read_status(process, "PPid:") != injector->process)
        return 0;
    if (injector->first_child == 0)
        injector->first_child = process;
    bool is_first = process == injector->first_child;
    if (injector->whose == OF_NEW)
        return is_first || thread != process ? 0 : process;
    return is_first && is_called(thread, "update") ? process : 0;
}

static struct counted_call *find(struct injector *injector, const struct call *call,
                                 bool known)
{
    for (unsigned i = 0; i < injector->call_count; i++)
        if (strcmp(injector->calls[i].call.name, call->name) == 0)
            return &injector->calls[i];
    if (injector->call_count == CALLS_MAX)
        die("too many kinds of calls");
    struct counted_call *entry = &injector->calls[injector->call_count++];
    *entry = (struct counted_call){.call = *call, .known = known};
    return entry;
}

/* 0: go on. */
static int choose_error(struct injector *injector, const struct seccomp_notif *request)
{
    struct call call;
    uint64_t arguments[6];
    pid_t process = judge(injector, (pid_t)request->pid);
    if (process == 0)
        return 0;
    memcpy(arguments, request->data.args, sizeof arguments);
    injector->armed |=
        (injector->whose == OF_OLD && request->data.nr == SYS_recvmsg) ||
        (request->data.nr == SYS_prlimit64 && arguments[1] == RLIMIT_NOFILE);
    if (!injector->armed)
        return 0;
    bool known = call_describe(process, request->data.nr, arguments, &call);
    struct counted_call *entry = find(injector, &call, known);
    entry->count++;
    if (!injector->fail || injector->done || strcmp(injector->fail, call.name) != 0 ||
        entry->count != injector->at)
        return 0;
    injector->done = true;
    printf("injected %s %u %s\n", call.name, injector->at,
           strerrorname_np(injector->error));
    return injector->error;
}

/* A thread that a signal takes away meanwhile makes its call again, or is gone: ENOENT. */
static void answer(struct injector *injector)
{
    struct seccomp_notif request = {0};
    if (ioctl(injector->listener, SECCOMP_IOCTL_NOTIF_RECV, &request) != 0)
        return;
    struct seccomp_notif_resp response = {.id = request.id};
    response.error = -choose_error(injector, &request);
    if (response.error == 0)
        response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    ioctl(injector->listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

static void answer_for_a_while(struct injector *injector)
{
    struct pollfd fd = {.fd = injector->listener, .events = POLLIN};
    if (poll(&fd, 1, SLICE) > 0 && (fd.revents & POLLIN))
        answer(injector);
    else if (fd.revents & POLLHUP) /* the last process has gone, or is about to */
        usleep(1000);
}

/* --- its end --- */

/* Prints what each thread does that will not end. */
static void print_threads(const struct injector *injector)
{
    char command[256];
    snprintf(
        command, sizeof command,
        "for t in /proc/%d/task/*; do echo \"thread $(cat $t/comm): call $(cut -d' ' "
        "-f1 $t/syscall)\"; done 2>/dev/null",
        injector->process);
    fflush(stdout);
    if (system(command) != 0)
        printf("thread: nothing to be seen\n");
}

static int wait_for_program(struct injector *injector)
{
    uint64_t end = milliseconds() + 1000 * (uint64_t)injector->limit;
    bool late = false;
    int status;
    while (waitpid(injector->process, &status, WNOHANG) != injector->process) {
        answer_for_a_while(injector);
        if (!late && milliseconds() > end) {
            late = true;
            print_threads(injector);
            kill(injector->process, SIGKILL);
        }
    }
    if (late)
        printf("end time-limit\n");
    else if (WIFSIGNALED(status))
        printf("end signal %d\n", WTERMSIG(status));
    else
        printf("end exit %d\n", WEXITSTATUS(status));
    return status;
}

/* What the program left behind became our child, by PR_SET_CHILD_SUBREAPER. */
static void end_left_processes(struct injector *injector)
{
    uint64_t end = milliseconds() + LEFT_MILLISECONDS;
    while (milliseconds() < end) {
        pid_t gone = waitpid(-1, NULL, WNOHANG);
        if (gone < 0)
            return; /* ECHILD */
        if (gone == 0)
            answer_for_a_while(injector);
    }
    char path[64];
    char line[4096];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", getpid());
    FILE *file = fopen(path, "re");
    if (!file || !fgets(line, sizeof line, file))
        line[0] = '\0';
    if (file)
        fclose(file);
    for (char *rest = line, *word; (word = strtok_r(rest, " \n", &rest));) {
        char name[32] = "?\n";
        snprintf(path, sizeof path, "/proc/%.16s/comm", word);
        FILE *comm = fopen(path, "re");
        if (comm && !fgets(name, sizeof name, comm))
            name[0] = '\0';
        if (comm)
            fclose(comm);
        printf("left %s", name);
        kill((pid_t)strtol(word, NULL, 10), SIGKILL);
    }
}

static void print_calls(const struct injector *injector)
{
    for (unsigned i = 0; i < injector->call_count; i++) {
        const struct counted_call *entry = &injector->calls[i];
        if (!entry->known)
            printf("unknown %s\n", entry->call.name);
        if (!injector->count)
            continue;
        printf("%s\t%u\t", entry->call.name, entry->count);
        for (unsigned j = 0; j < CALL_ERRORS_MAX && entry->call.errors[j]; j++)
            printf("%s ", strerrorname_np(entry->call.errors[j]));
        printf("\n");
    }
}

/* --- */

static int error_number(const char *name)
{
    for (int number = 1; number < 134; number++) {
        const char *candidate = strerrorname_np(number);
        if (candidate && strcmp(candidate, name) == 0)
            return number;
    }
    errno = EINVAL;
    die(name);
}

static char **read_options(struct injector *injector, int argc, char **argv)
{
    static const struct option options[] = {
        {"count", no_argument, NULL, 'c'},
        {"fail", required_argument, NULL, 'f'},
        {"at", required_argument, NULL, 'a'},
        {"error", required_argument, NULL, 'e'},
        {"limit", required_argument, NULL, 'l'},
        {"output", required_argument, NULL, 'o'},
        {"text", required_argument, NULL, 'x'},
        {"errors", required_argument, NULL, 'r'},
        {"terminal", no_argument, NULL, 't'},
        {"update", required_argument, NULL, 'u'},
        {0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "+", options, NULL)) >= 0) {
        switch (option) {
        case 'c':
            injector->count = true;
            break;
        case 'f':
            injector->fail = optarg;
            break;
        case 'a':
            injector->at = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'e':
            injector->error = error_number(optarg);
            break;
        case 'l':
            injector->limit = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'o':
            injector->output = optarg;
            break;
        case 'r':
            injector->errors = optarg;
            break;
        case 'x':
            printf("%s\n", strerror(error_number(optarg)));
            exit(0);
        case 'u':
            injector->whose = strcmp(optarg, "old") == 0 ? OF_OLD : OF_NEW;
            break;
        case 't':
            injector->terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
            break;
        default:
            exit(2);
        }
    }
    if (!argv[optind] ||
        (injector->fail && (injector->at == 0 || injector->error == 0))) {
        fprintf(stderr, "inject: see the head of tests/faults/inject.c\n");
        exit(2);
    }
    return argv + optind;
}

int main(int argc, char **argv)
{
    struct injector *injector = calloc(1, sizeof *injector);
    struct termios before = {0};
    struct termios after = {0};
    if (!injector)
        die("calloc");
    *injector = (struct injector){.limit = 60, .terminal = -1, .listener = -1};
    char **program = read_options(injector, argc, argv);
    if (injector->terminal >= 0)
        tcgetattr(injector->terminal, &before);
    start(injector, program);
    wait_for_program(injector);
    end_left_processes(injector);
    if (injector->terminal >= 0)
        tcgetattr(injector->terminal, &after);
    if (before.c_iflag != after.c_iflag || before.c_oflag != after.c_oflag ||
        before.c_cflag != after.c_cflag || before.c_lflag != after.c_lflag)
        printf("terminal\n");
    print_calls(injector);
    free(injector);
    return 0;
}

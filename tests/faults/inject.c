/* SPDX-License-Identifier: MIT */
/*
 * Runs a program, and lets one of its system calls fail, once.
 *
 *   inject --count -- PROGRAM ...                            which calls are there?
 *   inject --fail NAME --at N --error E -- PROGRAM ...       the Nth call NAME fails with E
 *   inject --text E                                          what strerror() says of E
 *
 * A failing call has no effect (filtered.h). The program's children have the filter, too: their calls
 * go on and are not counted. Neither are those before the first prlimit64(RLIMIT_NOFILE): they are the
 * dynamic linker's. A live update is inject_update.c's.
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
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "tests/faults/calls.h"
#include "tests/faults/filtered.h"

#define CALLS_MAX         256
#define LEFT_MILLISECONDS 5000
#define SLICE             20 /* ms */

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

    struct filtered program;
    bool armed;
    bool done; /* the call has failed */
    unsigned call_count;
    struct counted_call calls[CALLS_MAX];
};

/* --- its calls --- */

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
static int choose_error(void *context, const struct seccomp_notif *request)
{
    struct injector *injector = context;
    struct call call;
    uint64_t arguments[6];
    pid_t process = injector->program.process;
    if ((pid_t)request->pid != process &&
        read_status((pid_t)request->pid, "Tgid:") != process)
        return 0;
    memcpy(arguments, request->data.args, sizeof arguments);
    injector->armed |= request->data.nr == SYS_prlimit64 && arguments[1] == RLIMIT_NOFILE;
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

/* --- its end --- */

/* Prints what each thread does that will not end. */
static void print_threads(const struct injector *injector)
{
    char command[256];
    snprintf(
        command, sizeof command,
        "for t in /proc/%d/task/*; do echo \"thread $(cat $t/comm): call $(cut -d' ' "
        "-f1 $t/syscall)\"; done 2>/dev/null",
        injector->program.process);
    fflush(stdout);
    if (system(command) != 0)
        printf("thread: nothing to be seen\n");
}

static int wait_for_program(struct injector *injector)
{
    uint64_t end = milliseconds() + 1000 * (uint64_t)injector->limit;
    bool late = false;
    int status;
    while (waitpid(injector->program.process, &status, WNOHANG) !=
           injector->program.process) {
        filtered_answer(&injector->program, SLICE, choose_error, injector);
        if (!late && milliseconds() > end) {
            late = true;
            print_threads(injector);
            kill(injector->program.process, SIGKILL);
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
            filtered_answer(&injector->program, SLICE, choose_error, injector);
    }
    char line[4096];
    read_children(getpid(), line, sizeof line);
    for (char *rest = line, *word; (word = strtok_r(rest, " ", &rest));) {
        pid_t process = (pid_t)strtol(word, NULL, 10);
        char name[32];
        read_name(process, name, sizeof name);
        printf("left %s\n", name);
        kill(process, SIGKILL);
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
        {"count", no_argument, NULL, 'c'},       {"fail", required_argument, NULL, 'f'},
        {"at", required_argument, NULL, 'a'},    {"error", required_argument, NULL, 'e'},
        {"limit", required_argument, NULL, 'l'}, {"output", required_argument, NULL, 'o'},
        {"text", required_argument, NULL, 'x'},  {"errors", required_argument, NULL, 'r'},
        {"terminal", no_argument, NULL, 't'},    {0},
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
    *injector = (struct injector){.limit = 60, .terminal = -1};
    char **program = read_options(injector, argc, argv);
    if (injector->terminal >= 0)
        tcgetattr(injector->terminal, &before);
    filtered_start(&injector->program,
                   &(struct filtered_plan){.argv = program,
                                           .output = injector->output,
                                           .errors = injector->errors,
                                           .terminal = injector->terminal});
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

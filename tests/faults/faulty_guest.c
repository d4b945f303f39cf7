/* SPDX-License-Identifier: MIT */
#include "tests/faults/faulty_guest.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIRST_LIMIT  30000 /* ms: for a guest to print its first lines */
#define SETTLE_LIMIT 8000  /* for the old VMM to end, and for the guest's next line */
#define END_LIMIT    20000 /* for the run to end, after its seconds */
#define LINES        10u   /* in a second: guest/scenarios/update.c */
#define SLICE        20

static void complain(struct faulty_guest *guest, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void complain(struct faulty_guest *guest, const char *format, ...)
{
    size_t used = strlen(guest->wrong);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(guest->wrong + used, sizeof guest->wrong - used, format, arguments);
    va_end(arguments);
    used = strlen(guest->wrong);
    snprintf(guest->wrong + used, sizeof guest->wrong - used, "\n");
}

void faulty_guest_forgive(struct faulty_guest *guest)
{
    guest->wrong[0] = '\0';
}

static const char *path_of(const struct faulty_guest *guest, const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", guest->results, name);
    return path;
}

static void answer(struct faulty_guest *guest)
{
    filtered_answer(&guest->program, SLICE, guest->choose, guest->context);
}

/* Looks at /proc are dear: as many calls as come in a slice are answered between two. */
static void answer_for_a_while(struct faulty_guest *guest)
{
    uint64_t end = milliseconds() + SLICE / 4;
    do
        answer(guest);
    while (milliseconds() < end);
}

static bool has_ended(struct faulty_guest *guest)
{
    if (guest->program.process > 0 && waitpid(guest->program.process, &guest->status,
                                              WNOHANG) == guest->program.process)
        guest->program.process = 0;
    return guest->program.process == 0;
}

static off_t output_size(const struct faulty_guest *guest)
{
    struct stat status;
    return stat(path_of(guest, "out"), &status) == 0 ? status.st_size : 0;
}

/* False: it printed nothing for so long, or has ended. */
static bool wait_for_output(struct faulty_guest *guest, off_t size, unsigned limit)
{
    uint64_t end = milliseconds() + limit;
    while (output_size(guest) < size && milliseconds() < end && !has_ended(guest))
        answer(guest);
    return output_size(guest) >= size;
}

void faulty_guest_start(struct faulty_guest *guest)
{
    static const char lines[] = "line 0\nline 1\nline 2\n";
    char output[512];
    char errors[512];
    snprintf(output, sizeof output, "%s/out", guest->results);
    snprintf(errors, sizeof errors, "%s/errors", guest->results);
    unlink(guest->socket);
    filtered_start(&guest->program, &(struct filtered_plan){.argv = guest->argv,
                                                            .output = output,
                                                            .errors = errors,
                                                            .terminal = -1});
    guest->started = milliseconds();
    if (!wait_for_output(guest, (off_t)sizeof lines, FIRST_LIMIT)) {
        fprintf(stderr, "inject-update: the guest does not begin: see %s\n", errors);
        exit(2);
    }
    char children[64];
    read_children(guest->program.process, children, sizeof children);
    guest->vmm = (pid_t)strtol(children, NULL, 10);
    guest->usual = (struct held){0};
}

bool faulty_guest_has_time(const struct faulty_guest *guest)
{
    return guest->program.process > 0 &&
           milliseconds() - guest->started + 3000 < guest->seconds * UINT64_C(1000);
}

/* --- an update --- */

static _Noreturn void become_client(const struct faulty_guest *guest)
{
    int file = open(path_of(guest, "client"), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (file < 0 || dup2(file, 1) < 0 || dup2(file, 2) < 0)
        die("client");
    execl(guest->argv[0], guest->argv[0], "update", guest->socket, (char *)NULL);
    die(guest->argv[0]);
}

static void read_reply(struct faulty_guest *guest)
{
    char line[sizeof guest->reply];
    FILE *file = fopen(path_of(guest, "client"), "re");
    guest->reply[0] = '\0';
    while (file && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        snprintf(guest->reply, sizeof guest->reply, "%s", line);
    }
    if (file)
        fclose(file);
}

int faulty_guest_update(struct faulty_guest *guest)
{
    int status = 0;
    pid_t client = fork();
    if (client == 0)
        become_client(guest);
    while (waitpid(client, &status, WNOHANG) == 0)
        answer(guest);
    read_reply(guest);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* --- what has to be true --- */

static unsigned count_entries(pid_t process, const char *folder)
{
    char path[64];
    unsigned count = 0;
    snprintf(path, sizeof path, "/proc/%d/%s", process, folder);
    DIR *entries = opendir(path);
    while (entries && readdir(entries))
        count++;
    if (entries)
        closedir(entries);
    return count;
}

static struct held measure(const struct faulty_guest *guest, pid_t vmm)
{
    return (struct held){
        .threads = count_entries(vmm, "task"),
        .descriptors = count_entries(vmm, "fd"),
        .supervisor_descriptors = count_entries(guest->program.process, "fd"),
    };
}

void faulty_guest_take_measure(struct faulty_guest *guest)
{
    guest->usual = measure(guest, guest->vmm);
}

static unsigned count_vmms(const struct faulty_guest *guest, pid_t *first)
{
    char children[256];
    char *rest = children;
    unsigned count = 0;
    read_children(guest->program.process, children, sizeof children);
    for (char *word; (word = strtok_r(rest, " ", &rest)); count++)
        if (count == 0)
            *first = (pid_t)strtol(word, NULL, 10);
    return count;
}

static bool is_settled(const struct faulty_guest *guest)
{
    pid_t vmm = 0;
    if (count_vmms(guest, &vmm) != 1)
        return false;
    struct held now = measure(guest, vmm);
    return guest->usual.threads == 0 || memcmp(&now, &guest->usual, sizeof now) == 0;
}

static void list_descriptors(struct faulty_guest *guest, pid_t process)
{
    char command[128];
    char line[200];
    snprintf(command, sizeof command,
             "cd /proc/%d/fd && for f in *; do readlink $f; done | sort | uniq -c",
             process);
    FILE *list = popen(command, "r");
    while (list && fgets(line, sizeof line, list)) {
        line[strcspn(line, "\n")] = '\0';
        complain(guest, "    %s", line);
    }
    if (list)
        pclose(list);
}

static void compare(struct faulty_guest *guest, const char *what, unsigned now,
                    unsigned before)
{
    if (now != before)
        complain(guest, "%s: %u, there were %u", what, now, before);
}

static void check_held(struct faulty_guest *guest)
{
    const struct held now = measure(guest, guest->vmm);
    const struct held before = guest->usual;
    guest->usual = now;
    compare(guest, "threads", now.threads, before.threads);
    compare(guest, "descriptors of the VMM", now.descriptors, before.descriptors);
    compare(guest, "descriptors of the supervisor", now.supervisor_descriptors,
            before.supervisor_descriptors);
    if (now.descriptors != before.descriptors)
        list_descriptors(guest, guest->vmm);
    if (now.supervisor_descriptors != before.supervisor_descriptors)
        list_descriptors(guest, guest->program.process);
}

void faulty_guest_check(struct faulty_guest *guest, bool updated)
{
    pid_t vmm = 0;
    uint64_t end = milliseconds() + SETTLE_LIMIT;
    while (!has_ended(guest) && !is_settled(guest) && milliseconds() < end)
        answer_for_a_while(guest);
    if (has_ended(guest)) {
        complain(guest, "the run has ended");
        return;
    }
    unsigned count = count_vmms(guest, &vmm);
    if (count != 1)
        complain(guest, "%u VMMs", count);
    if (updated != (vmm != guest->vmm))
        complain(
            guest,
            updated
                ? "the update is said to have succeeded, and the guest is the old one's"
                : "the update is said to have failed, and the guest is the new one's");
    guest->vmm = vmm;
    if (guest->usual.threads != 0)
        check_held(guest);
    if (!wait_for_output(guest, output_size(guest) + 1, SETTLE_LIMIT)) {
        complain(guest, "the guest does not go on");
        if (guest->program.process > 0)
            kill(guest->program.process,
                 SIGKILL); /* and its VMM with it: PR_SET_PDEATHSIG */
    }
}

/* --- its end --- */

static void check_output(struct faulty_guest *guest)
{
    char line[256];
    unsigned number;
    unsigned next = 0;
    bool passed = false;
    FILE *file = fopen(path_of(guest, "out"), "re");
    while (file && fgets(line, sizeof line, file)) {
        if (sscanf(line, "line %u\n", &number) == 1) {
            if (number != next)
                complain(guest, "line %u comes where line %u has to", number, next);
            next = number + 1;
        }
        passed |= strncmp(line, "PASS update", 11) == 0;
    }
    if (file)
        fclose(file);
    if (next != guest->seconds * LINES)
        complain(guest, "%u lines, not %u", next, guest->seconds * LINES);
    if (!passed)
        complain(guest, "the guest does not say that it has passed");
}

static void check_errors(struct faulty_guest *guest)
{
    char line[512];
    FILE *file = fopen(path_of(guest, "errors"), "re");
    while (file && fgets(line, sizeof line, file))
        if (strstr(line, "BUG") || strstr(line, "Sanitizer") ||
            strstr(line, "runtime error"))
            complain(guest, "%s", line);
    if (file)
        fclose(file);
}

/* What the program left behind became our child. */
static void end_left_processes(struct faulty_guest *guest)
{
    char children[256];
    uint64_t end = milliseconds() + SETTLE_LIMIT;
    while (milliseconds() < end && waitpid(-1, NULL, WNOHANG) >= 0)
        answer(guest);
    read_children(getpid(), children, sizeof children);
    for (char *rest = children, *word; (word = strtok_r(rest, " ", &rest));) {
        complain(guest, "process %s is left", word);
        kill((pid_t)strtol(word, NULL, 10), SIGKILL);
    }
}

void faulty_guest_finish(struct faulty_guest *guest)
{
    uint64_t end = guest->started + guest->seconds * UINT64_C(1000) + END_LIMIT;
    while (!has_ended(guest) && milliseconds() < end)
        answer(guest);
    if (guest->program.process > 0) {
        complain(guest, "the run does not end");
        kill(guest->program.process, SIGKILL);
    } else if (guest->status != 0) {
        complain(guest, "the run ends with status 0x%x", (unsigned)guest->status);
    }
    end_left_processes(guest);
    check_output(guest);
    check_errors(guest);
    filtered_finish(&guest->program);
}

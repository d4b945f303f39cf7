/* SPDX-License-Identifier: MIT */
#include "tests/e2e/server.h"

#include <check.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PROCESSES_MAX 64
#define STORM_KILLS   4u /* on a slow machine; 20 and more on others */
#define PAUSE_MS      60 /* at most, between two kills */

/* --- processes --- */

struct process {
    pid_t pid;
    pid_t parent;
    bool is_ours; /* a launcher, or the renderer process: they have not executed a file */
    bool is_renderer; /* the renderer process */
};

static bool read_process(pid_t pid, struct process *process)
{
    char path[32];
    char line[512] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    size_t length = fread(line, 1, sizeof line - 1, file);
    fclose(file);
    line[length] = '\0';
    const char *end = strrchr(line, ')'); /* of its name, which may have one, too */
    if (!end || strlen(end) < sizeof ") S 1" - 1)
        return false;
    *process = (struct process){
        .pid = pid,
        .parent = (pid_t)strtol(end + sizeof ") S", NULL, 10),
        .is_ours = strstr(line, "(s2vmm-") != NULL,
        .is_renderer = strstr(line, "(s2vmm-renderer)") != NULL,
    };
    return true;
}

static bool is_below(struct process process, pid_t ancestor)
{
    while (process.parent > 1 && process.parent != ancestor)
        if (!read_process(process.parent, &process))
            return false;
    return process.parent == ancestor;
}

/* s2vmm's children are its launcher and the watcher of a terminal; theirs are the server, and its
 * workers; or the renderer process, whose launcher has them. */
static unsigned find_servers(pid_t s2vmm, struct process *found)
{
    unsigned count = 0;
    const struct dirent *entry;
    DIR *folder = opendir("/proc");
    ck_assert_ptr_nonnull(folder);
    while (count < PROCESSES_MAX && (entry = readdir(folder)) != NULL) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (pid > 0 && read_process(pid, &found[count]) && found[count].parent != s2vmm &&
            is_below(found[count], s2vmm))
            count++;
    }
    closedir(folder);
    return count;
}

static unsigned send_to_all(pid_t s2vmm, int signal)
{
    struct process found[PROCESSES_MAX];
    unsigned count = find_servers(s2vmm, found);
    for (unsigned i = 0; i < count; i++)
        kill(found[i].pid, signal);
    return count;
}

/* To the render server and its workers, or to the renderer process. */
static bool send_to(pid_t s2vmm, bool to_renderer, int signal)
{
    struct process found[PROCESSES_MAX];
    unsigned count = find_servers(s2vmm, found);
    bool sent = false;
    for (unsigned i = 0; i < count; i++)
        if (to_renderer ? found[i].is_renderer : !found[i].is_ours)
            sent = kill(found[i].pid, signal) == 0 || sent;
    return sent;
}

/* --- what the console asks for --- */

static unsigned occurrences(const char *out, const char *text)
{
    unsigned count = 0;
    for (const char *at = out; (at = strstr(at, text)) != NULL; at++)
        count++;
    return count;
}

static void obey(struct server_watch *watch, pid_t s2vmm, const char *out)
{
    if (occurrences(out, "stop the server") > watch->stops &&
        send_to(s2vmm, false, SIGSTOP))
        watch->stops++;
    if (occurrences(out, "kill the server") > watch->kills &&
        send_to(s2vmm, watch->what == WATCH_PROCESS_DIES, SIGKILL))
        watch->kills++;
}

/* --- storm --- */

static long pick(struct server_watch *watch, unsigned below)
{
    return nrand48(watch->seed) % (long)below;
}

static bool kill_some(struct server_watch *watch, pid_t s2vmm)
{
    struct process servers[PROCESSES_MAX];
    unsigned count = find_servers(s2vmm, servers);
    if (count == 0)
        return false;
    if (pick(watch, 3) == 0)
        return send_to_all(s2vmm, SIGKILL) > 0;
    return kill(servers[pick(watch, count)].pid, SIGKILL) == 0;
}

/* Once the guest has said that all works again, and sometimes what has just been started, too. */
static void storm(struct server_watch *watch, pid_t s2vmm, const char *out)
{
    unsigned lives = occurrences(out, "life\n");
    if (!strstr(out, "storm\n") || strstr(out, "calm") ||
        (lives == watch->lives && (watch->killed_anew || pick(watch, 4) > 0)))
        return;
    usleep((useconds_t)pick(watch, PAUSE_MS * 1000));
    watch->killed_anew = lives == watch->lives;
    watch->lives = lives;
    watch->kills += kill_some(watch, s2vmm);
}

/* --- watch --- */

void server_watch_init(struct server_watch *watch, enum case_watch what)
{
    const char *given = getenv("S2VMM_KILL_SEED");
    unsigned long seed = given ? strtoul(given, NULL, 0) : (unsigned long)time(NULL);
    *watch = (struct server_watch){
        .what = what,
        .seed = {(unsigned short)seed, (unsigned short)(seed >> 16), 0x330e},
    };
    if (what == WATCH_SERVER_STORM)
        fprintf(stderr, "S2VMM_KILL_SEED=%lu\n", seed);
}

void server_watch_look(void *context, pid_t pid, int in, const char *out)
{
    (void)in;
    struct server_watch *watch = context;
    if (watch->what != WATCH_SERVER_STORM)
        obey(watch, pid, out);
    else
        storm(watch, pid, out);
}

void server_watch_check(const struct server_watch *watch, const struct e2e_case *test)
{
    if (watch->what != WATCH_SERVER_STORM)
        ck_assert_msg(watch->kills > 0 && watch->kills == watch->stops,
                      "%s: stopped %u times, killed %u times", test->name, watch->stops,
                      watch->kills);
    else
        ck_assert_msg(watch->kills >= STORM_KILLS, "%s: only %u kills", test->name,
                      watch->kills);
}

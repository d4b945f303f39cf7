/* SPDX-License-Identifier: MIT */
#include "vmm/tracefs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The most that one call takes out of the pipe, so that a guest that faults all the time
 * cannot keep us: more than the kernel's buffers hold on a machine with a few CPUs. */
#define READS_MAX 16384

#define PROBE_GROUP "s2vmm_" /* and the pid; no '-' in a group's name */

/* --- control files --- */

/* Writes the text to a file below the folder; no O_TRUNC, which would clear a list. */
static bool write_below(const char *folder, const char *file, const char *text)
{
    char path[sizeof((struct tracefs *)0)->instance + 96];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool written = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    int number = errno;
    close(fd);
    errno = number;
    return written;
}

static bool is_gone(pid_t pid)
{
    return pid > 0 && (pid == getpid() || (kill(pid, 0) != 0 && errno == ESRCH));
}

/* --- what the dead left behind --- */

/* An instance in use has an open trace_pipe, and rmdir() says EBUSY. */
static void remove_stale_instances(const char *instances)
{
    DIR *folder = opendir(instances);
    if (!folder)
        return;
    const struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        static const char prefix[] = "s2vmm-";
        if (strncmp(entry->d_name, prefix, sizeof prefix - 1) != 0)
            continue;
        if (is_gone((pid_t)strtol(entry->d_name + sizeof prefix - 1, NULL, 10)))
            unlinkat(dirfd(folder), entry->d_name, AT_REMOVEDIR);
    }
    closedir(folder);
}

/* Lines of kprobe_events: "p:s2vmm_123/kvm_pgtable_stage2_map kvm_pgtable_stage2_map ...".
 * "-:group/name" removes one. */
static void remove_stale_probes(const char *root)
{
    char path[sizeof((struct tracefs *)0)->root + 16];
    snprintf(path, sizeof path, "%s/kprobe_events", root);
    FILE *events = fopen(path, "re");
    char line[1024];
    while (events && fgets(line, sizeof line, events)) {
        static const char prefix[] = "p:" PROBE_GROUP;
        if (strncmp(line, prefix, sizeof prefix - 1) != 0 ||
            !is_gone((pid_t)strtol(line + sizeof prefix - 1, NULL, 10)))
            continue;
        line[strcspn(line, " \n")] = '\0';
        line[0] = '-';
        write_below(root, "kprobe_events", line);
    }
    if (events)
        fclose(events);
}

/* --- the instance --- */

static bool make_instance(struct tracefs *tracefs, const char *root, struct error *error)
{
    if (strlen(root) >= sizeof tracefs->root)
        return error_set(error, ERROR_CONFIG_HOST,
                         "the path of tracefs is too long: %.60s...", root);
    snprintf(tracefs->root, sizeof tracefs->root, "%s", root);
    char instances[sizeof tracefs->root + 16];
    snprintf(instances, sizeof instances, "%s/instances", root);
    if (access(instances, F_OK) != 0 && errno == EACCES)
        return error_set(error, ERROR_CONFIG_HOST, "%s: no permission: run s2vmm as root",
                         instances);
    if (access(instances, F_OK) != 0)
        return error_set(error, ERROR_CONFIG_HOST,
                         "no tracefs at %s: mount -t tracefs tracefs %s", root, root);
    remove_stale_instances(instances);
    remove_stale_probes(root);
    snprintf(tracefs->instance, sizeof tracefs->instance, "%s/instances/s2vmm-%d", root,
             (int)getpid());
    if (mkdir(tracefs->instance, 0700) == 0)
        return true;
    int number = errno;
    error_set(error, ERROR_CONFIG_HOST, "cannot make the trace instance %s: %s%s",
              tracefs->instance, strerror(number),
              number == EACCES || number == EPERM ? ": run s2vmm as root" : "");
    tracefs->instance[0] = '\0';
    return false;
}

static bool open_pipe(struct tracefs *tracefs, struct error *error)
{
    char path[sizeof tracefs->instance + 16];
    snprintf(path, sizeof path, "%s/trace_pipe", tracefs->instance);
    tracefs->pipe_fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    tracefs->is_open = tracefs->pipe_fd >= 0;
    return tracefs->is_open ||
           error_set(error, ERROR_CONFIG_HOST, "%s: %s", path, strerror(errno));
}

/* The threads that exist, and with event-fork those that they start: the vCPUs. */
static bool follow_threads(struct tracefs *tracefs, struct error *error)
{
    if (!write_below(tracefs->instance, "options/event-fork", "1"))
        return error_set(error, ERROR_CONFIG_HOST, "%s/options/event-fork: %s",
                         tracefs->instance, strerror(errno));
    DIR *folder = opendir("/proc/self/task");
    if (!folder)
        return error_set(error, ERROR_CONFIG_HOST, "/proc/self/task: %s",
                         strerror(errno));
    bool done = true;
    const struct dirent *entry;
    while (done && (entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] != '.' &&
            !write_below(tracefs->instance, "set_event_pid", entry->d_name))
            done = error_set(error, ERROR_CONFIG_HOST, "%s/set_event_pid: %s",
                             tracefs->instance, strerror(errno));
    }
    closedir(folder);
    return done;
}

bool tracefs_init(struct tracefs *tracefs, const char *root, struct error *error)
{
    *tracefs = (struct tracefs){.pipe_fd = -1, .probe_fd = -1};
    if (make_instance(tracefs, root, error) && open_pipe(tracefs, error) &&
        follow_threads(tracefs, error))
        return true;
    tracefs_finish(tracefs);
    return false;
}

void tracefs_init_recorded(struct tracefs *tracefs, int pipe_fd)
{
    *tracefs = (struct tracefs){.is_open = true, .pipe_fd = pipe_fd, .probe_fd = -1};
}

/* Closing comes first: an instance in use cannot be removed. Then the probe, which is in use
 * as long as an instance has it enabled. */
void tracefs_finish(struct tracefs *tracefs)
{
    if (tracefs->is_open) {
        close(tracefs->pipe_fd);
        if (tracefs->probe_fd >= 0)
            close(tracefs->probe_fd);
    }
    if (tracefs->instance[0] != '\0')
        rmdir(tracefs->instance);
    if (tracefs->probe[0] != '\0') {
        char removal[sizeof tracefs->probe + 4];
        snprintf(removal, sizeof removal, "-:%s", tracefs->probe);
        write_below(tracefs->root, "kprobe_events", removal);
    }
    *tracefs = (struct tracefs){.pipe_fd = -1, .probe_fd = -1};
}

/* --- events --- */

void tracefs_set_buffer(const struct tracefs *tracefs, const char *kib)
{
    write_below(tracefs->instance, "buffer_size_kb", kib);
}

bool tracefs_add_probe(struct tracefs *tracefs, const char *function,
                       const char *arguments, struct error *error)
{
    char definition[1024];
    char probe[sizeof tracefs->probe];
    snprintf(probe, sizeof probe, PROBE_GROUP "%d/%s", (int)getpid(), function);
    snprintf(definition, sizeof definition, "p:%s %s %s", probe, function, arguments);
    if (!write_below(tracefs->root, "kprobe_events", definition))
        return error_set(error, ERROR_CONFIG_HOST,
                         "%s/kprobe_events does not take a probe of %s: %s",
                         tracefs->root, function, strerror(errno));
    memcpy(tracefs->probe, probe, sizeof probe);
    char path[sizeof tracefs->instance + sizeof probe + 24];
    snprintf(path, sizeof path, "%s/events/%s/enable", tracefs->instance, probe);
    tracefs->probe_fd = open(path, O_WRONLY | O_CLOEXEC);
    return true;
}

bool tracefs_enable(const struct tracefs *tracefs, const char *event, const char *filter,
                    struct error *error)
{
    char file[96];
    snprintf(file, sizeof file, "events/%s/filter", event);
    bool enabled = !filter || write_below(tracefs->instance, file, filter);
    snprintf(file, sizeof file, "events/%s/enable", event);
    enabled = enabled && write_below(tracefs->instance, file, "1");
    return enabled ||
           error_set(error, ERROR_CONFIG_HOST,
                     "the trace event %s cannot be enabled: %s; is KVM loaded?", event,
                     strerror(errno));
}

void tracefs_disable_probe(const struct tracefs *tracefs)
{
    if (tracefs->probe_fd >= 0)
        (void)!write(tracefs->probe_fd, "0", 1);
}

/* --- reading --- */

/* Takes whole lines out of the text; what is left is the beginning of one. */
static void hand_out(struct tracefs *tracefs, tracefs_line_function *take_in,
                     void *context)
{
    char *line = tracefs->text;
    char *newline;
    while ((newline = strchr(line, '\n')) != NULL) {
        *newline = '\0';
        take_in(context, line);
        line = newline + 1;
    }
    tracefs->text_length = strlen(line);
    memmove(tracefs->text, line, tracefs->text_length + 1);
}

bool tracefs_read(struct tracefs *tracefs, tracefs_line_function *take_in, void *context)
{
    for (unsigned i = 0; i < READS_MAX; i++) {
        /* A line that fills all of the text is none of ours. */
        if (tracefs->text_length == sizeof tracefs->text - 1)
            tracefs->text_length = 0;
        ssize_t count = read(tracefs->pipe_fd, tracefs->text + tracefs->text_length,
                             sizeof tracefs->text - 1 - tracefs->text_length);
        if (count <= 0)
            return true;
        tracefs->text_length += (size_t)count;
        tracefs->text[tracefs->text_length] = '\0';
        hand_out(tracefs, take_in, context);
    }
    return false;
}

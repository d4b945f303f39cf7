/* SPDX-License-Identifier: MIT */
#include "vmm/s2_observer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/s2_trace.h"

#define PAGE_SHIFT 12

/* The most that one look takes out of the pipe, so that a guest that faults all the time
 * cannot keep us: more than the kernel's buffers hold on a machine with a few CPUs. */
#define READS_MAX 16384

/* Per CPU; an event has about 60 bytes, so that a blob of 128 MiB fits twice. */
#define BUFFER_KIB "4096"

/* --- tracefs --- */

__attribute__((format(printf, 2, 3))) static bool give_up(struct s2_observer *observer,
                                                          const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(observer->reason, sizeof observer->reason, format, arguments);
    va_end(arguments);
    return false;
}

/* Writes the text to a file of the instance; no O_TRUNC, which would clear a list. */
static bool write_control(const struct s2_observer *observer, const char *file,
                          const char *text)
{
    char path[sizeof observer->instance + 96];
    snprintf(path, sizeof path, "%s/%s", observer->instance, file);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool written = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    close(fd);
    return written;
}

/* Removes instances of processes that died without doing so. One in use has an open
 * trace_pipe, and rmdir() says EBUSY. */
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
        pid_t pid = (pid_t)strtol(entry->d_name + sizeof prefix - 1, NULL, 10);
        if (pid > 0 && (pid == getpid() || (kill(pid, 0) != 0 && errno == ESRCH)))
            unlinkat(dirfd(folder), entry->d_name, AT_REMOVEDIR);
    }
    closedir(folder);
}

static bool make_instance(struct s2_observer *observer, const char *tracefs)
{
    char instances[sizeof observer->instance - 32];
    int length = snprintf(instances, sizeof instances, "%s/instances", tracefs);
    if (length >= (int)sizeof instances)
        return give_up(observer, "the path of tracefs is too long: %.60s...", tracefs);
    if (access(instances, F_OK) != 0 && errno == EACCES)
        return give_up(observer, "%s: no permission: run s2vmm as root", tracefs);
    if (access(instances, F_OK) != 0)
        return give_up(observer, "no tracefs at %s: mount -t tracefs tracefs %s", tracefs,
                       tracefs);
    remove_stale_instances(instances);
    snprintf(observer->instance, sizeof observer->instance, "%s/s2vmm-%d", instances,
             (int)getpid());
    if (mkdir(observer->instance, 0700) == 0)
        return true;
    int number = errno;
    give_up(observer, "cannot make the trace instance %s: %s%s", observer->instance,
            strerror(number),
            number == EACCES || number == EPERM ? ": run s2vmm as root" : "");
    observer->instance[0] = '\0';
    return false;
}

static bool open_pipe(struct s2_observer *observer)
{
    char path[sizeof observer->instance + 16];
    snprintf(path, sizeof path, "%s/trace_pipe", observer->instance);
    observer->pipe_fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    return observer->pipe_fd >= 0 || give_up(observer, "%s: %s", path, strerror(errno));
}

/* The threads that exist, and with event-fork those that they start: the vCPUs. */
static bool follow_threads(struct s2_observer *observer)
{
    if (!write_control(observer, "options/event-fork", "1"))
        return give_up(observer, "%s/options/event-fork: %s", observer->instance,
                       strerror(errno));
    DIR *folder = opendir("/proc/self/task");
    if (!folder)
        return give_up(observer, "/proc/self/task: %s", strerror(errno));
    bool done = true;
    const struct dirent *entry;
    while (done && (entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] != '.' &&
            !write_control(observer, "set_event_pid", entry->d_name))
            done = give_up(observer, "%s/set_event_pid: %s", observer->instance,
                           strerror(errno));
    }
    closedir(folder);
    return done;
}

/* A leaf of 1 GiB that covers the range may begin below it. */
static bool enable_events(struct s2_observer *observer, struct gpa_range range)
{
    uint64_t first = s2_leaf_base(range.start.value >> PAGE_SHIFT, S2_LEVELS);
    uint64_t end = (range.start.value + range.size) >> PAGE_SHIFT;
    char filter[96];
    snprintf(filter, sizeof filter, "gfn >= %" PRIu64 " && gfn < %" PRIu64, first, end);

    for (size_t i = 0; i < S2_TRACE_EVENTS_MAX; i++) {
        char file[80];
        snprintf(file, sizeof file, "events/%s/filter", s2_trace_events[i]);
        bool enabled = write_control(observer, file, filter);
        snprintf(file, sizeof file, "events/%s/enable", s2_trace_events[i]);
        enabled = enabled && write_control(observer, file, "1");
        if (!enabled && i == 0)
            return give_up(observer,
                           "the trace event %s cannot be enabled: %s; is KVM loaded?",
                           s2_trace_events[i], strerror(errno));
    }
    return true;
}

static bool start(struct s2_observer *observer, const char *tracefs,
                  struct gpa_range range)
{
    if (!make_instance(observer, tracefs))
        return false;
    /* A small buffer only loses events sooner. */
    write_control(observer, "buffer_size_kb", BUFFER_KIB);
    if (!s2_leaf_table_init(&observer->table))
        return give_up(observer, "no memory for the table of leaves");
    return open_pipe(observer) && follow_threads(observer) &&
           enable_events(observer, range);
}

void s2_observer_init(struct s2_observer *observer, const char *tracefs,
                      enum memattr_model model, struct gpa_range range)
{
    *observer = (struct s2_observer){
        .model = model,
        .pipe_fd = -1,
        .page_flags_path = "/proc/kpageflags",
    };
    if (!start(observer, tracefs ? tracefs : "/sys/kernel/tracing", range))
        s2_observer_finish(observer);
}

void s2_observer_init_recorded(struct s2_observer *observer, int pipe_fd,
                               enum memattr_model model)
{
    *observer = (struct s2_observer){
        .model = model,
        .pipe_fd = pipe_fd,
        .page_flags_path = "/proc/kpageflags",
    };
    if (!s2_leaf_table_init(&observer->table))
        give_up(observer, "no memory for the table of leaves");
}

/* Closing comes first: an instance in use cannot be removed. */
void s2_observer_finish(struct s2_observer *observer)
{
    if (observer->table.slots && observer->pipe_fd >= 0)
        close(observer->pipe_fd);
    s2_leaf_table_finish(&observer->table);
    if (observer->instance[0] != '\0')
        rmdir(observer->instance);
    observer->instance[0] = '\0';
}

/* --- reading --- */

static void take_in(struct s2_observer *observer, const char *line)
{
    struct s2_event event = s2_trace_parse(line);
    s2_leaf_table_apply(&observer->table, &event);
    if (event.kind == S2_EVENT_LOST) {
        observer->lost += event.lost;
        give_up(observer,
                "the kernel dropped %" PRIu64
                " trace events: leaves set before are unknown",
                observer->lost);
    }
}

/* Takes whole lines out of the text; what is left is the beginning of one. */
static void parse_text(struct s2_observer *observer)
{
    char *line = observer->text;
    char *newline;
    while ((newline = strchr(line, '\n')) != NULL) {
        *newline = '\0';
        take_in(observer, line);
        line = newline + 1;
    }
    observer->text_length = strlen(line);
    memmove(observer->text, line, observer->text_length + 1);
}

/* False when there is more to read than one look takes: what is known may be outdated. */
static bool drain(struct s2_observer *observer)
{
    for (unsigned i = 0; i < READS_MAX; i++) {
        /* A line that fills all of the text is none of ours. */
        if (observer->text_length == sizeof observer->text - 1)
            observer->text_length = 0;
        ssize_t count = read(observer->pipe_fd, observer->text + observer->text_length,
                             sizeof observer->text - 1 - observer->text_length);
        if (count <= 0)
            return true;
        observer->text_length += (size_t)count;
        observer->text[observer->text_length] = '\0';
        parse_text(observer);
    }
    return false;
}

bool s2_observer_find(struct s2_observer *observer, gpa_t address, struct s2_leaf *leaf)
{
    if (!observer->table.slots || !drain(observer))
        return false;
    uint64_t gfn = address.value >> PAGE_SHIFT;
    const struct s2_leaf_slot *slot = s2_leaf_table_find(&observer->table, gfn);
    if (!slot)
        return false;
    *leaf = (struct s2_leaf){
        .raw = slot->raw,
        .level = slot->level,
        .hpa =
            s2_trace_address(slot->raw, slot->level) + ((gfn - slot->gfn) << PAGE_SHIFT),
        .attributes = s2_trace_attributes(observer->model, slot->raw, slot->level),
    };
    return true;
}

void s2_observer_forget(struct s2_observer *observer, struct gpa_range range)
{
    if (!observer->table.slots)
        return;
    drain(observer);
    s2_leaf_table_forget(&observer->table, range.start.value >> PAGE_SHIFT,
                         range.size >> PAGE_SHIFT);
}

/* --- the host's side --- */

bool s2_observer_host_type(const struct s2_observer *observer, uint64_t hpa,
                           enum memattr_type *type)
{
    int fd = open(observer->page_flags_path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    uint64_t flags = 0;
    off_t offset = (off_t)((hpa >> PAGE_SHIFT) * sizeof flags);
    bool known = pread(fd, &flags, sizeof flags, offset) == (ssize_t)sizeof flags &&
                 s2_trace_host_type(flags, type);
    close(fd);
    return known;
}

/* SPDX-License-Identifier: MIT */
#include "devices/gpu/lent_users.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What /proc/PID/fdinfo/FD says of a dma-buf. */
struct info {
    bool is_dmabuf;
    uint64_t inode;
    uint64_t count;
};

static bool read_info(const char *path, struct info *info)
{
    char line[256];
    *info = (struct info){0};
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    while (fgets(line, sizeof line, file)) {
        if (strncmp(line, "ino:", 4) == 0)
            info->inode = strtoull(line + 4, NULL, 10);
        else if (strncmp(line, "count:", 6) == 0)
            info->count = strtoull(line + 6, NULL, 10);
        else if (strncmp(line, "exp_name:", 9) == 0)
            info->is_dmabuf = true;
    }
    fclose(file);
    return true;
}

static bool read_own(int fd, struct info *info)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
    return read_info(path, info);
}

enum lent_users lent_users_count(int fd, uint64_t *others)
{
    struct info info;
    *others = 0;
    if (!read_own(fd, &info))
        return errno == ENOENT || errno == EACCES ? LENT_USERS_UNKNOWN
                                                  : LENT_USERS_NOT_NOW;
    if (info.count == 0)
        return LENT_USERS_UNKNOWN;
    *others = info.count - 1;
    return LENT_USERS_COUNTED;
}

/* --- by name --- */

struct holder {
    unsigned descriptors;
    unsigned mappings;
    bool hidden; /* this process may not look at it */
};

/* A process that has ended meanwhile hides nothing, and a thread of the kernel has no mappings
 * (fs/proc/base.c, proc_mem_open()). */
static bool is_hidden(int error)
{
    return error != ENOENT && error != ESRCH;
}

static void count_descriptors(const char *process, uint64_t inode, struct holder *holder)
{
    char path[300];
    struct info info;
    snprintf(path, sizeof path, "/proc/%s/fdinfo", process);
    DIR *folder = opendir(path);
    const struct dirent *entry;
    holder->hidden = holder->hidden || (!folder && is_hidden(errno));
    while (folder && (entry = readdir(folder)) != NULL) {
        snprintf(path, sizeof path, "/proc/%s/fdinfo/%.20s", process, entry->d_name);
        holder->descriptors += isdigit((unsigned char)entry->d_name[0]) &&
                               read_info(path, &info) && info.is_dmabuf &&
                               info.inode == inode;
    }
    if (folder)
        closedir(folder);
}

/* fs/proc/task_mmu.c, show_map_vma(): range, rights, offset, device, inode, path. */
static bool is_mapping(const char *line, uint64_t inode)
{
    const char *name = strstr(line, " /dmabuf:");
    while (name && name > line && *name == ' ')
        name--;
    while (name && name > line && isdigit((unsigned char)name[-1]))
        name--;
    return name && strtoull(name, NULL, 10) == inode;
}

static void count_mappings(const char *process, uint64_t inode, struct holder *holder)
{
    char path[64];
    char line[512];
    snprintf(path, sizeof path, "/proc/%.20s/maps", process);
    FILE *file = fopen(path, "re");
    holder->hidden = holder->hidden || (!file && is_hidden(errno));
    while (file && fgets(line, sizeof line, file))
        holder->mappings += is_mapping(line, inode);
    if (file)
        fclose(file);
}

static void read_name(const char *process, char *name, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%.20s/comm", process);
    snprintf(name, size, "?");
    FILE *file = fopen(path, "re");
    if (file && !fgets(name, (int)size, file))
        snprintf(name, size, "?");
    if (file)
        fclose(file);
    name[strcspn(name, "\n")] = '\0';
}

__attribute__((format(printf, 3, 4))) static void add(char *text, size_t size,
                                                      const char *format, ...)
{
    size_t used = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + used, size - used, format, arguments);
    va_end(arguments);
}

static const char *plural(unsigned count)
{
    return count == 1 ? "" : "s";
}

/* How far this process could look. */
struct view {
    bool hides;    /* a process that it may not look at */
    bool has_self; /* itself: else /proc cannot be listed */
};

/* Returns how many of the others it has. */
static uint64_t name_process(const char *process, uint64_t inode, struct view *view,
                             char *text, size_t size)
{
    struct holder holder = {0};
    char name[32];
    bool is_own = strtol(process, NULL, 10) == (long)getpid();
    count_descriptors(process, inode, &holder);
    count_mappings(process, inode, &holder);
    view->hides = view->hides || holder.hidden;
    if (is_own && holder.descriptors > 0) {
        holder.descriptors--;
        view->has_self = true;
    }
    if (holder.descriptors + holder.mappings == 0)
        return 0;
    read_name(process, name, sizeof name);
    add(text, size, "%sprocess %s (%s%s): %u descriptor%s, %u mapping%s",
        text[0] ? "; " : "", process, name, is_own ? ", this one" : "",
        holder.descriptors, plural(holder.descriptors), holder.mappings,
        plural(holder.mappings));
    return holder.descriptors + holder.mappings;
}

void lent_users_name(int fd, uint64_t others, char *text, size_t size)
{
    struct info own;
    uint64_t named = 0;
    struct view view = {0};
    text[0] = '\0';
    DIR *folder = read_own(fd, &own) ? opendir("/proc") : NULL;
    const struct dirent *entry;
    while (folder && named < others && (entry = readdir(folder)) != NULL)
        if (isdigit((unsigned char)entry->d_name[0]))
            named += name_process(entry->d_name, own.inode, &view, text, size);
    if (folder)
        closedir(folder);
    if (named < others)
        add(text, size, "%s%llu held by %s (inode %llu)", text[0] ? "; and " : "",
            (unsigned long long)(others - named),
            view.hides || !view.has_self
                ? "a driver that imported it, or by a process that this one may not "
                  "look at"
                : "no process: a driver imported it, or it is on its way through a "
                  "socket",
            (unsigned long long)own.inode);
}

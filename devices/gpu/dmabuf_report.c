/* SPDX-License-Identifier: MIT */
#include "devices/gpu/dmabuf_report.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "devices/gpu/bandwidth.h"
#include "devices/gpu/driver_query.h"
#include "devices/gpu/exporters/target.h"
#include "vmm/placement.h"

/* Enough for every question; the rest of a large buffer stays untouched. */
#define MAPPED_MAX BANDWIDTH_SIZE_MAX
#define DRI_FOLDER "/dev/dri"

/* --- the buffer --- */

/* "FD" or "PID:FD"; pid 0 stands for this process. */
static bool parse_descriptor(const char *what, int *pid, int *fd)
{
    char *end = NULL;
    if (what[0] < '0' || what[0] > '9')
        return false;
    errno = 0;
    long first = strtol(what, &end, 10);
    long second = -1;
    if (*end == ':' && end[1] >= '0' && end[1] <= '9')
        second = strtol(end + 1, &end, 10);
    if (*end != '\0' || errno != 0 || first > INT32_MAX || second > INT32_MAX)
        return false;
    *pid = second < 0 ? 0 : (int)first;
    *fd = (int)(second < 0 ? first : second);
    return true;
}

static bool copy_descriptor(int pid, int number, int *fd, struct error *error)
{
    if (pid == 0) {
        *fd = fcntl(number, F_DUPFD_CLOEXEC, 3);
        return *fd >= 0 ||
               error_set(error, ERROR_CONFIG_USAGE, "--dmabuf: fd %d of this process: %s",
                         number, strerror(errno));
    }
    int process = (int)syscall(SYS_pidfd_open, pid, 0);
    if (process < 0)
        return error_set(error, ERROR_CONFIG_USAGE, "--dmabuf: process %d: %s", pid,
                         strerror(errno));
    *fd = (int)syscall(SYS_pidfd_getfd, process, number, 0);
    int problem = errno;
    close(process);
    if (*fd >= 0)
        return true;
    return error_set(error, ERROR_CONFIG_USAGE,
                     "--dmabuf: fd %d of process %d: %s%s; /proc/%d/fd lists what it has",
                     number, pid, strerror(problem),
                     problem == EPERM ? " (it takes root, or ptrace rights)" : "", pid);
}

static bool get_descriptor(const char *what, const struct memattr_platform *platform,
                           struct target *target, int *fd, struct error *error)
{
    int pid;
    int number;
    if (parse_descriptor(what, &pid, &number)) {
        if (!copy_descriptor(pid, number, fd, error))
            return false;
    } else {
        struct exporter exporter;
        if (!exporter_find(what, &exporter, error))
            return false;
        if (!target_open(target, &exporter, TARGET_SIZE, platform->model, error))
            return error_wrap(error, "%s", what);
        *fd = target->backing.fd < 0 ? -1 : fcntl(target->backing.fd, F_DUPFD_CLOEXEC, 3);
    }
    if (*fd >= 0 && backing_is_dmabuf(*fd))
        return true;
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    return error_set(error, ERROR_CONFIG_USAGE,
                     "--dmabuf %s: it is no dma-buf (/proc/PID/fd shows those as "
                     "/dmabuf:); s2vmm matrix asks about other memory",
                     what);
}

/* Whether the first page can be read; asked of the kernel, which says EFAULT where a load
 * would end in SIGBUS. */
static bool first_page_is_there(const uint8_t *host)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    bool good = write(ends[1], host, 1) == 1;
    close(ends[0]);
    close(ends[1]);
    return good;
}

/* For reading only: it may be another process's buffer. */
static bool map_buffer(struct backing *backing, struct error *error)
{
    void *host = mmap(NULL, backing->size, PROT_READ, MAP_SHARED, backing->fd, 0);
    if (host == MAP_FAILED)
        return error_set(error, ERROR_CONFIG_HOST,
                         "mmap of the dma-buf: %s: its exporter (%s) does not let user "
                         "space map it, and nor could a guest",
                         strerror(errno), backing->exporter);
    backing->host = host;
    backing->is_pfnmap = placement_is_pfnmap(host);
    if (first_page_is_there(host))
        return true;
    munmap(host, backing->size);
    backing->host = NULL;
    return error_set(error, ERROR_CONFIG_HOST,
                     "the dma-buf (%s) can be mapped, but its first page cannot be read: "
                     "revoked, or without memory",
                     backing->exporter);
}

static void read_vma_flags(const struct backing *backing, char *flags, size_t size)
{
    FILE *smaps = fopen("/proc/self/smaps", "re");
    if (!smaps || !vma_find_flags(smaps, backing->host, flags, size))
        snprintf(flags, size, "unknown");
    if (smaps)
        fclose(smaps);
}

/* --- the nodes --- */

static bool is_own(const char *node, const struct backing *backing)
{
    struct driver_answer answer;
    const struct driver_buffer buffer = {
        .fd = backing->fd,
        .exporter = backing->exporter,
        .is_pfnmap = backing->is_pfnmap,
    };
    driver_query_path(node, &buffer, &answer);
    return answer.is_own;
}

/* The node whose driver exported the buffer; else the first one, for its reason; else "". */
static void find_node(const struct backing *backing, char *node, size_t size)
{
    struct dirent **entries = NULL;
    int count = scandir(DRI_FOLDER, &entries, NULL, alphasort);
    bool found = false;
    node[0] = '\0';
    for (int i = 0; i < count; i++) {
        char path[300];
        snprintf(path, sizeof path, DRI_FOLDER "/%s", entries[i]->d_name);
        bool is_node = strncmp(entries[i]->d_name, "card", 4) == 0 ||
                       strncmp(entries[i]->d_name, "renderD", 7) == 0;
        if (is_node && !found && strlen(path) < size) {
            found = is_own(path, backing);
            if (found || !node[0])
                snprintf(node, size, "%.60s", path);
        }
        free(entries[i]);
    }
    free(entries);
}

/* --- the report --- */

static void collect(struct dmabuf_facts *facts, struct backing *backing,
                    const char *drm_node)
{
    struct utsname names;
    snprintf(facts->kernel, sizeof facts->kernel, "%s",
             uname(&names) == 0 ? names.release : "unknown");
    snprintf(facts->exporter, sizeof facts->exporter, "%s", backing->exporter);
    read_vma_flags(backing, facts->vma_flags, sizeof facts->vma_flags);
    if (drm_node)
        snprintf(facts->node, sizeof facts->node, "%s", drm_node);
    else
        find_node(backing, facts->node, sizeof facts->node);

    const struct cache_mode_question question = {
        .platform = facts->platform,
        .backing = backing,
        .drm_node = facts->node[0] ? facts->node : NULL,
        .measure = true,
    };
    cache_mode_query(&question, &facts->report);
    if (facts->report.decided)
        facts->advice = memattr_advise(facts->platform, &facts->report.buffer);
    dmabuf_judge(facts);
}

bool dmabuf_report(const char *what, const struct memattr_platform *platform,
                   const char *drm_node, bool as_json, FILE *out, struct error *error)
{
    struct target target = {0};
    struct backing backing = {.kind = BACKING_DMABUF, .fd = -1};
    struct dmabuf_facts facts = {.what = what, .platform = platform};
    bool done = false;
    if (!get_descriptor(what, platform, &target, &backing.fd, error))
        goto out;
    if (!backing_read_exporter(backing.fd, backing.exporter, sizeof backing.exporter,
                               error))
        goto out;
    off_t end = lseek(backing.fd, 0, SEEK_END);
    facts.size = end > 0 ? (uint64_t)end : 0;
    backing.size = facts.size < MAPPED_MAX ? facts.size : MAPPED_MAX;
    if (backing.size == 0) {
        error_set(error, ERROR_CONFIG_HOST, "--dmabuf %s: the dma-buf is empty", what);
        goto out;
    }
    if (!map_buffer(&backing, error))
        goto out;
    collect(&facts, &backing, drm_node);
    (as_json ? dmabuf_print_json : dmabuf_print_text)(&facts, out);
    munmap(backing.host, backing.size);
    done = true;
out:
    if (backing.fd >= 0)
        close(backing.fd);
    target_close(&target);
    return done;
}

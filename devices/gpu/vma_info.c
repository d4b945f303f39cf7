/* SPDX-License-Identifier: MIT */
#include "devices/gpu/vma_info.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* A line of the list (fs/proc/task_mmu.c, show_map_vma()). */
struct vma {
    uint64_t start;
    uint64_t end;
    dev_t device; /* 0: there is no file */
    uint64_t inode;
    const char *name; /* of the file, or the kernel's own: "[heap]"; or "" */
};

/* START-END PERMISSIONS OFFSET MAJOR:MINOR INODE NAME, all but the inode hexadecimal. The name is
 * the rest of the line: a file's may have any character, a newline is escaped. */
static bool parse(char *line, struct vma *vma)
{
    char *at;
    vma->start = strtoull(line, &at, 16);
    if (*at != '-')
        return false;
    vma->end = strtoull(at + 1, &at, 16);
    for (int i = 0; i < 2; i++) {
        at += strspn(at, " ");
        at += strcspn(at, " \n");
    }
    unsigned major_number = (unsigned)strtoul(at, &at, 16);
    if (*at != ':')
        return false;
    unsigned minor_number = (unsigned)strtoul(at + 1, &at, 16);
    vma->device = makedev(major_number, minor_number);
    vma->inode = strtoull(at, &at, 10);
    at += strspn(at, " ");
    at[strcspn(at, "\n")] = '\0';
    vma->name = at;
    return true;
}

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static void fail(struct vma_info *info, const char *what)
{
    info->is_ram = false;
    info->error = errno;
    snprintf(info->detail, sizeof info->detail, "%s: %s", what, strerror(info->error));
}

/* The device number of the kernel's own tmpfs, where memfds are, and which nobody can mount. */
static bool find_shmem(dev_t *device, struct vma_info *info)
{
    struct stat status;
    int fd = memfd_create("s2vmm", MFD_CLOEXEC);
    bool found = fd >= 0 && fstat(fd, &status) == 0;
    if (!found)
        fail(info, "a memfd to compare with");
    else
        *device = status.st_dev;
    if (fd >= 0)
        close(fd);
    return found;
}

static bool is_anonymous(const struct vma *vma)
{
    return vma->device == 0 && vma->inode == 0 &&
           (vma->name[0] == '\0' || strcmp(vma->name, "[heap]") == 0 ||
            strcmp(vma->name, "[stack]") == 0 || starts_with(vma->name, "[anon:"));
}

static bool is_shared_memory(const struct vma *vma, dev_t shmem)
{
    return vma->device != 0 && vma->device == shmem &&
           (starts_with(vma->name, "/memfd:") ||
            strcmp(vma->name, "/dev/zero (deleted)") == 0);
}

/* The lines are in the order of the addresses, and what stays mapped all the time is in one of
 * them, although other threads map and unmap meanwhile (Documentation/filesystems/proc.rst on
 * /proc/PID/maps). */
static void look(FILE *maps, uint64_t at, uint64_t end, struct vma_info *info)
{
    char *line = NULL;
    size_t capacity = 0;
    struct vma vma;
    dev_t shmem;
    if (!find_shmem(&shmem, info))
        return;
    info->is_ram = true;
    while (info->is_ram && at < end && getline(&line, &capacity, maps) > 0) {
        if (!parse(line, &vma) || vma.end <= at)
            continue;
        if (vma.start > at)
            break;
        info->is_ram = is_anonymous(&vma) || is_shared_memory(&vma, shmem);
        snprintf(info->detail, sizeof info->detail, "%s%.80s",
                 info->is_ram ? "" : "not ordinary memory: ",
                 vma.name[0] ? vma.name : "anonymous memory");
        at = vma.end;
    }
    free(line);
    if (!info->is_ram || at >= end)
        return;
    if (ferror(maps)) {
        fail(info, "it cannot be read");
        return;
    }
    info->is_ram = false;
    snprintf(info->detail, sizeof info->detail, "nothing is mapped at %#llx",
             (unsigned long long)at);
}

void vma_info_ask(const char *maps, const void *host, uint64_t size,
                  struct vma_info *info)
{
    *info = (struct vma_info){0};
    uint64_t start = (uintptr_t)host;
    uint64_t end;
    if (size == 0 || !u64_add(start, size, &end)) {
        snprintf(info->detail, sizeof info->detail,
                 "no range of addresses: %#llx, %llu bytes", (unsigned long long)start,
                 (unsigned long long)size);
        return;
    }
    FILE *file = fopen(maps, "re");
    if (!file) {
        fail(info, "it does not open");
        return;
    }
    look(file, start, end, info);
    fclose(file);
}

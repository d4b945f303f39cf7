/* SPDX-License-Identifier: MIT */
#include "tests/e2e/lent.h"

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "devices/dmabuf-lab/dmabuf_lab.h"

#define DMABUF "/dmabuf:"

void lent_watch_init(struct lent_watch *watch, bool by_device)
{
    *watch = (struct lent_watch){.by_device = by_device, .holder = -1};
}

/* The number that the process has for its first dma-buf; -1: it has none. */
static int find_dmabuf(pid_t pid)
{
    char path[300];
    int number = -1;
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *folder = opendir(path);
    const struct dirent *entry;
    while (folder && number < 0 && (entry = readdir(folder)) != NULL) {
        char target[sizeof DMABUF] = "";
        snprintf(path, sizeof path, "/proc/%d/fd/%.20s", (int)pid, entry->d_name);
        if (readlink(path, target, strlen(DMABUF)) > 0 && strcmp(target, DMABUF) == 0)
            number = (int)strtol(entry->d_name, NULL, 10);
    }
    if (folder)
        closedir(folder);
    return number;
}

static void unmap(struct lent_watch *watch)
{
    munmap(watch->view, watch->size);
    watch->view = NULL;
}

/* The device has it from now on, and no process but s2vmm. */
static void give_to_device(struct lent_watch *watch, int fd)
{
    struct dmabuf_lab_hold hold = {.fd = fd, .holding = DMABUF_LAB_DYNAMIC};
    int lab = open("/dev/dmabuf-lab", O_RDWR | O_CLOEXEC);
    ck_assert_int_ge(lab, 0);
    ck_assert_int_eq(ioctl(lab, DMABUF_LAB_IOCTL_HOLD, &hold), 0);
    close(lab);
    watch->holder = hold.holder;
    memset(watch->view, 0xaa, watch->size);
    unmap(watch);
}

static void take(struct lent_watch *watch, pid_t pid)
{
    int number = find_dmabuf(pid);
    if (number < 0)
        return;
    int process = (int)syscall(SYS_pidfd_open, pid, 0);
    ck_assert_int_ge(process, 0);
    int fd = (int)syscall(SYS_pidfd_getfd, process, number, 0);
    close(process);
    ck_assert_int_ge(fd, 0);
    watch->size = (size_t)lseek(fd, 0, SEEK_END);
    watch->view = mmap(NULL, watch->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ck_assert_ptr_ne(watch->view, MAP_FAILED);
    if (watch->by_device)
        give_to_device(watch, fd);
    close(fd);
    watch->taken++;
}

void lent_watch_look(void *context, pid_t pid, int in, const char *out)
{
    (void)in;
    struct lent_watch *watch = context;
    if (watch->taken == 0 && (strstr(out, "lent\n") || strstr(out, "lent\r\n")))
        take(watch, pid);
    if (watch->view)
        memset(watch->view, 0xaa, watch->size);
    if (!strstr(out, "let go") || (!watch->view && watch->holder < 0))
        return;
    if (watch->view)
        unmap(watch);
    else
        close(watch->holder);
    watch->holder = -1;
    watch->let_go++;
}

void lent_watch_check(const struct lent_watch *watch)
{
    ck_assert_uint_eq(watch->taken, 1);
    ck_assert_uint_eq(watch->let_go, 1);
}

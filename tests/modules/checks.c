/* SPDX-License-Identifier: MIT */
/* See checks.h. */
#include "tests/modules/checks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "devices/dmabuf-info/dma_buf_info.h"

__attribute__((format(printf, 2, 0))) static void fail(struct checks *checks,
                                                       const char *format,
                                                       va_list arguments)
{
    char text[256];

    atomic_fetch_add(&checks->failed, 1);
    vsnprintf(text, sizeof(text), format, arguments);
    printf("FAIL: %s\n", text);
}

bool check(struct checks *checks, bool ok, const char *format, ...)
{
    va_list arguments;

    atomic_fetch_add(&checks->run, 1);
    va_start(arguments, format);
    if (!ok)
        fail(checks, format, arguments);
    va_end(arguments);
    return ok;
}

bool check_each(struct checks *checks, bool ok, const char *format, ...)
{
    va_list arguments;

    if (ok)
        return true;
    atomic_fetch_add(&checks->run, 1);
    va_start(arguments, format);
    fail(checks, format, arguments);
    va_end(arguments);
    return false;
}

int checks_finish(const struct checks *checks)
{
    unsigned run = atomic_load(&checks->run), failed = atomic_load(&checks->failed);

    printf("%u%%: Checks: %u, Failures: %u, Errors: 0\n",
           run ? (run - failed) * 100 / run : 0, run, failed);
    return failed == 0 && run > 0 ? 0 : 1;
}

int info_query(int fd, uint32_t param, uint64_t *value)
{
    struct dma_buf_info info = {.param = param, .pad = UINT32_MAX};

    if (ioctl(fd, DMA_BUF_IOCTL_INFO, &info) != 0)
        return errno;
    *value = info.value;
    return 0;
}

int module_load(const char *path)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);

    if (file < 0)
        return errno;
    int error = syscall(SYS_finit_module, file, "", 0) == 0 ? 0 : errno;
    close(file);
    return error;
}

int module_unload(const char *name)
{
    return syscall(SYS_delete_module, name, O_NONBLOCK) == 0 ? 0 : errno;
}

/* SPDX-License-Identifier: MIT */
/*
 * Tests the kernel module dmabuf-info in a running kernel, as root:
 *     module-stress DMABUF_INFO.KO [DMABUF_LAB.KO]
 * With the second, also what an exporter answers for itself. It needs /dev/udmabuf and vgem,
 * which the lab's --modules vgem loads; a missing one is a failure. At the end the kernel's
 * messages of this time are searched for complaints.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/modules/checks.h"
#include "tests/modules/semantics.h"
#include "tests/modules/semantics_lab.h"
#include "tests/modules/stress.h"

static const char module[] = "dmabuf_info";

/* With ftrace switched off the module does not load, and while it is loaded ftrace cannot be
 * switched off (FTRACE_OPS_FL_PERMANENT): an ioctl that silently is not there would be worse. */
static int set_ftrace(const char *value)
{
    int file = open("/proc/sys/kernel/ftrace_enabled", O_WRONLY | O_CLOEXEC);

    if (file < 0)
        return errno;
    int error = write(file, value, 1) == 1 ? 0 : errno;
    close(file);
    return error;
}

static void ftrace_off(struct checks *checks, const char *path)
{
    int error = set_ftrace("0");

    if (error == EOPNOTSUPP) { /* from 7.3 on (kernel/trace/ftrace.c) */
        printf("this kernel's ftrace cannot be switched off\n");
        return;
    }
    if (!check(checks, error == 0, "ftrace_enabled: %s", strerror(error)))
        return;
    error = module_load(path);
    check(checks, error == EBUSY, "load while ftrace is off: error %d, not EBUSY", error);
    check(checks, set_ftrace("1") == 0, "ftrace cannot be switched on again");
}

static void search_messages(struct checks *checks, int messages)
{
    static const char *const complaints[] = {
        "WARNING:", "BUG:",        "Oops",  "suspicious RCU", "possible circular locking",
        "lockdep:", "Call Trace:", "KASAN", "refcount_t:"};
    char line[8192];
    unsigned count = 0;

    for (;;) {
        ssize_t length = read(messages, line, sizeof(line) - 1);
        if (length < 0 && errno == EAGAIN)
            break;
        if (!check(checks, length >= 0, "/dev/kmsg: %s", strerror(errno)))
            break;
        line[length] = '\0';
        count++;
        for (size_t i = 0; i < sizeof(complaints) / sizeof(complaints[0]); i++)
            check(checks, strstr(line, complaints[i]) == NULL, "the kernel: %s", line);
    }
    check(checks, count > 0, "the kernel said nothing, not even that it loaded a module");
}

int main(int argc, char **argv)
{
    struct checks checks = {0};
    int error, messages = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc != 2 && argc != 3) {
        fprintf(stderr,
                "usage: module-stress DMABUF_INFO.KO [DMABUF_LAB.KO] (as root; not "
                "loaded)\n");
        return 2;
    }
    if (messages < 0 || lseek(messages, 0, SEEK_END) < 0) {
        fprintf(stderr, "/dev/kmsg: %s\n", strerror(errno));
        return 2;
    }
    semantics_not_loaded(&checks, "before the module is loaded");
    ftrace_off(&checks, argv[1]);
    error = module_load(argv[1]);
    if (check(&checks, error == 0, "%s: %s", argv[1], strerror(error))) {
        error = set_ftrace("0");
        check(&checks, error == EBUSY || error == EOPNOTSUPP,
              "ftrace was switched off while it is used: error %d", error);
        semantics(&checks);
        if (argc == 3)
            semantics_lab(&checks, argv[2]);
        stress_queries(&checks, argv[1]);
        semantics(&checks);
        error = module_unload(module);
        check(&checks, error == 0, "unload: %s", strerror(error));
        semantics_not_loaded(&checks, "after it was unloaded");
        stress_reload(&checks, argv[1]);
        semantics_not_loaded(&checks, "after it was unloaded often");
    }
    search_messages(&checks, messages);
    close(messages);
    return checks_finish(&checks);
}

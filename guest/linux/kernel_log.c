/* SPDX-License-Identifier: MIT */
#include "guest/linux/kernel_log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "guest/linux/test.h"

#define RECORD_MAX 8192u /* bytes, of one read() (Documentation/ABI/testing/dev-kmsg) */

void kernel_log_open(struct kernel_log *log)
{
    log->fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (log->fd >= 0)
        (void)lseek(log->fd, 0, SEEK_END);
}

void kernel_log_close(struct kernel_log *log)
{
    if (log->fd >= 0)
        close(log->fd);
    log->fd = -1;
}

unsigned kernel_log_device_errors(const struct kernel_log *log, const struct test *test)
{
    /* The answers to the last commands may still be on their way. */
    const struct timespec moment = {.tv_nsec = 50000000};
    char record[RECORD_MAX + 1];
    unsigned count = 0;
    ssize_t length;
    nanosleep(&moment, NULL);
    while (log->fd >= 0 && ((length = read(log->fd, record, RECORD_MAX)) > 0 ||
                            (length < 0 && errno == EPIPE))) { /* some were overwritten */
        if (length < 0)
            continue;
        record[length] = '\0';
        const char *text = strchr(record, ';'); /* "level,number,time,flags;text" */
        if (!text || !strstr(text, "virtio_gpu_dequeue_ctrl_func"))
            continue;
        text = strstr(text, "response");
        test_say(test, "the device answered with an error: %.40s", text ? text : "?");
        count++;
    }
    return count;
}

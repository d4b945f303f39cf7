/* SPDX-License-Identifier: MIT */
#include "guest/linux/hotplug.h"

#include <errno.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define KERNEL_GROUP 1u    /* lib/kobject_uevent.c: the kernel's own events */
#define EVENT_MAX    4096u /* bytes; UEVENT_BUFFER_SIZE is 2048 */

int hotplug_open(int *fd)
{
    const struct sockaddr_nl address = {.nl_family = AF_NETLINK,
                                        .nl_groups = KERNEL_GROUP};
    *fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
    if (*fd < 0)
        return errno;
    if (bind(*fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return 0;
    int error = errno;
    close(*fd);
    return error;
}

/* An event is strings, each with a NUL behind it. */
static bool has(const char *event, size_t length, const char *variable)
{
    for (size_t i = 0; i < length; i += strlen(event + i) + 1)
        if (strcmp(event + i, variable) == 0)
            return true;
    return false;
}

int hotplug_wait(int fd, unsigned seconds)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    char event[EVENT_MAX + 1];
    ssize_t length;
    do {
        int ready = poll(&poll_fd, 1, (int)seconds * 1000);
        if (ready <= 0)
            return ready == 0 ? ETIMEDOUT : errno;
        length = recv(fd, event, EVENT_MAX, 0);
        if (length < 0)
            return errno;
        event[length] = '\0';
    } while (!has(event, (size_t)length, "SUBSYSTEM=drm") ||
             !has(event, (size_t)length, "HOTPLUG=1"));
    return 0;
}

/* SPDX-License-Identifier: MIT */
#include "devices/gpu/renderer_wire.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* For the alignment of the first header. */
union control {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(WIRE_FDS_MAX * sizeof(int))];
};

bool wire_send(int socket, const void *message, size_t size, const int *fds,
               unsigned fd_count, int flags)
{
    union control control = {.bytes = {0}};
    struct iovec vector = {(void *)(uintptr_t)message, size};
    struct msghdr header = {.msg_iov = &vector, .msg_iovlen = 1};
    ssize_t sent;
    BUG_ON(fd_count > WIRE_FDS_MAX);
    if (fd_count > 0) {
        header.msg_control = &control;
        header.msg_controllen = CMSG_SPACE(fd_count * sizeof *fds);
        struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
        *rights = (struct cmsghdr){.cmsg_len = CMSG_LEN(fd_count * sizeof *fds),
                                   .cmsg_level = SOL_SOCKET,
                                   .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(rights), fds, fd_count * sizeof *fds);
    }
    do {
        sent = sendmsg(socket, &header, flags | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent == (ssize_t)size;
}

void wire_close_fds(int *fds)
{
    for (unsigned i = 0; i < WIRE_FDS_MAX; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
        fds[i] = -1;
    }
}

static void take_fds(struct msghdr *header, int *fds)
{
    const struct cmsghdr *rights = CMSG_FIRSTHDR(header);
    if (!rights || rights->cmsg_level != SOL_SOCKET || rights->cmsg_type != SCM_RIGHTS)
        return;
    memcpy(fds, CMSG_DATA(rights), rights->cmsg_len - CMSG_LEN(0));
}

/* Descriptors for which there is no room are closed by the kernel, and MSG_CTRUNC is set
 * (unix(7)); more than the array has cannot come. */
enum wire_received wire_receive(int socket, void *message, size_t size, int *fds,
                                int flags)
{
    union control control;
    struct iovec vector = {message, size};
    struct msghdr header = {.msg_iov = &vector,
                            .msg_iovlen = 1,
                            .msg_control = &control,
                            .msg_controllen = sizeof control};
    uint32_t magic;
    ssize_t got;
    for (unsigned i = 0; i < WIRE_FDS_MAX; i++)
        fds[i] = -1;
    do {
        got = recvmsg(socket, &header, flags | MSG_CMSG_CLOEXEC);
    } while (got < 0 && errno == EINTR);
    if (got < 0 && errno == EAGAIN)
        return WIRE_NOTHING;
    if (got <= 0)
        return WIRE_END;
    take_fds(&header, fds);
    memcpy(&magic, message, sizeof magic);
    if (got == (ssize_t)size && (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0 &&
        magic == WIRE_MAGIC)
        return WIRE_MESSAGE;
    wire_close_fds(fds);
    return WIRE_BROKEN;
}

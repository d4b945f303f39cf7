/* SPDX-License-Identifier: MIT */
#include "vmm/update_wire.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAGIC       0x55324d56u /* "VM2U" */
#define RETRIES_MAX 100u        /* a millisecond each */

struct header {
    uint32_t magic;
    uint32_t version;
    uint32_t kind;
    uint32_t number;
};

union control {
    char bytes[CMSG_SPACE(UPDATE_FDS_MAX * sizeof(int))];
    struct cmsghdr alignment;
};

static bool failed(struct error *error, const char *what)
{
    return error_set(error, ERROR_HOST_SYSTEM, "live update: %s: %s", what,
                     strerror(errno));
}

static bool wait_for(int socket, short events, int milliseconds, struct error *error)
{
    struct pollfd fd = {.fd = socket, .events = events};
    int count;
    do
        count = poll(&fd, 1, milliseconds);
    while (count < 0 && errno == EINTR);
    if (count < 0)
        return failed(error, "poll");
    return count > 0 ||
           error_set(error, ERROR_HOST_SYSTEM,
                     "live update: the other side said nothing for %d ms", milliseconds);
}

/* Waits for a moment, if the kernel had no memory for a message: who gives up at once leaves the other
 * side waiting for its time limit, and that may be the guest's pause. */
static bool may_retry(unsigned *retries)
{
    if ((errno != ENOBUFS && errno != ENOMEM) || *retries == RETRIES_MAX)
        return false;
    (*retries)++;
    poll(NULL, 0, 1);
    return true;
}

/* --- sending --- */

struct parts {
    const void *payload;
    size_t size;
    const int *fds;
    unsigned fd_count;
    uint32_t number;
};

static bool put(int socket, enum update_kind kind, struct parts parts, int milliseconds,
                struct error *error)
{
    struct header header = {MAGIC, UPDATE_VERSION, kind, parts.number};
    union control control = {0};
    struct iovec pieces[2] = {
        {.iov_base = &header, .iov_len = sizeof header},
        {.iov_len = parts.size},
    };
    memcpy(&pieces[1].iov_base, &parts.payload, sizeof parts.payload);
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 2};
    BUG_ON(parts.size > UPDATE_PAYLOAD_MAX || parts.fd_count > UPDATE_FDS_MAX);
    if (parts.fd_count > 0) {
        size_t size = parts.fd_count * sizeof(int);
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(size);
        struct cmsghdr *fds = CMSG_FIRSTHDR(&message);
        fds->cmsg_level = SOL_SOCKET;
        fds->cmsg_type = SCM_RIGHTS;
        fds->cmsg_len = CMSG_LEN(size);
        memcpy(CMSG_DATA(fds), parts.fds, size);
    }
    for (unsigned retries = 0;;) {
        if (sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
            return true;
        if (may_retry(&retries))
            continue;
        if (errno != EAGAIN && errno != EINTR)
            return failed(error, errno == EPIPE ? "the other side is gone" : "sendmsg");
        if (!wait_for(socket, POLLOUT, milliseconds, error))
            return false;
    }
}

bool update_send(int socket, enum update_kind kind, int milliseconds, struct error *error)
{
    return put(socket, kind, (struct parts){0}, milliseconds, error);
}

bool update_send_fd(int socket, enum update_kind kind, int fd, int milliseconds,
                    struct error *error)
{
    return put(socket, kind, (struct parts){.fds = &fd, .fd_count = 1}, milliseconds,
               error);
}

bool update_send_times(int socket, const struct update_times *times, int milliseconds,
                       struct error *error)
{
    return put(socket, UPDATE_DONE,
               (struct parts){.payload = times, .size = sizeof *times}, milliseconds,
               error);
}

void update_send_failed(int socket, const char *text)
{
    struct error error;
    (void)put(socket, UPDATE_FAILED,
              (struct parts){.payload = text, .size = strnlen(text, UPDATE_PAYLOAD_MAX)},
              0, &error);
}

bool update_send_state(int socket, enum update_kind kind,
                       const struct state_writer *writer, int milliseconds,
                       struct error *error)
{
    int file;
    if (!state_make_file(writer, &file, error))
        return false;
    struct parts first = {.fds = &file, .fd_count = 1, .number = writer->fd_count};
    bool good = put(socket, kind, first, milliseconds, error);
    close(file);
    for (unsigned done = 0; good && done < writer->fd_count;) {
        unsigned left = writer->fd_count - done;
        struct parts more = {.fds = writer->fds + done,
                             .fd_count = left < UPDATE_FDS_MAX ? left : UPDATE_FDS_MAX};
        good = put(socket, UPDATE_FDS, more, milliseconds, error);
        done += more.fd_count;
    }
    return good;
}

/* --- receiving --- */

/* Takes the descriptors out of what came, whatever else is wrong with it. */
static void take_fds(struct msghdr *header, struct update_message *message)
{
    for (struct cmsghdr *part = CMSG_FIRSTHDR(header); part != NULL;
         part = CMSG_NXTHDR(header, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
            if (message->fd_count < UPDATE_FDS_MAX)
                message->fds[message->fd_count++] = fd;
            else
                close(fd);
        }
    }
}

static bool refuse(struct error *error, const char *what, uint32_t number)
{
    return error_set(error, ERROR_HOST_SYSTEM,
                     "live update: the other side sent %s %u: are both s2vmm, and of "
                     "versions that know each other?",
                     what, number);
}

bool update_receive(int socket, struct update_message *message, int milliseconds,
                    struct error *error)
{
    struct header header = {0};
    union control control = {0};
    struct iovec pieces[2] = {
        {.iov_base = &header, .iov_len = sizeof header},
        {.iov_base = message->payload, .iov_len = UPDATE_PAYLOAD_MAX},
    };
    struct msghdr parts = {.msg_iov = pieces,
                           .msg_iovlen = 2,
                           .msg_control = control.bytes,
                           .msg_controllen = sizeof control};
    message->fd_count = 0;
    message->size = 0;
    unsigned retries = 0;
    ssize_t size;
    do {
        if (!wait_for(socket, POLLIN, milliseconds, error))
            return false;
        size = recvmsg(socket, &parts, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
        /* ECONNRESET, once: it ended with a message of ours unread; its last words come next. */
    } while (size < 0 && (errno == EINTR || errno == EAGAIN || errno == ECONNRESET ||
                          may_retry(&retries)));
    if (size < 0)
        return failed(error, "recvmsg");
    take_fds(&parts, message);
    if (size == 0)
        return error_set(error, ERROR_HOST_SYSTEM, "live update: the other side is gone");
    if (size < (ssize_t)sizeof header || header.magic != MAGIC)
        return refuse(error, "no message, but bytes:", (uint32_t)size);
    if (header.version != UPDATE_VERSION)
        return refuse(error, "a message of version", header.version);
    if ((parts.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0)
        return error_set(
            error, ERROR_HOST_SYSTEM,
            "live update: a message, or its descriptors, did not arrive as a "
            "whole; see ulimit -n");
    message->kind = (enum update_kind)header.kind;
    message->number = header.number;
    message->size = (size_t)size - sizeof header;
    message->payload[message->size] = 0;
    for (size_t i = 0; message->kind == UPDATE_FAILED && i < message->size; i++)
        if (message->payload[i] < ' ' || message->payload[i] > '~') /* it is printed */
            message->payload[i] = '?';
    return true;
}

bool update_expect(int socket, enum update_kind kind, struct update_message *message,
                   int milliseconds, struct error *error)
{
    if (!update_receive(socket, message, milliseconds, error))
        return false;
    if (message->kind == kind)
        return true;
    if (message->kind == UPDATE_FAILED)
        return error_set(error, ERROR_HOST_SYSTEM, "%s", update_text(message));
    return refuse(error, "an unexpected message of kind", message->kind);
}

void update_last_words(int socket, struct error *error)
{
    struct update_message message = {0};
    struct error none;
    if (update_receive(socket, &message, 0, &none) && message.kind == UPDATE_FAILED)
        error_set(error, ERROR_HOST_SYSTEM, "%s", update_text(&message));
    update_message_finish(&message);
}

bool update_expect_word(int socket, enum update_kind kind, int milliseconds,
                        struct error *error)
{
    struct update_message message = {0};
    bool good = update_expect(socket, kind, &message, milliseconds, error);
    update_message_finish(&message);
    return good;
}

/* The descriptors of a state, which come in messages of their own. */
static bool receive_fds(int socket, struct state_reader *reader, uint32_t count,
                        int milliseconds, struct error *error)
{
    struct update_message message = {0};
    while (reader->fd_count < count) {
        bool good = update_expect(socket, UPDATE_FDS, &message, milliseconds, error);
        if (good &&
            (message.fd_count == 0 || message.fd_count > count - reader->fd_count))
            good = refuse(error, "another number of descriptors:", message.fd_count);
        if (!good) {
            update_message_finish(&message);
            return false;
        }
        if (!state_reader_add_fds(reader, message.fds, message.fd_count, error))
            return false;
    }
    return true;
}

bool update_receive_state(int socket, enum update_kind kind, struct state_reader *reader,
                          int milliseconds, struct error *error)
{
    struct update_message message = {0};
    *reader = (struct state_reader){0};
    bool good = update_expect(socket, kind, &message, milliseconds, error) &&
                (message.fd_count == 1 ||
                 refuse(error, "a state with descriptors:", message.fd_count)) &&
                state_reader_init_file(reader, message.fds[0], error);
    update_message_finish(&message);
    if (good && !receive_fds(socket, reader, message.number, milliseconds, error)) {
        state_reader_finish(reader);
        good = false;
    }
    return good;
}

bool update_get_times(const struct update_message *message, struct update_times *times)
{
    if (message->size < sizeof *times)
        return false;
    memcpy(times, message->payload, sizeof *times);
    return true;
}

const char *update_text(const struct update_message *message)
{
    return message->size > 0 ? (const char *)message->payload : "no reason was given";
}

void update_message_finish(struct update_message *message)
{
    for (unsigned i = 0; i < message->fd_count; i++)
        close(message->fds[i]);
    message->fd_count = 0;
}
